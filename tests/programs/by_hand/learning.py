"""Networks, optimisers, and gradients that a program takes of itself."""

import numpy as np

import tracegrad as tg

from . import program


def _lstm(r):
    n, h = 3, 4
    return (
        {"W": r.standard_normal((4 * h, n)) * 0.3, "U": r.standard_normal((4 * h, h)) * 0.3, "b": np.zeros(4 * h)},
        r.standard_normal((5, n)),
    )


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


@program(_lstm, wrt=(0, 1))
def lstm(params, xs):
    hidden = params["U"].shape[1]
    h = np.zeros(hidden)
    c = np.zeros(hidden)
    outputs = np.zeros((len(xs), hidden))
    for t, x in enumerate(xs):
        gates = params["W"] @ x + params["U"] @ h + params["b"]
        i, f, o = (_sigmoid(gates[k * hidden : (k + 1) * hidden]) for k in range(3))
        g = np.tanh(gates[3 * hidden :])
        c = f * c + i * g
        h = o * np.tanh(c)
        outputs[t] = h
    return outputs


@program(lambda r: (r.standard_normal((4, 6)), *(r.standard_normal((6, 6)) * 0.4 for _ in range(3)), 2), wrt=(0, 1, 2, 3))
def attention(x, wq, wk, wv, heads):
    n, d = x.shape
    size = d // heads
    out = np.zeros_like(x)
    q, k, v = x @ wq, x @ wk, x @ wv
    for h in range(heads):
        cols = slice(h * size, (h + 1) * size)
        scores = q[:, cols] @ k[:, cols].T / np.sqrt(size)
        mask = np.triu(np.ones((n, n), dtype=bool), 1)
        scores = np.where(mask, -1e9, scores)
        scores = scores - scores.max(axis=-1, keepdims=True)
        weights = np.exp(scores)
        weights /= weights.sum(axis=-1, keepdims=True)
        out[:, cols] = weights @ v[:, cols]
    return out


@program(lambda r: (r.standard_normal((3, 4)) * 0.1, r.standard_normal((8, 4)), r.integers(0, 3, 8)), wrt=(0, 1))
def softmax_regression(w, x, labels):
    total = 0.0
    for xi, label in zip(x, labels):
        logits = w @ xi
        logits -= np.max(logits)
        total -= logits[label] - np.log(np.sum(np.exp(logits)))
    return total / len(labels) + 0.01 * np.sum(w**2)


@program(lambda r: (np.array([0.5, -0.3]), r.standard_normal((8, 2)), r.standard_normal(8)), wrt=(0, 1))
def descent_inside(w, x, y):
    def loss(w):
        return np.mean((np.tanh(x @ w) - y) ** 2)

    gradient = tg.grad(loss)
    rate = 0.3
    for _ in range(5):
        w = w - rate * gradient(w)
    return w, loss(w)


@program(lambda r: (np.array([1.5, -0.7]),))
def newton_line_search(x):
    def f(z):
        return np.sum(z**4) + np.sum(z) ** 2 + z[0]

    for _ in range(8):
        g = tg.grad(f)(x)
        if np.sqrt(g @ g) < 1e-8:
            break
        step = 0.1
        while f(x - step * g) > f(x) - 1e-4 * step * (g @ g):
            step *= 0.5
        x = x - step * g
    return x


@program(lambda r: (r.standard_normal(3), r.standard_normal((10, 3)), r.standard_normal(10)), wrt=(0,))
def adam_by_hand(w, x, y):
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t in range(1, 6):
        g = 2 * x.T @ (x @ w - y) / len(y)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        w = w - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


@program(lambda r: (r.standard_normal((2, 3, 6)), r.standard_normal((4, 3, 3)), r.standard_normal(4)), wrt=(0, 1, 2))
def conv1d_layer(batch, kernels, bias):
    n, _, length = batch.shape
    filters, _, width = kernels.shape
    out = np.zeros((n, filters, length - width + 1))
    for f in range(filters):
        for t in range(out.shape[2]):
            patch = batch[:, :, t : t + width]
            out[:, f, t] = np.einsum("ncw,cw->n", patch, kernels[f]) + bias[f]
    return np.maximum(out, 0.01 * out)


@program(lambda r: (r.standard_normal((6, 4)), np.ones(4), np.zeros(4)), wrt=(0, 1, 2))
def layer_norm_gelu(x, gain, bias, eps=1e-5):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    y = (x - mean) / np.sqrt(var + eps) * gain + bias
    return 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))


@program(
    lambda r: (
        [(r.standard_normal((3, 4)), np.zeros(4)), (r.standard_normal((4, 2)), np.zeros(2))],
        r.standard_normal((5, 3)),
        r.standard_normal((5, 2)),
    )
)
def backprop_by_hand(layers, x, y):
    activations = [x]
    for w, b in layers:
        activations.append(np.tanh(activations[-1] @ w + b))
    delta = (activations[-1] - y) * (1 - activations[-1] ** 2)
    grads = []
    for k in range(len(layers) - 1, -1, -1):
        w, _ = layers[k]
        grads.append((activations[k].T @ delta, delta.sum(axis=0)))
        if k:
            delta = (delta @ w.T) * (1 - activations[k] ** 2)
    return grads[::-1]


@program(lambda r: (r.standard_normal(5), 0.1, 20), wrt=(0, 1))
def proximal_gradient(x, lam, steps):
    target = np.array([1.0, -2.0, 0.05, 3.0, 0.0])
    for _ in range(steps):
        y = x - 0.2 * (x - target)
        x = np.sign(y) * np.maximum(np.abs(y) - 0.2 * lam, 0)
    return x


@program(lambda r: (r.uniform(0.1, 1, (3, 4)), 0.5), wrt=(0, 1))
def sinkhorn(cost, eps):
    n, m = cost.shape
    a, b = np.ones(n) / n, np.ones(m) / m
    K = np.exp(-cost / eps)
    u = np.ones(n)
    for _ in range(10):
        v = b / (K.T @ u)
        u = a / (K @ v)
    plan = u[:, np.newaxis] * K * v[np.newaxis, :]
    return (plan * cost).sum()


@program(lambda r: (r.standard_normal((4, 4)), 0.9), wrt=(0, 1))
def value_iteration(reward, gamma):
    n = reward.shape[0]
    V = np.zeros((n, n))
    for _ in range(8):
        new = V.copy()
        for i in range(n):
            for j in range(n):
                best = -1e9
                for di, dj in [(0, 1), (1, 0), (0, -1), (-1, 0)]:
                    a, b = i + di, j + dj
                    if 0 <= a < n and 0 <= b < n:
                        best = max(best, V[a, b])
                new[i, j] = reward[i, j] + gamma * best
        V = new
    return V
