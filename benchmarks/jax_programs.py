"""The programs of tests/programs/cases as a JAX user writes them: `lax.scan` and `fori_loop` for loops, `.at[]` for in-place
writes.

A program that JAX's reverse mode cannot take (a `while` whose end depends on the data) is not here.
"""
import math

import jax
import jax.numpy as jnp
from jax import lax

VERSIONS = {}


def version(fn):
    VERSIONS[fn.__name__] = fn
    return fn


# --- arrays ------------------------------------------------------------------------------------------------------------

@version
def option_price(spot, strike, years):
    rate, vol = 0.03, 0.2
    d1 = (jnp.log(spot / strike) + (rate + 0.5 * vol**2) * years) / (vol * jnp.sqrt(years))
    d2 = d1 - vol * jnp.sqrt(years)

    def cdf(z):
        return 0.5 * (1 + jnp.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))

    return spot * cdf(d1) - strike * jnp.exp(-rate * years) * cdf(d2)


@version
def row_logsumexp(x):
    top = jnp.max(x, axis=1, keepdims=True)
    return jnp.log(jnp.sum(jnp.exp(x - top), axis=1)) + top[:, 0]


@version
def gravity_energy(position, mass):
    delta = position[:, None, :] - position[None, :, :]
    r2 = jnp.sum(delta**2, axis=-1) + 1e-2
    return -0.5 * jnp.sum(mass[:, None] * mass[None, :] / jnp.sqrt(r2))


@version
def nearest_centre_cost(points, centres):
    d2 = ((points[:, None, :] - centres[None]) ** 2).sum(axis=2)
    return jnp.mean(d2.min(axis=1))


@version
def correlation_matrix(data):
    centred = data - data.mean(axis=0)
    normal = centred / jnp.sqrt((centred**2).mean(axis=0) + 1e-12)
    return normal.T @ normal / data.shape[0]


@version
def ridge_solution(a, b):
    return jnp.linalg.solve(a.T @ a + 0.5 * jnp.eye(a.shape[1]), a.T @ b)


@version
def gaussian_log_density(a, x):
    low = jnp.linalg.cholesky(a @ a.T + jnp.eye(a.shape[0]))
    z = jnp.linalg.solve(low, x)
    return -0.5 * z @ z - jnp.sum(jnp.log(jnp.diag(low))) - 0.5 * x.size * jnp.log(2 * jnp.pi)


@version
def grouped_sums(values, group):
    return jnp.zeros(8).at[group].add(values**2)


@version
def self_attention(x):
    score = jnp.einsum("bid,bjd->bij", x, x) / math.sqrt(x.shape[-1])
    weight = jnp.exp(score - score.max(axis=-1, keepdims=True))
    weight /= weight.sum(axis=-1, keepdims=True)
    return jnp.einsum("bij,bjd->bid", weight, x)


@version
def positive_part_energy(x):
    kept = jnp.where(x > 0, x, 0.0)
    return jnp.sum(kept**2) / jnp.maximum(jnp.sum(x > 0), 1)


@version
def shifted_convolution(image, kernel):
    h, w = image.shape[1] - 2, image.shape[2] - 2
    out = jnp.zeros((image.shape[0], h, w))
    for di in range(3):
        for dj in range(3):
            out += kernel[di, dj] * image[:, di : di + h, dj : dj + w]
    return jnp.maximum(out, 0.0)


@version
def power_spectrum(signal):
    n = signal.size
    k = jnp.arange(n)
    return jnp.abs(jnp.exp(-2j * jnp.pi * jnp.outer(k, k) / n) @ signal) ** 2 / n


@version
def table_lookup(grid, table, at):
    right = jnp.clip(jnp.searchsorted(grid, at), 1, grid.size - 1)
    left = right - 1
    t = (at - grid[left]) / (grid[right] - grid[left])
    return (1 - t) * table[left] + t * table[right]


@version
def pieces(x):
    a, b = jnp.split(x, 2, axis=1)
    stacked = jnp.concatenate([a * 2, b[::-1], jnp.stack([a[:, 0], b[:, -1], a[:, 1]], axis=1)], axis=0)
    rolled = jnp.roll(stacked, 1, axis=0) - jnp.flip(stacked, axis=1)
    return jnp.cumsum(jnp.where(rolled > 0, rolled, 0.1 * rolled), axis=0).transpose(1, 0).reshape(-1)


# --- branches ------------------------------------------------------------------------------------------------------------

@version
def robust_loss(target, predicted):
    error = jnp.abs(target - predicted)
    return lax.cond(jnp.mean(error) > 0.5, lambda e: jnp.mean(e**2), jnp.mean, error)


@version
def piecewise(x):
    i = jnp.arange(x.size)
    rest = jnp.where(~(x > 2.5) | (i == 0), 2 * x, 1 / x)
    return jnp.where(x < 1, x**3, jnp.where((x < 2) & (i % 2 == 0), jnp.sin(x), rest))


@version
def configured_filter(x, mode, options):
    y = x * options["gain"]
    y = jnp.sign(y) * jnp.maximum(jnp.abs(y) - 0.2, 0.0)
    for _ in range(options["power"] - 1):
        y = y * x
    return y


# --- overwritten arrays ----------------------------------------------------------------------------------------------------

@version
def ldl_factor(matrix):
    n = matrix.shape[0]
    k = jnp.arange(n)

    def column(j, state):
        low, diag = state
        before = jnp.where(k < j, diag, 0.0)
        diag = diag.at[j].set(matrix[j, j] - jnp.sum(low[j] ** 2 * before))
        below = (matrix[:, j] - (low * before) @ low[j]) / diag[j]
        return low.at[:, j].set(jnp.where(k > j, below, low[:, j])), diag

    return lax.fori_loop(0, n, column, (jnp.eye(n), jnp.zeros(n)))


@version
def gauss_with_pivoting(matrix, rhs):
    n = rhs.size
    rows = jnp.arange(n)

    def eliminate(k, state):
        a, b = state
        p = jnp.argmax(jnp.where(rows >= k, jnp.abs(a[:, k]), -1.0))
        a = a.at[jnp.array([k, p])].set(a[jnp.array([p, k])])
        b = b.at[jnp.array([k, p])].set(b[jnp.array([p, k])])
        factor = jnp.where(rows > k, a[:, k] / a[k, k], 0.0)
        return a - factor[:, None] * jnp.where(rows >= k, a[k], 0.0), b - factor * b[k]

    a, b = lax.fori_loop(0, n - 1, eliminate, (matrix, rhs))

    def back(m, x):
        i = n - 1 - m
        return x.at[i].set((b[i] - jnp.where(rows > i, a[i], 0.0) @ x) / a[i, i])

    return lax.fori_loop(0, n, back, jnp.zeros(n))


@version
def tridiagonal_solve(lower, middle, upper, rhs):
    def forward(state, row):
        c0, d0 = state
        low, mid, up, r = row
        m = mid - low * c0
        found = up / m, (r - low * d0) / m
        return found, found

    first = upper[0] / middle[0], rhs[0] / middle[0]
    _, (c, d) = lax.scan(forward, first, (lower[1:], middle[1:], upper[1:], rhs[1:]))
    c, d = jnp.append(first[0], c), jnp.append(first[1], d)

    def backward(after, row):
        found = row[1] - row[0] * after
        return found, found

    _, x = lax.scan(backward, d[-1], (c[:-1], d[:-1]), reverse=True)
    return jnp.append(x, d[-1])


@version
def nonlinear_sweep(grid, sweeps):
    n, m = grid.shape

    def cell(k, g):
        i, j = 1 + k // (m - 2), 1 + k % (m - 2)
        around = g[i - 1, j] + g[i + 1, j] + g[i, j - 1] + g[i, j + 1]
        return g.at[i, j].set(0.25 * around - 0.05 * g[i, j] ** 3)

    return lax.fori_loop(0, sweeps, lambda _, g: lax.fori_loop(0, (n - 2) * (m - 2), cell, g), grid)


@version
def wave_steps(start, courant, steps):
    def step(_, state):
        before, now = state
        mid = now[1:-1, 1:-1]
        around = now[2:, 1:-1] + now[:-2, 1:-1] + now[1:-1, 2:] + now[1:-1, :-2] - 4 * mid
        after = jnp.zeros_like(now).at[1:-1, 1:-1].set(2 * mid - before[1:-1, 1:-1] + courant**2 * around - 0.01 * mid**3)
        return now, after

    return lax.fori_loop(0, steps, step, (start, start))[1]


@version
def prefix_correlations(x):
    k = jnp.arange(x.size)

    def one(i, out):
        total = jnp.sum(jnp.where(k < i, out * x[jnp.clip(i - 1 - k, 0)], 0.0))
        return out.at[i].set(total / (1.0 + jnp.abs(x[i]) * i))

    return lax.fori_loop(1, x.size, one, jnp.zeros_like(x).at[0].set(x[0]))


@version
def csr_times_vector(indptr, indices, values, x):
    row = jnp.searchsorted(indptr, jnp.arange(values.size), side="right") - 1
    return jnp.zeros(indptr.size - 1).at[row].add(values * x[indices])


@version
def weighted_histogram(where, weight):
    k = (where * 10).astype(int)
    return jnp.zeros(10).at[jnp.where((k >= 0) & (k < 10), k, 10)].add(weight**2, mode="drop")


@version
def selection_by_moves(x):
    n = x.size
    at = jnp.arange(n)

    def move(i, y):
        k = jnp.argmin(jnp.where(at >= i, y, jnp.inf))
        return y.at[jnp.array([i, k])].set(y[jnp.array([k, i])])

    return lax.fori_loop(0, n - 1, move, x) * at


# --- loops -----------------------------------------------------------------------------------------------------------------

@version
def leaky_neuron(leak, drive):
    def step(state, d):
        s = jnp.tanh(leak * state[0] + d)
        return (s, state[1] + s * s), None

    return lax.scan(step, (0.0, 0.0), drive)[0][1]


@version
def epidemic_rk4(rates, start, dt, steps):
    def slope(y):
        new, rec = rates[0] * y[0] * y[1], rates[1] * y[1]
        return jnp.array([-new, new - rec, rec])

    def step(_, y):
        k1 = slope(y)
        k2 = slope(y + 0.5 * dt * k1)
        k3 = slope(y + 0.5 * dt * k2)
        k4 = slope(y + dt * k3)
        return y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return lax.fori_loop(0, steps, step, start)


@version
def time_warp_distance(a, b):
    def row(above, x):
        def cell(left, inputs):
            y, up, diagonal = inputs
            found = (x - y) ** 2 + jnp.minimum(jnp.minimum(up, left), diagonal)
            return found, found

        _, cells = lax.scan(cell, jnp.inf, (b, above[1:], above[:-1]))
        return jnp.append(jnp.inf, cells), None

    first = jnp.full(b.size + 1, jnp.inf).at[0].set(0.0)
    return lax.scan(row, first, a)[0][-1]


@version
def hidden_markov_log_likelihood(transition, emission):
    logp = transition - jnp.log(jnp.sum(jnp.exp(transition), axis=1))[:, None]

    def step(alpha, e):
        scores = alpha[:, None] + logp
        top = scores.max(axis=0)
        return jnp.log(jnp.sum(jnp.exp(scores - top), axis=0)) + top + e, None

    alpha, _ = lax.scan(step, emission[0], emission[1:])
    top = alpha.max()
    return top + jnp.log(jnp.sum(jnp.exp(alpha - top)))


@version
def kalman_likelihood(noise, observed):
    f = jnp.array([[1.0, 1.0], [0.0, 1.0]])
    q = noise[0] * jnp.array([[0.25, 0.5], [0.5, 1.0]])

    def step(carry, z):
        state, cov, total = carry
        state, cov = f @ state, f @ cov @ f.T + q
        innovation, spread = z - state[0], cov[0, 0] + noise[1]
        gain = cov[:, 0] / spread
        total -= 0.5 * (jnp.log(2 * math.pi * spread) + innovation**2 / spread)
        return (state + gain * innovation, cov - jnp.outer(gain, cov[0]), total), None

    return lax.scan(step, (jnp.zeros(2), jnp.eye(2), 0.0), observed)[0][2]


@version
def verlet_cluster(position, velocity, dt, steps):
    def force(p):
        d = p[:, None] - p[None]
        r2 = jnp.sum(d * d, axis=-1) + 0.1
        return -jnp.sum(d / (r2 * jnp.sqrt(r2))[..., None], axis=1)

    def step(_, state):
        p, v, a = state
        v = v + 0.5 * dt * a
        p = p + dt * v
        a = force(p)
        return p, v + 0.5 * dt * a, a

    return lax.fori_loop(0, steps, step, (position, velocity, force(position)))[:2]


@version
def running_extremes(x):
    def step(state, value):
        low, high = state
        low = jnp.where((value < low) & ~(value > high), value, low)
        high = jnp.where(value > high, value, high)
        return (low, high), high - low

    return lax.scan(step, (x[0], x[0]), x)[1]


@version
def polynomial_by_horner(coefficients, x, repeats):
    def one(k, total):
        acc = 0.0
        for c in coefficients[::-1]:
            acc = acc * (x + 0.001 * k) + c
        return total + acc

    return lax.fori_loop(0, repeats, one, 0.0)


# --- models ----------------------------------------------------------------------------------------------------------------

@version
def classifier_loss(layers, inputs, labels):
    h = inputs
    for layer in layers[:-1]:
        h = jnp.maximum(h @ layer["w"] + layer["b"], 0.0)
    logits = h @ layers[-1]["w"] + layers[-1]["b"]
    return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(labels.size), labels])


@version
def recurrent_network(params, sequence):
    win, wrec, bias = params

    def step(h, x):
        h = jnp.tanh(x @ win + h @ wrec + bias)
        return h, h.sum()

    return lax.scan(step, jnp.zeros(wrec.shape[0]), sequence)[1]


@version
def focal_loss(features, label, weight, gamma=2.0, alpha=0.25):
    p = jnp.clip(1 / (1 + jnp.exp(-(features @ weight))), 1e-7, 1 - 1e-7)
    pt1, pt0 = jnp.where(label == 1, p, 1.0), jnp.where(label == 0, p, 0.0)
    return -jnp.sum(alpha * (1 - pt1) ** gamma * jnp.log(pt1) + (1 - alpha) * pt0**gamma * jnp.log(1 - pt0))


@version
def damped_spring(stiffness, damping, steps):
    def step(_, state):
        x, v = state
        v = v + 0.01 * (-stiffness * x - damping * v)
        return x + 0.01 * v, v

    return lax.fori_loop(0, steps, step, (1.0, 0.0))[0]


@version
def fitted_line(x, y, rate, steps):
    def step(_, state):
        w, b = state
        error = x @ w + b - y
        return w - rate * (x.T @ error) / y.size, b - rate * error.mean()

    return lax.fori_loop(0, steps, step, (jnp.zeros(2), 0.0))
