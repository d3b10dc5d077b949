"""
Hamiltonian Monte Carlo: the whole chain compiled, random numbers included
==========================================================================

A Bayesian logistic regression of the breast cancer data that scikit-learn bundles [1]_. The sampler is the textbook's
[2]_: draw a momentum from ``np.random.Generator``, follow the gradient in leapfrog steps, accept or reject. Everything
is one compiled function: the gradient is taken within it, and the generator draws the very numbers that NumPy draws.

Elsewhere: Numba compiles such a chain but has no gradient; JAX has the gradient but other random numbers with keys to
thread through ``lax.scan``, and no ``if`` on what was accepted; an interpreter pays for fifty thousand gradients one by
one.

.. [1] Street, W. N., W. H. Wolberg and O. L. Mangasarian, Nuclear feature extraction for breast tumor diagnosis (1993).
.. [2] Neal, R. M., MCMC using Hamiltonian dynamics, in: Handbook of Markov Chain Monte Carlo (2011), figure 2.
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

import tracegrad as tg
import tracegrad.scipy

data = load_breast_cancer()
chosen = [0, 1, 4, 7]                                # mean radius, texture, smoothness, concave points
x = data.data[:, chosen]
x = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)])
y = 1.0 - data.target                                # 1 is malignant
names = ["intercept", *data.feature_names[chosen]]

# %%
# The energy is the negative logarithm of the posterior density, with normal priors of width 3.


def energy(w, x, y):
    z = x @ w
    return np.sum(np.logaddexp(0.0, z) - y * z) + np.sum(w * w) / (2.0 * 3.0**2)


# %%
# The chain.


def sample(w, x, y, draws, steps, size, seed):
    rng = np.random.default_rng(seed)
    force = tg.grad(energy)
    chain, accepted = np.empty((draws, len(w))), 0
    here = energy(w, x, y)
    for k in range(draws):
        p = rng.standard_normal(len(w))
        total = here + 0.5 * p @ p
        new = w.copy()
        p -= 0.5 * size * force(new, x, y)
        for step in range(steps):
            new += size * p
            if step < steps - 1:
                p -= size * force(new, x, y)
        p -= 0.5 * size * force(new, x, y)
        there = energy(new, x, y)
        if np.log(rng.uniform()) < total - there - 0.5 * p @ p:
            w, here = new, there
            accepted += 1
        chain[k] = w
    return chain, accepted / draws


chain, rate = tg.jit(sample)(np.zeros(5), x, y, 3000, 16, 0.12, 1978)
print(f"{rate:.0%} accepted")

# %%
# NumPy walks the same chain, number for number, only slower: here are its first ten draws.

few, _ = sample(np.zeros(5), x, y, 10, 16, 0.12, 1978)
assert np.allclose(few, chain[:10], rtol=1e-8)

# %%
# The posterior is close to the normal distribution at its mode that the exact Hessian gives; the chain sees how far it
# is skewed.

mode = tg.scipy.minimize(energy, np.zeros(5), args=(x, y), method="trust-exact").x
spread = np.sqrt(np.diag(np.linalg.inv(tg.hessian(energy)(mode, x, y))))
chain = chain[200:]
assert 0.6 < rate < 1.0
assert np.all(np.abs(chain.mean(axis=0) - mode) < 0.35 * spread)
assert np.allclose(chain.std(axis=0), spread, rtol=0.15)

figure, axes = plt.subplots(1, 5, figsize=(11, 2.8), layout="constrained")
for k, axis in enumerate(axes):
    axis.hist(chain[:, k], 40, density=True, color="tab:blue", alpha=0.5)
    grid = mode[k] + spread[k] * np.linspace(-4.0, 4.0, 100)
    axis.plot(grid, np.exp(-0.5 * ((grid - mode[k]) / spread[k]) ** 2) / (spread[k] * np.sqrt(2 * np.pi)), color="black")
    axis.set(title=names[k], yticks=[])
plt.show()

# %%
# A draw of the compiled chain, and the same where Python runs the loop and calls the compiled gradient, measured while this
# page was built:

walk = tg.jit(sample)
ours = min(repeat(lambda: walk(np.zeros(5), x, y, 100, 16, 0.12, 1978), number=1, repeat=3)) / 100
python = min(repeat(lambda: sample(np.zeros(5), x, y, 10, 16, 0.12, 1978), number=1, repeat=3)) / 10
print(f"a draw in {1e3 * ours:.3f} ms; with Python's loop {python / ours:.1f} times as long")
