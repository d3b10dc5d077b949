"""Models of statistics and learning over scipy.stats and scipy.special, as papers write them: values, and gradients by
differences."""
from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from by_hand.trees import copied
from scipy.special import expit, gammaln, logsumexp
from scipy.stats import multivariate_normal, norm, t

import tracegrad as tg

RNG = np.random.default_rng(5)
POINTS = np.linspace(-2.0, 2.0, 8)[:, None]
HEIGHTS = np.sin(2 * POINTS[:, 0]) + 0.1 * RNG.standard_normal(8)
CLOUD = RNG.standard_normal((10, 2)) + np.repeat([[0.0, 0.0], [3.0, 1.0]], 5, axis=0)
MIXED, COUNTS = RNG.standard_normal((3, 8)), RNG.poisson(3.0, 9)


def kernel(theta, x, z):
    gap = x[:, None, :] / np.exp(theta[1:]) - z[None, :, :] / np.exp(theta[1:])
    return np.exp(theta[0]) * np.exp(-0.5 * np.sum(gap ** 2, axis=-1))


def evidence(theta, x, y):
    covariance = kernel(theta[2:], x, x) + (1e-4 + np.exp(theta[1])) * np.eye(len(y))
    return multivariate_normal.logpdf(y, np.full(len(y), theta[0]), covariance)


def predicted(theta, x, y, at):
    inner = kernel(theta[2:], x, x) + (1e-4 + np.exp(theta[1])) * np.eye(len(y))
    weights = np.linalg.solve(inner, kernel(theta[2:], x, at)).T
    return theta[0] + weights @ (y - theta[0]), kernel(theta[2:], at, at) - weights @ kernel(theta[2:], x, at)


def gaussian_process(theta):
    return -evidence(theta, POINTS, HEIGHTS)


def deep_process(theta):
    first, second, hidden = theta[:4], theta[4:8], theta[8:]
    mean, _ = predicted(second, np.atleast_2d(hidden).T, HEIGHTS, np.linspace(-1, 1, 4)[:, None])
    return np.sum(mean) - evidence(first, POINTS, hidden) - evidence(second, np.atleast_2d(hidden).T, HEIGHTS)


def next_experiment(theta):
    mean, covariance = predicted(theta, POINTS, HEIGHTS, np.linspace(-1, 1, 4)[:, None])
    spread = np.sqrt(np.diag(covariance) + 0.1)
    return np.sum((mean - 0.3) * norm.cdf(mean, 0.3, spread) + spread ** 2 * norm.pdf(mean, 0.3, spread))


def mixture(params):
    shares = params["shares"] - logsumexp(params["shares"])
    rows = [share + multivariate_normal.logpdf(CLOUD, mean, root.T @ root)
            for share, mean, root in zip(shares, params["means"], params["roots"])]
    return -np.sum(logsumexp(np.vstack(rows), axis=0))


def sources(params):
    seen = np.sum(t.logpdf(params["mixing"] @ params["sources"], 2.4, MIXED, 0.1))
    return seen + np.sum(t.logpdf(params["sources"], 3.2, 0, 1))


def funnel(samples):
    return norm.logpdf(samples[:, 1], 0, 1.35) + norm.logpdf(samples[:, 0], 0, np.exp(samples[:, 1]))


def bound(params):
    mean, spread = params[:2], params[2:]
    samples = np.random.RandomState(0).randn(6, 2) * np.exp(spread) + mean
    return -np.mean(funnel(samples)) - np.sum(spread) - (1 + np.log(2 * np.pi))


def natural_step(params):
    metric = np.concatenate([np.exp(-2 * params[2:]), 2 * np.ones(2)])
    return bound(params - 0.1 * tg.grad(bound)(params) / metric)


def encoded(params):
    def net(layers, x):
        for weights, bias in layers[:-1]:
            x = np.maximum(x @ weights + bias, 0.0)
            x = (x - np.mean(x, axis=0, keepdims=True)) / (np.std(x, axis=0, keepdims=True) + 1)
        return x @ layers[-1][0] + layers[-1][1]

    image = (MIXED.T > 0) * 1.0
    code = net(params[0], image)
    mean, spread = code[:, :2], code[:, 2:]
    latent = np.random.RandomState(1).randn(*mean.shape) * np.exp(spread) + mean
    likely = -np.logaddexp(0, -net(params[1], latent) * (2 * image - 1)).sum(axis=-1)
    return np.mean(norm.logpdf(latent, mean, np.exp(spread)).sum(axis=-1) - norm.logpdf(latent, 0, 1).sum(axis=-1) - likely)


def partition(params, seen=COUNTS % 4):
    state = params[0]
    for y in seen:
        state = logsumexp(state[:, None] + params[1], axis=0) + params[2][:, y]
    return logsumexp(state)


def expectation_step(params):
    counts = tg.grad(partition)(params)
    return partition([np.log(c / c.sum(-1, keepdims=True)) for c in counts])


def counted(params):
    r, p = np.log1p(np.exp(params[0])), expit(params[1])
    return -np.mean(gammaln(r + COUNTS) - gammaln(r) - gammaln(COUNTS + 1) + COUNTS * np.log(p) + r * np.log1p(-p))


def layers(*sizes):
    return [(RNG.standard_normal((m, n)) * 0.5, RNG.standard_normal(n) * 0.5) for m, n in pairwise(sizes)]


MODELS = {
    gaussian_process: RNG.standard_normal(4) * 0.3, deep_process: RNG.standard_normal(16) * 0.4,
    next_experiment: RNG.standard_normal(4) * 0.3, sources: {"mixing": RNG.standard_normal((3, 2)), "sources": MIXED[:2] * 0.5},
    mixture: {
        "shares": RNG.standard_normal(2), "means": RNG.standard_normal((2, 2)), "roots": np.eye(2) + np.zeros((2, 2, 2))},
    bound: RNG.standard_normal(4) * 0.5, natural_step: RNG.standard_normal(4) * 0.5,
    encoded: (layers(3, 4, 4), layers(2, 4, 3)),
    partition: [RNG.standard_normal(3), RNG.standard_normal((3, 3)), RNG.standard_normal((3, 4))],
    counted: np.array([0.3, -0.2]),
    expectation_step: [RNG.standard_normal(3), RNG.standard_normal((3, 3)), RNG.standard_normal((3, 4))],
}


@pytest.mark.sweep(11)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_value_and_gradient(model):
    params = MODELS[model]
    value, slope = tg.value_and_grad(model)(copied(params))
    np.testing.assert_allclose(value, model(params), rtol=1e-11)
    turn = tg.tree.map(lambda x: np.cos(np.arange(np.size(x), dtype=float)).reshape(np.shape(x)), params)
    up, down = (tg.tree.map(lambda x, d, h=h: x + h * d, params, turn) for h in (1e-5, -1e-5))
    along = sum(np.sum(s * d) for s, d in zip(tg.tree.leaves(slope), tg.tree.leaves(turn)))
    np.testing.assert_allclose(along, (model(up) - model(down)) / 2e-5, rtol=1e-6, atol=1e-7)
