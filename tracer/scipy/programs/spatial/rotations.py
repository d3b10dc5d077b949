"""scipy.spatial.transform.Rotation: unit quaternions (x, y, z, w), built inside or captured.

Angles near 0 go by series in the square of the angle, so that rotations near the identity have their derivatives. Euler angles
by E. Bernardes and S. Viollet, Quaternion to Euler angles conversion (PLoS ONE 17, 2022), as SciPy; where an angle is not
determined, the third is 0.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ...primitives import is_known
from ..interpolate.stands import Stand

_SMALL = 1e-6                     # of the square of an angle


def _numbers(x: Any, *last: int) -> Any:
    """An array of doubles whose last axes are those."""
    x = np.asarray(x).astype(np.float64)
    if x.shape[-len(last):] != last:
        raise ValueError(f"Expected an array of shape (..., {', '.join([str(n) for n in last])}), got {x.shape}.")
    return x


def _series(t: Any, near: Any, far: Any) -> Any:
    """far(t) of a square t, or the polynomial `near`, from the highest power on, where t is small."""
    small = t <= _SMALL
    value = np.zeros_like(t)
    for c in near:
        value = value * t + c
    return np.where(small, value, far(np.where(small, np.ones_like(t), t)))


def _rotated(v: Any) -> Any:
    """The quaternion of a rotation vector."""
    t = np.sum(v * v, axis=-1, keepdims=True)
    scale = _series(t, (-1 / 645120, 1 / 3840, -1 / 48, 0.5), lambda t: np.sin(np.sqrt(t) / 2) / np.sqrt(t))
    cosine = _series(t, (-1 / 46080, 1 / 384, -1 / 8, 1.0), lambda t: np.cos(np.sqrt(t) / 2))
    return np.concatenate((v * scale, cosine), axis=-1)


def _normalised(q: Any) -> Any:
    size = np.sqrt(np.sum(q * q, axis=-1, keepdims=True))
    if not np.all(size > 0):
        raise ValueError("Found zero norm quaternions in `quat`.")
    return q / size


def _product(p: Any, q: Any) -> Any:
    a, b = p[..., :3], q[..., :3]
    v, w = p[..., 3:], q[..., 3:]
    return np.concatenate((v * b + w * a + np.cross(a, b), v * w - np.sum(a * b, axis=-1, keepdims=True)), axis=-1)


def _canonical(q: Any) -> Any:
    """The one of q and -q whose last number that is not 0, of w, x, y and z, is positive."""
    x, y, z, w = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    first = np.where(w != 0, w, np.where(x != 0, x, np.where(y != 0, y, z)))
    return np.where((first < 0)[..., None], -q, q)


def _axes(seq: str, count: int) -> tuple[list[int], bool]:
    """(the axes of a sequence of Euler angles, whether they turn with the body)."""
    if not 1 <= len(seq) <= 3 or (count == 3 and len(seq) != 3):
        raise ValueError(f"Expected 3 axes, got {seq}." if count == 3 else "Expected axis specification to be a non-empty "
                         f"string of up to 3 characters, got {seq}")
    if not (set(seq) <= set("XYZ") or set(seq) <= set("xyz")):
        raise ValueError(f"Expected axes from `seq` to be from ['x', 'y', 'z'] or ['X', 'Y', 'Z'], got {seq}")
    if any(seq[i] == seq[i + 1] for i in range(len(seq) - 1)):
        raise ValueError(f"Expected consecutive axes to be different, got {seq}")
    return ["xyz".index(letter) for letter in seq.lower()], seq.isupper()


def _of_matrix(m: Any) -> Any:
    """The quaternion of an orthogonal matrix, from its largest element or trace."""
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    found, most = [], np.stack([m[..., 0, 0], m[..., 1, 1], m[..., 2, 2], trace], axis=-1)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        parts = {i: 1 - trace + 2 * m[..., i, i], j: m[..., j, i] + m[..., i, j], k: m[..., k, i] + m[..., i, k],
                 3: m[..., k, j] - m[..., j, k]}
        found.append(np.stack([parts[n] for n in range(4)], axis=-1))
    found.append(np.stack([m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1], 1 + trace],
                          axis=-1))
    choice = np.argmax(most, axis=-1)[..., None]
    q = found[3]
    for i in range(3):
        q = np.where(choice == i, found[i], q)
    return _normalised(q)


class Rotation(Stand):
    shown = "rotation of SciPy that compiled code makes"
    noun = "a rotation"
    instead = "return its quaternion, `as_quat()`, and build it from that outside"
    of = ("scipy.spatial.transform", "Rotation")

    def __init__(self, quat: Any, normalize: bool = True, copy: bool = True, scalar_first: bool = False):
        q = _numbers(quat, 4)
        q = np.roll(q, -1, axis=-1) if scalar_first else q
        self._q = _normalised(q) if normalize else q

    @property
    def single(self) -> bool:
        return self._q.ndim == 1

    @property
    def shape(self) -> tuple:
        return self._q.shape[:-1]

    def __len__(self) -> int:
        if self.single:
            raise TypeError("Single rotation has no len().")
        return self._q.shape[0]

    def __getitem__(self, key: Any) -> Rotation:
        if self.single:
            raise TypeError("Single rotation is not subscriptable.")
        return Rotation(self._q[key], False)

    def as_quat(self, canonical: bool = False, *, scalar_first: bool = False) -> Any:
        q = _canonical(self._q) if canonical else self._q
        return np.roll(q, 1, axis=-1) if scalar_first else q.copy()

    def as_matrix(self) -> Any:
        x, y, z, w = self._q[..., 0], self._q[..., 1], self._q[..., 2], self._q[..., 3]
        x2, y2, z2, w2 = x * x, y * y, z * z, w * w
        rows = [x2 - y2 - z2 + w2, 2 * (x * y - z * w), 2 * (x * z + y * w),
                2 * (x * y + z * w), -x2 + y2 - z2 + w2, 2 * (y * z - x * w),
                2 * (x * z - y * w), 2 * (y * z + x * w), -x2 - y2 + z2 + w2]
        return np.stack(rows, axis=-1).reshape(*self.shape, 3, 3)

    def as_rotvec(self, degrees: bool = False) -> Any:
        """With s the sine of half the angle: angle / s = 2 asin(s) / s."""
        q = _canonical(self._q)
        t = np.sum(q[..., :3] * q[..., :3], axis=-1, keepdims=True)
        scale = _series(t, (15 / 168, 3 / 20, 1 / 3, 2.0), lambda t: 2 * np.arctan2(np.sqrt(t), q[..., 3:]) / np.sqrt(t))
        found = scale * q[..., :3]
        return found * (180 / np.pi) if degrees else found

    def as_mrp(self) -> Any:
        sign = np.where(self._q[..., 3:] < 0, -1.0, 1.0)
        return sign * self._q[..., :3] / (1.0 + sign * self._q[..., 3:])

    def as_euler(self, seq: str, degrees: bool = False, *, suppress_warnings: bool = False) -> Any:
        axes, intrinsic = _axes(seq, 3)
        i, j, k = axes[::-1] if intrinsic else axes
        symmetric = i == k
        k = 3 - i - j if symmetric else k
        sign = (i - j) * (j - k) * (k - i) // 2
        q = self._q
        a, b, c, d = q[..., 3], q[..., i], q[..., j], q[..., k] * sign
        if not symmetric:
            a, b, c, d = a - c, b + d, c + a, d - b
        total, rest = np.arctan2(b, a), np.arctan2(d, c)
        middle = 2 * np.arctan2(np.hypot(c, d), np.hypot(a, b))
        none, full = np.abs(middle) <= 1e-7, np.abs(middle - np.pi) <= 1e-7
        locked = none | full
        alone = np.where(none, 2 * total, 2 * rest * (1 if intrinsic else -1))
        first = np.where(locked, 0.0 if intrinsic else alone, total - rest)
        last = np.where(locked, alone if intrinsic else 0.0, total + rest)
        if not symmetric:
            last, middle = last * sign, middle - np.pi / 2
        found = np.stack((last, middle, first) if intrinsic else (first, middle, last), axis=-1)
        found = np.where(found < -np.pi, found + 2 * np.pi, np.where(found > np.pi, found - 2 * np.pi, found))
        return found * (180 / np.pi) if degrees else found

    def inv(self) -> Rotation:
        return Rotation(self._q * np.array([-1.0, -1, -1, 1]), False)

    def magnitude(self) -> Any:
        return 2 * np.arctan2(np.linalg.norm(self._q[..., :3], axis=-1), np.abs(self._q[..., 3]))

    def apply(self, vectors: Any, inverse: bool = False) -> Any:
        v = _numbers(vectors, 3)
        matrix = self.as_matrix()
        matrix = np.swapaxes(matrix, -1, -2) if inverse else matrix
        return (matrix @ v[..., None])[..., 0]

    def approx_equal(self, other: Any, atol: Any = None, degrees: bool = False) -> Any:
        bound = 1e-8 if atol is None else (atol * np.pi / 180 if degrees else atol)
        return (_lifted(other) * self.inv()).magnitude() < bound

    def mean(self, weights: Any = None) -> Rotation:
        """The eigenvector of the largest eigenvalue of sum w q q^T (F. L. Markley et al., J. Guidance 30, 2007)."""
        q = self._q.reshape(-1, 4)
        w = np.ones(q.shape[0]) if weights is None else np.asarray(weights) * 1.0
        if w.shape != q.shape[:1]:
            raise ValueError("Expected `weights` to have number of values equal to number of rotations, got "
                             f"{w.size} values and {q.shape[0]} rotations.")
        if np.any(w < 0):
            raise ValueError("`weights` must be non-negative.")
        return Rotation(np.linalg.eigh((w[:, None] * q).T @ q)[1][:, -1], False)

    def __mul__(self, other: Any) -> Any:
        other = _lifted(other)
        return Rotation(_normalised(_product(self._q, other._q)), False)

    def __rmul__(self, other: Any) -> Any:
        return _lifted(other) * self

    def __pow__(self, n: Any, modulus: None = None) -> Any:
        if is_known(n) and n == 1:
            return self
        if is_known(n) and n == -1:
            return self.inv()
        return Rotation(_rotated(n * self.as_rotvec()), False)


def _lifted(rotation: Any) -> Any:
    return rotation if isinstance(rotation, Rotation) else Rotation(rotation.as_quat(), False)


def _from_quat(quat: Any, *, scalar_first: bool = False) -> Rotation:
    return Rotation(quat, True, True, scalar_first)


def _nearest(m: Any) -> Any:
    """The orthogonal matrices nearest to m, by Newton's iteration X <- (X + X^-T) / 2 (Higham, Functions of Matrices, 8.3),
    which converges quadratically, and its derivatives with it: so two more steps follow than the matrices need."""
    more = 0
    while more < 3:
        following = (m + np.linalg.inv(np.swapaxes(m, -1, -2))) / 2
        more = more + 1 if np.max(np.abs(following - m), initial=0.0) <= 1e-8 else 0
        m = following
    return m


def _from_matrix(matrix: Any, *, assume_valid: bool = False) -> Rotation:
    """Of a matrix that is not orthogonal, the nearest that is."""
    m = _numbers(matrix, 3, 3)
    if not assume_valid:
        if not np.all(np.isfinite(m)):
            raise np.linalg.LinAlgError("SVD did not converge")
        if np.any(np.linalg.det(m) <= 0):
            raise ValueError("Non-positive determinant (left-handed or null coordinate frame) in rotation matrix.")
        m = _nearest(m)
    return Rotation(_of_matrix(m), False)


def _from_rotvec(rotvec: Any, degrees: bool = False) -> Rotation:
    v = _numbers(rotvec, 3)
    return Rotation(_rotated(v * (np.pi / 180) if degrees else v), False)


def _from_mrp(mrp: Any) -> Rotation:
    v = _numbers(mrp, 3)
    more = np.sum(v * v, axis=-1, keepdims=True) + 1
    return Rotation(np.concatenate((2 * v, 2 - more), axis=-1) / more, False)


def _from_euler(seq: str, angles: Any, degrees: bool = False) -> Rotation:
    axes, intrinsic = _axes(seq, 0)
    angles = np.asarray(angles).astype(np.float64)
    angles = angles * (np.pi / 180) if degrees else angles
    if angles.ndim == 0:
        angles = angles.reshape(1)
    if angles.shape[-1] != len(axes):
        raise ValueError("Expected last dimension of `angles` to match number of sequence axes specified, got "
                         f"{angles.shape[-1]}.")
    q = None
    for n, axis in enumerate(axes):
        half = angles[..., n] / 2
        parts = [np.sin(half) if k == axis else np.zeros_like(half) for k in range(3)]
        turn = np.stack([*parts, np.cos(half)], axis=-1)
        q = turn if q is None else (_product(q, turn) if intrinsic else _product(turn, q))
    return Rotation(q, False)


def _identity(num: Any = None, *, shape: Any = None) -> Rotation:
    shape = (() if num is None else (num,)) if shape is None else shape
    return Rotation(np.zeros((*shape, 4)) + np.array([0.0, 0, 0, 1]), False)


def _concatenate(rotations: Any) -> Rotation:
    return Rotation(np.concatenate([np.atleast_2d(_lifted(r)._q) for r in rotations]), False)


def _times(p: Any, q: Any) -> Rotation:
    return _lifted(p) * q


BUILT = {"Rotation": Rotation}
FUNCTIONS = {"Rotation.from_quat": _from_quat, "Rotation.from_matrix": _from_matrix, "Rotation.from_rotvec": _from_rotvec,
             "Rotation.from_mrp": _from_mrp, "Rotation.from_euler": _from_euler, "Rotation.identity": _identity,
             "Rotation.concatenate": _concatenate, "Rotation.__mul__": _times}
CAPTURED = {"Rotation": lambda r: (Rotation, r.as_quat(), False)}
