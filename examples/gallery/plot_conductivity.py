"""
An inverse problem written in place: what conducts, seen from the boundary
==========================================================================

A plate is heated at one spot after another, and thermometers at its rim record the temperature. Where does the plate
conduct badly? The heat equation is solved in steps that write into two buffers in turns, and the conductivity of each
cell is found from the records by the gradient of the misfit through all steps. The records are made by the same model,
with noise [1]_.

Elsewhere: JAX and PyTorch forbid the writes in place or copy the field for each of them; an adjoint by hand is what
codes for this do, and where the bugs are. tracegrad keeps what the reverse sweep needs and updates the rest in place.

.. [1] The problem is a time-dependent cousin of A. P. Calderón, On an inverse boundary value problem (1980). Whether
   the adjoint is right is checked by differences and by the two modes against each other; H. W. Engl, M. Hanke and A.
   Neubauer, Regularization of Inverse Problems (1996), for the rest.
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg
import tracegrad.scipy

N, STEPS, EVERY = 20, 240, 12

# %%
# Heat flows through the faces of the cells, by the harmonic mean of the conductivities on both sides. The rim is
# insulated.


def harmonic(a, b):
    return 2.0 * a * b / (a + b)


def records(logs, spots):
    """The temperatures at the rim, every twelfth step, for each spot that is heated."""
    k = np.exp(logs)
    down, right = harmonic(k[1:], k[:-1]), harmonic(k[:, 1:], k[:, :-1])
    out = np.empty((len(spots), STEPS // EVERY, 4, N))
    for s in range(len(spots)):
        now, later = np.zeros((N, N)), np.zeros((N, N))
        for step in range(STEPS):
            later[:] = now
            flow = 0.2 * down * (now[1:] - now[:-1])
            later[:-1] += flow
            later[1:] -= flow
            flow = 0.2 * right * (now[:, 1:] - now[:, :-1])
            later[:, :-1] += flow
            later[:, 1:] -= flow
            if step < STEPS // 2:
                later[spots[s, 0], spots[s, 1]] += 1.0
            now, later = later, now
            if step % EVERY == EVERY - 1:
                rim = out[s, step // EVERY]
                rim[0], rim[1], rim[2], rim[3] = now[0], now[-1], now[:, 0], now[:, -1]
    return out


# %%
# The misfit, and a price for jumps that lets edges be: a smooth total variation.


def loss(unknowns, spots, measured, noise, price):
    logs = unknowns.reshape(N, N)
    misfit = np.sum((records(logs, spots) - measured) ** 2) / (2.0 * noise**2)
    down, right = np.diff(logs, axis=0)[:, :-1], np.diff(logs, axis=1)[:-1]
    return misfit + price * np.sum(np.sqrt(down * down + right * right + 1e-4))


# %%
# The truth: two defects that conduct a tenth, and a tenth, of what the plate conducts; 1 % of noise.

truth = np.zeros((N, N))
truth[4:9, 5:9] = np.log(0.15)
truth[12:16, 10:17] = np.log(0.3)
spots = np.array([[2, 2], [2, 17], [17, 2], [17, 17], [10, 10], [2, 10], [10, 2], [17, 10]])
simulate = tg.jit(records)
clean = simulate(truth, spots)
noise = 0.01 * clean.std()
measured = clean + noise * np.random.default_rng(0).standard_normal(clean.shape)

found = tg.scipy.minimize(
    loss, np.zeros(N * N), args=(spots, measured, noise, 20.0), method="L-BFGS-B", options={"maxiter": 150, "maxcor": 30}
)
logs = found.x.reshape(N, N)
misfit = np.sqrt(np.mean((simulate(logs, spots) - measured) ** 2)) / noise
print(f"{found.nfev} gradients by {truth.size} unknowns; the records are met up to {misfit:.2f} of the noise")

# %%
# The compiled model is the NumPy model, its gradient agrees with differences, and the picture is right where it
# matters.

assert np.allclose(clean[0], records(truth, spots[:1])[0], rtol=1e-10)
gradient = tg.grad(loss)(found.x, spots, measured, noise, 20.0)
direction = np.random.default_rng(1).standard_normal(N * N)
ahead, behind = (tg.jit(loss)(found.x + h * direction, spots, measured, noise, 20.0) for h in (1e-5, -1e-5))
assert np.isclose(np.sum(gradient * direction), (ahead - behind) / 2e-5, rtol=1e-4, atol=1e-3)
assert 0.9 < misfit < 1.1
assert np.corrcoef(logs.ravel(), truth.ravel())[0, 1] > 0.9

figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.2), layout="constrained")
for axis, field, title in zip(axes, (truth, logs), ("truth", "found from the rim"), strict=False):
    image = axis.imshow(np.exp(field), vmin=0, vmax=1.2)
    axis.plot(spots[:, 1], spots[:, 0], "r+")
    axis.set(title=title, xticks=[], yticks=[])
figure.colorbar(image, ax=axes[1])
axes[2].plot(measured[0, :, 0, ::4], ".", color="0.5")
axes[2].plot(simulate(logs, spots)[0, :, 0, ::4], linewidth=1)
axes[2].set(title="records at the upper rim, first spot", xlabel="record")
plt.show()

# %%
# The gradient by the 400 unknowns, and what NumPy takes for the value alone, measured while this page was built:

slope, task = tg.grad(loss), (spots, measured, noise, 20.0)
ours = min(repeat(lambda: slope(found.x, *task), number=1, repeat=20))
python = min(repeat(lambda: loss(found.x, *task), number=1, repeat=2))
print(f"gradient in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
