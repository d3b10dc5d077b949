"""
The shape of a truss
====================

A bridge of bars: where should the joints of the upper chord be, and how thick the bars, so that a given amount of steel
bends least [1]_? The stiffness matrix is assembled bar by bar into an array, solved, and differentiated with respect to
joints and thicknesses at once.

Elsewhere: assembly writes into overlapping blocks of one matrix, bar by bar: a loop of ``at[].add`` copies in JAX, slow
Python in PyTorch. Structural codes derive the sensitivities by hand, and again for each kind of element.

.. [1] Bendsøe, M. P. and O. Sigmund, Topology Optimization (2003), chapter 4. The fully stressed optimum: A. G. M.
   Michell, The limits of economy of material in frame-structures, Phil. Mag. 8 (1904).
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg
import tracegrad.scipy

PANELS = 6
LOWER = np.column_stack([np.arange(PANELS + 1.0), np.zeros(PANELS + 1)])
UPPER = np.column_stack([np.arange(1.0, PANELS), np.ones(PANELS - 1)])
low, up = np.arange(PANELS + 1), PANELS + 1 + np.arange(PANELS - 1)
BARS = []
for k in range(PANELS):
    BARS.append((low[k], low[k + 1]))
for k in range(PANELS - 1):
    BARS.append((low[k + 1], up[k]))                     # posts
    BARS.append((low[k], up[k]))                         # diagonals, both ways
    BARS.append((low[k + 2], up[k]))
for k in range(PANELS - 2):
    BARS.append((up[k], up[k + 1]))
BARS = np.array(BARS)

# %%
# The compliance is the work of the loads.


def bend(joints, areas):
    """Where the joints move under a load on each joint of the lower chord; the bridge lies on its two ends."""
    n = 2 * len(joints)
    stiffness = np.zeros((n, n))
    for k in range(len(BARS)):
        i, j = BARS[k]
        along = joints[j] - joints[i]
        length = np.sqrt(along @ along)
        block = areas[k] / length**3 * np.outer(along, along)
        stiffness[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] += block
        stiffness[2 * j : 2 * j + 2, 2 * j : 2 * j + 2] += block
        stiffness[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] -= block
        stiffness[2 * j : 2 * j + 2, 2 * i : 2 * i + 2] -= block
    load = np.zeros(n)
    load[3 : 2 * PANELS : 2] = -1.0
    for fixed in (0, 1, 2 * PANELS + 1):
        stiffness[fixed, :] = 0.0
        stiffness[:, fixed] = 0.0
        stiffness[fixed, fixed] = 1.0
    return np.linalg.solve(stiffness, load), load


def design(unknowns):
    """Joints and areas; the volume of steel, 10, is met exactly."""
    upper = UPPER + unknowns[: UPPER.size].reshape(UPPER.shape)
    joints = np.concatenate([LOWER, upper])
    share = np.exp(unknowns[UPPER.size :])
    along = joints[BARS[:, 1]] - joints[BARS[:, 0]]
    lengths = np.sqrt(np.sum(along**2, axis=1))
    return joints, share * 10.0 / np.sum(share * lengths)


def compliance(unknowns):
    moved, load = bend(*design(unknowns))
    return moved @ load


# %%
# The first design has a straight upper chord and equal bars. The logarithms of the areas are bounded below, so that no
# bar vanishes.

start = np.zeros(UPPER.size + len(BARS))
bounds = [(-0.45, 0.45), (-0.8, 2.5)] * len(UPPER) + [(-5.0, 5.0)] * len(BARS)
fit = tg.scipy.minimize(compliance, start, bounds=bounds, method="L-BFGS-B", options={"maxiter": 300})
before = tg.jit(compliance)(start)
print(f"compliance {before:.1f} before, {fit.fun:.1f} after {fit.nfev} gradients")

# %%
# Michell: in the stiffest truss every bar that carries is strained equally. The bridge is symmetric, though nobody
# asked for it.

joints, areas = design(fit.x)
moved, _ = bend(joints, areas)
after = moved.reshape(-1, 2)
i, j = BARS.T
along = joints[j] - joints[i]
strain = np.abs(np.sum((after[j] - after[i]) * along, axis=1)) / np.sum(along**2, axis=1)
thick = areas > 0.2 * areas.max()
print(f"strain of the thick bars: {strain[thick].min():.3f} to {strain[thick].max():.3f}")
assert fit.fun < 0.6 * before
assert np.ptp(strain[thick]) < 0.02 * strain[thick].mean()
assert np.allclose(joints[up, 1], joints[up[::-1], 1], atol=0.05)
tg.check_grads(compliance, (start,))

figure, axes = plt.subplots(2, 1, figsize=(7, 5), layout="constrained", sharex=True)
for axis, unknowns, value in zip(axes, (start, fit.x), (before, fit.fun), strict=True):
    joints, areas = design(unknowns)
    for (i, j), area in zip(BARS, areas, strict=True):
        axis.plot(*joints[[i, j]].T, color="black", linewidth=6.0 * area, solid_capstyle="round")
    axis.set(aspect="equal", yticks=[], title=f"compliance {value:.1f}")
plt.show()

# %%
# The gradient by all joints and areas, and what NumPy takes for the value alone, measured while this page was built:

slope = tg.grad(compliance)
ours = min(repeat(lambda: slope(fit.x), number=1, repeat=20))
python = min(repeat(lambda: compliance(fit.x), number=1, repeat=3))
print(f"gradient in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
