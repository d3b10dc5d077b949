"""
Spiking neurons with a surrogate derivative: digits in spikes
=============================================================

Neurons that leak, integrate and fire [1]_ read the handwritten digits that scikit-learn bundles. Whether a neuron fires
is a step function of its voltage, whose derivative is zero almost everywhere. Learning works with a surrogate [2]_, a
bump about the threshold that the derivative of a steep sigmoid has: ``tg.custom_jvp`` says so in three lines. Time is a
loop, voltages are arrays that are updated in place.

Elsewhere: snnTorch and Norse run each step of each layer through Python, in both directions, so that most of an epoch
is overhead; Numba has no derivative to replace.

.. [1] Gerstner, W. and W. M. Kistler, Spiking Neuron Models (2002), chapter 4.
.. [2] Neftci, E. O., H. Mostafa and F. Zenke, Surrogate gradient learning in spiking neural networks, IEEE Signal
   Processing Magazine 36 (2019). The surrogate is that of F. Zenke and S. Ganguli, SuperSpike (2018).
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import tracegrad as tg

STEPS, HIDDEN, BATCH, LEAK = 20, 64, 64, 0.85


# %%
# The step and its surrogate.


@tg.custom_jvp
def fire(voltage):
    return np.where(voltage > 0.0, 1.0, 0.0)


@fire.defjvp
def fire_jvp(primals, tangents):
    (voltage,), (change,) = primals, tangents
    return fire(voltage), change / (1.0 + 5.0 * np.abs(voltage)) ** 2


# %%
# The network: pixels are currents, a layer of neurons that fire, and ten that only collect.


def network(weights, images):
    current = images @ weights["in"] + weights["bias"]
    voltage = np.zeros_like(current)
    spikes = np.empty((STEPS,) + current.shape)
    collected = np.zeros((len(images), 10))
    score = np.zeros((len(images), 10))
    for t in range(STEPS):
        voltage *= LEAK
        voltage += (1.0 - LEAK) * current
        spikes[t] = fire(voltage - 1.0)
        voltage -= spikes[t]
        collected = LEAK * collected + spikes[t] @ weights["out"]
        score += collected / STEPS
    return score, spikes


def loss(weights, images, labels):
    score, spikes = network(weights, images)
    top = score.max(axis=1, keepdims=True)
    right = score[np.arange(len(labels)), labels]
    return np.mean(top[:, 0] + np.log(np.sum(np.exp(score - top), axis=1)) - right) + 0.1 * np.mean(spikes)


# %%
# Adam, written out; the derivative is taken within the compiled step.


def step(weights, first, second, count, images, labels):
    value, slopes = tg.value_and_grad(loss)(weights, images, labels)
    for name in weights:
        first[name] += 0.1 * (slopes[name] - first[name])
        second[name] += 0.001 * (slopes[name] ** 2 - second[name])
        rate = 0.01 * np.sqrt(1.0 - 0.999**count) / (1.0 - 0.9**count)
        weights[name] -= rate * first[name] / (np.sqrt(second[name]) + 1e-8)
    return value


digits = load_digits()
rng = np.random.default_rng(0)
order = rng.permutation(len(digits.target))
images, labels = digits.data[order] / 16.0, digits.target[order]
weights = {
    "in": 0.5 * rng.standard_normal((64, HIDDEN)),
    "bias": np.ones(HIDDEN),
    "out": rng.standard_normal((HIDDEN, 10)) / np.sqrt(HIDDEN),
}
first = {name: np.zeros_like(w) for name, w in weights.items()}
second = {name: np.zeros_like(w) for name, w in weights.items()}
learn = tg.jit(step)
losses = []
for count in range(1, 401):
    rows = rng.integers(0, 1400, BATCH)
    losses.append(learn(weights, first, second, float(count), images[rows], labels[rows]))

# %%
# How good is it, on digits that it has not seen?

score, spikes = tg.jit(network)(weights, images[1400:])
accuracy = np.mean(score.argmax(axis=1) == labels[1400:])
print(f"{accuracy:.1%} right, a neuron fires in {spikes.mean():.1%} of the steps")
assert accuracy > 0.93 and np.all((spikes == 0.0) | (spikes == 1.0))

# %%
# The derivative is the surrogate's, as the rule says, in both modes.

v = np.array([-0.3, 0.0, 0.2])
assert np.allclose(tg.grad(lambda v: fire(v).sum())(v), 1.0 / (1.0 + 5.0 * np.abs(v)) ** 2)

figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained", width_ratios=[2, 1, 3])
axes[0].plot(losses)
axes[0].set(xlabel="step", title="loss")
axes[1].imshow(images[1400].reshape(8, 8), cmap="gray_r")
axes[1].set(xticks=[], yticks=[], title=f"a {score[0].argmax()}")
time, neuron = np.nonzero(spikes[:, 0])
axes[2].plot(time, neuron, "|", color="black")
axes[2].set(xlabel="time", ylabel="neuron", title="the spikes that say so")
plt.show()

# %%
# The gradient of a batch, and what NumPy takes for the value alone, measured while this page was built:

slope, batch = tg.grad(loss), (images[:BATCH], labels[:BATCH])
ours = min(repeat(lambda: slope(weights, *batch), number=1, repeat=20))
python = min(repeat(lambda: loss(weights, *batch), number=1, repeat=5))
print(f"gradient in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
