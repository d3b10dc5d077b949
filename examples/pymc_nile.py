"""NUTS in PyMC through a likelihood that is a loop in plain NumPy: how much the flow of the Nile scatters, and its level walks.

    python examples/pymc_nile.py        (needs: pip install pymc)

The likelihood of a local-level model is a recursion over the years (a Kalman filter). In PyMC it would be a `scan`; here it is
the loop of the textbook, compiled with its gradient, in one `pm.Potential`. With two parameters the posterior is also known by
quadrature, which is printed beside the sampler's. The data: G. W. Cobb, Biometrika 65 (1978).
"""
from pathlib import Path

import numpy as np

import tracegrad as tg

FLOW = np.loadtxt(Path(__file__).parent / "gallery" / "data" / "nile.csv", delimiter=",", skiprows=3, unpack=True)[1]
PRIORS = {"noise": (np.log(10_000.0), 1.0), "walk": (np.log(1_000.0), 1.5)}        # of the logarithms of the two variances


def log_likelihood(noise, walk, flow):
    level, variance, total = flow[0], noise, 0.0
    for t in range(1, len(flow)):
        variance = variance + walk
        expected = variance + noise
        error = flow[t] - level
        total -= 0.5 * (np.log(2.0 * np.pi * expected) + error * error / expected)
        gain = variance / expected
        level = level + gain * error
        variance = variance * (1.0 - gain)
    return total


def model():
    import pymc as pm

    likelihood = tg.interop.pytensor.as_op(log_likelihood, 0.0, 0.0, FLOW)
    with pm.Model() as made:
        variances = [pm.LogNormal(name, *prior) for name, prior in PRIORS.items()]
        pm.Potential("likelihood", likelihood(*variances, FLOW))
    return made


def sampled(draws):
    """{name: (mean, standard deviation) of its logarithm} of the sampler's draws."""
    import pymc as pm

    with model():
        trace = pm.sample(draws=draws, tune=500, chains=2, cores=1, random_seed=1, progressbar=False)
    logs = {name: np.log(trace.posterior[name].values) for name in PRIORS}
    return {name: (x.mean(), x.std()) for name, x in logs.items()}


def exact():
    """The same by quadrature: the posterior on a grid, all points in one compiled call."""
    a, b = np.meshgrid(np.linspace(7.0, 12.0, 300), np.linspace(0.0, 13.0, 400), indexing="ij")
    log = tg.vmap(log_likelihood, in_axes=(0, 0, None))(np.exp(a.ravel()), np.exp(b.ravel()), FLOW).reshape(a.shape)
    for x, (mean, spread) in zip((a, b), PRIORS.values()):
        log -= 0.5 * ((x - mean) / spread) ** 2
    weights = np.exp(log - log.max())
    means = [np.average(x, weights=weights) for x in (a, b)]
    return {name: (mean, np.sqrt(np.average((x - mean) ** 2, weights=weights)))
            for name, x, mean in zip(PRIORS, (a, b), means)}


if __name__ == "__main__":
    found, wanted = sampled(2000), exact()
    for name in PRIORS:
        print(f"log variance of the {name:5s}: NUTS {found[name][0]:.3f} +- {found[name][1]:.3f}, "
              f"quadrature {wanted[name][0]:.3f} +- {wanted[name][1]:.3f}")
