"""Linear algebra by hand: factorisations, sweeps, transforms, sparse structures."""

import numpy as np

from . import program


def _spd(r, n):
    a = r.standard_normal((n, n))
    return a @ a.T + n * np.eye(n)


@program(lambda r: (_spd(r, 5),))
def cholesky_by_hand(a):
    n = a.shape[0]
    l = np.zeros_like(a)
    for i in range(n):
        for j in range(i + 1):
            s = a[i, j]
            for k in range(j):
                s -= l[i, k] * l[j, k]
            if i == j:
                if s <= 0:
                    raise ValueError("matrix is not positive definite")
                l[i, i] = np.sqrt(s)
            else:
                l[i, j] = s / l[j, j]
    return l


@program(lambda r: (r.standard_normal((5, 3)),))
def qr_householder(a):
    m, n = a.shape
    r = a.copy()
    q = np.eye(m)
    for k in range(n):
        x = r[k:, k]
        alpha = -np.copysign(np.linalg.norm(x), x[0])
        v = x.copy()
        v[0] -= alpha
        v /= np.linalg.norm(v)
        r[k:, k:] -= 2.0 * np.outer(v, v @ r[k:, k:])
        q[:, k:] -= 2.0 * np.outer(q[:, k:] @ v, v)
    return q, r


@program(lambda r: (r.standard_normal((5, 4)),))
def gram_schmidt(vectors):
    basis = []
    for v in vectors.T:
        w = v.copy()
        for b in basis:
            w -= (w @ b) * b
        basis.append(w / np.sqrt(np.sum(w * w)))
    return np.stack(basis, axis=1)


@program(lambda r: (_spd(r, 5), r.standard_normal(5)), wrt=(0, 1))
def power_iteration(a, v):
    value = 0.0
    for _ in range(25):
        w = a @ v
        v = w / np.linalg.norm(w)
        new = v @ a @ v
        if abs(new - value) < 1e-14:
            break
        value = new
    return value, v


@program(lambda r: (_spd(r, 4),))
def jacobi_eigenvalues(a):
    a = a.copy()
    n = len(a)
    for _ in range(6):
        for p in range(n - 1):
            for q in range(p + 1, n):
                if abs(a[p, q]) < 1e-30:
                    continue
                theta = (a[q, q] - a[p, p]) / (2 * a[p, q])
                t = np.sign(theta) / (abs(theta) + np.sqrt(theta**2 + 1))
                c = 1 / np.sqrt(t * t + 1)
                s = t * c
                row_p, row_q = a[p].copy(), a[q].copy()
                a[p], a[q] = c * row_p - s * row_q, s * row_p + c * row_q
                col_p, col_q = a[:, p].copy(), a[:, q].copy()
                a[:, p] = c * col_p - s * col_q
                a[:, q] = s * col_p + c * col_q
    return np.sort(np.diag(a))


@program(lambda r: (r.standard_normal((3, 3)) * 0.5,))
def expm_series(a):
    result = np.eye(a.shape[0])
    term = np.eye(a.shape[0])
    k = 1
    while np.abs(term).max() > 1e-15 and k < 40:
        term = term @ a / k
        result = result + term
        k += 1
    return result


@program(lambda r: (r.standard_normal(16),))
def fft_by_loops(signal):
    n = signal.size
    x = signal.astype(complex)
    bits = int(np.log2(n))
    y = np.empty(n, dtype=complex)
    for i in range(n):
        j, k = 0, i
        for _ in range(bits):
            j = 2 * j + k % 2
            k //= 2
        y[j] = x[i]
    size = 2
    while size <= n:
        half = size // 2
        for start in range(0, n, size):
            for k in range(half):
                w = np.exp(-2j * np.pi * k / size)
                even, odd = y[start + k], y[start + k + half] * w
                y[start + k] = even + odd
                y[start + k + half] = even - odd
        size *= 2
    return np.abs(y) ** 2


@program(lambda r: (r.standard_normal(8),))
def fft_recursive(x):
    def fft(v):
        n = len(v)
        if n == 1:
            return v
        even, odd = fft(v[::2]), fft(v[1::2])
        twiddle = np.exp(-2j * np.pi * np.arange(n // 2) / n) * odd
        return np.concatenate([even + twiddle, even - twiddle])

    spectrum = fft(x.astype(np.complex128))
    return spectrum.real, spectrum.imag


@program(lambda r: (_spd(r, 6), r.standard_normal(6)), wrt=(0, 1))
def conjugate_gradient(a, b):
    x = np.zeros_like(b)
    r = b - a @ x
    p = r.copy()
    rs = r @ r
    for _ in range(4):
        ap = a @ p
        alpha = rs / (p @ ap)
        x += alpha * p
        r -= alpha * ap
        new = r @ r
        p = r + (new / rs) * p
        rs = new
    return x


@program(lambda r: (_spd(r, 5), r.standard_normal(5)), wrt=(0, 1))
def gauss_seidel(a, b):
    n = b.shape[0]
    x = np.zeros(n)
    for _ in range(15):
        for i in range(n):
            s = 0.0
            for j in range(n):
                if j != i:
                    s += a[i, j] * x[j]
            x[i] = (b[i] - s) / a[i, i]
    return x


@program(
    lambda r: (np.array([0, 0, 1, 2, 2, 3]), np.array([1, 3, 0, 2, 1, 3]), r.standard_normal(6), r.standard_normal(4)),
    wrt=(2, 3),
)
def coo_times_vector(rows, cols, values, x):
    y = np.zeros(4)
    for r, c, v in zip(rows, cols, values):
        y[r] += v * x[c]
    return y


@program(lambda r: ((r.uniform(0, 1, (6, 6)) < 0.5).astype(float) + 0.01, 0.85), wrt=(0, 1))
def pagerank(links, damping):
    n = links.shape[0]
    transition = links / links.sum(axis=0)
    rank = np.full(n, 1.0 / n)
    for _ in range(50):
        new = damping * (transition @ rank) + (1 - damping) / n
        delta = np.abs(new - rank).sum()
        rank = new
        if delta < 1e-12:
            break
    return rank


@program(lambda r: (r.standard_normal((4, 4)) + 4 * np.eye(4),))
def lu_doolittle(a):
    n = a.shape[0]
    lower, upper = np.eye(n), np.zeros((n, n))
    for i in range(n):
        for k in range(i, n):
            upper[i, k] = a[i, k] - sum(lower[i, j] * upper[j, k] for j in range(i))
        for k in range(i + 1, n):
            lower[k, i] = (a[k, i] - sum(lower[k, j] * upper[j, i] for j in range(i))) / upper[i, i]
    determinant = 1.0
    for i in range(n):
        determinant *= upper[i, i]
    return lower, upper, determinant


@program(lambda r: (r.standard_normal((4, 4)),))
def determinant_by_minors(a):
    def det(m):
        n = m.shape[0]
        if n == 1:
            return m[0, 0]
        if n == 2:
            return m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
        total = 0.0
        for j in range(n):
            minor = np.delete(np.delete(m, 0, axis=0), j, axis=1)
            total += (-1) ** j * m[0, j] * det(minor)
        return total

    return det(a)


@program(lambda r: (r.standard_normal((3, 4)), r.standard_normal((4, 5))), wrt=(0, 1))
def matmul_three_loops(a, b):
    n, m = a.shape
    _, p = b.shape
    c = np.zeros((n, p))
    for i in range(n):
        for j in range(p):
            for k in range(m):
                c[i][j] += a[i][k] * b[k][j]
    return c


@program(lambda r: (r.standard_normal((8, 3)), r.standard_normal(8)), wrt=(0, 1))
def least_squares_normal(x, y):
    xtx = x.T @ x
    beta = np.linalg.solve(xtx, x.T @ y)
    residual = y - x @ beta
    sigma2 = residual @ residual / (x.shape[0] - x.shape[1])
    errors = np.sqrt(np.diag(sigma2 * np.linalg.inv(xtx)))
    return {"beta": beta, "se": errors, "t": beta / errors}


@program(lambda r: (r.standard_normal((4, 4)) * 0.2 + np.eye(4),))
def newton_inverse(a):
    x = a.T / (np.abs(a).sum(axis=0).max() * np.abs(a).sum(axis=1).max())
    eye2 = 2 * np.eye(len(a))
    for _ in range(20):
        x = x @ (eye2 - a @ x)
    return x


@program(
    lambda r: (
        np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.1], [1.0, 1.1]]),
        np.array([[0, 2], [1, 2], [1, 3], [2, 3], [0, 3]]),
        r.uniform(0.5, 1.5, 5),
        r.standard_normal(8),
    ),
    wrt=(0, 2, 3),
)
def truss_compliance(nodes, bars, area, load):
    n = nodes.size
    stiffness = np.zeros((n, n))
    for (i, j), section in zip(bars, area):
        d = nodes[j] - nodes[i]
        length = np.hypot(*d)
        block = np.outer(d, d) * section / length**3
        for a, p in ((0, i), (1, j)):
            for b, q in ((0, i), (1, j)):
                sign = 1 if a == b else -1
                stiffness[2 * p : 2 * p + 2, 2 * q : 2 * q + 2] += sign * block
    free = np.arange(4, n)
    u = np.zeros(n)
    u[free] = np.linalg.solve(stiffness[np.ix_(free, free)], load[free])
    return load @ u, u
