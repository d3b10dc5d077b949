"""Likelihoods, filters, mixture models, regressions."""

import math

import numpy as np

from . import program


@program(lambda r: (r.standard_normal((12, 2)), r.standard_normal((3, 2))), wrt=(0, 1))
def k_means_step(points, centres):
    n, k = points.shape[0], centres.shape[0]
    labels = np.zeros(n, dtype=np.int64)
    for i in range(n):
        best = np.inf
        for j in range(k):
            d = np.sum((points[i] - centres[j]) ** 2)
            if d < best:
                best = d
                labels[i] = j
    new = np.zeros_like(centres)
    for j in range(k):
        members = points[labels == j]
        if len(members) > 0:
            new[j] = members.mean(axis=0)
        else:
            new[j] = centres[j]
    return new, labels


@program(lambda r: (r.standard_normal(15), np.array([-1.0, 1.0]), np.array([0.8, 1.2]), np.array([0.4, 0.6])), wrt=(0, 1, 2, 3))
def em_gaussian_mixture(x, mu, sigma, weight):
    for _ in range(3):
        z = (x[:, None] - mu) / sigma
        logp = -0.5 * z**2 - np.log(sigma) - 0.5 * np.log(2 * np.pi) + np.log(weight)
        top = logp.max(axis=1, keepdims=True)
        p = np.exp(logp - top)
        loglik = np.sum(np.log(p.sum(axis=1)) + top[:, 0])
        resp = p / p.sum(axis=1, keepdims=True)
        nk = resp.sum(axis=0)
        mu = (resp * x[:, None]).sum(axis=0) / nk
        sigma = np.sqrt((resp * (x[:, None] - mu) ** 2).sum(axis=0) / nk)
        weight = nk / x.size
    return mu, sigma, weight, loglik


@program(lambda r: (r.standard_normal(20) * 0.01, np.array([0.1, 0.1, 0.8])), wrt=(1,))
def garch_likelihood(returns, theta):
    omega, alpha, beta = theta[0] * 1e-4, theta[1], theta[2]
    variance = np.var(returns)
    loglik = 0.0
    for r in returns:
        loglik -= 0.5 * (math.log(2 * math.pi) + np.log(variance) + r**2 / variance)
        variance = omega + alpha * r**2 + beta * variance
    return -loglik / len(returns)


def _kalman(r):
    return (
        np.array([[1.0, 0.1], [0.0, 0.95]]),
        np.array([[1.0, 0.0]]),
        0.1 * np.eye(2),
        np.array([[0.5]]),
        r.standard_normal((7, 1)),
    )


@program(_kalman, wrt=(0, 1, 2, 3, 4))
def kalman_smoother(F, H, Q, R, ys):
    T, d = len(ys), F.shape[0]
    m, P = np.zeros(d), np.eye(d)
    ms, Ps = np.zeros((T, d)), np.zeros((T, d, d))
    mp, Pp = np.zeros((T, d)), np.zeros((T, d, d))
    ll = 0.0
    for t in range(T):
        m, P = F @ m, F @ P @ F.T + Q
        mp[t], Pp[t] = m, P
        S = H @ P @ H.T + R
        K = P @ H.T @ np.linalg.inv(S)
        v = ys[t] - H @ m
        ll += -0.5 * (v @ np.linalg.solve(S, v) + np.log(np.linalg.det(S)))
        m = m + K @ v
        P = P - K @ S @ K.T
        ms[t], Ps[t] = m, P
    for t in range(T - 2, -1, -1):
        G = Ps[t] @ F.T @ np.linalg.inv(Pp[t + 1])
        ms[t] += G @ (ms[t + 1] - mp[t + 1])
        Ps[t] = Ps[t] + G @ (Ps[t + 1] - Pp[t + 1]) @ G.T
    return ms, ll


@program(
    lambda r: (
        r.standard_normal(3) * 0.3,
        r.standard_normal((10, 3)),
        r.permutation(10).astype(float),
        r.uniform(0, 1, 10) < 0.7,
    )
)
def cox_partial_likelihood(beta, covariates, times, events):
    eta = covariates @ beta
    order = np.argsort(-times)
    total = 0.0
    risk = 0.0
    for i in order:
        risk += np.exp(eta[i])
        if events[i]:
            total += eta[i] - np.log(risk)
    return -total


@program(lambda r: (2.5, 3.5, r.integers(0, 11, 8), 10), wrt=(0, 1))
def beta_binomial(a, b, successes, trials):
    total = 0.0
    for k in successes:
        total += math.lgamma(k + a) + math.lgamma(trials - k + b) - math.lgamma(trials + a + b)
        total += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        total += math.log(math.comb(10, 3))
    return total


@program(lambda r: (r.standard_normal(3), r.standard_normal((14, 3)), r.standard_normal(14), 0.3))
def quantile_regression(w, x, y, q):
    e = y - x @ w
    return np.mean(np.maximum(q * e, (q - 1) * e)) + 0.01 * np.abs(w).sum()


@program(
    lambda r: (r.standard_normal(4), r.standard_normal((10, 4)), np.where(r.uniform(0, 1, 10) < 0.5, -1, 1), 0.1), wrt=(0, 1)
)
def svm_hinge(w, x, y, c):
    loss = 0.5 * c * np.dot(w, w)
    for xi, yi in zip(x, y):
        margin = 1 - yi * np.dot(w, xi)
        if margin > 0:
            loss += margin
    return loss / len(y)


@program(lambda r: (r.standard_normal(3), r.standard_normal((9, 3)), r.poisson(2.0, 9)))
def poisson_irls(beta, x, y):
    for _ in range(3):
        eta = x @ beta * 0.3
        mu = np.exp(eta)
        z = eta + (y - mu) / mu
        w = np.diag(mu)
        beta = np.linalg.solve(x.T @ w @ x, x.T @ w @ z)
    return beta


@program(lambda r: (np.sort(r.uniform(0, 5, 8)), r.standard_normal(8), np.array([0.5, 1.2, 0.1])), wrt=(1, 2))
def gp_log_likelihood(x, y, theta):
    n = len(x)
    K = np.empty((n, n))
    for i in range(n):
        for j in range(i, n):
            K[i, j] = theta[0] * np.exp(-0.5 * ((x[i] - x[j]) / theta[1]) ** 2)
            K[j, i] = K[i, j]
        K[i, i] += theta[2]
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    return -0.5 * y @ alpha - np.log(np.diag(L)).sum() - 0.5 * n * np.log(2 * np.pi)


@program(lambda r: (r.standard_normal((10, 3)),))
def correlation_matrix(x):
    centred = x - x.mean(axis=0)
    std = centred.std(axis=0, ddof=1)
    n = x.shape[1]
    out = np.eye(n)
    for i in range(n):
        for j in range(i):
            out[i, j] = out[j, i] = np.sum(centred[:, i] * centred[:, j]) / ((len(x) - 1) * std[i] * std[j])
    return out


@program(lambda r: (r.standard_normal(12), 3), wrt=(0,))
def autocorrelation(x, lags):
    mean = x.mean()
    c0 = np.sum((x - mean) ** 2)
    return np.array([np.sum((x[: len(x) - k] - mean) * (x[k:] - mean)) / c0 for k in range(lags + 1)])


@program(lambda r: (r.standard_normal(10), np.array([0.5, -0.2]), 0.3), wrt=(0, 1, 2))
def arma_residuals(y, phi, theta):
    p = phi.size
    e = np.zeros_like(y)
    for t in range(len(y)):
        pred = 0.0
        for k in range(1, p + 1):
            if t - k >= 0:
                pred += phi[k - 1] * y[t - k]
        if t > 0:
            pred += theta * e[t - 1]
        e[t] = y[t] - pred
    return e


@program(lambda r: (r.uniform(0, 1, 9), 1.5), wrt=(0, 1))
def particle_weights(observations, noise):
    particles = np.linspace(-1, 1, 5)
    weights = np.ones(5) / 5
    for y in observations:
        weights = weights * np.exp(-0.5 * ((y - particles) / noise) ** 2)
        weights /= weights.sum()
        effective = 1.0 / np.sum(weights**2)
        if effective < 4.5:
            weights = 0.5 * weights + 0.1
        particles = 0.9 * particles + 0.05
    return weights @ particles
