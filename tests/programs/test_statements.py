"""`nonlocal`, `match`, `try` and `del`: the traced program equals Python, and what cannot be compiled says why."""
import contextlib
import enum
from dataclasses import dataclass

import numpy as np
import pytest
from trace_check import check
from tracegrad.ir.errors import UnsupportedError
from tracegrad.tracer.staging import trace_function

import tracegrad as tg

X = np.array([0.5, -1.5, 2.5, 3.5, -0.25, 1.0, 7.0])


# --- nonlocal ---------------------------------------------------------------------------------------------------------

def counts_its_calls(x):
    n = 0

    def bump(v):
        nonlocal n
        n += 1
        return v * n

    out = 0.0
    for i in range(3):
        out = out + bump(x[i])
    return out, n


def keeps_the_best(x):
    best, where = -np.inf, -1

    def visit(i, v):
        nonlocal best, where
        if v > best:
            best, where = v, i

    for i in range(len(x)):
        visit(i, x[i])
    return best, where


def filters_with_state(x):
    def smoother(k):
        state = 0.0

        def step(u):
            nonlocal state
            state = state + k * (u - state)
            return state

        return step

    slow, fast = smoother(0.1), smoother(0.5)
    out = np.empty((x.size, 2))
    for i in range(x.size):
        out[i, 0] = slow(x[i])
        out[i, 1] = fast(x[i])
    return out


def counts_in_a_condition(x):
    asked = 0

    def residual(v):
        nonlocal asked
        asked += 1
        return v - np.cos(v)

    v = x[0]
    while abs(residual(v)) > 1e-10:
        v = v - (v - np.cos(v)) / (1 + np.sin(v))
    return v, asked


def replaces_an_array(x):
    best = x * 0.0

    def offer(candidate):
        nonlocal best
        if np.sum(candidate) > np.sum(best):
            best = candidate

    for k in range(4):
        offer(np.sin(k * x))
    return best


def rebinds_a_parameter_two_functions_out(x, scale):
    def middle():
        def inner():
            nonlocal scale
            for scale in (2.0, 3.0):      # noqa: B007
                pass
        inner()

    before = scale
    middle()
    return x * scale + before


def sets_it_only_in_a_branch(x):
    def maybe(v):
        nonlocal last
        if v > 0:
            last = v

    for v in x:
        maybe(v)
    if x[0] > 5:
        last = 0.0
    return last + 1.0


def differentiates_inside(x):
    count = 0.0

    def f(v):
        nonlocal count
        count = count + v
        return np.sum(v**2)

    return tg.grad(f)(x[0]) + count


def assigns_in_operands(x):
    z = 0.0

    def keeps(v):
        nonlocal z
        return v > 0 and (z := v * 2) > 1

    def lists(v):
        nonlocal z
        return np.array([z := w * v for w in (1.0, 2.0)])[0]

    s = 0.0
    for v in x:
        if keeps(v):
            s += z
        elif v < -1:
            s += lists(v)
        s += z
    return s, z


def binds_in_a_condition(x):
    n = 0.0

    def f(v):
        nonlocal n
        if (n := n + v) > 1:
            return n
        return 0.0

    return sum(f(v) for v in x), n


class Private:
    def total(self, x):
        __held = 0.0

        def add(v):
            nonlocal __held
            __held += v

        for v in x:
            add(v)
        return __held


def has_a_private_name(x):
    return Private().total(x)


def starts_with_none(x):
    best = None

    def see(v):
        nonlocal best
        best = v if best is None else max(best, v)

    for v in x:
        see(v)
    return best


NONLOCAL = [binds_in_a_condition, has_a_private_name, starts_with_none, counts_its_calls,
            keeps_the_best, filters_with_state, counts_in_a_condition, replaces_an_array, assigns_in_operands]


@pytest.mark.parametrize("fn", NONLOCAL, ids=lambda f: f.__name__)
def test_nonlocal(fn):
    check(fn, X)


def test_nonlocal_of_a_parameter():
    check(rebinds_a_parameter_two_functions_out, X, 1.5)


def test_nonlocal_unset_until_a_branch_sets_it():
    check(sets_it_only_in_a_branch, X)
    with pytest.raises(UnboundLocalError, match="'last'"):
        tg.jit(sets_it_only_in_a_branch)(-X * X)


@pytest.mark.parametrize("fn", [counts_its_calls, keeps_the_best, filters_with_state], ids=lambda f: f.__name__)
def test_gradient_through_nonlocal(fn):
    def loss(x):
        out = fn(x)
        return np.sum(np.sin(out[0] if isinstance(out, tuple) else out))

    def hand(x, h=1e-6):
        return np.array([(loss(x + h * e) - loss(x - h * e)) / (2 * h) for e in np.eye(x.size)])

    got = tg.grad(loss)(X)
    np.testing.assert_allclose(got, hand(X), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(got, [tg.jvp(loss, (X,), (e,))[1] for e in np.eye(X.size)], rtol=1e-12)


def test_nonlocal_of_a_function_outside_is_refused():
    count = 0

    def fn(x):
        nonlocal count
        count += 1
        return x

    with pytest.raises(UnsupportedError, match="`nonlocal count` rebinds a variable of a function outside") as caught:
        trace_function.trace(fn, (X,))
    assert "return the new value of `count`" in str(caught.value)


def test_nonlocal_around_a_derivative_is_refused():
    with pytest.raises(UnsupportedError, match="of the function around the one that is differentiated"):
        trace_function.trace(differentiates_inside, (X,))


# --- match ------------------------------------------------------------------------------------------------------------

class Mode(enum.Enum):
    FAST, EXACT = 1, 2


@dataclass
class Circle:
    radius: float


@dataclass
class Box:
    width: float
    height: float


def on_text(x, mode):
    match mode:
        case "relu":
            return np.maximum(x, 0)
        case "leaky" | "lrelu":
            return np.where(x > 0, x, 0.1 * x)
        case Mode.FAST:
            return x
        case None:
            return -x
        case _:
            raise ValueError(f"unknown {mode}")


def on_a_number(k, x):
    match k:
        case 0:
            return x
        case 1 | 2:
            return x * 2
        case n if n > 5:
            return x * n
        case _:
            return -x


def on_a_sequence(x, op):
    match op:
        case ("scale", k):
            return x * k
        case ("shift", a, b) if a > b:
            return x + a - b
        case ("clip", [lo, hi]):
            return np.clip(x, lo, hi)
        case (str(), *rest):
            return x * len(rest)
        case []:
            return x
        case {"kind": "power", "p": p, **others}:
            return x**p + len(others)
        case {}:
            return x + 1
        case float(v):
            return x * v


def on_a_class(shape):
    match shape:
        case Circle(radius=r):
            return np.pi * r * r
        case Box(w, h) if w == h:
            return w * w
        case Box(width=w, height=h):
            return w * h


def in_a_loop(codes, x):
    out = np.zeros(len(codes))
    for i, code in enumerate(codes):
        match code:
            case 0:
                out[i] = x
            case 1:
                continue
            case 2:
                break
            case _:
                out[i] = -x
    return out


@pytest.mark.parametrize("mode", ["relu", "lrelu", Mode.FAST, None])
def test_match_on_a_constant(mode):
    check(on_text, X, mode)


def test_match_that_raises():
    with pytest.raises(ValueError, match="unknown huge"):
        trace_function.trace(on_text, (X, "huge"))


@pytest.mark.parametrize("k", [0, 2, 3, 7])
def test_match_on_a_traced_number(k):
    check(on_a_number, k, 1.5)
    check(on_a_number, np.int64(k), X)


OPS = [("scale", 2.0), ("shift", 3.0, 1.0), ("shift", 1.0, 3.0), ("clip", [-0.5, 0.5]), ("any", 1, 2, 3), [],
       {"kind": "power", "p": 2, "q": 1}, {"kind": "other"}, 2.5]


@pytest.mark.parametrize("op", OPS, ids=str)
def test_match_on_structure(op):
    check(on_a_sequence, X, op)


@pytest.mark.parametrize("shape", [Circle(2.0), Box(2.0, 3.0), Box(3.0, 3.0)], ids=str)
def test_match_on_a_class(shape):
    check(on_a_class, shape)


def test_match_in_a_loop():
    check(in_a_loop, np.array([0, 1, 5, 3, 2, 0]), 1.5)


# --- try --------------------------------------------------------------------------------------------------------------

def looks_up(x, key):
    table = {"sin": np.sin, "cos": np.cos}
    try:
        f = table[key]
    except KeyError as error:
        f, key = np.tanh, str(error)
    else:
        x = x * 2
    finally:
        x = x + 1
    return f(x), key


def converts(x, text):
    for part in text.split():
        try:
            x = x * float(part)
        except ValueError:
            continue
        if part == "0":
            break
    return x


def asks_an_object(held, x):
    try:
        return held.gain * x
    except AttributeError:
        return x


def asks_a_number_for_its_length(x):
    try:
        n = len(x)
    except TypeError:
        n, x = 1, np.array([x])
    return x / n


def raises_for_itself(x, n):
    try:
        if n < 0:
            raise ValueError("negative")
        y = x * n
    except (KeyError, ValueError):
        y = -x
    return y


def index_too_large(x):
    try:
        return x[9]
    except IndexError:
        return x[-1]


def suppresses(x, table):
    with contextlib.suppress(KeyError), np.errstate(all="ignore"):
        x = x * table["gain"]
    return x


def raises_again(x, key):
    try:
        return x * {"a": 1.0}[key]
    except KeyError:
        if x.ndim == 2:
            raise
    return x


@pytest.mark.parametrize(("fn", "args"), [
    (looks_up, (X, "sin")), (looks_up, (X, "none")), (converts, (X, "2 a 3 0 4")), (asks_an_object, ("text", X)),
    (asks_a_number_for_its_length, (X,)), (asks_a_number_for_its_length, (2.0,)), (raises_for_itself, (X, 3)),
    (raises_for_itself, (X, -3)), (index_too_large, (X,)), (suppresses, (X, {"gain": 2.0})), (suppresses, (X, {})),
    (raises_again, (X, "a")), (raises_again, (X, "b"))], ids=lambda v: getattr(v, "__name__", ""))
def test_try(fn, args):
    check(fn, *args)


def test_try_that_raises_again():
    with pytest.raises(KeyError, match="b"):
        trace_function.trace(raises_again, (X[None], "b"))


def divides(a, b):
    try:
        return a / b
    except ZeroDivisionError:
        return 0.0


def indexes(x, i):
    try:
        return x[i[0]]
    except Exception:
        return 0.0


def raises_in_a_branch(x):
    try:
        if x[0] > 0:
            raise ValueError("positive")
    except ValueError:
        return -x
    return x


def looks_up_in_a_branch(x):
    y = x
    try:
        if x[0] > 0:
            y = y * {"a": 1.0}["b"]
    except KeyError:
        y = -x
    return y


@pytest.mark.parametrize(("fn", "args"), [
    (divides, (1.0, 2.0)), (divides, (1.0, 0.0)), (indexes, (X, np.array([2]))), (indexes, (X, np.array([20]))),
    (raises_in_a_branch, (X,)), (raises_in_a_branch, (X + 1,)), (looks_up_in_a_branch, (X,)), (looks_up_in_a_branch, (X + 1,))],
    ids=lambda v: getattr(v, "__name__", ""))
def test_try_around_what_run_time_decides(fn, args):
    check(fn, *args)


def test_a_handler_does_not_see_refusals_of_the_tracer():
    def fn(x):
        try:
            return x.ctypes
        except Exception:
            return x

    with pytest.raises(UnsupportedError, match=r"ndarray\.ctypes"):
        trace_function.trace(fn, (X,))


def test_other_errors_than_those_caught_make_no_difference():
    def fn(x, i):
        try:
            return x[i]
        except KeyError:
            return -x[0]

    check(fn, X, np.int64(3))
    with pytest.raises(IndexError):
        tg.jit(fn)(X, np.int64(30))


# --- del --------------------------------------------------------------------------------------------------------------

def test_del():
    def fn(x):
        y = x * 2
        z = y + 1
        del y
        for i in range(3):
            t = x[i] * z
            z = z + t
            del t
        del i
        return z

    check(fn, X)


def test_a_deleted_name_cannot_be_read():
    def fn(x, flag):
        y = x * 2
        if flag > 0:
            del y, x
        return y

    check(fn, X, -1.0)
    with pytest.raises(UnboundLocalError, match="'y'"):
        tg.jit(fn)(X, 1.0)
