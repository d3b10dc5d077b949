"""What goes wrong is said with the user's line, a caret, the reason and what to write instead, and without internal frames."""
import collections
import contextlib
import fractions
import functools
import linecache
import math
import re
import traceback
from typing import NamedTuple

import numpy as np
import pytest

import tracegrad as tg

X = np.arange(3.0)
M = np.arange(6.0).reshape(2, 3)


class Said(NamedTuple):
    """An error's text, taken apart: `at` is the source under the caret, of the innermost location."""

    what: str
    function: str | None
    at: str | None
    remedy: str


def said(error) -> Said:
    lines = [*str(error).splitlines(), *(line for note in getattr(error, "__notes__", ()) for line in note.splitlines())]
    function = at = None
    remedy = ""
    for k, line in enumerate(lines):
        place = re.fullmatch(r'  File "(.*)", line (\d+), in (.*)', line)
        if place:
            assert place[1] == __file__
            function = place[3]
            source = lines[k + 1]
            assert source.strip() == linecache.getline(__file__, int(place[2])).strip()
            caret = lines[k + 2] if k + 2 < len(lines) and set(lines[k + 2].strip()) == {"^"} else None
            at = source[caret.index("^"):caret.rindex("^") + 1] if caret else source.strip()
        elif line.startswith("  Instead: "):
            remedy = line.removeprefix("  Instead: ")
    return Said(lines[0], function, at, remedy)


def raised(f, *args, wrap=tg.jit, expect=tg.TracegradError, **kwargs):
    """The error of a compiled call; its traceback must hold nothing but this file's frames."""
    compiled = wrap(f)
    with pytest.raises(expect) as info:
        compiled(*args, **kwargs)
    frames = traceback.extract_tb(info.value.__traceback__)
    assert {frame.filename for frame in frames} == {__file__}
    return info.value


# --- the four that the README of the project names first --------------------------------------------------------------

def adds(x, y):
    z = x + 1.0
    return z * y


def test_shapes_that_do_not_broadcast():
    error = raised(adds, X, np.ones(4))
    assert type(error) is tg.ShapeError and isinstance(error, ValueError)
    assert said(error) == ("operands could not be broadcast together with shapes (3,) (4,)", "adds", "z * y", "")


def unsupported(x):
    return np.packbits(x)


def test_unsupported_function():
    error = raised(unsupported, X)
    assert type(error) is tg.UnsupportedError and isinstance(error, NotImplementedError)
    assert said(error) == ("np.packbits cannot be compiled", "unsupported", "np.packbits(x)",
                           "compose it from functions that are, or call it before the compiled function and pass the result in")


def makes_zeros(x):
    return np.zeros(int(x[2]))


def test_traced_value_where_python_needs_a_number():
    table = {1: 5.0, 2: 6.0}

    def looks_up(x):
        return table[x]

    error = raised(looks_up, 2.0)
    assert type(error) is tg.ConcretizationError and isinstance(error, TypeError)
    assert said(error) == (
        "a dict key or set member needs a number when the function is compiled, but this value is known only at run time: "
        "it depends on argument `x`", "looks_up", "table[x]",
        "compute it from Python ints or shapes, or pass it as an argument that `static_argnums` names")


def test_object_array():
    error = raised(adds, np.array([1.0, None]), 1.0)
    assert type(error) is tg.DTypeError and isinstance(error, TypeError)
    assert said(error) == ("argument x has dtype object, which cannot be compiled", "adds", "def adds(x, y):",
                           "make an array of numbers of it: np.array(list_of_rows, dtype=float)")


# --- arguments --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(
    "x, kind, what, remedy",
    [
        (
            np.array(["a"]),
            tg.DTypeError,
            "argument x has dtype <U1, which cannot be compiled",
            "encode the strings as integers before the call",
        ),
        (
            np.zeros(2, "V8"),
            tg.DTypeError,
            "argument x has dtype |V8, which cannot be compiled",
            "give it fields: a structured dtype, or x.view(np.uint8)",
        ),
        (
            np.zeros(2, "M8[D]"),
            tg.DTypeError,
            "argument x has dtype datetime64[D], which cannot be compiled",
            "pass (x - x[0]) / np.timedelta64(1, 's')",
        ),
        (
            np.zeros(2, np.longdouble),
            tg.DTypeError,
            "argument x has dtype float128, which cannot be compiled",
            "convert it with .astype(np.float32) or .astype(np.float64)",
        ),
        (
            np.ma.array([1.0, 2.0], mask=[0, 1]),
            tg.ArgumentTypeError,
            "argument x is a MaskedArray, whose arithmetic differs from an array's",
            "pass np.asarray(x), and a mask as an argument of its own",
        ),
        (
            np.matrix([[1.0]]),
            tg.ArgumentTypeError,
            "argument x is a matrix, whose arithmetic differs from an array's",
            "pass np.asarray(x), and a mask as an argument of its own",
        ),
        (
            {1.0, "a"},
            tg.ArgumentTypeError,
            "argument x is a 'set' that is not taken apart: its members are of several types, or it is in a list or an object, "
            "or comes twice",
            "pass sets of numbers, texts or tuples of one form as arguments of their own; or a frozenset, of which each one "
            "has a program of its own",
        ),
        (
            [1.0, bytearray(b"a")],
            tg.ArgumentTypeError,
            "argument x[1] is a 'bytearray', which is neither an array, a number, a container of such, nor hashable",
            "pass arrays and numbers in tuples, lists, dicts, namedtuples or dataclasses",
        ),
        (
            {"rows": (k for k in range(3))},
            tg.ArgumentTypeError,
            "argument x['rows'] is a 'generator', which can be read only once: compiled code would read it while it is traced",
            "pass a list or an array of what it yields",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, (str, type)) else None,
)
def test_arguments_that_cannot_be_compiled(x, kind, what, remedy):
    error = raised(adds, x, 1.0)
    assert type(error) is kind and said(error) == (what, "adds", "def adds(x, y):", remedy)


@pytest.mark.parametrize("args, kwargs, what", [
    ((), {}, "adds() missing 2 required positional arguments: 'x' and 'y'"),
    ((1.0, 2.0, 3.0), {}, "adds() takes 2 positional arguments but 3 were given"),
    ((1.0,), {"x": 2.0}, "multiple values for argument 'x'"),
    ((1.0, 2.0), {"z": 2.0}, "got an unexpected keyword argument 'z'"),
])
def test_calls_that_python_refuses_too(args, kwargs, what):
    assert said(raised(adds, *args, expect=TypeError, **kwargs)).what.endswith(what)


@pytest.mark.parametrize(
    "options, args, kind, what, remedy",
    [
        (
            {"static_argnums": 1},
            (1.0, [2.0]),
            tg.ArgumentTypeError,
            "argument y is a 'list', which cannot be static: it is not hashable",
            "pass a tuple, or do not make it static",
        ),
        (
            {"static_argnums": 1},
            (1.0, X),
            tg.ArgumentTypeError,
            "argument y is a 'ndarray', which cannot be static: it is not hashable",
            "pass a tuple, or do not make it static",
        ),
        ({"static_argnums": 4}, (1.0, 2.0), tg.ArgumentError, "there is no positional argument 4: the parameters are x, y", ""),
        ({"static_argnames": "z"}, (1.0, 2.0), tg.ArgumentError, "there is no argument 'z': the parameters are x, y", ""),
        (
            {"static_argnums": "x"},
            (1.0, 2.0),
            tg.ArgumentTypeError,
            "static_argnums takes a position or a tuple of positions, got 'x'",
            "count the positional arguments from 0",
        ),
    ],
)
def test_static_arguments(options, args, kind, what, remedy):
    error = raised(adds, *args, wrap=tg.jit(**options))
    assert type(error) is kind and said(error) == (what, "adds", "def adds(x, y):", remedy)


@pytest.mark.parametrize("operator", [tg.jit, tg.grad, tg.value_and_grad, tg.hessian])
def test_not_a_function(operator):
    with pytest.raises(tg.ArgumentTypeError, match=r"takes a function, got a float"):
        operator(3.0)


# --- derivatives ------------------------------------------------------------------------------------------------------

def squares(x):
    y = x * x
    return y


def two(x):
    return np.sum(x), x


def counts(x):
    return np.argmax(x)


def rotates(x):
    return np.sum(x * 1j)


def total(x, n=1):
    return np.sum(x) * n


@pytest.mark.parametrize("f, options, args, kind, expected", [
    (squares, {}, (X,), tg.ArgumentTypeError,
     ("a gradient is taken of one scalar, but `squares` returns an array of type f64[3]", "squares", "x * x",
      "reduce it to a number, for example by np.sum, or use tg.vjp or tg.jvp")),
    (two, {}, (X,), tg.ArgumentTypeError,
     ("a gradient is taken of one scalar, but `two` returns the structure (*, *)", "two", "def two(x):",
      "return one number; give the rest with has_aux=True, or use tg.vjp")),
    (counts, {}, (X,), tg.DTypeError,
     ("a gradient is taken of one real scalar, but `counts` returns int64", "counts", "np.argmax(x)", "return a float")),
    (rotates, {}, (X,), tg.DTypeError,
     ("a gradient is taken of one real scalar, but `rotates` returns complex128", "rotates", "np.sum(x * 1j)",
      "return np.abs(...) or np.real(...) of it")),
    (total, {"has_aux": True}, (X,), tg.ArgumentTypeError,
     ("with has_aux=True the function must return a pair (value, aux), but `total` returns a single value", "total",
      "def total(x, n=1):", "write return value, aux")),
    (total, {}, (3,), tg.DTypeError,
     ("argument x is a Python int: there is no derivative with respect to it", "total", "def total(x, n=1):",
      "pass a float (2.0 for 2, x.astype(float) for an array), or name other arguments in argnums")),
    (total, {}, (np.arange(3),), tg.DTypeError,
     ("argument x is of dtype int64: there is no derivative with respect to it", "total", "def total(x, n=1):",
      "pass a float (2.0 for 2, x.astype(float) for an array), or name other arguments in argnums")),
    (total, {"argnums": (0, 1)}, (X, True), tg.DTypeError,
     ("argument n is True, which is no number: there is no derivative with respect to it", "total", "def total(x, n=1):",
      "pass a float (2.0 for 2, x.astype(float) for an array), or name other arguments in argnums")),
    (total, {"argnums": 2}, (X, 1.0), tg.ArgumentError,
     ("argnums names argument 2, but the call has 2 positional arguments", None, None,
      "pass the arguments to differentiate by position")),
])
@pytest.mark.parametrize("operator", [tg.grad, tg.value_and_grad])
def test_gradients(operator, f, options, args, kind, expected):
    error = raised(f, *args, wrap=functools.partial(operator, **options))
    assert type(error) is kind and said(error) == expected


def test_the_same_inside_compiled_code():
    error = raised(lambda x: tg.grad(squares)(x), X)
    assert said(error).what == "a gradient is taken of one scalar, but `squares` returns an array of type f64[3]"


@pytest.mark.parametrize("argnums", ["x", 1.0, None])
def test_argnums(argnums):
    with pytest.raises(tg.ArgumentTypeError, match=r"argnums takes a position or a tuple of positions, got "):
        tg.grad(total, argnums=argnums)


def pair(x, d):
    return x * d["scale"], {"sum": np.sum(x)}


D = {"scale": 2.0, "text": "kept"}


@pytest.mark.parametrize(
    "tangents, kind, what, remedy",
    [
        (
            (X,),
            tg.ArgumentTypeError,
            "the tangents have the structure (*,), the primals (*, {'scale': *, 'text': *})",
            "pass one tangent for each primal, of the same structure",
        ),
        (
            (X, {"scale": 1.0}),
            tg.ArgumentTypeError,
            "the tangents have the structure (*, {'scale': *}), the primals (*, {'scale': *, 'text': *})",
            "pass one tangent for each primal, of the same structure",
        ),
        (
            (np.ones(4), {"scale": 1.0, "text": None}),
            tg.ArgumentTypeError,
            "the tangents have the structure (*, {'scale': *, 'text': None}), the primals (*, {'scale': *, 'text': *})",
            "pass one tangent for each primal, of the same structure",
        ),
        ((np.ones(4), D), tg.ShapeError, "the tangent of x has shape (4,), the primal (3,)", "pass one of the same shape"),
        ((X * 1j, D), tg.DTypeError, "the tangent of x is complex, the primal float64", "pass its real part"),
        (("a", D), tg.ArgumentTypeError, "the tangent of x is 'a'", "pass a number or an array of shape (3,)"),
        ([X, D][0], tg.ArgumentTypeError, "jvp takes the primals and the tangents as tuples", "write tg.jvp(f, (x,), (v,))"),
    ],
)
def test_tangents(tangents, kind, what, remedy):
    with pytest.raises(kind) as info:
        tg.jvp(pair, (X, D), tangents)
    assert said(info.value) == (what, None, None, remedy)


@pytest.mark.parametrize(
    "cotangent, kind, what, remedy",
    [
        (
            1.0,
            tg.ArgumentTypeError,
            "the cotangent has the structure *, expected (*, {'sum': *})",
            "pass one of the structure of the result",
        ),
        (
            [X, {"sum": 1.0}],
            tg.ArgumentTypeError,
            "the cotangent has the structure [*, {'sum': *}], expected (*, {'sum': *})",
            "pass one of the structure of the result",
        ),
        (
            (X, {"other": 1.0}),
            tg.ArgumentTypeError,
            "the cotangent has the structure (*, {'other': *}), expected (*, {'sum': *})",
            "pass one of the structure of the result",
        ),
        (
            (X[:2], {"sum": 1.0}),
            tg.ShapeError,
            "the cotangent of the result[0] has shape (2,), the primal (3,)",
            "pass one of the same shape",
        ),
        (
            (X, {"sum": 1j}),
            tg.DTypeError,
            "the cotangent of the result[1]['sum'] is complex, the primal float64",
            "pass its real part",
        ),
    ],
)
def test_cotangents(cotangent, kind, what, remedy):
    _, pull = tg.vjp(pair, X, D)
    with pytest.raises(kind) as info:
        pull(cotangent)
    assert said(info.value) == (what, None, None, remedy)


def test_tangents_of_a_linear_map():
    _, push = tg.linearize(pair, X, D)
    with pytest.raises(
        tg.ArgumentTypeError, match=r"the tangent has the structure \(\*,\), expected \(\*, \{'scale': \*, 'text': \*\}\)"
    ):
        push(X)


@pytest.mark.parametrize("args, kwargs, kind", [
    ((squares, X), {}, tg.ArgumentTypeError), ((squares, (np.arange(3),)), {}, tg.ArgumentTypeError),
    ((squares, (X,)), {"order": 0}, tg.ArgumentError), ((squares, (X,)), {"modes": "backwards"}, tg.ArgumentError),
    ((lambda x: np.floor(x) * x, (X + 1e-8,)), {}, tg.GradientMismatch),
])
def test_check_grads(args, kwargs, kind):
    with pytest.raises(kind):
        tg.check_grads(*args, **kwargs)


# --- while the function is traced -------------------------------------------------------------------------------------

def at(x, i):
    return x[i]


def fills(x, y):
    x[:] = y
    return x


def says(x):
    return len(f"{x} is it")


@pytest.mark.parametrize(
    "f, args, kind, what, where",
    [
        (
            at,
            (X, 1.0),
            tg.BoundsError,
            "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean "
            "arrays are valid indices, not float",
            "x[i]",
        ),
        (
            at,
            (X, "name"),
            tg.BoundsError,
            "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean "
            "arrays are valid indices, not str",
            "x[i]",
        ),
        (at, (X, (0, 0)), tg.BoundsError, "too many indices for array: array is 1-dimensional, but 2 were indexed", "x[i]"),
        (lambda x: x[5], (X,), tg.BoundsError, "index 5 is out of bounds for axis 0 with size 3", "x[5]"),
        (lambda x: x[-4], (X,), tg.BoundsError, "index -4 is out of bounds for axis 0 with size 3", "x[-4]"),
        (at, (1.0, 0), TypeError, "'float' object is not subscriptable", "x[i]"),
        (fills, (X, np.ones(4)), tg.ShapeError, "could not broadcast input array from shape (4,) into shape (3,)", "x[:]"),
        (fills, (X, 1j), tg.DTypeError, "a complex number cannot be assigned to an array of float64", "x[:]"),
        (fills, (X, "abc"), tg.DTypeError, "a 'str' cannot take part in array arithmetic", "x[:]"),
        (
            lambda x, y: x @ y,
            (M, M),
            tg.ShapeError,
            "matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature "
            "(n?,k),(k,m?)->(n?,m?) (size 2 is different from 3)",
            "x @ y",
        ),
        (lambda x: x.reshape(4, 2), (M,), tg.ShapeError, "cannot reshape array of size 6 into shape (4, 2)", "x.reshape(4, 2)"),
        (
            lambda x: x.sum(axis=2),
            (M,),
            np.exceptions.AxisError,
            "axis 2 is out of bounds for array of dimension 2",
            "x.sum(axis=2)",
        ),
        (
            lambda x, y: np.concatenate([x, y]),
            (X, M),
            tg.ShapeError,
            "all the input array dimensions except for the concatenation axis must "
            "match exactly, but the array at index 0 has 1 dimension(s) and the array at index 1 has 2 dimension(s)",
            "np.concatenate([x, y])",
        ),
        (
            lambda x: np.max(x),
            (X[:0],),
            tg.ShapeError,
            "zero-size array to reduction operation maximum which has no identity",
            "np.max(x)",
        ),
        (
            lambda x: ~x,
            (X,),
            tg.DTypeError,
            "np.invert of float64: ufunc 'invert' not supported for the input types, and the inputs could "
            "not be safely coerced to any supported types according to the casting rule ''safe''",
            "~x",
        ),
        (
            lambda x: -x,
            (X > 0,),
            tg.DTypeError,
            "np.negative of bool: The numpy boolean negative, the `-` operator, is not supported, use the "
            "`~` operator or the logical_not function instead.",
            "-x",
        ),
        (lambda x: x + "a", (X,), tg.DTypeError, "unsupported operand type(s) for +: 'numpy.ndarray' and 'str'", 'x + "a"'),
        (
            lambda x, y: x * y,
            (X, fractions.Fraction(1, 2)),
            tg.DTypeError,
            "unsupported operand type(s) for *: 'numpy.ndarray' and 'Fraction'",
            "x * y",
        ),
        (lambda x: x(1), (X,), tg.DTypeError, "'numpy.ndarray' object is not callable", "x(1)"),
        (
            lambda x: float(x),
            (X,),
            tg.DTypeError,
            "only 0-dimensional arrays can be converted to Python scalars, not float() of an array of shape f64[3]",
            "float(x)",
        ),
        (
            lambda x: math.sin(x),
            (X,),
            tg.DTypeError,
            "only 0-dimensional arrays can be converted to Python scalars, not a math function of an array of shape f64[3]",
            "math.sin(x)",
        ),
        (
            lambda x: 1.0 if x > 0 else 2.0,
            (X,),
            tg.ArgumentError,
            "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()",
            "1.0 if x > 0 else 2.0",
        ),
        (lambda x: [y for y in x], (np.array(1.0),), tg.DTypeError, "iteration over a 0-d array", "[y for y in x]"),  # noqa: C416
        (
            lambda x: np.zeros(x),
            (2.0,),
            tg.DTypeError,
            "only integer scalars can be lengths or indices, not f64",
            "np.zeros(x)",
        ),
        (lambda x: x.astype("g"), (X,), tg.DTypeError, "dtype float128 cannot be compiled", 'x.astype("g")'),
        (
            says,
            (1.0,),
            tg.ConcretizationError,
            "a text with traced values in it is known only at run time",
            'len(f"{x} is it")',
        ),
        (
            lambda x: "%*d" % (5, x),  # noqa: UP031
            (1,),
            tg.UnsupportedError,
            "a width or precision of `*` in `pattern % values`, of values that are known only at run time",
            '"%*d" % (5, x)',
        ),
        (
            lambda x: x * 10**30,
            (np.arange(3),),
            tg.DTypeError,
            "the Python integer 1000000000000000000000000000000 does not fit in 64 bits",
            "x * 10**30",
        ),
        (
            lambda x: sorted([x, x + 1]),
            (X,),
            tg.UnsupportedError,
            "an order that is known only at run time: the keys are not all numbers, or tuples of numbers, alike",
            "sorted([x, x + 1])",
        ),
        (lambda x: x.ctypes, (X,), tg.UnsupportedError, "ndarray.ctypes cannot be compiled", "x.ctypes"),
    ],
)
def test_while_it_is_traced(f, args, kind, what, where):
    for operator in (tg.jit, tg.value_and_grad):
        error = raised(f, *(a.copy() if isinstance(a, np.ndarray) else a for a in args), wrap=operator, expect=kind)
        found = said(error)
        assert found.what == what
        if isinstance(error, tg.TracegradError):
            assert (found.at, found.function) == (where, f.__name__)


def test_errors_of_the_users_own_code_stay_as_they_are():
    def missing(x):
        return {}["k"] * x

    def unknown(x):
        return x * no_such_name  # noqa: F821

    def attribute(x):
        return x.no_such_attribute

    for f, kind in ((missing, KeyError), (unknown, NameError), (attribute, AttributeError)):
        error = raised(f, X, expect=kind)
        assert type(error) is kind and traceback.extract_tb(error.__traceback__)[-1].name == f.__name__


def outer(x, y):
    if y is None:
        return x
    return inner(x) + y


def inner(x):
    return np.linalg.solve(x, np.ones(5))


def test_the_stack_of_calls_is_shown():
    error = raised(outer, np.eye(3), 1.0)
    rows = str(error).splitlines()
    assert [row.rsplit(" ", 1)[1] for row in rows if row.startswith("  File")] == ["outer", "inner"]
    assert rows.index("    return inner(x) + y") < rows.index("    return np.linalg.solve(x, np.ones(5))")


@tg.jit
@functools.lru_cache

def decorated(x, y):
    z = 2.0 * x

    return z * y


def test_lines_below_decorators():
    error = raised(decorated, X, np.ones(4), wrap=lambda f: f)
    assert said(error)[1:3] == ("decorated", "z * y")


def endless(x):
    return endless(x + 1)


@pytest.mark.sweep(2, days=True)
def test_recursion():
    error = raised(endless, 1.0)
    assert said(error)[0] == "the function calls itself too deeply while it is traced"
    assert len(str(error).splitlines()) < 15 and "more times]" in str(error)


# --- at run time ------------------------------------------------------------------------------------------------------

def puts(x, i):
    y = x * 2
    y[i] = 1.0
    return y


@pytest.mark.parametrize(
    "f, good, bad, kind, what, where",
    [
        (at, (X, 1), (X, 7), tg.BoundsError, "index 7 is out of bounds for axis 0 with size 3", "x[i]"),
        (at, (X, np.int64(1)), (X, np.int64(-4)), tg.BoundsError, "index -4 is out of bounds for axis 0 with size 3", "x[i]"),
        (
            at,
            (X, np.array([0, 1])),
            (X, np.array([0, 9])),
            tg.BoundsError,
            "index 9 is out of bounds for axis 0 with size 3",
            "x[i]",
        ),
        (puts, (X, 1), (X, 3), tg.BoundsError, "index 3 is out of bounds for axis 0 with size 3", "y[i]"),
        (lambda a, b: a // b, (7, 2), (7, 0), ZeroDivisionError, "integer division or modulo by zero", "a // b"),
        (lambda a, b: a / b, (7.0, 2.0), (7.0, 0.0), ZeroDivisionError, "float division by zero", "a / b"),
        (lambda a: math.sqrt(a), (1.0,), (-1.0,), ValueError, "math domain error", "math.sqrt(a)"),
        (
            lambda a: np.linalg.inv(a),
            (np.eye(2),),
            (np.zeros((2, 2)),),
            np.linalg.LinAlgError,
            "Singular matrix",
            "np.linalg.inv(a)",
        ),
        (
            lambda a: np.linalg.cholesky(a),
            (np.eye(2),),
            (-np.eye(2),),
            np.linalg.LinAlgError,
            "Matrix is not positive definite",
            "np.linalg.cholesky(a)",
        ),
        (
            lambda a: np.linalg.svd(a)[1],
            (np.eye(2),),
            (np.full((2, 2), np.nan),),
            np.linalg.LinAlgError,
            "SVD did not converge",
            "np.linalg.svd(a)",
        ),
    ],
    ids=["get", "get negative", "gather", "set", "int division", "division", "math", "inv", "cholesky", "svd"],
)
def test_at_run_time(f, good, bad, kind, what, where):
    compiled = tg.jit(f)
    compiled(*good)
    errors = [raised(f, *bad, expect=kind)]                                            # in the first call
    errors += [raised(f, *bad, wrap=lambda _: compiled, expect=kind) for _ in range(2)]  # from machine code
    with pytest.raises(kind) as info:
        tg.jit(f).interpret(*bad)
    for error in (*errors, info.value):
        assert said(error) == (what, f.__name__, where, "")
    compiled(*good)


def checked(x):
    assert x > 0, f"expected more than {x}"
    if x > 10:
        raise ValueError(f"{x} is too much")
    return 2 * x


def test_assert_and_raise():
    for x, kind, what, where in ((-1.5, AssertionError, "expected more than -1.5", 'assert x > 0, f"expected more than {x}"'),
                                 (11.0, ValueError, "11.0 is too much", 'raise ValueError(f"{x} is too much")')):
        error = raised(checked, x, expect=kind)
        assert type(error) is kind and said(error) == (what, "checked", where, "")


def test_a_read_only_argument_that_is_overwritten():
    frozen = X.copy()
    frozen.flags.writeable = False
    compiled = tg.jit(fills)
    first = raised(fills, frozen, 1.0, expect=ValueError)
    compiled(X.copy(), 1.0)
    later = raised(fills, frozen, 1.0, wrap=lambda _: compiled, expect=ValueError)
    assert str(first) == str(later) == "assignment destination is read-only"
    assert np.array_equal(frozen, X)


def test_an_overwritten_argument_that_overlaps_another():
    def shifts(x, y):
        x[:] = y + 1.0

    x = np.arange(5.0)
    error = raised(shifts, x[1:], x[:-1])
    assert isinstance(error, tg.ArgumentError) and said(error).remedy == "pass a copy of one of them"


# --- refusals ---------------------------------------------------------------------------------------------------------

kept = []


def appends(x):
    kept.append(x)
    return x


def declares(x):
    global kept
    kept = x
    return x


def opens(x):
    with contextlib.redirect_stdout(None):
        return x


@pytest.mark.parametrize(
    "f, what, where, remedy",
    [
        (
            appends,
            "list.append changes a list that exists outside of the traced function",
            "kept.append(x)",
            "return the values, or pass the object in as an argument",
        ),
        (
            declares,
            "`global kept` cannot be compiled: it would be bound to what only run time knows",
            "kept = x",
            "return the value, or keep it in an array that is passed in and overwritten",
        ),
        (
            opens,
            "this context manager would act while the function is compiled, not when it runs",
            "contextlib.redirect_stdout(None)",
            "enter it around the call of the compiled function",
        ),
    ],
)
def test_refusals(f, what, where, remedy):
    error = raised(f, 1.0)
    found = said(error)
    assert type(error) is tg.UnsupportedError
    assert (found.what, found.function, found.remedy) == (what, f.__name__, remedy) and where.startswith(found.at)
    assert kept == []


def test_a_value_that_outlives_its_trace():
    class Holder:
        pass

    held = Holder()

    def keeps(x):
        held.x = x
        return x

    with pytest.raises(tg.UnsupportedError):
        tg.jit(keeps)(X)
    assert not hasattr(held, "x")


# --- nothing that is passed makes the machinery itself fail -----------------------------------------------------------

Point = collections.namedtuple("Point", "x y")
ODD = [
    np.zeros(0),
    np.zeros((3, 0, 2)),
    np.array(3.0),
    np.array(3),
    True,
    np.bool_(True),
    None,
    "text",
    b"bytes",
    2**63,
    -(2**63),
    10**30,
    float("nan"),
    -np.inf,
    -0.0,
    1 + 2j,
    np.complex64(1),
    np.float32(3),
    np.int8(100),
    np.uint64(2**63),
    X.astype(">f8"),
    X[::-1],
    np.broadcast_to(1.0, (3,)),
    np.asfortranarray(M),
    (),
    [],
    {},
    [[], (), {}, [()]],
    [1.0, X],
    Point(1.0, X),
    range(4),
    slice,
    ...,
    np.float64,
    frozenset({1}),
    fractions.Fraction(1, 2),
    collections.OrderedDict(b=1.0, a=X),
    collections.deque([1.0]),
    np.dtype("f4"),
    object(),
    np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(float),
    len,
    np.sum,
    tg.jit(adds),
    collections,
    type,
]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("x", ODD, ids=[f"{k} {type(x).__name__}" for k, x in enumerate(ODD)])
def test_any_argument_gives_what_python_gives_or_a_clear_error(x):
    def same(x):
        return x

    def doubled(x):
        return x * 2

    with contextlib.suppress(tg.TracegradError):
        got = tg.jit(same)(x)
        assert type(got) is type(x) or isinstance(x, np.ndarray)
    try:
        expected = doubled(x)
    except Exception as error:
        with pytest.raises(type(error)):
            tg.jit(doubled)(x)
        return
    try:
        got = tg.jit(doubled)(x)
    except tg.TracegradError:
        return
    except OverflowError:
        assert isinstance(x, int) and not -2**63 <= expected < 2**63
        return
    if isinstance(x, int) and not -2**63 <= expected < 2**63:
        assert got == expected                              # an int that is known stays Python's
        return
    if isinstance(expected, (np.ndarray, np.generic, int, float, complex)):
        np.testing.assert_array_equal(got, expected)
        assert np.asarray(got).dtype == np.asarray(expected).dtype.newbyteorder("=")
