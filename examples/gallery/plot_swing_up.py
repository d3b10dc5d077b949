"""
Optimal control by shooting: a pendulum on a cart swings up
===========================================================

The force on a cart, two seconds long, shall bring the pendulum below it to stand upright, with the least effort. We
shoot [1]_: simulate, and hand the final state to SciPy as a constraint. Its Jacobian, a hundred steps of a Runge-Kutta
method deep, is exact.

Elsewhere: CasADi wants the dynamics in its own symbols; in JAX, the loop is ``lax.scan``; differences are too rough for
an unstable system, whose errors grow by the factor e some five times a second.

.. [1] Kelly, M., An introduction to trajectory optimization: how to do your own direct collocation, SIAM Review 59
   (2017), with this cart and its masses and lengths.
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg
import tracegrad.scipy

CART, BOB, LENGTH, GRAVITY = 1.0, 0.3, 0.5, 9.81
SECONDS, PIECES, STEPS = 2.0, 20, 5
GOAL = np.array([1.0, np.pi, 0.0, 0.0])

# %%
# The cart. The state: its place, the angle from hanging down, and the speeds of both.


def motion(state, force):
    _, angle, speed, spin = state
    s, c = np.sin(angle), np.cos(angle)
    d = CART + BOB * s * s
    push = force + BOB * s * (LENGTH * spin * spin + GRAVITY * c)
    turn = -force * c - BOB * LENGTH * spin * spin * c * s - (CART + BOB) * GRAVITY * s
    return np.array([speed, spin, push / d, turn / (LENGTH * d)])


def shoot(forces):
    """The states: after each step, from rest; the force is linear between the nodes."""
    h = SECONDS / (PIECES * STEPS)
    state = np.zeros(4)
    path = np.empty((PIECES * STEPS + 1, 4))
    path[0] = state
    for piece in range(PIECES):
        for step in range(STEPS):
            a, b = step / STEPS, (step + 1.0) / STEPS
            first = (1.0 - a) * forces[piece] + a * forces[piece + 1]
            last = (1.0 - b) * forces[piece] + b * forces[piece + 1]
            k1 = motion(state, first)
            k2 = motion(state + 0.5 * h * k1, 0.5 * (first + last))
            k3 = motion(state + 0.5 * h * k2, 0.5 * (first + last))
            k4 = motion(state + h * k3, last)
            state = state + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
            path[piece * STEPS + step + 1] = state
    return path


def effort(forces):
    """The integral of the square of the force."""
    a, b = forces[:-1], forces[1:]
    return SECONDS / PIECES * np.sum(a * a + a * b + b * b) / 3.0


def missed(forces):
    return shoot(forces)[-1] - GOAL


# %%
# SciPy's interior trust-region method, with first and second derivatives of effort and constraint.

start = 3.0 * np.sin(np.linspace(0.0, 2.0 * np.pi, PIECES + 1))
fit = tg.scipy.minimize(
    effort, start, method="trust-constr", constraints={"type": "eq", "fun": missed}, options={"maxiter": 3000, "gtol": 1e-3}
)
print(f"{fit.nit} iterations, effort {fit.fun:.1f} N²s")

# %%
# It stands upright, in NumPy's simulation, too; and at the optimum the slope of the effort is a combination of those of
# the constraints.

assert fit.success and np.allclose(shoot(fit.x)[-1], GOAL, atol=1e-6)
slope, rows = tg.grad(effort)(fit.x), tg.jacobian(missed)(fit.x)
multipliers, *_ = np.linalg.lstsq(rows.T, slope, rcond=None)
assert np.max(np.abs(slope - multipliers @ rows)) < 1e-3 * np.max(np.abs(slope))
tg.check_grads(missed, (fit.x,), eps=1e-5)

path = tg.jit(shoot)(fit.x)
figure, axes = plt.subplots(2, 1, figsize=(8, 4.4), layout="constrained", height_ratios=[2, 1])
places, heights = path[:, 0] + LENGTH * np.sin(path[:, 1]), -LENGTH * np.cos(path[:, 1])
for k in range(0, len(path), 4):
    shade = str(0.9 - 0.9 * k / len(path))
    axes[0].plot([path[k, 0], places[k]], [0.0, heights[k]], "-", color=shade)
axes[0].plot(places, heights, color="tab:red", linewidth=1)
axes[0].set(aspect="equal", xlabel="m")
axes[1].plot(np.linspace(0.0, SECONDS, PIECES + 1), fit.x)
axes[1].set(xlabel="s", ylabel="force, N")
plt.show()

# %%
# The Jacobian, and what NumPy takes for one simulation, measured while this page was built:

slope = tg.jacobian(missed)
ours = min(repeat(lambda: slope(fit.x), number=1, repeat=20))
python = min(repeat(lambda: missed(fit.x), number=1, repeat=3))
print(f"Jacobian in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for one simulation")
