"""
Bundle adjustment with a sparse Jacobian
========================================

Cameras that move around an object see its points; from the pictures alone we find where the cameras and the points are,
by minimising the distances between what is seen and what the model projects [1]_. Each observation depends on one
camera and one point, so the Jacobian is almost empty. tracegrad finds the pattern in the program and computes the
matrix in as few passes as it has colours.

Elsewhere: SciPy's tutorial on this problem [2]_ fills the pattern in by hand and takes differences; the Jacobians of
JAX and PyTorch are dense.

.. [1] Triggs, B., P. McLauchlan, R. Hartley and A. Fitzgibbon, Bundle adjustment: a modern synthesis (1999).
.. [2] Mayorov, N., Large-scale bundle adjustment in SciPy, SciPy Cookbook (2016).
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg
import tracegrad.scipy

CAMERAS, POINTS, FOCUS = 9, 120, 500.0

# %%
# The model: turn the point about the camera's axis (Rodrigues), move it, divide by the depth. One loop over the
# observations.


def project(camera, point):
    turn, place = camera[:3], camera[3:]
    angle = np.sqrt(turn @ turn + 1e-30)
    axis = turn / angle
    c, s = np.cos(angle), np.sin(angle)
    seen = c * point + s * np.cross(axis, point) + (1.0 - c) * (axis @ point) * axis + place
    return FOCUS * seen[:2] / seen[2]


def residuals(unknowns, who, what, pixels):
    cameras = unknowns[: 6 * CAMERAS].reshape(CAMERAS, 6)
    points = unknowns[6 * CAMERAS :].reshape(POINTS, 3)
    out = np.empty((len(who), 2))
    for k in range(len(who)):
        out[k] = project(cameras[who[k]], points[what[k]]) - pixels[k]
    return out.ravel()


# %%
# A made scene: points on a torus, cameras on an arc, each of which sees seven points of ten, half a pixel of noise.

rng = np.random.default_rng(0)
u, v = rng.uniform(0.0, 2.0 * np.pi, (2, POINTS))
points = np.column_stack([(2.0 + 0.7 * np.cos(v)) * np.cos(u), (2.0 + 0.7 * np.cos(v)) * np.sin(u), 0.7 * np.sin(v)])
angles = np.linspace(-0.8, 0.8, CAMERAS)
cameras = np.column_stack([0.3 * np.cos(angles), angles, 0.1 * angles, 0.2 * angles, 0.0 * angles, np.full(CAMERAS, 8.0)])
truth = np.concatenate([cameras.ravel(), points.ravel()])
who, what = np.nonzero(rng.uniform(size=(CAMERAS, POINTS)) < 0.7)
exact = tg.jit(residuals)(truth, who, what, np.zeros((len(who), 2)))
pixels = exact.reshape(-1, 2) + 0.5 * rng.standard_normal((len(who), 2))
start = truth + np.concatenate([0.03 * rng.standard_normal(6 * CAMERAS), 0.2 * rng.standard_normal(3 * POINTS)])

# %%
# The Jacobian: eight entries in each row, three for the turn, two for the place (a camera that moves sideways changes
# no height), three for the point.

jacobian = tg.jacobian(residuals, sparse=True)(start, who, what, pixels)
print(f"{jacobian.shape[0]} x {jacobian.shape[1]}, {jacobian.nnz / np.prod(jacobian.shape):.1%} of the entries stored")
assert jacobian.nnz == 8 * 2 * len(who)
direction = rng.standard_normal(len(start))
_, slope = tg.jvp(lambda unknowns: residuals(unknowns, who, what, pixels), (start,), (direction,))
assert np.allclose(jacobian @ direction, slope)

# %%
# The adjustment. The scene may still turn, move and grow as a whole; what counts are the residuals, whose scatter is
# the noise.

fit = tg.scipy.least_squares(residuals, start, args=(who, what, pixels), x_scale="jac", method="trf", ftol=1e-8)
scatter = np.sqrt(np.sum(fit.fun**2) / (len(fit.fun) - len(start) + 7))
before = np.sqrt(np.mean(residuals(start, who, what, pixels) ** 2))
print(f"{fit.nfev} evaluations, {before:.1f} pixels before, {scatter:.3f} after")
assert 0.45 < scatter < 0.55

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
axes[0].spy(jacobian[:400], markersize=0.5, aspect="auto")
axes[0].set(title="pattern of the Jacobian, above")
first = who == 0
for axis, unknowns, title in zip(axes[1:], (start, fit.x), ("before", "after"), strict=True):
    seen = residuals(unknowns, who, what, 0.0 * pixels).reshape(-1, 2)[first]
    axis.plot(*pixels[first].T, "o", color="0.7", label="seen")
    axis.plot(*seen.T, "k.", markersize=3, label="projected")
    axis.set(title=f"the first camera, {title}", aspect="equal")
axes[1].legend()
plt.show()

# %%
# The sparse Jacobian, and what NumPy takes for the residuals alone, measured while this page was built:

sparse = tg.jacobian(residuals, sparse=True)
ours = min(repeat(lambda: sparse(start, who, what, pixels), number=1, repeat=20))
python = min(repeat(lambda: residuals(start, who, what, pixels), number=1, repeat=3))
print(f"Jacobian in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the residuals alone")
