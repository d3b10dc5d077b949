"""
Billiards: a gradient through every collision
=============================================

Balls on a table with cushions that collide without loss. The program moves from event to event: it finds the next
collision in closed form, goes there exactly, exchanges the momenta, and goes on until the time is over. How many events
there are depends on the shot. We aim the cue ball so that another ball ends in a corner, by Newton's method on the
shot.

Elsewhere: the loop runs until no event is left, chooses a pair of balls and writes into its velocities. JAX has no
reverse mode through ``while_loop``; time stepping, which it could do, gives wrong derivatives at collisions, because
the time of the contact moves with the shot [1]_.

.. [1] Hu, Y. et al., DiffTaichi: Differentiable programming for physical simulation (ICLR 2020), section 4, "time of
   impact".
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg
import tracegrad.scipy

WIDTH, HEIGHT, RADIUS = 2.0, 1.0, 0.04
START = np.array([[0.4, 0.5], [1.2, 0.5], [1.29, 0.55], [1.29, 0.45], [1.5, 0.2], [0.9, 0.8]])

# %%
# When does the next thing happen? For two balls, the root of a quadratic; for a cushion, a division.


def meeting(apart, closing):
    """The time until two balls touch, or infinity."""
    b = apart @ closing
    a = closing @ closing
    d = b * b - a * (apart @ apart - 4.0 * RADIUS * RADIUS)
    if b < 0.0 and d > 0.0:
        return (-b - np.sqrt(d)) / a
    return np.inf


def cushion(position, velocity, length):
    if velocity > 0.0:
        return (length - RADIUS - position) / velocity
    if velocity < 0.0:
        return (RADIUS - position) / velocity
    return np.inf


def next_event(x, v):
    """The time of the next event and who takes part: two balls, or a ball and the axis -1 or -2 that turns."""
    soonest, first, second = np.inf, 0, 0
    for i in range(len(x)):
        for j in range(i):
            t = meeting(x[i] - x[j], v[i] - v[j])
            if t < soonest:
                soonest, first, second = t, i, j
        for axis, length in enumerate((WIDTH, HEIGHT)):
            t = cushion(x[i, axis], v[i, axis], length)
            if t < soonest:
                soonest, first, second = t, i, axis - 2
    return soonest, first, second


# %%
# From event to event. The path is a list, as long as the game wants.


def play(shot, start, duration):
    x, v = start.copy(), np.zeros_like(start)
    v[0] = shot
    left, path = duration, [x.copy()]
    while True:
        t, i, j = next_event(x, v)
        if t >= left:
            break
        x += t * v
        left -= t
        if j < 0:
            v[i, j + 2] = -v[i, j + 2]
        else:
            along = (x[i] - x[j]) / (2.0 * RADIUS)
            exchanged = ((v[i] - v[j]) @ along) * along
            v[i] -= exchanged
            v[j] += exchanged
        path.append(x.copy())
    x += left * v
    path.append(x.copy())
    return x, path


# %%
# Where must the cue go so that ball 4 is in the pocket when the time is over? We try a grid of shots, which is cheap
# with the compiled game, and finish by Newton's method with the exact Jacobian: forward mode through all collisions.


def miss(shot, start, pocket):
    return play(shot, start, 1.0)[0][4] - pocket


POCKET = np.array([WIDTH - 0.1, HEIGHT - 0.1])
compiled = tg.jit(miss)
speeds, angles = np.meshgrid(np.linspace(2.5, 4.0, 31), np.linspace(-0.4, 0.4, 161))
shots = np.column_stack([(speeds * np.cos(angles)).ravel(), (speeds * np.sin(angles)).ravel()])
distances = np.array([np.hypot(*compiled(shot, START, POCKET)) for shot in shots])
best = shots[np.argmin(distances)]
fit = tg.scipy.root(miss, best, args=(START, POCKET), tol=1e-12)
print(f"best of {len(shots)} shots: {distances.min():.3f} away; {fit.nfev} evaluations later {np.hypot(*fit.fun):.1e}")

# %%
# What came out is exact: ball 4 stands in the corner, no energy was lost, and the slopes of the final places of all
# balls with respect to the shot, forward and reverse, agree with differences.

end, path = tg.jit(play)(fit.x, START, 1.0)
assert np.hypot(*fit.fun) < 1e-9
assert np.allclose(end, play(fit.x, START, 1.0)[0], atol=1e-9)
tg.check_grads(lambda shot: miss(shot, START, POCKET), (fit.x,))

# %%
# The slope tells how sensitive the shot is: each collision of round balls multiplies an error.

slopes = tg.jacobian(lambda shot: play(shot, START, 1.0)[0])(fit.x)
print("the places of the balls move by", np.linalg.norm(slopes, axis=(1, 2)).round(2), "per unit of the shot")

figure, axes = plt.subplots(figsize=(7, 3.7), layout="constrained")
path = np.array(path)
for ball in range(len(START)):
    color = f"C{ball}"
    axes.plot(path[:, ball, 0], path[:, ball, 1], color=color, linewidth=1)
    axes.add_patch(plt.Circle(START[ball], RADIUS, fill=False, color=color))
    axes.add_patch(plt.Circle(end[ball], RADIUS, color=color))
axes.plot(*POCKET, "k+", markersize=14)
axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal", xticks=[], yticks=[])
axes.set_title(f"{len(path) - 2} events; ball 4 ends in the corner")
plt.show()

# %%
# The Jacobian through all collisions, and what NumPy takes to play once, measured while this page was built:

slope = tg.jacobian(miss)
ours = min(repeat(lambda: slope(fit.x, START, POCKET), number=1, repeat=20))
python = min(repeat(lambda: miss(fit.x, START, POCKET), number=1, repeat=3))
print(f"Jacobian in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long to play once")
