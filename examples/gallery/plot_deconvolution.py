"""
A blurred picture made sharp
============================

A camera moves while it takes the temple in China that scikit-learn bundles [1]_: the picture is blurred along a line,
with noise. How far and in which direction the camera moves is found from a chart that is known; then the picture
itself, by least squares with a price for rough pictures. The blur is written as loops over pixels, with bounds that
stop at the rim.

Elsewhere: PyTorch has convolutions, but not with this rim and a kernel that is computed inside; as loops it would
record over a million small operations for one gradient. Numba runs the loops and has no gradient.

.. [1] The picture china.jpg is by Yuzhao. On the price: L. I. Rudin, S. Osher and E. Fatemi, Nonlinear total variation
   based noise removal algorithms, Physica D 60 (1992).
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import tracegrad as tg
import tracegrad.scipy

picture = load_sample_image("china.jpg")[60:380:4, 60:380:4].mean(axis=2) / 255.0
REACH = 5

# %%
# The blur: a Gaussian that is long in one direction and short across, and its loops. Beyond the rim there is nothing to
# average.


def weights(shape):
    along, across, angle = np.exp(shape[0]), np.exp(shape[1]), shape[2]
    w = np.empty((2 * REACH + 1, 2 * REACH + 1))
    for i in range(-REACH, REACH + 1):
        for j in range(-REACH, REACH + 1):
            u = np.cos(angle) * i + np.sin(angle) * j
            v = np.cos(angle) * j - np.sin(angle) * i
            w[i + REACH, j + REACH] = np.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2))
    return w


def blur(picture, shape):
    rows, columns = picture.shape
    w = weights(shape)
    out = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            total, weight = 0.0, 0.0
            for k in range(max(i - REACH, 0), min(i + REACH + 1, rows)):
                for m in range(max(j - REACH, 0), min(j + REACH + 1, columns)):
                    total += w[k - i + REACH, m - j + REACH] * picture[k, m]
                    weight += w[k - i + REACH, m - j + REACH]
            out[i, j] = total / weight
    return out


TRUTH, NOISE = np.array([np.log(2.0), np.log(0.5), 0.6]), 0.003
rng = np.random.default_rng(0)
camera = tg.jit(blur)
blurred = camera(picture, TRUTH) + NOISE * rng.standard_normal(picture.shape)
chart = np.kron(rng.integers(0, 2, (8, 8)), np.ones((5, 5)))
blurred_chart = camera(chart, TRUTH) + NOISE * rng.standard_normal(chart.shape)

# %%
# Calibration: three numbers, from a chart that is known, by least squares with the Jacobian through the loops.


def off(shape, chart, blurred_chart):
    return (blur(chart, shape) - blurred_chart).ravel()


calibration = tg.scipy.least_squares(off, np.array([0.0, 0.0, 0.3]), args=(chart, blurred_chart))
along, across, angle = *np.exp(calibration.x[:2]), np.degrees(calibration.x[2])
print(f"blur {along:.3f} along, {across:.3f} across, {angle:.2f} degrees; it was 2, 0.5, 34.38")

# %%
# The picture: L-BFGS over all pixels.


def loss(pixels, shape, blurred):
    sharp = pixels.reshape(blurred.shape)
    misfit = np.sum((blur(sharp, shape) - blurred) ** 2) / (2.0 * NOISE**2)
    down, right = np.diff(sharp, axis=0)[:, :-1], np.diff(sharp, axis=1)[:-1]
    return misfit + 2.0 * np.sum(np.sqrt(down * down + right * right + 1e-4))


fit = tg.scipy.minimize(
    loss, blurred.ravel(), args=(calibration.x, blurred), method="L-BFGS-B", options={"maxiter": 300, "maxcor": 20}
)
sharp = fit.x.reshape(picture.shape)

# %%
# Sharper than what was given, and the gradient is right.

before, after = (np.sqrt(np.mean((image - picture) ** 2)) for image in (blurred, sharp))
print(f"root mean square error {before:.3f} before, {after:.3f} after {fit.nfev} gradients")
assert after < 0.75 * before and np.allclose(calibration.x, TRUTH, atol=0.02)
small = np.random.default_rng(1).uniform(size=(9, 7))
tg.check_grads(blur, (small, TRUTH), order=2)
assert np.allclose(tg.jit(blur)(small, TRUTH), blur(small, TRUTH))

figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for axis, image, title in zip(axes, (picture, blurred, sharp), ("picture", "blurred", "found"), strict=True):
    axis.imshow(image, cmap="gray", vmin=0.0, vmax=1.0)
    axis.set(title=title, xticks=[], yticks=[])
plt.show()

# %%
# The gradient by the 6,400 pixels, and what Python takes for the value alone, measured while this page was built:

slope = tg.grad(loss)
ours = min(repeat(lambda: slope(fit.x, calibration.x, blurred), number=1, repeat=20))
python = min(repeat(lambda: loss(fit.x, calibration.x, blurred), number=1, repeat=1))
print(f"gradient in {1e3 * ours:.3f} ms; Python takes {python / ours:.1f} times as long for the value alone")
