"""Functions that call themselves, or what is defined further down, compiled for a signature; functions of Numba."""
import types

import numba
import pytest
from tracegrad.lowering.call import dispatch
from tracegrad.tracer.syntax import source

import tracegrad as tg
from tracegrad.jitted import function_options


@tg.jit("int64(int64)")
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@tg.jit("float64(float64)")
def outer(x):
    return defined_below(x) + 1


def defined_below(x):
    return x * x


def test_functions_that_are_not_defined_yet():
    assert fibonacci(15) == 610 and outer(3.0) == 10.0


def test_a_name_that_is_never_defined():
    f = tg.jit("float64(float64)")(lambda x: x + never_defined)              # noqa: F821
    with pytest.raises(NameError, match="never_defined"):
        f(1.0)


def test_tracebacks_as_deep_as_the_stack_lose_the_frames_of_the_package():
    def deep(n):
        return deep(n - 1) if n else 1 / 0

    try:
        deep(800)
    except ZeroDivisionError as error:
        traceback, count = dispatch._users(error.__traceback__), 0
    while traceback is not None:
        traceback, count = traceback.tb_next, count + 1
    assert count == 802


def test_what_is_numbas_own():
    def of(module):
        f = types.FunctionType(defined_below.__code__, {"__name__": module}, "f")
        f.__module__ = module
        return f

    made = [tg.jit(of("numba.np.unsafe")), tg.jit("float64(float64)")(of("numba.np.unsafe"))]
    assert all(isinstance(f, numba.core.dispatcher.Dispatcher) and f(3.0) == 9.0 for f in made)
    assert not function_options.is_numbas_own(of("numba.tests.test_lists")) and tg.jit(of("numba.tests.test_lists"))(3.0) == 9.0


def test_whose_files_are_rewritten():
    folder = source.__file__.rpartition("tracer")[0] + "lib/python3/site-packages/"
    assert source.is_user_file(folder + "pack/tests/test_a.py") and source.is_user_file(folder + "pack/sub/tests/usecases.py")
    assert not source.is_user_file(folder + "pack/a.py") and not source.is_user_file(folder + "tests.py")
    assert not source.is_user_file(types.__file__)
