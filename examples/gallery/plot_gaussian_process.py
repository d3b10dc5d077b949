"""
A Gaussian process: the evidence and its exact curvature
========================================================

How does diabetes progress with body mass and blood pressure, in the data of 442 patients that scikit-learn bundles
[1]_? A Gaussian process with a length for each feature; the lengths are those of the largest evidence [2]_. The
covariance is filled in pair by pair, as the formula reads, and goes through a Cholesky factorisation.

Elsewhere: GPy and scikit-learn code the gradient of each kernel by hand; a double loop over pairs in PyTorch would
build ten thousands of graph nodes. The Hessian, which tells how well the lengths are known, is in none of them.

.. [1] Efron, B., T. Hastie, I. Johnstone and R. Tibshirani, Least angle regression, Annals of Statistics 32 (2004).
.. [2] Rasmussen, C. E. and C. K. I. Williams, Gaussian Processes for Machine Learning (2006), chapters 2 and 5.
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

import tracegrad as tg
import tracegrad.scipy

data = load_diabetes()
rows = np.random.default_rng(0).permutation(len(data.target))[:150]
x = data.data[rows][:, [2, 3]] / data.data[:, [2, 3]].std(axis=0)          # body mass index, blood pressure
y = (data.target[rows] - data.target[rows].mean()) / data.target[rows].std()

# %%
# The kernel and the evidence. The parameters are logarithms: height, two lengths, noise.


def kernel(a, b, height, lengths):
    return height**2 * np.exp(-0.5 * np.sum(((a - b) / lengths) ** 2))


def covariance(logs, x):
    height, lengths, noise = np.exp(logs[0]), np.exp(logs[1:3]), np.exp(logs[3])
    k = np.empty((len(x), len(x)))
    for i in range(len(x)):
        for j in range(i + 1):
            k[i, j] = kernel(x[i], x[j], height, lengths)
            k[j, i] = k[i, j]
        k[i, i] += noise**2
    return k


def loss(logs, x, y):
    factor = np.linalg.cholesky(covariance(logs, x))
    white = np.linalg.solve(factor, y)
    return 0.5 * white @ white + np.sum(np.log(np.diag(factor))) + 0.5 * len(y) * np.log(2.0 * np.pi)


# %%
# The best parameters, and how well they are known.

fit = tg.scipy.minimize(loss, np.log([1.0, 2.0, 2.0, 0.7]), args=(x, y), method="BFGS", options={"gtol": 1e-5})
curvature = tg.hessian(loss)(fit.x, x, y)
errors = np.sqrt(np.diag(np.linalg.inv(curvature)))
for name, log, error in zip(("height", "length of mass", "length of pressure", "noise"), fit.x, errors, strict=True):
    print(f"{name:18s} {np.exp(log):6.2f}, by a factor of {np.exp(error):.2f}")

# %%
# scikit-learn gives the same evidence at the same parameters, and the same gradient, by its formulas.

height, first, second, noise = np.exp(fit.x)
theirs = ConstantKernel(height**2) * RBF([first, second]) + WhiteKernel(noise**2)
model = GaussianProcessRegressor(theirs, optimizer=None, alpha=0.0).fit(x, y)
logs = fit.x + 0.3
evidence, slopes = model.log_marginal_likelihood(logs * np.array([2.0, 1.0, 1.0, 2.0]), eval_gradient=True)
assert np.isclose(tg.jit(loss)(logs, x, y), -evidence)
assert np.allclose(tg.grad(loss)(logs, x, y), -slopes * np.array([2.0, 1.0, 1.0, 2.0]), rtol=1e-5, atol=1e-5)
assert np.all(np.linalg.eigvalsh(curvature) > 0.0)

# %%
# What it predicts, and the slope of the prediction, which is one gradient more.


def predict(point, weights, logs, x):
    total = 0.0
    for k in range(len(x)):
        total += weights[k] * kernel(point, x[k], np.exp(logs[0]), np.exp(logs[1:3]))
    return total


weights = np.linalg.solve(covariance(fit.x, x), y)
grid = np.linspace(-2.0, 2.5, 40)
predicted = tg.jit(predict)
surface = np.array([[predicted(np.array([a, b]), weights, fit.x, x) for a in grid] for b in grid])
assert np.allclose(surface[0], model.predict(np.column_stack([grid, np.full(40, grid[0])])))
slope = tg.grad(predict)
arrows = np.array([[slope(np.array([a, b]), weights, fit.x, x) for a in grid[::5]] for b in grid[::5]])

figure, axes = plt.subplots(figsize=(6, 4.4), layout="constrained")
contours = axes.contourf(grid, grid, surface, 15, cmap="RdBu_r")
axes.scatter(*x.T, c=y, s=12, cmap="RdBu_r", edgecolors="black", linewidths=0.3)
axes.quiver(grid[::5], grid[::5], arrows[..., 0], arrows[..., 1], alpha=0.6)
axes.set(xlabel="body mass index, scaled", ylabel="blood pressure, scaled")
figure.colorbar(contours, label="progression of diabetes, scaled")
plt.show()

# %%
# The Hessian, and what NumPy takes for the value alone, measured while this page was built:

second = tg.hessian(loss)
ours = min(repeat(lambda: second(fit.x, x, y), number=1, repeat=20))
python = min(repeat(lambda: loss(fit.x, x, y), number=1, repeat=2))
print(f"Hessian in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
