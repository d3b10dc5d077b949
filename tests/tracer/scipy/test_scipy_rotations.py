"""scipy.spatial.transform.Rotation in traced code: SciPy's values, derivatives of both modes, also at the identity."""
import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation as R
from tracegrad.ir.errors import UnsupportedError

import tracegrad as tg

RNG = np.random.default_rng(2)
V, MANY, Q = RNG.standard_normal(3), RNG.standard_normal((4, 3)), RNG.standard_normal(4)
POINTS, HELD, SEVERAL = RNG.standard_normal((4, 3)), R.from_quat(Q), R.from_rotvec(MANY)
MATRIX = HELD.as_matrix()
CASES = {
    "matrix": (lambda v: R.from_rotvec(v).as_matrix(), V, MANY, V * 1e-4, V.astype(np.float32)),
    "degrees": (lambda v: R.from_rotvec(v, degrees=True).as_rotvec(degrees=True), 50 * V),
    "far": (lambda v: R.from_rotvec(v).as_rotvec(), 9 * MANY, MANY.reshape(2, 2, 3)),
    "quat": (lambda q: R.from_quat(q).as_quat(), Q, -Q, np.stack((Q, Q[::-1]))),
    "canonical": (lambda q: R.from_quat(q, scalar_first=True).as_quat(canonical=True, scalar_first=True), Q, -Q, np.eye(4)),
    "of a matrix": (lambda m: R.from_matrix(m).as_quat(), MATRIX, SEVERAL.as_matrix(), MATRIX + 0.1 * np.diag(V)),
    "euler": (lambda a: R.from_euler("xyz", a).as_euler("zyx"), V, MANY),
    "proper euler": (lambda a: R.from_euler("ZXZ", a, degrees=True).as_euler("XYX", degrees=True), 40 * V, 40 * MANY),
    "one axis": (lambda a: R.from_euler("y", a).as_quat(), V[:1], MANY[:, :1]),
    "mrp": (lambda v: R.from_mrp(v).as_mrp(), V, 3 * MANY),
    "apply": (lambda v: R.from_rotvec(v).apply(POINTS, inverse=True), V, MANY),
    "captured": (lambda v: HELD.apply(v) + SEVERAL.apply(v), V, MANY),
    "product": (lambda v: (HELD * R.from_rotvec(v) * HELD.inv()).as_rotvec(), V, MANY),
    "powers": (lambda v: (R.from_rotvec(v) ** 0.3 * R.from_rotvec(v) ** -1).as_quat(), V),
    "magnitude": (lambda v: R.from_rotvec(v).magnitude(), V, MANY),
    "near": (lambda v: HELD.approx_equal(R.from_rotvec(v) * HELD, atol=2.0) + 0.0, MANY),
    "mean": (lambda v: R.from_rotvec(v).mean([1, 2, 3, 4]).as_matrix(), MANY),
    "joined": (lambda v: R.concatenate([R.from_rotvec(v), HELD, R.identity(2)]).as_matrix(), V),
}


@pytest.mark.sweep(6)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f, *arguments = CASES[name]
    for x in arguments:
        found, right = tg.jit(f)(x), f(x)
        np.testing.assert_allclose(found, right, rtol=1e-10, atol=1e-12)
        assert found.dtype == right.dtype and found.shape == right.shape
    tg.check_grads(lambda x: np.sum(f(x) * np.cos(np.arange(1.0 + np.size(f(x)))[1:]).reshape(np.shape(f(x)))),
                   (arguments[0],), order=2)


def test_at_the_identity():
    """exp of a cross product: its second derivative by v is the symmetrical part of products of generators."""
    def turned(v):
        return R.from_rotvec(v).apply(np.array([1.0, 2.0, 3.0]))

    zero = np.zeros(3)
    cross = np.cross(np.eye(3), [1.0, 2, 3]).T
    for slope in (tg.jacfwd(turned), tg.jacrev(turned)):
        np.testing.assert_allclose(slope(zero), cross, atol=1e-15)
    twice = tg.jacfwd(tg.jacrev(turned))(zero)
    e = np.eye(3)
    right = np.array([[np.cross(a, np.cross(b, [1.0, 2, 3])) for b in e] for a in e])
    np.testing.assert_allclose(twice, np.moveaxis((right + np.swapaxes(right, 0, 1)) / 2, -1, 0), atol=1e-14)
    np.testing.assert_allclose(tg.jacrev(lambda v: R.from_rotvec(v).as_rotvec())(zero), np.eye(3), atol=1e-15)


@pytest.mark.sweep(12, by="seq")
@pytest.mark.parametrize("seq", ["xyz", "xzx", "YZX", "ZYZ"])
def test_angles_that_are_not_determined(seq):
    f = tg.jit(lambda a: R.from_euler(seq, a, degrees=True).as_euler(seq, degrees=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for middle in (0.0, 90.0, 180.0, -90.0, 33.0):
            a = np.array([10.0, middle, 20.0])
            np.testing.assert_allclose(f(a), R.from_euler(seq, a, degrees=True).as_euler(seq, degrees=True), atol=1e-5)


def test_errors_are_scipys():
    for f, x in ((R.from_quat, np.zeros(4)), (R.from_quat, V), (R.from_rotvec, Q), (R.from_matrix, -MATRIX),
                 (lambda a: R.from_euler("xYz", a), V), (lambda a: R.from_euler("xxz", a), V),
                 (lambda a: R.from_euler("xy", a), V), (lambda v: R.from_rotvec(v).mean([1, 2]), MANY),
                 (lambda v: R.from_euler("xyz", v).as_euler("xy"), V)):
        for g in (f, tg.jit(lambda x, f=f: f(x).as_quat())):
            with pytest.raises(ValueError):
                g(x)
    for right in (R.from_matrix, tg.jit(lambda x: R.from_matrix(x).as_quat())):
        with pytest.raises(np.linalg.LinAlgError):
            right(np.where(np.eye(3) > 0, np.nan, MATRIX))
    with pytest.raises(TypeError):
        tg.jit(lambda v: len(R.from_rotvec(v)))(V)
    assert tg.jit(lambda v: len(R.from_rotvec(v)))(MANY) == 4
    with pytest.raises(UnsupportedError, match=r"Rotation\.align_vectors"):
        tg.jit(lambda v: R.align_vectors(v, POINTS)[1])(MANY)


def test_the_class_that_python_sees():
    def f(v):
        turn = R.from_rotvec(v)
        return isinstance(turn, R), type(turn) is R, isinstance(turn, (int, np.ndarray)), isinstance(v, R)

    assert tg.jit(f)(V) == f(V) == (True, True, False, False)


def test_numbers_of_a_rotation_are_a_copy():
    def f(v):
        turn = R.from_rotvec(v)
        turn.as_quat()[...] = 5.0
        return turn.as_quat()

    np.testing.assert_allclose(tg.jit(f)(V), f(V))
