"""
Lynx and hare: an ordinary differential equation fitted through its solver
==========================================================================

Hares breed, lynxes eat hares: the equations of Lotka and Volterra fitted to the pelts that the Hudson's Bay Company
traded [1]_. The solver chooses its steps; the derivative goes through ``tg.implicit.odeint`` in whichever mode is asked
for, here forward mode for the Jacobian of the residuals and forward over reverse for the Hessian.

Elsewhere: ``scipy.integrate`` has no derivative, and differences of an adaptive solver are noisy;
``jax.experimental.ode`` has reverse mode of the first order only; Numba has none.

.. [1] Odum, E. P., Fundamentals of Ecology (1953), as tabulated by J. Mahaffy. The noise model and reference values: B.
   Carpenter, Predator-Prey Population Dynamics: the Lotka-Volterra model in Stan (2018).
.. [2] Cao, Y., S. Li, L. Petzold and R. Serban, Adjoint sensitivity analysis for differential-algebraic equations, SIAM
   J. Scientific Computing 24 (2003).
"""
from pathlib import Path
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np
import scipy.integrate

import tracegrad as tg
import tracegrad.scipy

folder = Path(__file__).parent if "__file__" in globals() else Path.cwd()
table = np.loadtxt(folder / "data" / "lynx_hare.csv", delimiter=",", skiprows=4)
years, pelts = table[:, 0], table[:, 1:]

# %%
# The equations and the residuals: logarithms of pelts against logarithms of the model. Six parameters, all positive.


def growth(state, t, rates):
    hare, lynx = state
    return np.array([(rates[0] - rates[1] * lynx) * hare, (rates[3] * hare - rates[2]) * lynx])


def history(logs, times):
    return tg.implicit.odeint(growth, np.exp(logs[4:]), times, np.exp(logs[:4]))


def residuals(logs, times, pelts):
    return (np.log(history(logs, times)) - np.log(pelts)).ravel()


start = np.log([0.5, 0.03, 0.8, 0.03, 30.0, 5.0])
fit = tg.scipy.least_squares(residuals, start, args=(years, pelts))
rates = np.exp(fit.x)

# %%
# Standard errors from the exact Hessian of the likelihood, in which the spread of the noise is at its best value.


def loss(logs, times, pelts):
    r = residuals(logs, times, pelts)
    return 0.5 * len(r) * np.log(np.sum(r * r))


covariance = np.linalg.inv(tg.hessian(loss)(fit.x, years, pelts))
errors = rates * np.sqrt(np.diag(covariance))
posterior = {"birth of hares": 0.55, "hares eaten": 0.028, "death of lynxes": 0.80, "lynxes fed": 0.024}
for k, (name, value) in enumerate(posterior.items()):
    print(f"{name:16s} {rates[k]:.4f} ± {errors[k]:.4f}   Carpenter {value}")
    assert abs(rates[k] - value) < errors[k]

# %%
# One gradient by three adjoints. Reverse mode goes through the steps that the solver took, and keeps them. With a small
# budget of memory it runs them again instead. And the textbook's way is to integrate the adjoint equation backward from
# year to year [2]_; it is a function like any other, and ``tg.vjp`` gives its right-hand side.


def squares(logs, times, pelts):
    return 0.5 * np.sum(residuals(logs, times, pelts) ** 2)


def backward(combined, t, rates):
    state, costate = combined[:2], combined[2:4]
    slope, pull = tg.vjp(lambda state, rates: growth(state, t, rates), state, rates)
    by_state, by_rates = pull(costate)
    return np.concatenate([slope, -by_state, -by_rates])


@tg.jit
def adjoint_equation(logs, times, pelts):
    rates, path = np.exp(logs[:4]), history(logs, times)
    jumps = np.log(path / pelts) / path
    costate, total = jumps[-1], np.zeros(4)
    for k in range(len(times) - 1, 0, -1):
        begin = np.concatenate([path[k], costate, total])
        end = tg.implicit.odeint(backward, begin, times[k - 1:k + 1][::-1], rates)[1]
        costate, total = end[2:4] + jumps[k - 1], end[4:]
    return np.concatenate([total * rates, costate * path[0]])


kept = tg.grad(squares)(start, years, pelts)
with tg.config(memory_budget="10KB"):
    run_again = tg.grad(squares)(start, years, pelts)
integrated = adjoint_equation(start, years, pelts)
for name, gradient in (("steps kept", kept), ("steps run again", run_again), ("adjoint equation", integrated)):
    print(f"{name:17s}", np.array2string(gradient, precision=6, floatmode="fixed"))
assert np.allclose(run_again, kept, rtol=1e-10) and np.allclose(integrated, kept, rtol=1e-4)

# %%
# Lotka and Volterra's equations have a first integral; the solution keeps it. And both modes agree with differences.

times = np.linspace(years[0], years[-1] + 10.0, 301)
path = tg.jit(history)(fit.x, times)
integral = rates[3] * path[:, 0] - rates[2] * np.log(path[:, 0]) + rates[1] * path[:, 1] - rates[0] * np.log(path[:, 1])
assert np.ptp(integral) < 1e-5
tg.check_grads(lambda logs: residuals(logs, years, pelts), (fit.x,))

slopes = tg.jacobian(history)(fit.x, times)
spread = np.sqrt(np.einsum("tki,ij,tkj->tk", slopes, covariance, slopes))
figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
for k, (name, color) in enumerate((("hare", "tab:brown"), ("lynx", "tab:green"))):
    axes.plot(years, pelts[:, k], "o", color=color)
    axes.plot(times, path[:, k], color=color, label=name)
    axes.fill_between(times, path[:, k] - 2 * spread[:, k], path[:, k] + 2 * spread[:, k], color=color, alpha=0.15)
axes.set(xlabel="year", ylabel="pelts, in thousands", ylim=(0, 110))
axes.legend()
plt.show()

# %%
# The gradient through the adaptive solver, and what SciPy's solver takes for the solution alone, measured while this page was
# built:

slope, place = tg.grad(squares), np.exp(start)
ours = min(repeat(lambda: slope(start, years, pelts), number=1, repeat=20))
scipys = min(repeat(lambda: scipy.integrate.odeint(growth, place[4:], years, args=(place[:4],)), number=1, repeat=3))
print(f"gradient in {1e3 * ours:.3f} ms; SciPy takes {scipys / ours:.1f} times as long for the solution alone")
