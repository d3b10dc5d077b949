"""What cannot be staged is refused before anything is traced: with the line, the reason and what to write instead."""
import warnings

import numpy as np
import pytest
from trace_check import check
from tracegrad.ir.errors import UnsupportedError
from tracegrad.tracer.staging import trace_function

X = np.arange(4.0)
COUNT = 0


def yields_in_a_lambda(x):
    return lambda: (yield x)  # here


async def coroutine(x):  # here
    return x


def awaits(x):
    async def inner():  # here
        return x
    return inner


def returns_in_finally(x):
    try:
        x = x * 2
    finally:
        return x  # here  # noqa: B012


def captures_in_an_alternative(x):
    match x.shape:
        case (n,) | (n, _):  # here
            return x * n


def loops_in_a_class(x):
    class Local:
        for _ in range(3):  # here
            pass
    return Local


def writes_global(x):
    global COUNT
    COUNT = 1  # here
    return x


def opens_file(x):
    with open("f") as f:  # here
        f.write("x")
    return x


def binds_in_a_lambda(x):
    return (lambda v: v > 0 and (w := v * 2) > 1 and w)(x[0])  # here


def binds_in_a_comprehension(x):
    return [w for v in x if v < 0 or (w := v * 2) > 1]  # here


MAYBE = "`:=` in a part of an expression that may not be evaluated"
REASONS = {
    yields_in_a_lambda: ("a lambda with a `yield` cannot be compiled", "write it as a `def`"),
    coroutine: ("asynchronous code cannot be compiled", "write a plain function, and await outside of it"),
    awaits: ("asynchronous code cannot be compiled", "write a plain function, and await outside of it"),
    returns_in_finally: ("`return` in a `finally` cannot be compiled", "put it after the `try`"),
    captures_in_an_alternative: ("a name in an alternative of a pattern", "write a `case` for each alternative"),
    loops_in_a_class: ("`For` in the body of a class that a compiled function", "write methods and assignments there"),
    writes_global: ("`global COUNT` cannot be compiled", "return the value, or keep it in an array that is passed in"),
    opens_file: ("this context manager would act while the function is compiled", "enter it around the call"),
    binds_in_a_lambda: (f"{MAYBE}, in a lambda", "write it as a `def` or a loop"),
    binds_in_a_comprehension: (f"{MAYBE}, in a comprehension", "write it as a `def` or a loop"),
}


@pytest.mark.parametrize("fn", REASONS, ids=lambda f: f.__name__)
def test_refused(fn):
    with pytest.raises(UnsupportedError) as caught:
        trace_function.trace(fn, (X,))
    reason, remedy = REASONS[fn]
    text = str(caught.value)
    assert reason in text and "  Instead: " + remedy in text
    (frame,) = caught.value.loc
    with open(__file__) as source:
        assert "# here" in source.read().splitlines()[frame.line - 1]
    assert f'File "{__file__}", line {frame.line}' in text and "^" in text


def test_a_called_function_is_refused_with_the_whole_way_to_it():
    def fn(x):
        return writes_global(x)

    with pytest.raises(UnsupportedError, match="`global COUNT` cannot be compiled") as caught:
        trace_function.trace(fn, (X,))
    assert caught.value.loc[-1].function == "writes_global"


def test_what_looks_like_it_is_allowed():
    def fn(x):
        import math
        from math import pi as number

        with np.errstate(divide="ignore", invalid="ignore"):
            y = 1.0 / x
            if x[0] > 1:
                y = y + 1
            if x[0] > 9:
                return y, {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
        items = {"a": [1, 2, 3]}
        del items["a"][0]
        pass
        return y * number + math.sqrt(4.0), {}

    for shift in (1, 5, 50):
        check(fn, X + shift)


def test_nothing_is_traced_before_the_refusal():
    ran = []

    def fn(x):
        ran.append(1)
        yield x

    with pytest.raises(UnsupportedError):
        trace_function.trace(fn, (X,))
    assert not ran
