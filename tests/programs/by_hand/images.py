"""Filters, interpolation, geometry, signals."""

import numpy as np

from . import program


@program(lambda r: (r.standard_normal((5, 6)), r.standard_normal((3, 3))), wrt=(0, 1))
def convolve_by_loops(image, kernel):
    h, w = image.shape
    kh, kw = kernel.shape
    out = np.zeros((h - kh + 1, w - kw + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.sum(image[i : i + kh, j : j + kw] * kernel)
    return out


@program(lambda r: (r.standard_normal((4, 5)), 1.2), wrt=(0, 1))
def gaussian_blur_padded(image, sigma):
    radius = 2
    xs = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (xs / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(image, radius, mode="edge")
    rows = np.zeros((padded.shape[0], image.shape[1]))
    for k in range(2 * radius + 1):
        rows += kernel[k] * padded[:, k : k + image.shape[1]]
    out = np.zeros_like(image)
    for k, weight in enumerate(kernel):
        out += weight * rows[k : k + image.shape[0]]
    return out


@program(lambda r: (r.standard_normal((5, 5)), r.uniform(0.1, 3.9, (4, 2))), wrt=(0, 1))
def bilinear_sample(image, points):
    out = np.zeros(len(points))
    for k, (y, x) in enumerate(points):
        i, j = int(np.floor(y)), int(np.floor(x))
        i, j = min(i, image.shape[0] - 2), min(j, image.shape[1] - 2)
        dy, dx = y - i, x - j
        out[k] = (
            (1 - dy) * (1 - dx) * image[i, j]
            + (1 - dy) * dx * image[i, j + 1]
            + dy * (1 - dx) * image[i + 1, j]
            + dy * dx * image[i + 1, j + 1]
        )
    return out


@program(lambda r: (r.standard_normal((6, 6)),))
def sobel_and_threshold(image):
    gx, gy = np.zeros_like(image), np.zeros_like(image)
    gx[1:-1, 1:-1] = image[1:-1, 2:] - image[1:-1, :-2]
    gy[1:-1, 1:-1] = image[2:, 1:-1] - image[:-2, 1:-1]
    magnitude = np.hypot(gx, gy)
    edges = magnitude > magnitude.mean()
    magnitude[~edges] *= 0.1
    return magnitude, edges


@program(lambda r: (r.standard_normal((6, 7)),))
def median_filter(image):
    out = image.copy()
    for i in range(1, image.shape[0] - 1):
        for j in range(1, image.shape[1] - 1):
            out[i, j] = np.median(image[i - 1 : i + 2, j - 1 : j + 2])
    return out


@program(lambda r: (r.standard_normal((6, 8)),))
def max_pool(image):
    h, w = image.shape
    blocks = image.reshape(h // 2, 2, w // 2, 2)
    pooled = blocks.max(axis=(1, 3))
    loops = np.empty((h // 2, w // 2))
    for i in range(0, h, 2):
        for j in range(0, w, 2):
            loops[i // 2, j // 2] = np.max(image[i : i + 2, j : j + 2])
    return pooled, loops


@program(
    lambda r: (np.array([0.0, 0.0, -4.0]), np.array([0.1, 0.05, 1.0]), np.array([[0.0, 0.0, 0.0, 1.0], [1.0, 0.5, 2.0, 0.7]])),
    wrt=(0, 1, 2),
)
def ray_sphere(origin, direction, spheres):
    d = direction / np.linalg.norm(direction)
    nearest = np.inf
    colour = np.zeros(3)
    for sphere in spheres:
        centre, radius = sphere[:3], sphere[3]
        oc = origin - centre
        b = oc @ d
        c = oc @ oc - radius**2
        disc = b * b - c
        if disc < 0:
            continue
        t = -b - np.sqrt(disc)
        if 1e-6 < t < nearest:
            nearest = t
            normal = (origin + t * d - centre) / radius
            colour = 0.5 * (normal + 1)
    if nearest == np.inf:
        return 0.0, colour
    return nearest, colour


@program(lambda r: (r.standard_normal(20), np.array([0.2, 0.3, 0.1]), np.array([1.0, -0.4, 0.2])), wrt=(0, 1, 2))
def iir_filter(x, b, a):
    y = np.zeros(len(x))
    for n in range(len(x)):
        for k in range(len(b)):
            if n >= k:
                y[n] += b[k] * x[n - k]
        for k in range(1, len(a)):
            if n >= k:
                y[n] -= a[k] * y[n - k]
        y[n] /= a[0]
    return y


@program(lambda r: (np.array([0.0, 1.0, 2.5, 3.0, 4.2]), r.standard_normal(5), np.linspace(0.1, 4.1, 7)), wrt=(0, 1, 2))
def natural_cubic_spline(x, y, at):
    n = len(x)
    h = np.diff(x)
    a = np.zeros((n, n))
    rhs = np.zeros(n)
    a[0, 0] = a[-1, -1] = 1.0
    for i in range(1, n - 1):
        a[i, i - 1], a[i, i], a[i, i + 1] = h[i - 1], 2 * (h[i - 1] + h[i]), h[i]
        rhs[i] = 6 * ((y[i + 1] - y[i]) / h[i] - (y[i] - y[i - 1]) / h[i - 1])
    m = np.linalg.solve(a, rhs)
    out = np.empty(at.shape)
    for k, t in enumerate(at):
        i = np.searchsorted(x, t) - 1
        i = min(max(i, 0), n - 2)
        left, right = x[i + 1] - t, t - x[i]
        out[k] = (
            (m[i] * left**3 + m[i + 1] * right**3) / (6 * h[i])
            + (y[i] / h[i] - m[i] * h[i] / 6) * left
            + (y[i + 1] / h[i] - m[i + 1] * h[i] / 6) * right
        )
    return out


@program(lambda r: (np.array([0.0, 1.0, 2.0, 4.0]), r.standard_normal(4), 2.7), wrt=(0, 1, 2))
def lagrange_interpolation(xs, ys, t):
    total = 0.0
    for i, (xi, yi) in enumerate(zip(xs, ys)):
        term = yi
        for j, xj in enumerate(xs):
            if i != j:
                term *= (t - xj) / (xi - xj)
        total += term
    return total


@program(lambda r: (r.standard_normal((5, 2)), np.array([0.3, 0.4])), wrt=(0,))
def polygon_area_and_winding(polygon, point):
    area = 0.0
    inside = False
    j = len(polygon) - 1
    for i in range(len(polygon)):
        xi, yi = polygon[i]
        xj, yj = polygon[j]
        area += xj * yi - xi * yj
        if (yi > point[1]) != (yj > point[1]) and point[0] < (xj - xi) * (point[1] - yi) / (yj - yi) + xi:
            inside = not inside
        j = i
    return abs(area) / 2, inside


@program(lambda r: (r.standard_normal(16),))
def haar_wavelet(x):
    out = x.copy()
    n = len(x)
    while n > 1:
        half = n // 2
        average = (out[:n:2] + out[1:n:2]) / np.sqrt(2)
        detail = (out[:n:2] - out[1:n:2]) / np.sqrt(2)
        out[:half], out[half:n] = average, detail
        n = half
    return out


@program(lambda r: (r.standard_normal((5, 3)), np.array([0.1, -0.2, 0.3])), wrt=(0, 1))
def rotate_rodrigues(points, axis_angle):
    angle = np.sqrt((axis_angle**2).sum())
    k = axis_angle / angle
    out = np.empty_like(points)
    for i, p in enumerate(points):
        out[i] = p * np.cos(angle) + np.cross(k, p) * np.sin(angle) + k * (k @ p) * (1 - np.cos(angle))
    return out


@program(lambda r: (r.uniform(0, 255, (3, 4, 3)).astype(np.float32),), wrt=())
def grey_levels(rgb):
    grey = (rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)).astype(np.uint8)
    counts = np.bincount(grey.ravel() // 64, minlength=4)
    stretched = ((grey - grey.min()) * (255 / max(int(grey.max()) - int(grey.min()), 1))).astype(np.uint8)
    return grey, counts, stretched
