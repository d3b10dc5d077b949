"""
k-means by Newton's method
==========================

Lloyd's algorithm [1]_ assigns each flower of the iris data [2]_ to its nearest centre and moves the centres to the
means, over and over. With the assignments fixed the loss is a quadratic form, so Newton's method with the exact Hessian
takes the whole step of Lloyd at once; that they agree to the last digit checks the Hessian through a loop with an
``argmin``.

Elsewhere: Numba runs the loop and has no Hessian; in JAX the loop over flowers becomes a table of all distances.

.. [1] Lloyd, S. P., Least squares quantization in PCM, IEEE Trans. Information Theory 28 (1982). On Newton's method: L.
   Bottou and Y. Bengio, Convergence properties of the k-means algorithms (NIPS 1994).
.. [2] Fisher, R. A., The use of multiple measurements in taxonomic problems, Annals of Eugenics 7 (1936).
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris

import tracegrad as tg

data = load_iris()
flowers = data.data


# %%
# The loss: half the squared distance of each flower from the nearest centre.


def loss(centres, flowers):
    total = 0.0
    for flower in flowers:
        nearest = np.inf
        for centre in centres:
            nearest = min(nearest, np.sum((flower - centre) ** 2))
        total += 0.5 * nearest
    return total


# %%
# Newton's method, compiled as a whole: gradient, Hessian and the solution of the linear equations are inside.


def newton(centres, flowers):
    path = [centres.copy()]
    move = np.inf
    while move > 1e-9:
        slope = tg.grad(loss)(centres, flowers).ravel()
        curvature = tg.hessian(loss)(centres, flowers).reshape(slope.size, slope.size)
        step = np.linalg.solve(curvature, slope).reshape(centres.shape)
        centres = centres - step
        move = np.max(np.abs(step))
        path.append(centres.copy())
    return centres, path


start = flowers[[0, 50, 100]]
centres, path = tg.jit(newton)(start, flowers)
print(f"{len(path) - 1} steps, loss {loss(centres, flowers):.4f}")

# %%
# Each step is one of Lloyd's, and the end is where scikit-learn's k-means ends: a sum of squares of 78.85.

lloyd = start
for centres_by_newton in path[1:]:
    nearest = np.argmin(np.sum((flowers[:, None] - lloyd) ** 2, axis=2), axis=1)
    lloyd = np.array([flowers[nearest == k].mean(axis=0) for k in range(3)])
    assert np.allclose(lloyd, centres_by_newton)
theirs = KMeans(3, init=start, n_init=1, tol=0.0).fit(flowers)
assert np.allclose(centres, theirs.cluster_centers_) and np.isclose(2.0 * loss(centres, flowers), 78.85, atol=0.01)

# %%
# The Hessian says how many flowers belong to each centre, on its diagonal, and nothing elsewhere.

curvature = tg.hessian(loss)(centres, flowers).reshape(12, 12)
assert np.array_equal(curvature, np.diag(np.repeat(np.bincount(nearest), 4)))

path = np.array(path)
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.scatter(flowers[:, 0], flowers[:, 2], c=nearest, cmap="viridis", s=14, alpha=0.6)
for k in range(3):
    axes.plot(path[:, k, 0], path[:, k, 2], "o-", color="tab:red", markersize=4)
axes.set(xlabel=data.feature_names[0], ylabel=data.feature_names[2], title=f"{len(path) - 1} steps of Newton's method")
plt.show()

# %%
# The Hessian, and what NumPy takes for the value alone, measured while this page was built:

second = tg.hessian(loss)
ours = min(repeat(lambda: second(centres, flowers), number=1, repeat=20))
python = min(repeat(lambda: loss(centres, flowers), number=1, repeat=3))
print(f"Hessian in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
