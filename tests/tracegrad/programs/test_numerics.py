"""check_numerics: the first operation that makes a NaN or an infinity is reported, and nothing else is."""
import time

import numpy as np
import pytest

import tracegrad as tg


@pytest.fixture(params=["compiled", "evaluator"], autouse=True)
def way(request):
    with tg.config(disable_jit=request.param == "evaluator"):
        yield


def caught(f, *args) -> str:
    with tg.config(check_numerics=True), pytest.raises(tg.NumericsError) as error:
        f(*args)
    return str(error.value)


def silent(f, *args):
    with tg.config(check_numerics=True):
        found = f(*args)
    return found


ROW = np.array([1.0, 4.0, 0.0, 2.0])


def test_is_off_by_default():
    assert tg.jit(lambda x: np.sum(1.0 / x))(ROW) == np.inf


def test_the_line_the_element_and_the_operands():
    def f(x):
        y = x * 2.0
        return np.sum(y / x)

    message = caught(tg.jit(f), ROW)
    assert "div" in message and "gives nan from 0.0, 0.0 at element 2" in message
    assert "return np.sum(y / x)" in message and "in f" in message
    assert issubclass(tg.NumericsError, FloatingPointError)


def test_in_a_loop():
    def f(x, y):
        s = 0.0
        for i in range(x.shape[0]):
            s = s + x[i] / y[i]
        return s

    assert "gives inf from 1.0, 0.0" in caught(tg.jit(f), np.ones(4), ROW)
    assert silent(tg.jit(f), np.ones(4), ROW + 1.0) == pytest.approx(np.sum(1 / (ROW + 1)))


def test_in_the_derivative():
    def f(x):
        return np.sum(np.sqrt(x))

    assert silent(tg.jit(f), ROW) == f(ROW)
    for g in (tg.grad(f), lambda x: tg.jvp(f, (x,), (x + 1.0,))):
        message = caught(g, ROW)
        assert message.startswith("in the derivative, `") and "gives inf" in message and "np.sum(np.sqrt(x))" in message


def test_in_the_function_of_a_gradient():
    """The function makes it first, and says so; without a derivative there is nothing to tell apart."""
    def f(x):
        return np.sum(np.log(x) * x)

    for g in (tg.grad(f), tg.value_and_grad(f)):
        message = caught(g, ROW)
        assert message.startswith("in the function itself, `") and "gives -inf from 0.0 at element 2" in message
    assert caught(tg.jit(f), ROW).startswith("`")


def test_in_the_backward_loop():
    def f(x):
        total = 1.0
        for i in range(x.shape[0]):
            total = total * 0.5 + np.sqrt(x[i])
        return total

    message = caught(tg.grad(f), ROW)
    assert message.startswith("in the derivative, `") and "np.sqrt(x[i])" in message


def in_branches(x):
    total = 0.0
    for i in range(x.shape[0]):
        if i > 0:
            total = total * 0.5 + np.sqrt(x[i] * 2.0)
    while total > 100.0:
        total = np.log(total - 300.0)
    return total


@pytest.mark.sweep(2)
@pytest.mark.parametrize("operator", [
    tg.grad, lambda f: lambda x: tg.jvp(f, (x,), (np.ones(x.size),)), lambda f: lambda x: tg.vjp(f, x)[1](1.0),
    lambda f: lambda x: tg.linearize(f, x)[1](np.ones(x.size))], ids=["grad", "jvp", "vjp", "linearize"])
def test_every_mode_in_branches_and_loops(operator):
    """One place, the user's line, and the operands there."""
    steep = ROW, "np.sqrt(x[i] * 2.0)", "gives inf from"
    for x, line, said in (steep, (np.full(3, 1e4), "np.log(total - 300.0)", "gives nan from -")):
        with tg.config(check_numerics=True), pytest.raises(tg.NumericsError) as found:
            operator(in_branches)(x)
        text = str(found.value)
        assert text.count("File") == 1 and line in text and said in text
        assert ("in the derivative" in text) == ("sqrt" in line)


@pytest.mark.parametrize("f, args, text", [
    (lambda a: np.cumsum(a * 1e308), (np.ones(3),), "scan"),
    (lambda a, b: a @ b, (np.full(3, 1e200), np.full(3, 1e200)), "dot"),
    (lambda a: np.prod(a), (np.full(3, 1e200),), "prod|reduce"),
    (lambda a: a.astype(np.float32) * 2, (np.array([1.0, 1e300]),), "1e\\+300 at element 1"),
    (lambda z: np.exp(z), (800.0 + 0j,), "exp"),
    (lambda x: np.float32(3e38) * x, (np.float32(2.0),), "mul"),
    (lambda x, y: x - y, (np.float64(np.inf), np.float64(np.inf)), "gives nan from inf, inf"),
], ids=["scan", "dot", "prod", "cast", "complex", "float32", "inf - inf"])
def test_kinds_of_operations(f, args, text):
    with tg.config(check_numerics=True), pytest.raises(tg.NumericsError, match=text):
        tg.jit(f)(*args)


def test_additions_into_an_array():
    def f(a, x):
        for i in range(x.shape[0]):
            a[i] += x[i]
        return np.sum(a)

    assert "from 1e+308, 1.5e+308" in caught(tg.jit(f), np.full(3, 1e308), np.array([0.0, 1.5e308, 0.0]))


def test_what_is_passed_on_is_not_reported():
    x = np.array([np.inf, -np.inf, np.nan, 1.0])
    found = silent(tg.jit(lambda x: (np.exp(x), x * 2.0, np.minimum(x, 3.0), np.sum(x), x[::-1])), x)
    assert np.isnan(found[3])
    assert silent(tg.jit(lambda x: np.max(np.where(x > 1, x, -np.inf))), ROW) == 4.0


def test_a_branch_that_is_not_taken_is_not_reported():
    def f(x):
        return np.sum(np.where(x > 0, np.sqrt(x) + np.log(x), 0.0))

    assert silent(tg.jit(f), ROW) == pytest.approx(2.0 ** 0.5 + 3.0 + np.log(8.0))
    assert silent(tg.grad(f), ROW)[2] == 0.0
    assert "select" in caught(tg.jit(lambda x: np.where(x > -1, np.log(x), 0.0)), ROW)


def test_switching_it_on_compiles_anew():
    f = tg.jit(lambda x: 1.0 / x)
    zero = np.float64(0.0)
    assert f(zero) == np.inf
    assert "from 1.0, 0.0" in caught(f, zero)
    assert f(zero) == np.inf


def test_a_long_loop_takes_acceptable_time():
    if tg.config.disable_jit:
        return

    @tg.jit
    def f(a, n):
        for i in range(n):
            a[i % a.shape[0]] += 1.0 / (i + 1.0)
        return np.sum(a)

    with tg.config(check_numerics=True):
        f(np.zeros(10_000), 1)
        start = time.perf_counter()
        f(np.zeros(10_000), 1_000_000)
        assert time.perf_counter() - start < 5.0            # 1e10 looks if each one were at the whole array


def test_a_maximum_of_nothing_is_not_made():
    """Its infinity is where maxima begin."""
    with tg.config(check_numerics=True):
        assert tg.jit(lambda a: np.max(a, initial=1.0))(np.zeros(0)) == 1.0
        with pytest.raises(FloatingPointError):
            tg.jit(lambda a: np.max(np.log(a)))(np.zeros(3))
