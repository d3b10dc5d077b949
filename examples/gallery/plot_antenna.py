"""
An antenna designed through Maxwell's equations in the time domain
==================================================================

Waves leave a line source in a dielectric body whose shape we may choose, cell by cell; we want them all to go to the
right. Maxwell's equations in two dimensions are stepped by Yee's scheme [1]_, three fields that are updated in place at
each half step, inside a layer that absorbs. The gradient of the radiated power with respect to a hundred and fifty
cells goes back through 300 steps.

Elsewhere: Meep and its kin derive the adjoint in the frequency domain by hand; JAX wants each update as a function that
returns the new field; PyTorch refuses to differentiate the update in place ("one of the variables needed for gradient
computation has been modified").

.. [1] Yee, K. S., Numerical solution of initial boundary value problems involving Maxwell's equations in isotropic media
   (1966). A. Taflove and S. C. Hagness, Computational Electrodynamics (2005), chapters 3 and 7.
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg
import tracegrad.scipy

N, STEPS, WAVELENGTH, COURANT, LAYER = 60, 300, 12.0, 0.6, 10
CENTRE, WIDE = N // 2, 13
BODY = slice(CENTRE - WIDE // 2, CENTRE + WIDE // 2 + 1)

# %%
# The absorbing layer damps all fields, gently where it begins.

depth = np.maximum(0.0, LAYER - np.minimum(np.arange(N), np.arange(N)[::-1])) / LAYER
damping = np.exp(-0.4 * (depth[:, None] ** 3 + depth[None, :] ** 3))


# %%
# Each step: the magnetic field from the differences of the electric one, and the other way round. What we record is the
# power that goes through four lines about the antenna, averaged over the second half of the time.


def radiate(body):
    permittivity = np.ones((N, N))
    permittivity[BODY, BODY] = 1.0 + 2.0 / (1.0 + np.exp(-body.reshape(WIDE, WIDE)))
    ez, hx, hy = np.zeros((N, N)), np.zeros((N, N)), np.zeros((N, N))
    power = np.zeros(4)
    a, b = LAYER + 4, N - LAYER - 4
    for step in range(STEPS):
        hx[:, :-1] -= COURANT * (ez[:, 1:] - ez[:, :-1])
        hy[:-1] += COURANT * (ez[1:] - ez[:-1])
        hx *= damping
        hy *= damping
        ez[1:, 1:] += COURANT / permittivity[1:, 1:] * (hy[1:, 1:] - hy[:-1, 1:] - hx[1:, 1:] + hx[1:, :-1])
        ez *= damping
        ez[CENTRE, CENTRE] += np.sin(2.0 * np.pi * COURANT / WAVELENGTH * step) * min(1.0, step / 60.0)
        if step >= STEPS // 2:
            power[0] -= np.sum(ez[b, a:b] * hy[b, a:b])
            power[1] += np.sum(ez[a, a:b] * hy[a, a:b])
            power[2] += np.sum(ez[a:b, b] * hx[a:b, b])
            power[3] -= np.sum(ez[a:b, a] * hx[a:b, a])
    return power, ez


def loss(body):
    power, _ = radiate(body)
    return -power[0] / np.sum(power)


# %%
# The body begins half way between air and glass. The share of the power that goes to the right is a quarter then, by
# symmetry.

start = np.zeros(WIDE * WIDE)
before = -tg.jit(loss)(start)
fit = tg.scipy.minimize(loss, start, method="L-BFGS-B", bounds=[(-4.0, 4.0)] * len(start), options={"maxiter": 40})
print(f"to the right: {before:.1%} at first, {-fit.fun:.1%} after {fit.nfev} gradients")

# %%
# A quarter it was; and the gradient is that of the differences.

assert abs(before - 0.25) < 0.02 and -fit.fun > 0.6
tg.check_grads(loss, (start + 0.1,))

power, field = tg.jit(radiate)(fit.x)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.7), layout="constrained")
axes[0].imshow(1.0 + 2.0 / (1.0 + np.exp(-fit.x.reshape(WIDE, WIDE).T)), cmap="gray_r", origin="lower")
axes[0].plot(WIDE // 2, WIDE // 2, "r.")
axes[0].set(title="permittivity of the antenna", xticks=[], yticks=[])
limit = np.abs(field).max() / 4
axes[1].imshow(field.T, cmap="RdBu", vmin=-limit, vmax=limit, origin="lower")
axes[1].set(title=f"{-fit.fun:.0%} of the power goes to the right", xticks=[], yticks=[])
plt.show()

# %%
# The gradient by the 169 places of the body, and what NumPy takes for the value alone, measured while this page was built:

slope = tg.grad(loss)
ours = min(repeat(lambda: slope(fit.x), number=1, repeat=20))
python = min(repeat(lambda: loss(fit.x), number=1, repeat=3))
print(f"gradient in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
