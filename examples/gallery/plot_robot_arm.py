"""
A robot arm
===========

The hand of a six-joint arm (a PUMA 560 [1]_) follows a circle. Six angles and a position in space leave three of them
free: they are used to stay away from postures in which the arm cannot move in some direction. How far away it is says
the determinant of the Jacobian; its slope is a derivative of a derivative, through the loop over the joints.

Elsewhere: the loop writes 4 x 4 matrices in place. JAX and PyTorch take it after it is rewritten with functional updates,
NumPy with Numba has no derivative; robotics packages carry the Jacobian of this one formula, written by hand, and take
differences of it.

.. [1] Corke, P. I. and B. Armstrong-Hélouvry, A search for consensus among model parameters reported for the PUMA 560 robot,
   IEEE International Conference on Robotics and Automation (1994). The measure of manipulability: T. Yoshikawa,
   Manipulability of robotic mechanisms, Int. J. Robotics Research 4 (1985).
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg

TWIST = np.array([0.5, 0.0, -0.5, 0.5, -0.5, 0.0]) * np.pi       # Denavit and Hartenberg's parameters of the six links
LENGTH = np.array([0.0, 0.4318, 0.0203, 0.0, 0.0, 0.0])          # metres
OFFSET = np.array([0.0, 0.0, 0.15005, 0.4318, 0.0, 0.0])
TOOL = np.array([0.0, 0.0, 0.12, 1.0])


def joints(angles):
    """Where the joints and the tip of the tool are."""
    frame, link, out = np.eye(4), np.zeros((4, 4)), np.zeros((8, 3))
    link[3, 3] = 1.0
    for k in range(len(angles)):
        c, s = np.cos(angles[k]), np.sin(angles[k])
        ca, sa = np.cos(TWIST[k]), np.sin(TWIST[k])
        link[0] = [c, -s * ca, s * sa, LENGTH[k] * c]
        link[1] = [s, c * ca, -c * sa, LENGTH[k] * s]
        link[2, 1], link[2, 2], link[2, 3] = sa, ca, OFFSET[k]
        frame = frame @ link
        out[k + 1] = frame[:3, 3]
    out[7] = (frame @ TOOL)[:3]
    return out


def tip(angles):
    return joints(angles)[7]


def manipulability(angles):
    """The volume of what the tip can do with a unit of joint speed: 0 where it is stuck in some direction."""
    jacobian = tg.jacfwd(tip)(angles)
    return np.sqrt(np.linalg.det(jacobian @ jacobian.T))


# %%
# A step: Newton's to the goal, of least length, and in the directions that leave the tip where it is (the null space of the
# Jacobian) a step up the slope of the manipulability. The whole loop, derivatives included, is one compiled function.


@tg.jit
def follow(angles, goals, gain):
    path, measure, error = np.zeros((len(goals), len(angles))), np.zeros(len(goals)), np.zeros(len(goals))
    for k in range(len(goals)):
        for _ in range(4):
            jacobian = tg.jacfwd(tip)(angles)
            inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T)
            free = np.eye(len(angles)) - inverse @ jacobian
            angles = angles + inverse @ (goals[k] - tip(angles)) + gain * free @ tg.grad(manipulability)(angles)
        path[k], measure[k] = angles, manipulability(angles)
        error[k] = np.sqrt(np.sum((tip(angles) - goals[k]) ** 2))
    return path, measure, error


turn = np.linspace(0.0, 2.0 * np.pi, 60)
start = np.array([0.0, 1.0, -2.4, 0.5, 0.9, 0.0])
centre = tip(start)
goals = centre + 0.2 * np.column_stack([np.cos(turn) - 1.0, np.sin(turn), np.zeros_like(turn)])

plain = follow(start, goals, 0.0)
careful = follow(start, goals, 2.0)
for name, (_, measure, error) in (("least steps", plain), ("away from singular postures", careful)):
    print(f"{name}: manipulability {measure.min():.4f} at least, error {error.max():.1e} m at most")
assert plain[2].max() < 1e-6 and careful[2].max() < 1e-3
assert careful[1].min() > 1.1 * plain[1].min()
tg.check_grads(manipulability, (start,))

# %%
# The arm at six moments, and how far it stays from being stuck.

figure = plt.figure(figsize=(9, 4), layout="constrained")
room, axis = figure.add_subplot(1, 2, 1, projection="3d"), figure.add_subplot(1, 2, 2)
for k, angles in enumerate(careful[0][::10]):
    room.plot(*joints(angles).T, marker="o", markersize=3, color=plt.cm.viridis(k / 6))
room.plot(*goals.T, color="black", linewidth=1)
room.set(xlabel="x (m)", ylabel="y (m)", title="six postures on the way around")
for label, (_, measure, _) in (("least steps", plain), ("with the slope of the manipulability", careful)):
    axis.plot(np.degrees(turn), measure, label=label)
axis.set(xlabel="way around the circle (degrees)", ylabel="manipulability (m³)", ylim=(0, None))
axis.legend(frameon=False)
plt.show()

# %%
# The Jacobian of the tip, and what NumPy takes for its place alone, measured while this page was built:

slope = tg.jacfwd(tip)
ours = min(repeat(lambda: slope(start), number=1, repeat=20))
python = min(repeat(lambda: tip(start), number=1, repeat=5))
print(f"Jacobian in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for its place alone")
