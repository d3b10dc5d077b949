"""
Soft dynamic time warping: the average of two cycles that do not keep time
==========================================================================

Hares and lynxes went up and down in cycles of about ten years [1]_. What does such a cycle look like? The plain mean of
cycles that are shifted and stretched against each other is blurred. The series that minimises the soft-DTW distance to
all of them [2]_ is not. The distance is a recursion through a table, cell by cell; so is its gradient.

Elsewhere: a table that is filled cell by cell takes a custom kernel with a backward pass by hand (the soft-DTW packages
for PyTorch have one each, in Numba or CUDA); in JAX it must be rewritten along the anti-diagonals.

.. [1] Odum, E. P., Fundamentals of Ecology (1953), as tabulated by J. Mahaffy: the pelts that the Hudson's Bay Company
   traded.
.. [2] Cuturi, M. and M. Blondel, Soft-DTW: a differentiable loss function for time-series (ICML 2017).
"""
from pathlib import Path
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg
import tracegrad.scipy

folder = Path(__file__).parent if "__file__" in globals() else Path.cwd()
years, hare, lynx = np.loadtxt(folder / "data" / "lynx_hare.csv", delimiter=",", skiprows=4, unpack=True)

# %%
# The recursion of Cuturi and Blondel.


def soft_minimum(a, b, c, gamma):
    least = min(a, b, c)
    return least - gamma * np.log(np.exp((least - a) / gamma) + np.exp((least - b) / gamma) + np.exp((least - c) / gamma))


def soft_dtw(x, y, gamma):
    n, m = len(x), len(y)
    table = np.full((n + 1, m + 1), np.inf)
    table[0, 0] = 0.0
    for i in range(n):
        for j in range(m):
            cost = (x[i] - y[j]) ** 2
            table[i + 1, j + 1] = cost + soft_minimum(table[i, j], table[i, j + 1], table[i + 1, j], gamma)
    return table[n, m]


# %%
# It is the soft minimum over all ways to align the two series, each step to the right, down, or both: for short series
# we can walk them all.


def alignments(x, y, i=0, j=0):
    cost = (x[i] - y[j]) ** 2
    if i == len(x) - 1 and j == len(y) - 1:
        return [cost]
    further = [(i + 1, j), (i, j + 1), (i + 1, j + 1)]
    return [cost + rest for a, b in further if a < len(x) and b < len(y) for rest in alignments(x, y, a, b)]


x, y = np.array([0.1, 0.9, 0.4, 0.2, 0.0]), np.array([0.0, 0.3, 1.0, 0.1])
for gamma in (1.0, 0.01):
    costs = np.array(alignments(x, y))
    total = costs.min() - gamma * np.log(np.sum(np.exp((costs.min() - costs) / gamma)))
    assert np.isclose(tg.jit(soft_dtw)(x, y, gamma), total)
tg.check_grads(lambda x, y: soft_dtw(x, y, 0.1), (x, y), order=2)

# %%
# Four cycles from low to low, two of the hares, two of the lynxes, each scaled to the height 1. They differ in length.


def cycle(series, first, last):
    part = series[(years >= first) & (years <= last)]
    return part / part.max()


cycles = [cycle(hare, 1900, 1907), cycle(hare, 1907, 1917), cycle(lynx, 1900, 1910), cycle(lynx, 1910, 1920)]


def spread(average, cycles, gamma):
    total = 0.0
    for c in cycles:
        total += soft_dtw(average, c, gamma) / len(c)
    return total


# %%
# The average of 11 points, by BFGS, from the mean of the cycles stretched to the same length.

phase = np.linspace(0.0, 1.0, 11)
stretched = [np.interp(phase, np.linspace(0.0, 1.0, len(c)), c) for c in cycles]
mean = np.mean(stretched, axis=0)
fit = tg.scipy.minimize(spread, mean, args=(cycles, 0.02), method="BFGS", options={"gtol": 1e-6})
print(f"spread about the mean {spread(mean, cycles, 0.02):.3f}, about the average {fit.fun:.3f}")

# %%
# The average keeps the peak that the mean flattens.

assert fit.fun < spread(mean, cycles, 0.02)
assert np.max(np.abs(tg.grad(spread)(fit.x, cycles, 0.02))) < 1e-4
assert fit.x.max() > mean.max() + 0.1

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for series, color in zip(stretched, ("C1", "C1", "C2", "C2"), strict=True):
    axes.plot(phase, series, color=color, alpha=0.5)
axes.plot(phase, mean, color="0.5", linewidth=3, label="mean")
axes.plot(phase, fit.x, "o-", color="C0", linewidth=3, label="soft-DTW average")
axes.plot([], [], color="C1", label="hare")
axes.plot([], [], color="C2", label="lynx")
axes.set(xlabel="phase of the cycle", ylabel="pelts, scaled")
axes.legend()
plt.show()

# %%
# The gradient, and what NumPy takes for the value alone, measured while this page was built:

slope = tg.grad(spread)
ours = min(repeat(lambda: slope(fit.x, cycles, 0.02), number=1, repeat=20))
python = min(repeat(lambda: spread(fit.x, cycles, 0.02), number=1, repeat=3))
print(f"gradient in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
