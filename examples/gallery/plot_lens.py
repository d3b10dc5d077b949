"""
A lens designed by the derivative of a ray tracer
=================================================

Light goes through a cemented doublet, three spherical surfaces and two kinds of glass, and should meet in one point,
for several colours and two directions. The tracer follows each ray from surface to surface, by Snell's law in vectors [1]_.
A ray that misses a surface or is reflected totally is dropped. Curvatures and thicknesses are found by least squares
with the exact Jacobian.

Elsewhere: commercial design programs take differences; Mitsuba and JAX trace rays as batches with masks, and a masked
square root gives NaN in reverse. Here it is a loop with ``return`` where a ray is lost.

.. [1] Born, M. and E. Wolf, Principles of Optics (1999), chapters 3 and 4. Indices after the catalogue of Schott (N-BK7
   and N-SF5) at the lines F, d and C. The condition for the colours: the powers times the dispersions add up to zero,
   section 4.7.
"""
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg
import tracegrad.scipy

INDICES = np.array([[1.52238, 1.68876], [1.51680, 1.67271], [1.51432, 1.66661]])       # for F, d, C: crown, flint
COLOURS, FOCUS = ("tab:blue", "tab:green", "tab:red"), 100.0
ANGLES, HEIGHTS = np.radians([0.0, 1.0]), np.linspace(-10.0, 10.0, 9)

# %%
# One ray: advance to the sphere, bend, go on. In the plane of the axis two coordinates are enough.


def refract(place, direction, curvature, vertex, ratio):
    """Where the ray meets the surface and how it goes on; a direction of zeros is a lost ray."""
    x, y = place[0] - vertex, place[1]
    b = direction[0] - curvature * (x * direction[0] + y * direction[1])
    c = curvature * (x * x + y * y) - 2.0 * x
    inside = b * b - curvature * c
    if inside < 0.0:
        return place, np.zeros(2)
    place = place + c / (b + np.sqrt(inside)) * direction
    normal = np.array([1.0 - curvature * (place[0] - vertex), -curvature * place[1]])
    cosine = normal @ direction
    rest = 1.0 - ratio * ratio * (1.0 - cosine * cosine)
    if rest < 0.0:
        return place, np.zeros(2)
    return place, ratio * direction + (np.sqrt(rest) - ratio * cosine) * normal


def trace(lens, index, height, angle):
    """The points of a ray: where it begins, at the three surfaces, on the film."""
    curvatures, vertices = lens[:3], np.array([0.0, lens[3], lens[3] + lens[4]])
    media = np.array([1.0, index[0], index[1], 1.0])
    direction = np.array([np.cos(angle), np.sin(angle)])
    place = np.array([-10.0, height - 10.0 * np.tan(angle)])
    points = [place]
    for k in range(3):
        place, direction = refract(place, direction, curvatures[k], vertices[k], media[k] / media[k + 1])
        points.append(place)
        if direction[0] == 0.0:
            return points
    points.append(place + (FOCUS - place[0]) / direction[0] * direction)
    return points


def spots(lens):
    """How far each ray is off on the film, for each direction, colour and height; a lost ray counts as a centimetre."""
    off = np.empty((len(ANGLES), len(INDICES), len(HEIGHTS)))
    for a in range(len(ANGLES)):
        for c in range(len(INDICES)):
            for h in range(len(HEIGHTS)):
                points = trace(lens, INDICES[c], HEIGHTS[h], ANGLES[a])
                off[a, c, h] = points[-1][1] - FOCUS * np.tan(ANGLES[a]) if len(points) == 5 else 10.0
    return off.ravel()


# %%
# From a single lens with a flat back to the best doublet; the crown is 5 to 8 mm thick, the flint 2 to 4.

start = np.array([0.01, 0.0, 0.0, 6.0, 3.0])
bounds = ([-0.1, -0.1, -0.1, 5.0, 2.0], [0.1, 0.1, 0.1, 8.0, 4.0])
fit = tg.scipy.least_squares(spots, start, bounds=bounds, x_scale=[0.01, 0.01, 0.01, 1.0, 1.0], xtol=1e-12, ftol=1e-12)
before, after = (1000.0 * np.sqrt(np.mean(spots(lens) ** 2)) for lens in (start, fit.x))
print(f"spot of {before:.0f} µm before, {after:.1f} µm after; radii {np.round(1.0 / fit.x[:3], 1)} mm")

# %%
# The theory of thin lenses asks for powers that add up to 1 / 100 mm and cancel the dispersions; the design is near.

crown, flint = INDICES.T
powers = (crown[1] - 1.0) * (fit.x[0] - fit.x[1]), (flint[1] - 1.0) * (fit.x[1] - fit.x[2])
dispersions = (crown[0] - crown[2]) / (crown[1] - 1.0), (flint[0] - flint[2]) / (flint[1] - 1.0)
expected = np.array([dispersions[1], -dispersions[0]]) / (dispersions[1] - dispersions[0]) / FOCUS
print(f"powers {np.round(powers, 4)}, of thin lenses {np.round(expected, 4)} per mm")
assert np.allclose(powers, expected, rtol=0.2) and after < before / 20.0
tg.check_grads(spots, (fit.x,), eps=1e-5)

figure, axes = plt.subplots(figsize=(9, 3), layout="constrained")
for index, color in zip(INDICES, COLOURS, strict=True):
    for angle, style in zip(ANGLES, ("-", ":"), strict=True):
        for height in HEIGHTS:
            axes.plot(*np.array(trace(fit.x, index, height, angle)).T, style, color=color, linewidth=0.6)
for curvature, vertex in zip(fit.x[:3], (0.0, fit.x[3], fit.x[3] + fit.x[4]), strict=True):
    y = np.linspace(-12.0, 12.0, 50)
    axes.plot(vertex + curvature * y**2 / (1.0 + np.sqrt(1.0 - (curvature * y) ** 2)), y, color="black")
axes.set(xlabel="mm", ylabel="mm", title=f"root mean square spot {after:.1f} µm")
plt.show()

# %%
# The Jacobian of the 54 rays, and what NumPy takes to trace them once, measured while this page was built:

slope = tg.jacobian(spots)
ours = min(repeat(lambda: slope(fit.x), number=1, repeat=20))
python = min(repeat(lambda: spots(fit.x), number=1, repeat=3))
print(f"Jacobian in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long to trace them once")
