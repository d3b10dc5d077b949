"""
A sorting network that learns from ranks alone
==============================================

We are told in which order things stand, not how much they are worth, and want a function of their features that gives
the order [1]_: here the progression of diabetes in 442 patients, from the data that scikit-learn bundles. Batcher's
network [2]_ sorts by compare-and-swap; with each swap made soft by a sigmoid, the whole network has a derivative.

Elsewhere: the network is a nest of four loops with bit arithmetic and swaps in place. PyTorch's implementation
tabulates the swaps and runs each layer as a gather; written as it stands it takes one Python step for each swap,
forward and backward.

.. [1] Petersen, F., C. Borgelt, H. Kuehne and O. Deussen, Differentiable sorting networks for scalable sorting and
   ranking supervision (ICML 2021).
.. [2] Batcher, K. E., Sorting networks and their applications (1968); the loops are algorithm M of D. E. Knuth, The Art
   of Computer Programming 3, section 5.2.2.
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr
from sklearn.datasets import load_diabetes

import tracegrad as tg
import tracegrad.scipy

# %%
# Knuth's algorithm M. What is swapped is the value, and with it a row of a matrix that begins as the identity and ends
# as the permutation. Soft: each takes its share of both.


def sort(values, steepness):
    x, n = values.copy(), len(values)
    permutation = np.eye(n)
    top = 1
    while 2 * top < n:
        top *= 2
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            for i in range(n - d):
                if i & p == r:
                    j = i + d
                    swap = 1.0 / (1.0 + np.exp(-np.clip(steepness * (x[i] - x[j]), -500.0, 500.0)))
                    a, b = x[i], x[j]
                    x[i], x[j] = (1.0 - swap) * a + swap * b, swap * a + (1.0 - swap) * b
                    u, v = permutation[i].copy(), permutation[j].copy()
                    permutation[i] = (1.0 - swap) * u + swap * v
                    permutation[j] = swap * u + (1.0 - swap) * v
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return x, permutation


# %%
# Steep enough it sorts, whatever the length.

rng = np.random.default_rng(0)
compiled = tg.jit(sort)
for n in (1, 2, 7, 50):
    values = rng.standard_normal(n)
    ordered, permutation = compiled(values, 1e9)
    assert np.allclose(ordered, np.sort(values)) and np.array_equal(permutation.argmax(axis=1), np.argsort(values))

# %%
# The loss: the cross entropy between the permutation found and the true one, over groups of 16 patients.


def loss(w, features, groups, places):
    total = 0.0
    for g in range(len(groups)):
        _, permutation = sort(features[groups[g]] @ w, 2.0)
        for k in range(groups.shape[1]):
            total -= np.log(permutation[k, places[g, k]] + 1e-12)
    return total / groups.size + 1e-3 * w @ w


data = load_diabetes()
features = data.data / data.data.std(axis=0)
order = rng.permutation(len(data.target))
train, test = order[:320], order[320:]
groups = np.concatenate([rng.permutation(train).reshape(-1, 16) for _ in range(3)])
places = np.argsort(data.target[groups], axis=1)
start = 0.01 * rng.standard_normal(10)
fit = tg.scipy.minimize(loss, start, args=(features, groups, places), method="BFGS", options={"gtol": 1e-4})

# %%
# Least squares, which is told the values and not only the order, ranks the patients that neither saw about as well.

linear, *_ = np.linalg.lstsq(np.column_stack([np.ones(320), features[train]]), data.target[train], rcond=None)
ours = spearmanr(features[test] @ fit.x, data.target[test]).statistic
theirs = spearmanr(features[test] @ linear[1:], data.target[test]).statistic
print(f"rank correlation on {len(test)} patients: {ours:.3f} from ranks, {theirs:.3f} from values")
assert ours > theirs - 0.05 and ours > 0.5
tg.check_grads(lambda values: sort(values, 2.0), (rng.standard_normal(7),), order=2)

figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained", width_ratios=[1, 1.3])
axes[0].imshow(compiled(features[groups[0]] @ fit.x, 2.0)[1][:, places[0]], cmap="Blues")
axes[0].set(title="a soft permutation", xlabel="true place", ylabel="place found")
axes[1].plot(features[test] @ fit.x, data.target[test], ".")
axes[1].set(xlabel="score learned from the order", ylabel="progression", title=f"rank correlation {ours:.2f}")
plt.show()

# %%
# The gradient, and what NumPy takes for the value alone, measured while this page was built:

slope = tg.grad(loss)
ours = min(repeat(lambda: slope(fit.x, features, groups, places), number=1, repeat=20))
python = min(repeat(lambda: loss(fit.x, features, groups, places), number=1, repeat=2))
print(f"gradient in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
