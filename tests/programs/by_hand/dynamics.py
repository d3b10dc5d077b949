"""Time stepping: integrators, particles, lattices, chaotic maps."""

import numpy as np

from . import program


@program(lambda r: (np.array([1.0, 0.5]), np.array([1.1, 0.4, 0.1, 0.4])), wrt=(0, 1))
def lotka_volterra_rk4(state, theta):
    def f(t, y):
        prey, predator = y
        return np.array([theta[0] * prey - theta[1] * prey * predator, theta[2] * prey * predator - theta[3] * predator])

    t, h = 0.0, 0.1
    y = state
    path = [y]
    for _ in range(12):
        k1 = f(t, y)
        k2 = f(t + h / 2, y + h / 2 * k1)
        k3 = f(t + h / 2, y + h / 2 * k2)
        k4 = f(t + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        t += h
        path.append(y)
    return np.array(path)


@program(lambda r: (1.0, 0.7, 2.0), wrt=(0, 1))
def adaptive_heun(y0, rate, t_end):
    t, y, h = 0.0, y0, 0.3
    steps = 0
    while t < t_end:
        if t + h > t_end:
            h = t_end - t
        k1 = -rate * y + np.sin(t)
        k2 = -rate * (y + h * k1) + np.sin(t + h)
        err = abs(0.5 * h * (k2 - k1))
        if err < 1e-3:
            t += h
            y = y + 0.5 * h * (k1 + k2)
            steps += 1
        h *= 0.9 * min(2.0, max(0.3, np.sqrt(1e-3 / (err + 1e-12))))
    return y, steps


@program(lambda r: (r.standard_normal((4, 3)), r.standard_normal((4, 3)) * 0.1, r.uniform(0.5, 1.5, 4)), wrt=(0, 1, 2))
def n_body_leapfrog(pos, vel, mass):
    def accelerations(p):
        n = len(p)
        acc = np.zeros_like(p)
        for i in range(n):
            for j in range(n):
                if i == j:
                    continue
                d = p[j] - p[i]
                r2 = d @ d + 0.01
                acc[i] += mass[j] * d / r2**1.5
        return acc

    pos, vel = pos.copy(), vel.copy()
    dt = 0.05
    acc = accelerations(pos)
    for _ in range(5):
        vel += 0.5 * dt * acc
        pos += dt * vel
        acc = accelerations(pos)
        vel += 0.5 * dt * acc
    return pos, vel


@program(lambda r: (r.uniform(0, 1, 9), 0.4), wrt=(0, 1))
def heat_implicit(u0, alpha):
    n = u0.size
    u = u0.copy()
    a = np.full(n, -alpha)
    b = np.full(n, 1 + 2 * alpha)
    c = np.full(n, -alpha)
    a[0] = c[-1] = 0.0
    for _ in range(4):
        cp = np.zeros(n)
        dp = np.zeros(n)
        cp[0] = c[0] / b[0]
        dp[0] = u[0] / b[0]
        for i in range(1, n):
            den = b[i] - a[i] * cp[i - 1]
            cp[i] = c[i] / den
            dp[i] = (u[i] - a[i] * dp[i - 1]) / den
        u[-1] = dp[-1]
        for i in reversed(range(n - 1)):
            u[i] = dp[i] - cp[i] * u[i + 1]
    return u


@program(lambda r: (0.1 + 0.1 * r.uniform(0, 1, (9, 5, 6)), 1.2), wrt=(0, 1))
def lattice_boltzmann(f, omega):
    cx = np.array([0, 1, 0, -1, 0, 1, -1, -1, 1])
    cy = np.array([0, 0, 1, 0, -1, 1, 1, -1, -1])
    w = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)
    for _ in range(3):
        rho = f.sum(axis=0)
        ux = np.tensordot(cx.astype(float), f, axes=1) / rho
        uy = np.tensordot(cy.astype(float), f, axes=1) / rho
        usq = ux**2 + uy**2
        feq = np.empty_like(f)
        for k in range(9):
            cu = cx[k] * ux + cy[k] * uy
            feq[k] = w[k] * rho * (1 + 3 * cu + 4.5 * cu**2 - 1.5 * usq)
        f = f + omega * (feq - f)
        for k in range(9):
            f[k] = np.roll(np.roll(f[k], int(cx[k]), axis=0), int(cy[k]), axis=1)
    return f


@program(lambda r: (0.3, 3.57, 20), wrt=(0, 1))
def logistic_map(x, r, n):
    orbit = np.empty(n)
    for k in range(n):
        x = r * x * (1 - x)
        orbit[k] = x
    return orbit[n // 2 :].mean()


@program(lambda r: (r.uniform(-2, 1, 12), r.uniform(-1, 1, 12), 30), wrt=())
def mandelbrot_counts(re, im, limit):
    counts = np.zeros(re.size, dtype=np.int64)
    for k in range(re.size):
        c = complex(re[k], im[k])
        z = 0j
        for n in range(limit):
            if abs(z) > 2.0:
                counts[k] = n
                break
            z = z * z + c
        else:
            counts[k] = limit
    return counts


@program(lambda r: ((r.uniform(0, 1, (7, 8)) < 0.4).astype(np.int64), 4), wrt=())
def game_of_life(board, steps):
    n, m = board.shape
    for _ in range(steps):
        new = board.copy()
        for i in range(n):
            for j in range(m):
                alive = 0
                for di in (-1, 0, 1):
                    for dj in (-1, 0, 1):
                        if di or dj:
                            alive += board[(i + di) % n, (j + dj) % m]
                if board[i, j] == 1 and alive not in (2, 3):
                    new[i, j] = 0
                elif board[i, j] == 0 and alive == 3:
                    new[i, j] = 1
        board = new
    return board


@program(lambda r: (0.2, 1.0, r.uniform(0, 1, 30), r.standard_normal(30)), wrt=(0, 1))
def metropolis_chain(start, scale, uniforms, proposals):
    x = start
    logp = -0.5 * x**2
    accepted = 0
    total = 0.0
    for u, z in zip(uniforms, proposals):
        y = x + scale * z
        logq = -0.5 * y**2
        if np.log(u) < logq - logp:
            x, logp = y, logq
            accepted += 1
        total += x
    return total / len(uniforms), accepted


@program(lambda r: (np.array([0.0, 0.0, 1.0]), np.array([0.02, 0.01, 0.0]), 1.5), wrt=(0, 1, 2))
def bouncing_ball(position, velocity, gravity):
    dt = 0.1
    p, v = position.copy(), velocity.copy()
    bounces = 0
    for _ in range(40):
        v[2] -= gravity * dt
        p += v * dt
        if p[2] < 0:
            p[2] = -p[2]
            v[2] *= -0.8
            bounces += 1
            if bounces >= 3:
                break
    return p, v, bounces


@program(lambda r: (r.uniform(0.5, 1.5, 10), 0.3), wrt=(0, 1))
def upwind_advection(u, velocity):
    dt = dx = 1.0
    for _ in range(6):
        flux = np.where(velocity > 0, velocity * u, velocity * np.roll(u, -1))
        u = u - dt / dx * (flux - np.roll(flux, 1)) * 0.5
    return u


@program(lambda r: (r.uniform(0.2, 1.0, 12), 0.05), wrt=(0, 1))
def burgers_minmod(u, dt):
    def minmod(a, b):
        if a * b <= 0:
            return 0.0
        return a if abs(a) < abs(b) else b

    n = len(u)
    for _ in range(3):
        slope = np.zeros(n)
        for i in range(1, n - 1):
            slope[i] = minmod(u[i] - u[i - 1], u[i + 1] - u[i])
        new = np.copy(u)
        for i in range(1, n - 1):
            left = u[i - 1] + 0.5 * slope[i - 1]
            right = u[i] + 0.5 * slope[i]
            new[i] -= dt * (0.5 * right**2 - 0.5 * left**2)
        u = new
    return u


@program(lambda r: (np.array([0.1, 0.2, 0.3]), np.array([1.0, -0.5, 0.2, 0.05])), wrt=(0, 1))
def stiff_newton_euler(y, k):
    h = 0.1
    for _ in range(4):
        z = y.copy()
        for _ in range(6):
            g = z - y - h * np.array([-k[0] * z[0] + z[1] * z[2], k[1] * z[1] + z[0], k[2] * z[2] - k[3] * z[0] ** 2])
            jac = np.eye(3) - h * np.array([[-k[0], z[2], z[1]], [1.0, k[1], 0.0], [-2 * k[3] * z[0], 0.0, k[2]]])
            step = np.linalg.solve(jac, g)
            z = z - step
            if np.max(np.abs(step)) < 1e-13:
                break
        y = z
    return y
