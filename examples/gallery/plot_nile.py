"""
A Kalman filter with exact standard errors: the flow of the Nile
================================================================

A local-level model of the yearly flow of the Nile at Aswan, 1871 to 1970 [1]_: the level walks at random, and the flow
scatters about it. The likelihood is a recursion over the years, as it stands in the textbook; its maximum and the
curvature there give both variances with their standard errors.

Elsewhere: JAX wants the recursion as ``lax.scan``; PyTorch runs a thousand small operations one by one, and once more for
each row of the Hessian. Here the loop stays a loop.

.. [1] Cobb, G. W., The problem of the Nile: conditional solution to a change-point problem, Biometrika 65 (1978). The
   model: J. Durbin and S. J. Koopman, Time Series Analysis by State Space Methods (2012), chapter 2.
"""
from pathlib import Path
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg
import tracegrad.scipy

folder = Path(__file__).parent if "__file__" in globals() else Path.cwd()
years, flow = np.loadtxt(folder / "data" / "nile.csv", delimiter=",", skiprows=3, unpack=True)


# %%
# The filter: predict, compare, correct. The logarithms of the two variances are the parameters.

def filtered(logs, flow):
    noise, walk = np.exp(logs[0]), np.exp(logs[1])
    level, variance = flow[0], noise
    levels, spreads = np.empty(len(flow)), np.empty(len(flow))
    levels[0], spreads[0] = level, variance
    loss = 0.0
    for t in range(1, len(flow)):
        variance = variance + walk
        expected = variance + noise
        error = flow[t] - level
        loss += 0.5 * (np.log(2.0 * np.pi * expected) + error * error / expected)
        gain = variance / expected
        level = level + gain * error
        variance = variance * (1.0 - gain)
        levels[t], spreads[t] = level, variance
    return loss, levels, spreads


def loss(logs, flow):
    return filtered(logs, flow)[0]


# %%
# The maximum of the likelihood, by Newton's method with the exact Hessian.

fit = tg.scipy.minimize(loss, np.log([10_000.0, 1_000.0]), args=(flow,), method="trust-exact")
errors = np.sqrt(np.diag(np.linalg.inv(tg.hessian(loss)(fit.x, flow))))
for name, log, error in zip(("of the flow", "of the level"), fit.x, errors):
    print(f"variance {name:13s} {np.exp(log):8.0f}, standard error {np.exp(log) * error:.0f}")

# %%
# Durbin and Koopman give 15,099 and 1,469.1.

assert np.allclose(np.exp(fit.x), [15099.0, 1469.1], rtol=2e-3)

_, levels, spreads = tg.jit(filtered)(fit.x, flow)
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
axes.plot(years, flow, ".", color="0.5", label="flow")
axes.plot(years, levels, color="tab:blue", label="level")
axes.fill_between(years, levels - 1.645 * np.sqrt(spreads), levels + 1.645 * np.sqrt(spreads), alpha=0.2, label="90 %")
axes.set(xlabel="year", ylabel="10$^8$ m$^3$")
axes.legend(ncols=3)
plt.show()

# %%
# The Hessian, and what NumPy takes for the value alone, measured while this page was built:

second = tg.hessian(loss)
ours = min(repeat(lambda: second(fit.x, flow), number=1, repeat=20))
python = min(repeat(lambda: loss(fit.x, flow), number=1, repeat=3))
print(f"Hessian in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
