"""numba.stencil and numba.cfunc in traced code: what Numba computes, and its derivatives."""
import numba
import numpy as np
import pytest

import tracegrad as tg


@numba.stencil
def blur(a):
    return 0.25 * (a[0, 1] + a[1, 0] + a[0, -1] + a[-1, 0])


@numba.stencil
def branching(a):
    return a[1] - 2 * a[0] if a[0] > 0.3 else a[-2]


@numba.stencil(cval=7.0)
def shifted(a, b, c):
    return a[1, 2] * b[0, 0] + c


@numba.stencil(standard_indexing=("w",), neighborhood=((-1, 1),))
def convolved(a, w):
    s = 0.0
    for k in range(-1, 2):
        s += w[k + 1] * a[k]
    return s


@numba.stencil
def unbounded(a, n):
    s = 0.0
    for k in range(-1, n):
        s += a[k]
    return s


RNG = np.random.default_rng(0)
A, B, V = RNG.random((6, 6)), RNG.random((6, 6)), RNG.random(9)


@pytest.mark.sweep(14, days=True)
@pytest.mark.parametrize(("f", "args"), [
    (blur, (A,)), (blur, (A[::2, 1:],)), (blur, (A[:2],)), (blur, (A[:1],)), (blur, (A[:0],)), (branching, (V,)),
    (branching, (V[::-1],)), (branching, (V[:2],)), (shifted, (A, B, 2.0)), (convolved, (V, np.array([1.0, 2.0, 3.0]))),
    (blur, (np.arange(36).reshape(6, 6),))])
def test_as_numba(f, args):
    made = tg.jit(f)(*args), tg.jit(lambda *a: f(*a))(*args), tg.jit(lambda *a: f(*a)).interpret(*args)
    wanted = f(*args)                                # afterwards: Numba's program of a kernel is another one then
    for found in made:
        assert found.dtype == wanted.dtype and found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    if args[0].size > 8 and args[0].dtype == float:
        tg.check_grads(lambda x: np.sum(f(x, *args[1:])**2), (args[0],), order=2)


@pytest.mark.sweep(2, days=True)
def test_out_and_numba_functions_around():
    @tg.jit
    def into(a):
        out = np.full((6, 6), 5.0)
        blur(a, out=out)
        return out
    np.testing.assert_allclose(into(A), blur(A, out=np.full((6, 6), 5.0)))

    @numba.njit
    def twice(a):
        return blur(a) * 2
    np.testing.assert_allclose(tg.jit(twice)(A), twice(A))


def test_cfunc():
    @numba.cfunc("float64(float64)")
    def cube(x):
        s = 1.0
        for _ in range(3):
            s *= x
        return s
    assert tg.jit(lambda x: cube(x))(2.0) == 8.0 and tg.grad(cube)(2.0) == 12.0


@pytest.mark.parametrize(("f", "args", "says"), [
    (unbounded, (V, 2), "neighborhood"), (blur, (V,), "with 1 axes is read with 2"), (blur, (A, A), "takes 1 arguments"),
    (blur, (2.0,), "no array"), (shifted, (A, V, 1.0), "different numbers of axes")])
def test_misuse(f, args, says):
    with pytest.raises(tg.TracegradError, match=f"(?s){says}"):
        tg.jit(lambda *a: f(*a))(*args)


def made_inside(x):
    @numba.stencil
    def pairs(a):
        return a[0] + a[-1]
    return pairs(x)


def made_inside_with_computed_positions(x):
    @numba.stencil
    def before(a):
        c = 2
        return a[-c + 1]
    return before(x)


@pytest.mark.parametrize("f", [made_inside, made_inside_with_computed_positions])
def test_stencils_that_the_function_makes(f):
    x = np.arange(1.0, 11.0)
    matrix = np.eye(10, k=-1) + (np.diag([0.0] + [1.0] * 9) if f is made_inside else 0.0)
    np.testing.assert_array_equal(tg.jit(f)(x), matrix @ x)
    np.testing.assert_array_equal(tg.jacobian(f)(x), matrix)
