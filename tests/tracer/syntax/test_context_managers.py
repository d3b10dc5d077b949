"""`with`: the program's own managers act as in Python, in both modes; what would only act while tracing is refused."""
import contextlib
import threading
import warnings

import numpy as np
import pytest

import tracegrad as tg

X = np.linspace(0.5, 2.0, 6)


class Scaled:
    """Multiplies an array inside, and divides it again."""

    def __init__(self, x, k):
        self.x, self.k = x, k

    def __enter__(self):
        self.x *= self.k
        return self.x

    def __exit__(self, kind, error, traceback):
        self.x /= self.k


class Swallows:
    def __init__(self, kind, log):
        self.kind, self.log = kind, log

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.log[0] += 1.0
        if kind is None:
            return False
        self.log[1] += 1.0
        return issubclass(kind, self.kind)


class Depth(contextlib.AbstractContextManager):
    def __init__(self):
        self.depth = 0

    def __exit__(self, *failure):
        self.depth += 1


@contextlib.contextmanager
def shifted(x, by):
    x += by
    try:
        yield x * 2
    finally:
        x -= by


@contextlib.contextmanager
def recovers(log):
    try:
        yield
    except ZeroDivisionError as e:
        log[0] -= 5.0
        print("recovered from", e)
    else:
        log[1] += 7.0


@contextlib.contextmanager
def chosen(flag):
    if flag:
        yield 2.0
    else:
        yield 3.0


def own_class(x, k):
    x = x.copy()
    with Scaled(x, k) as y:
        total = y[0] * y[1]
        y[0] = 6.0
    return total + x[0] * x[1]


def swallowing(a, b):
    log, y = np.zeros(2), -1.0
    with Swallows(ArithmeticError, log):
        y = a / b
        log[0] += 10.0
    return y, log


def not_swallowing(log, a, b):
    with Swallows(KeyError, log):
        log[0] = a / b
    return log


def in_a_loop(x, b):
    log, s = np.zeros(2), 0.0
    for i in range(x.size):
        with Swallows(ZeroDivisionError, log), shifted(x, 1.0) as y:
            if x[i] > 2.6:
                break
            if i == 2:
                continue
            s += float(y[i]) / float(b[i])
        s += 0.5
    return s, log


def returns(x, t):
    with shifted(x, 1.0) as y:
        if y[0] > t:
            return float(y[1])
    return -1.0


def from_generator(x, a, b):
    log = np.zeros(2)
    with shifted(x, 2.0) as y, recovers(log):
        total = y.sum()
        log[0] = a / b
    return log, float(total), x


def either(x):
    with chosen(x > 1) as k:
        y = k * x
    return y


def standard(x, a, b):
    y = 0.0
    with contextlib.suppress(ZeroDivisionError, KeyError):
        y = a / b
    with contextlib.nullcontext(x) as z, np.errstate(divide="ignore", invalid="ignore"):
        y = y + float(z[0])
    with contextlib.suppress(ZeroDivisionError):
        return y + a / b
    return y


def silent(x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return 1 / x


def counts(x):
    d = Depth()
    for _ in range(3):
        with d as same:
            x = x * (same.depth + 1)
    return x


def reraised(x):
    try:
        with Swallows(KeyError, np.zeros(2)):
            if x > 1:
                raise ValueError(f"x is {x}")
            y = x
    except ValueError as e:
        print(e)
        y = -x
    return y


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("fn", "args"), [
    (own_class, (X, 3.0)), *((f, (1.0, b)) for f in (swallowing,) for b in (4.0, 0.0)),
    *((not_swallowing, (np.zeros(2), 1.0, b)) for b in (4.0, 0.0)),
    *((in_a_loop, (X, b)) for b in (X, X - X[3], X * 0)), (in_a_loop, (X[:0], X[:0])), (returns, (X, 1.0)), (returns, (X, 9.0)),
    *((from_generator, (X, 1.0, b)) for b in (4.0, 0.0)), *((either, (x,)) for x in (0.5, 2.0)),
    *((standard, (X, 1.0, b)) for b in (4.0, 0.0)), (silent, (np.arange(3.0),)), (counts, (2.0,)),
    *((reraised, (x,)) for x in (0.5, 2.0))], ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.filterwarnings("ignore")
def test_values(fn, args, capsys):
    def outcome(run):
        mine = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        try:
            found = run(*mine)
        except ZeroDivisionError as error:
            return str(error)
        return found, mine, capsys.readouterr().out

    np.testing.assert_equal(outcome(tg.jit(fn)), outcome(fn))
    np.testing.assert_equal(outcome(tg.jit(fn).interpret), outcome(fn))


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("fn", "x"), [
    (lambda x: own_class(x, 3.0), X), (lambda a: swallowing(a, 2.0)[0], 1.5), (lambda x: in_a_loop(x, X)[0], X),
    (lambda x: in_a_loop(x, X - X[3])[0], X), (lambda x: from_generator(x, 1.0, 0.0)[1], X), (either, 2.0),
    (lambda x: standard(x, 1.0, 0.0), X)], ids=range(7))
def test_derivatives(fn, x):
    tg.check_grads(fn, (x,), order=2)


def test_an_error_state_around_the_call_is_told_of():
    with np.errstate(divide="raise"), pytest.warns(RuntimeWarning, match=r"asks for divide='raise'.*check_numerics"):
        assert tg.jit(lambda x: 1.0 / x)(np.zeros(1))[0] == np.inf
    with np.errstate(all="raise"), tg.config(check_numerics=True), pytest.raises(FloatingPointError):
        tg.jit(lambda x: 1.0 / x)(np.zeros(1))


LOCK = threading.Lock()


def _locks(x):
    with LOCK:
        return x


def _opens(x):
    with open("nowhere") as f:
        return x, f


def _raises_at_infinity(x):
    with np.errstate(divide="raise"):
        return 1.0 / x


def _raises_by_a_name(x):
    modes = {"all": "raise"}
    with np.errstate(**modes):
        return 1.0 / x


def _sets(x):
    np.seterr(all="raise")
    return 1.0 / x


def _records(x):
    with warnings.catch_warnings(record=True) as found:
        y = 1.0 / x
    return y, len(found)


def _errors(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return 1.0 / x


def _warns(x):
    if x > 0:
        warnings.warn("positive", stacklevel=2)
    return x


@pytest.mark.parametrize(("fn", "what"), [
    (_locks, "would act while the function is compiled"), (_opens, "would act while the function is compiled"),
    (_raises_at_infinity, "neither warns nor raises"), (_raises_by_a_name, "neither warns nor raises"),
    (_sets, "np.seterr would act"), (_records, "does not warn"), (_errors, "does not warn"), (_warns, "does not warn")],
    ids=lambda v: getattr(v, "__name__", ""))
def test_refusals(fn, what):
    with pytest.raises(tg.UnsupportedError, match=what) as caught:
        tg.jit(fn)(2.0)
    assert "Instead: " in str(caught.value) and caught.value.loc
    assert np.geterr()["divide"] == "warn"
