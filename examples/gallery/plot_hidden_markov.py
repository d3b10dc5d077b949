"""
A hidden Markov model in which some transitions are impossible: the flow of the Nile
====================================================================================

Was there a change in the flow of the Nile, and when [1]_? Two states, before and after, and the way back is forbidden:
its probability is zero, its logarithm minus infinity. The forward algorithm runs in logarithms, as everybody writes it;
the gradient with respect to the observations' scores is the probability of each state, so the backward algorithm is not
written at all.

Elsewhere: ``logsumexp`` over ``-inf`` is where automatic differentiation gives NaN (0 times infinity), and people
replace the zeros by small numbers, or the ``-inf`` by -1e9. Here a path that does not exist has the derivative 0.

.. [1] Cobb, G. W., The problem of the Nile: conditional solution to a change-point problem, Biometrika 65 (1978). The
   algorithm: L. R. Rabiner, A tutorial on hidden Markov models, Proc. IEEE 77 (1989).
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
# The forward algorithm. It begins in state 0, and ``np.log`` of a forbidden transition is minus infinity.


def logsumexp(a):
    top = np.max(a)
    if top == -np.inf:
        return top
    return top + np.log(np.sum(np.exp(a - top)))


def evidence(scores, moves):
    """The logarithm of the probability of the data, where scores[t, k] is that of observation t in state k."""
    states = len(moves)
    forward = np.full(states, -np.inf)
    forward[0] = scores[0, 0]
    for t in range(1, len(scores)):
        new = np.empty(states)
        for k in range(states):
            new[k] = logsumexp(forward + moves[:, k]) + scores[t, k]
        forward = new
    return logsumexp(forward)


def scored(parameters, flow):
    means, spread = parameters[:2], np.exp(parameters[2])
    return -0.5 * ((flow[:, None] - means) / spread) ** 2 - np.log(spread * np.sqrt(2.0 * np.pi))


def transitions(parameters):
    change = 1.0 / (1.0 + np.exp(-parameters[3]))
    with np.errstate(divide="ignore"):
        return np.log(np.array([[1.0 - change, change], [0.0, 1.0]]))


def loss(parameters, flow):
    return -evidence(scored(parameters, flow), transitions(parameters))


# %%
# Both levels, their spread, and the rate of change, by maximum likelihood.

start = np.array([1000.0, 900.0, np.log(150.0), -4.0])
fit = tg.scipy.minimize(loss, start, args=(flow,), method="trust-exact")
errors = np.sqrt(np.diag(np.linalg.inv(tg.hessian(loss)(fit.x, flow))))
print(f"before {fit.x[0]:.0f} ± {errors[0]:.0f}, after {fit.x[1]:.0f} ± {errors[1]:.0f}, spread {np.exp(fit.x[2]):.0f}")

# %%
# The probability of each state in each year is the derivative of the evidence with respect to the scores. It agrees
# with the sum over all 100 paths that exist: the change after year 1, 2, and so on, or never. Cobb dates it to 1898.

scores, moves = scored(fit.x, flow), transitions(fit.x)
states = tg.grad(evidence)(scores, moves)

stay, change = moves[0]
paths = [scores[:n, 0].sum() + scores[n:, 1].sum() + (n - 1) * stay + (n < 100) * change for n in range(1, 101)]
paths = np.array(paths)
weights = np.exp(paths - paths.max())
weights /= weights.sum()
assert np.allclose(states[:, 1], [weights[:t].sum() for t in range(100)])
assert np.isclose(tg.jit(evidence)(scores, moves), paths.max() + np.log(np.exp(paths - paths.max()).sum()))
assert years[np.argmax(weights)] == 1898

# %%
# No NaN on the way, in the second derivative neither: the forbidden way back has the slope zero.

slope = tg.grad(evidence, argnums=1)(scores, moves)
assert np.all(np.isfinite(slope)) and slope[1, 0] == 0.0 and np.all(np.isfinite(errors))

figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
axes.plot(years, flow, ".", color="0.5", label="flow")
axes.plot(years, states @ fit.x[:2], color="tab:blue", label="expected level")
axes.set(xlabel="year", ylabel="10$^8$ m$^3$")
right = axes.twinx()
right.bar(years, weights, color="tab:red", alpha=0.6, label="the last year before the change")
right.set(ylabel="probability", ylim=(0, 2))
figure.legend(ncols=3, loc="outside upper center")
plt.show()

# %%
# The Hessian, and what NumPy takes for the value alone, measured while this page was built:

second = tg.hessian(loss)
ours = min(repeat(lambda: second(fit.x, flow), number=1, repeat=20))
python = min(repeat(lambda: loss(fit.x, flow), number=1, repeat=3))
print(f"Hessian in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
