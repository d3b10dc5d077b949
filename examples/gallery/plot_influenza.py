"""
An epidemic fitted with exact standard errors: influenza in a boarding school
=============================================================================

In January 1978 influenza went through an English boarding school of 763 boys [1]_. Susceptible, infected, recovered:
three compartments and two rates, in steps of a Runge-Kutta method that is written out below. The fit needs the
derivative of two weeks with respect to the rates; the standard error of the basic reproduction number needs the
Hessian.

Elsewhere: PyTorch records more than ten thousand small operations for one gradient of this loop; JAX wants ``lax.scan``
with all state in a carry, and neither takes the day's row of the result as a plain write into an array.

.. [1] Anonymous, Influenza in a boarding school, British Medical Journal 1 (1978) 587. The model: W. O. Kermack and A.
   G. McKendrick, A contribution to the mathematical theory of epidemics, Proc. R. Soc. A 115 (1927). For the fit see J.
   D. Murray, Mathematical Biology I (2002), section 10.2.
"""
from pathlib import Path
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg
import tracegrad.scipy

folder = Path(__file__).parent if "__file__" in globals() else Path.cwd()
days, in_bed = np.loadtxt(folder / "data" / "influenza.csv", delimiter=",", skiprows=3, unpack=True)
BOYS, STEPS = 763.0, 24

# %%
# The epidemic: who is susceptible meets who is infected.


def rates(state, contact, recovery):
    susceptible, infected = state
    infections = contact * susceptible * infected / BOYS
    return np.array([-infections, infections - recovery * infected])


def epidemic(parameters, days):
    contact, recovery, first = np.exp(parameters)
    state = np.array([BOYS - first, first])
    history = np.empty((len(days), 2))
    for day in range(len(days)):
        if day > 0:
            for _ in range(STEPS):
                h = (days[day] - days[day - 1]) / STEPS
                a = rates(state, contact, recovery)
                b = rates(state + 0.5 * h * a, contact, recovery)
                c = rates(state + 0.5 * h * b, contact, recovery)
                d = rates(state + h * c, contact, recovery)
                state = state + h / 6.0 * (a + 2.0 * b + 2.0 * c + d)
        history[day] = state
    return history


def loss(parameters, days, in_bed):
    return np.sum((epidemic(parameters, days)[:, 1] - in_bed) ** 2)


# %%
# Least squares by Newton's method, with exact first and second derivatives through all 312 steps.

fit = tg.scipy.minimize(loss, np.log([1.5, 0.5, 2.0]), args=(days, in_bed), method="trust-exact")
contact, recovery, first = np.exp(fit.x)
scatter = fit.fun / (len(days) - 3)
covariance = 2.0 * scatter * np.linalg.inv(tg.hessian(loss)(fit.x, days, in_bed))
number = contact / recovery
error = number * np.sqrt(covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1])
print(f"contacts {contact:.3f} a day, a boy lies in bed for {1 / recovery:.2f} days")
print(f"basic reproduction number {number:.2f}, standard error {error:.2f}")

# %%
# Murray's fit, in which the epidemic begins with one boy, has the threshold at 202 susceptible: a reproduction number
# of 763 / 202 = 3.78. Ours differs from it by less than its standard error. The derivatives agree with differences.

assert fit.success and abs(number - 763 / 202) < error
tg.check_grads(lambda parameters: loss(parameters, days, in_bed), (fit.x + 0.1,), order=2)

# %%
# One gradient row for each day: how the curve leans on each parameter.

times = np.linspace(1.0, 14.0, 14 * 8)
curve = tg.jit(epidemic)(fit.x, times)
slopes = tg.jacobian(epidemic)(fit.x, times)[:, 1]
spread = np.sqrt(np.einsum("ti,ij,tj->t", slopes, covariance, slopes))

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
axes[0].plot(days, in_bed, "o", color="0.4", label="in bed")
axes[0].plot(times, curve[:, 1], color="tab:red", label="infected")
axes[0].fill_between(times, curve[:, 1] - 2 * spread, curve[:, 1] + 2 * spread, color="tab:red", alpha=0.2, label="two errors")
axes[0].plot(times, curve[:, 0], color="tab:blue", label="susceptible")
axes[0].set(xlabel="day", ylabel="boys")
axes[0].legend()
axes[1].plot(times, slopes, label=["contact", "recovery", "infected at first"])
axes[1].set(xlabel="day", ylabel="boys in bed per unit of the logarithm")
axes[1].legend()
plt.show()

# %%
# The Hessian, and what NumPy takes for the value alone, measured while this page was built:

second = tg.hessian(loss)
ours = min(repeat(lambda: second(fit.x, days, in_bed), number=1, repeat=20))
python = min(repeat(lambda: loss(fit.x, days, in_bed), number=1, repeat=3))
print(f"Hessian in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the value alone")
