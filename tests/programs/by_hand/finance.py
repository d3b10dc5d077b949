"""Trees, paths and portfolios."""

import math

import numpy as np

from . import program


@program(lambda r: (100.0, 105.0, 0.03, 0.2, 1.0, 12), wrt=(0, 1, 2, 3, 4))
def american_put_tree(spot, strike, rate, sigma, maturity, steps):
    dt = maturity / steps
    up = np.exp(sigma * np.sqrt(dt))
    down = 1 / up
    p = (np.exp(rate * dt) - down) / (up - down)
    discount = np.exp(-rate * dt)
    values = np.zeros(steps + 1)
    for j in range(steps + 1):
        values[j] = max(strike - spot * up**j * down ** (steps - j), 0.0)
    for i in range(steps - 1, -1, -1):
        for j in range(i + 1):
            hold = discount * (p * values[j + 1] + (1 - p) * values[j])
            exercise = strike - spot * up**j * down ** (i - j)
            values[j] = max(hold, exercise)
    return values[0]


@program(lambda r: (100.0, 105.0, 0.03, 0.2, 1.0), wrt=(0, 1, 2, 3, 4))
def black_scholes(spot, strike, rate, sigma, t):
    def cdf(x):
        return 0.5 * (1 + math.erf(x / math.sqrt(2)))

    d1 = (math.log(spot / strike) + (rate + sigma**2 / 2) * t) / (sigma * math.sqrt(t))
    d2 = d1 - sigma * math.sqrt(t)
    call = spot * cdf(d1) - strike * math.exp(-rate * t) * cdf(d2)
    return call, call - spot + strike * math.exp(-rate * t)


@program(lambda r: (10.45, 100.0, 100.0, 0.05, 1.0), wrt=(0, 1))
def implied_volatility(price, spot, strike, rate, t):
    sigma = 0.3
    for _ in range(50):
        d1 = (np.log(spot / strike) + (rate + 0.5 * sigma**2) * t) / (sigma * np.sqrt(t))
        d2 = d1 - sigma * np.sqrt(t)
        n1 = 0.5 * (1 + math.erf(d1 / np.sqrt(2)))
        n2 = 0.5 * (1 + math.erf(d2 / np.sqrt(2)))
        value = spot * n1 - strike * np.exp(-rate * t) * n2
        vega = spot * np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi) * np.sqrt(t)
        step = (value - price) / vega
        sigma -= step
        if abs(step) < 1e-12:
            break
    return sigma


@program(
    lambda r: (100.0, 0.04, np.array([1.5, 0.04, 0.3, -0.6]), r.standard_normal((6, 8)), r.standard_normal((6, 8))),
    wrt=(0, 1, 2),
)
def heston_paths(spot, v0, params, z1, z2):
    kappa, theta, xi, rho = params
    n_paths, n_steps = z1.shape
    dt = 1.0 / n_steps
    payoff = 0.0
    for i in range(n_paths):
        s, v = spot, v0
        for t in range(n_steps):
            vp = max(v, 0.0)
            w2 = rho * z1[i, t] + np.sqrt(1 - rho**2) * z2[i, t]
            s *= np.exp(-0.5 * vp * dt + np.sqrt(vp * dt) * z1[i, t])
            v += kappa * (theta - vp) * dt + xi * np.sqrt(vp * dt) * w2
        payoff += max(s - 100.0, 0.0)
    return payoff / n_paths


@program(lambda r: (np.array([0.2, 0.5, 0.3]), r.standard_normal((30, 3)) * 0.01), wrt=(0, 1))
def portfolio_variance(w, returns):
    cov = np.cov(returns, rowvar=False)
    variance = w @ cov @ w
    marginal = cov @ w / np.sqrt(variance)
    return np.sqrt(variance), w * marginal


@program(lambda r: (100.0, 0.02, 0.25, r.standard_normal((5, 6)), 95.0), wrt=(0, 1, 2))
def barrier_option(spot, rate, sigma, normals, barrier):
    dt = 1 / normals.shape[1]
    total = 0.0
    for path in normals:
        s = spot
        alive = True
        for z in path:
            s = s * np.exp((rate - sigma**2 / 2) * dt + sigma * np.sqrt(dt) * z)
            if s < barrier:
                alive = False
                break
        if alive:
            total += s
        else:
            total += 0.1 * s
    return np.exp(-rate) * total / len(normals)


@program(lambda r: (np.array([-100.0, 30.0, 40.0, 50.0, 10.0]),))
def internal_rate_of_return(flows):
    rate = 0.1
    for _ in range(100):
        value = slope = 0.0
        for t, f in enumerate(flows):
            value += f / (1 + rate) ** t
            slope -= t * f / (1 + rate) ** (t + 1)
        step = value / slope
        rate = rate - step
        if abs(step) < 1e-13:
            return rate
    raise RuntimeError("no convergence")


@program(lambda r: (1 + np.cumsum(r.standard_normal(20)) * 0.05 + 5,))
def drawdown_and_moving_average(prices):
    peak = prices[0]
    worst = 0.0
    for p in prices:
        if p > peak:
            peak = p
        worst = max(worst, (peak - p) / peak)
    window = 4
    average = np.array([prices[i - window : i].mean() for i in range(window, len(prices) + 1)])
    weights = 0.5 ** np.arange(window)[::-1]
    smooth = np.convolve(prices, weights / weights.sum(), mode="valid")
    return worst, average, smooth
