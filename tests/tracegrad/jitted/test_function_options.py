"""Options of one function: they hold for it and its derivatives only, whatever `tg.config` says; Numba's are understood."""
import math
import pickle
import time

import numpy as np
import pytest

import tracegrad as tg

numba = pytest.importorskip("numba")


def total(x):
    s = 0.0
    for i in range(x.size):
        s += x[i] * x[i]
    return s


X = np.linspace(0.0, 1.0, 1000)


def flags(f, *args):
    return "reassoc" in " ".join(line for line in f.lower(*args).text("llvm").splitlines() if " fadd " in line)


def test_fastmath_of_one_function_and_of_its_gradient_but_of_no_other():
    fast, plain = tg.jit(total, fastmath=True), tg.jit(total)
    assert flags(fast, X) and not flags(plain, X)
    np.testing.assert_allclose(fast(X), plain(X), rtol=1e-13)
    np.testing.assert_allclose(tg.grad(fast)(X), 2 * X, rtol=1e-13)
    assert tg.grad(fast).own_options == {"fastmath": True} and tg.vmap(tg.grad(fast)).own_options == {"fastmath": True}


def test_the_functions_option_comes_before_that_of_the_process():
    exact = tg.jit(total, fastmath=False)
    with tg.config(fastmath=True):
        assert not flags(exact, X) and flags(tg.jit(total), X)
        inside = exact(X)
    assert inside == exact(X) == sum(float(x) * float(x) for x in X)


def test_kernels_are_found_again_when_the_processs_option_changes_and_returns():
    f = tg.jit(lambda x: x * 3.0, boundscheck=False)
    f(X)
    with tg.config(fastmath=True):
        f(X)
        f(X)
    f(X)
    assert f.cache_info().misses == 2 and f.cache_info().currsize == 2


def test_threads_of_one_function_are_a_limit_in_its_machine_code():
    def f(x):
        return np.exp(x) * 2.0

    x = np.linspace(0.0, 1.0, 1_000_000)
    for many in (1, 2, 3):
        g = tg.jit(f, threads=many)
        assert f"i64 {many}, ptr nonnull %error" in g.lower(x).text("llvm")
        np.testing.assert_array_equal(g(x), tg.jit(f)(x))


def test_memory_budget_of_one_function_cuts_the_tape_of_its_gradient():
    def walk(x):
        for _ in range(2000):
            x = np.sin(x) + x * x * 0.1
        return x.sum()

    x = np.full(50, 0.3)
    tight = tg.grad(tg.jit(walk, memory_budget="64KB"))
    np.testing.assert_array_equal(tight(x), tg.grad(walk)(x))
    asked, free = (str(tg.explain(f, x)) for f in (tight, tg.grad(walk)))
    with tg.config(memory_budget="64KB"):
        assert asked != free and asked == str(tg.explain(tg.grad(walk), x))


@pytest.mark.parametrize("options", [{"nopython": True}, {"nogil": True}, {"cache": True}, {"parallel": True},
                                     {"inline": "always"}, {"parallel": {"fusion": True}}, {"looplift": False},
                                     {"fastmath": {"fast"}}, {"fastmath": {"nsz", "arcp", "contract", "afn"}},
                                     {"fastmath": set()}])
def test_options_of_numba_that_change_nothing(options):
    assert tg.jit(total, **options)(X) == pytest.approx(tg.jit(total)(X), rel=1e-13)
    assert tg.jit(**options)(total)(X) == pytest.approx(tg.jit(total)(X), rel=1e-13)


@pytest.mark.parametrize("options, said", [
    ({"forceobj": True}, "forceobj=True"), ({"nopython": False}, "nopython=False"),
    ({"fastmath": {"nnan", "fats"}}, "no flag 'fats'"),
    ({"fastmaths": True}, "no option 'fastmaths'"), ({"threads": 0}, "positive int"),
    ({"error_model": "c"}, "'python' or 'numpy'"), ({"memory_budget": "much"}, "64MB")])
def test_options_that_are_refused(options, said):
    for make in (lambda: tg.jit(total, **options), lambda: tg.jit(**options)):
        with pytest.raises((tg.ArgumentError, tg.ArgumentTypeError), match=said):
            make()


@pytest.mark.parametrize("signature, f", [                # functions of equal code would share what was compiled
    ("float64(float64)", lambda x: x * x + 1), (["float64(float64)", "f4(f4)"], lambda x: x * x + 2),
    (numba.float64(numba.float64), lambda x: x * x + 3), ((numba.float64,), lambda x: x * x + 4)])
def test_a_signature_is_compiled_for_at_once(signature, f):
    made = tg.jit(signature, nopython=True)(f)
    count = len(made.specializations)
    assert count == (2 if isinstance(signature, list) else 1)
    assert made(2.0) == f(2.0) and len(made.specializations) == count
    assert made(np.ones(2)).tolist() == [f(1.0)] * 2 and len(made.specializations) == count + 1
    assert tg.grad(made)(3.0) == 6.0


@pytest.mark.parametrize("signature, f, x, expected", [
    (numba.float64[:](numba.float64[:]), lambda x: x + 1, np.ones(2), [2, 2]),
    ("float64[:](int64)", lambda n: np.zeros(n), 2, [0, 0]), ("void(float64[:,::1])", lambda x: None, np.ones((2, 2)), None),
    ("float64(boolean)", lambda flag: 1.0 if flag else 2.0, True, 1.0)])
def test_a_signature_without_lengths_or_values_waits_for_a_call(signature, f, x, expected):
    made = tg.jit(signature)(f)
    assert made.specializations == []
    found = made(x)
    assert (found.tolist() if isinstance(found, np.ndarray) else found) == expected


@pytest.mark.parametrize("signature, f, text", [
    ("float64(complex128)", lambda x: x * x, "says that float64 is returned, and it is complex128"),
    ("float64(float64, float64)", lambda x: x, "has 2 arguments, the function `<lambda>` 1"),
    ("nonsense(", lambda x: x, "cannot read the signature 'nonsense"),
    ("float64(float64)", lambda x: (x, x), "returns a number, and it returns"),
    ("float64(pyobject)", lambda x: x, "no such type as pyobject.*leave it out")])
def test_signatures_that_are_refused(signature, f, text):
    with pytest.raises((tg.ArgumentError, tg.ArgumentTypeError, tg.DTypeError), match=f"(?s){text}"):
        tg.jit(signature)(f)


@pytest.mark.parametrize("signature, f, args", [                # Numba's own answer, and its type
    ("float64(float64)", lambda x: type(x)(0.5) * x, (3,)), ("int64(float64)", lambda x: x / 2, (5.0,)),
    ("int32(int32)", lambda x: x // 2, (7.9,)), (["float32(float32)", "float64(float64)"], lambda x: x + 0.1, (1,)),
    (["int64(int64, int64)", "float64(float64, float64)"], lambda x, y: x / y, (1, 2.0)),
    (["int64(int64, int64)", "float64(float64, float64)"], lambda x, y: x / y, (7, 2)),
    ("float64(float64[:], float64)", lambda x, s: x[0] / type(s)(s), (np.array([3.0]), 2)),
    ("void(int64)", lambda n: None, (2,)), ("complex128(float64)", lambda x: x, (2,)),
    ("boolean(int64)", lambda n: n, (2,)), ("uint8(int64)", lambda n: n, (300,)),
    ("int32(int32, int32)", lambda a, b: a * b, (1 << 20, 3 << 20)),
    ("UniTuple(float64, 2)(float64)", lambda x: (x, x * 2), (2,)),
    ("float64(UniTuple(float64, 2))", lambda t: t[0], ((1.0, 2.0),))])
def test_numbers_are_converted_to_what_a_signature_says(signature, f, args):
    expected, found = numba.njit(signature)(f)(*args), tg.jit(signature)(f)(*args)
    assert found == expected and np.asarray(found).dtype == np.asarray(expected).dtype, (found, expected)


def test_a_number_of_single_precision_stays_one():
    found = tg.jit(["float32(float32)", "float64(float64)"])(lambda x: x + 0.1)(np.float32(1))
    assert found == np.float32(1.1) and found.dtype == np.float32


def test_a_signature_holds_where_other_code_calls_the_function():
    @tg.jit("float64(float64)")
    def half(x):
        kind = type(x)
        return kind(0.5) * x

    assert tg.jit(lambda n: half(n) + half(3))(1) == 2.0 and tg.grad(half)(3.0) == 0.5


def test_division_by_zero_as_numpys_numbers():
    @tg.jit(error_model="numpy")
    def ratio(a, b):
        return a / b, a // b, a % b

    with np.errstate(all="ignore"):
        for a in (1.0, -1.0, 0.0):
            like = np.float64(a)
            np.testing.assert_array_equal(ratio(a, 0.0), (like / 0.0, like // 0.0, like % 0.0))
    assert ratio(7, 0)[1:] == (0, 0) and ratio(7, 0)[0] == np.inf
    assert ratio(7, 2) == (3.5, 3, 1)
    with pytest.raises(ZeroDivisionError):
        tg.jit(lambda a, b: a / b)(1.0, 0.0)
    with tg.config(error_model="numpy"):
        assert tg.jit(lambda a, b: a / b)(1.0, 0.0) == np.inf
        assert tg.grad(lambda b: 1.0 / b)(0.0) == -np.inf
    found = tg.jit(lambda x: (math.log(x), math.sqrt(x - 1), math.exp(x + 1e3), (x + 1e3) ** 200.5), error_model="numpy")(0.0)
    np.testing.assert_array_equal(found, (-np.inf, np.nan, np.inf, np.inf))


def test_functions_that_numba_decorates_bring_their_model_with_them():
    @numba.njit(error_model="numpy", fastmath=True)
    def inverse(x):
        return 1.0 / x

    assert tg.jit(inverse)(0.0) == inverse(0.0) == np.inf
    assert tg.grad(inverse)(2.0) == -0.25
    assert tg.jit(lambda x: inverse(x) + 1.0)(0.0) == np.inf
    with pytest.raises(ZeroDivisionError):
        tg.jit(lambda x: inverse(x) + 1.0 / x)(0.0)
    said = [note.text for note in tg.explain(inverse, 1.0).of("option")]
    assert len(said) == 2 and "fastmath" in said[0] and "error_model" in said[1]


def test_a_pickle_keeps_them():
    f = pickle.loads(pickle.dumps(tg.jit(total, fastmath=True, threads=1)))
    assert f.own_options == {"fastmath": True, "threads": 1}
    assert f(X) == pytest.approx(total(X), rel=1e-12)


# --- types of local variables --------------------------------------------------------------------------------------------

def mixed(x, k):
    total = 0.0
    half, n = x[1] * 200, x[2] * 300.7
    for i in range(x.size):
        step = x[i] * k
        if step > 1:
            total += step * step
        else:
            total = total + step
    k = k + 0.5
    return total, half, n, k, x


def own(f):
    return type(f)(f.__code__, globals())


@pytest.mark.sweep(2)
@pytest.mark.parametrize("types", [
    {"total": numba.float32, "step": numba.float32, "i": numba.uint16}, {"half": numba.int32, "n": numba.intp},
    {"n": numba.int16, "k": numba.float32}, {"total": numba.complex128}, {"step": numba.float64, "x": numba.float64[::1]}])
def test_variables_of_declared_types_are_as_numbas(types):
    x = np.linspace(0.1, 1.0, 9)
    want, got = numba.njit(locals=types)(mixed)(x, 1.7), tg.jit(own(mixed), locals=types)(x, 1.7)
    for a, b in zip(want, got, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6 if numba.float32 in types.values() else 1e-14)
    if types.get("total") is numba.float32:
        assert got[0].dtype == np.float32


def test_conversions_round_and_have_derivatives():
    f = tg.jit(own(mixed), locals={"total": numba.float32, "step": numba.float32})
    x = np.linspace(0.1, 1.0, 9)
    exact, rounded = (tg.grad(lambda x, g=g: g(x, 1.7)[0])(x) for g in (mixed, f))
    np.testing.assert_allclose(rounded, exact, rtol=1e-5)
    assert (rounded != exact).any()


def test_each_function_of_one_definition_has_its_own_types():
    def made(dtype):
        @tg.jit(locals={"seen": numba.np.numpy_support.from_dtype(np.dtype(dtype))})
        def inner(x):
            seen = 0
            for v in x:
                seen += v
            return seen
        return inner
    assert made("f4")(X).dtype == np.float32 and made("f8")(X) == pytest.approx(500.0, rel=1e-12)
    single = made("f4")
    assert tg.jit(lambda x: single(x) * np.float32(2))(X).dtype == np.float32      # called in another program
    with pytest.raises(tg.ArgumentError, match="has been compiled without them"):
        tg.jit(single, locals={"seen": numba.float64})


def test_a_function_compiled_with_types_leaves_the_same_without_them_alone():
    f = own(mixed)
    plain, single = tg.jit(f), tg.jit(f, locals={"total": np.float32})
    x = np.linspace(0.1, 1.0, 9)
    assert single(x, 1.7)[0].dtype == np.float32 and plain(x, 1.7)[0] == f(x, 1.7)[0]


# --- compiled functions within Numba's --------------------------------------------------------------------------------------

def test_functions_of_numba_call_compiled_ones():
    inner = tg.jit(lambda x: np.sin(x) * 2)
    middle = tg.jit(lambda x, y: inner(x) + y)

    @numba.njit
    def outer(a):
        s = 0.0
        for v in a:
            s += middle(v, 1.0)
        return s

    @numba.guvectorize(["void(float64[:], float64[:])"], "(n)->()")
    def rows(x, result):
        result[0] = middle(x[0], x[1])

    x = np.linspace(0.0, 1.0, 6)
    assert outer(x) == pytest.approx((np.sin(x) * 2 + 1).sum(), rel=1e-14)
    np.testing.assert_allclose(rows(x.reshape(3, 2)), np.sin(x[::2]) * 2 + x[1::2], rtol=1e-14)
    np.testing.assert_allclose(tg.grad(outer)(x), 2 * np.cos(x), rtol=1e-14)
    assert numba.typeof(middle) == numba.typeof(middle)


def test_numbas_own_modules_are_left_to_numba():
    """A program with `numba.njit = tg.jit` has Numba decorate its own functions so, in modules that it imports late."""
    def doubled(x):
        return 2 * x

    doubled.__module__ = "numba.typed.typeddict"
    for made in (tg.jit(doubled), tg.jit(nogil=True)(doubled)):
        assert isinstance(made, numba.core.registry.CPUDispatcher) and made(1.5) == 3.0


def test_the_body_of_object_mode_is_compiled():
    def f(x):
        y = x * 2.0
        with numba.objmode(z="float64[:]"):
            z = np.fft.irfft(np.fft.rfft(y) * 0.5, n=8)
        return np.sum(z * x)

    x = np.linspace(0.0, 1.0, 8)
    assert tg.jit(f)(x) == pytest.approx(np.sum(x * x), rel=1e-14)
    np.testing.assert_allclose(tg.grad(f)(x), 2 * x, rtol=1e-13, atol=1e-15)
    with pytest.raises(tg.UnsupportedError, match="time"):
        tg.jit(with_the_time)(x)


def with_the_time(x):
    with numba.objmode():
        start = time.perf_counter()
    return x + start


def test_a_signature_with_a_function_among_its_types():
    """As Numba's users declare a distance that callers choose; a set and a jitclass are other types that a call says."""
    from numba import types
    number = types.float64(types.float64, types.float64)
    distance = tg.jit("float64(float64, float64)")(lambda a, b: abs(a - b))

    @tg.jit([types.float64(types.float64[:], types.float64[:], types.FunctionType(number))])
    def total(x, y, cost):
        s = 0.0
        for a, b in zip(x, y):
            s += cost(a, b)
        return s

    x, y = np.array([1.0, 2.0]), np.array([4.0, 1.0])
    assert total(x, y, distance) == 4.0
    assert total(x, y, tg.jit(lambda a, b: (a - b) ** 2)) == 10.0
    assert tg.grad(total)(x, y, distance).tolist() == [-1.0, 1.0]
