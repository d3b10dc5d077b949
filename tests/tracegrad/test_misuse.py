"""Misuse of the derivative operators: each error names the argument or the line, what was found, and what to write instead."""
import dataclasses
import functools
import os
import re

import numpy as np
import pytest

import tracegrad as tg

X, COUNTS = np.ones(3), np.arange(3)
OBJECTS = np.array([None] * 3)
READ_ONLY = np.zeros(3)
READ_ONLY.flags.writeable = False
LINE = np.arange(8.0)


def square(x):
    return x * x


def total(x):
    return np.sum(x * x)


def pair(x, y):
    return np.sum(x * y)


def pull(f, *args):
    return tg.vjp(f, *args)[1]


def push(f, *args):
    return tg.linearize(f, *args)[1]


# the call -> (the class of the error, what it says, what it advises)
T, V = TypeError, ValueError
CALLS = {
    "hvp without tuples": (lambda: tg.hvp(total, X, X), T, "hvp takes the primals and the tangents as tuples",
                           r"write tg\.hvp\(f, \(x,\), \(v,\)\)"),
    "hvp of a shape": (lambda: tg.hvp(total, (X,), (np.ones(2),)), V,
                       r"the tangent of x has shape \(2,\), the primal \(3,\)", "of the same shape"),
    "hvp of a tangent too few": (lambda: tg.hvp(total, (X,), ()), T,
                                 r"the tangents have the structure \(\), the primals \(\*,\)", "one tangent for each primal"),
    "hvp of integers": (lambda: tg.hvp(total, (COUNTS,), (X,)), T, "argument x is of dtype int64", "astype"),
    "hvp of an array": (lambda: tg.hvp(square, (X,), (X,)), T, "`square` returns an array of type", "np.sum"),
    "jvp of a structure": (lambda: tg.jvp(lambda p: p["a"], ({"a": 1.0},), ({"b": 1.0},)), T,
                           r"the tangents have the structure \(\{'b': \*\},\)", "of the same structure"),
    "jvp of text": (lambda: tg.jvp(total, (X,), ("a",)), T, "the tangent of x is 'a'", r"an array of shape \(3,\)"),
    "jvp of objects": (lambda: tg.jvp(total, (X,), (OBJECTS,)), T, r"tangents\[0\] has dtype object", "dtype=float"),
    "jvp of no function": (lambda: tg.jvp([], (X,), (X,)), T, "tg.jvp takes a function, got a list", "itself"),
    "jvp of a complex tangent": (lambda: tg.jvp(total, (X,), (1j * X,)), T, "the tangent of x is complex", "real part"),
    "vjp of a shape": (lambda: pull(square, X)(np.ones(2)), V, r"the cotangent of the result has shape \(2,\)", "same"),
    "vjp of two": (lambda: pull(square, X)(X, X), V, "a pullback takes one cotangent, .* was given 2", r"pull\(\(a, b"),
    "vjp of nothing": (lambda: pull(square, X)(), V, "was given 0", "of several results"),
    "vjp of a structure": (lambda: pull(lambda x: (x, x), X)([X, X]), T, r"structure \[\*, \*\], expected \(\*, \*\)",
                           "the structure of the result"),
    "vjp of objects": (lambda: pull(square, X)(OBJECTS), T, "argument cotangent has dtype object", "dtype=float"),
    "vjp of a masked array": (lambda: pull(square, X)(np.ma.zeros(3)), T, "argument cotangent is a MaskedArray", "mask"),
    "vjp without aux": (lambda: tg.vjp(square, X, has_aux=True), T, "but `square` returns a single value", "value, aux"),
    "linearize of a shape": (lambda: push(total, X)(np.ones(4)), V, r"the tangent of x has shape \(4,\)", "same shape"),
    "linearize of two": (lambda: push(total, X)(X, X), T, r"structure \(\*, \*\), expected \(\*,\)", "the arguments"),
    "linearize of objects": (lambda: push(total, X)(OBJECTS), T, r"tangents\[0\] has dtype object", "dtype=float"),
    "grad without aux": (lambda: tg.grad(lambda x: [x[0], x], has_aux=True)(X), T,
                         r"but `<lambda>` returns the structure \[\*, \*\]", "value, aux"),
    "grad of a size": (lambda: tg.grad(lambda x: x.size)(X), T, "`<lambda>` returns 3, which is no float", "one number"),
    "grad of nothing": (lambda: tg.grad(lambda x: None)(X), T, "`<lambda>` returns None", "return one number"),
    "grad of a dict": (lambda: tg.grad(lambda x: {"a": x[0]})(X), T, r"returns the structure \{'a': \*\}", "has_aux"),
    "grad of bools": (lambda: tg.grad(lambda x: np.all(x > 0))(X), T, "`<lambda>` returns bool", "return a float"),
    "grad to integers": (lambda: tg.grad(total)(COUNTS), T, "argument x is of dtype int64", r"x\.astype\(float\)"),
    "grad to a number": (lambda: tg.grad(lambda n: 2.0 * n)(3), T, "argument n is a Python int", r"2\.0 for 2"),
    "grad to a bool": (lambda: tg.grad(lambda b: 2.0 * b)(True), T, "argument b is True, which is no number", "float"),
    "grad to a count in a dict": (lambda: tg.grad(lambda p: 2.0 * p["n"])({"n": 3}), T, r"argument p\['n'\] is a Python",
                                  "float"),
    "grad to static": (lambda: tg.grad(lambda a, b: a * b, static_argnums=0)(2.0, 3.0), T,
                       r"argument a is static \(2\.0\)", "leave it out of static_argnums"),
    "grad to a position": (lambda: tg.grad(pair, 2)(X, X), V, "argnums names argument 2, but the call has 2", "position"),
    "grad to a name": (lambda: tg.grad(pair, "x")(X, X), T, "argnums takes a position .* got 'x'", "from 0"),
    "jacobian to a name": (lambda: tg.jacobian(pair, "x"), T, "argnums takes a position .* got 'x'", "from 0"),
    "jacfwd to a float": (lambda: tg.jacfwd(pair, 1.5), T, "argnums takes a position .* got 1.5", "from 0"),
    "jacrev to nothing": (lambda: tg.jacrev(pair, None), T, "argnums takes a position .* got None", "from 0"),
    "jacobian of None": (lambda: tg.jacobian(lambda x: None)(X), T, "`<lambda>` returns None: a Jacobian of that has no",
                         "at least one array"),
    "hessian to a name": (lambda: tg.hessian(pair, "x")(X, X), T, "argnums takes a position .* got 'x'", "from 0"),
    "read-only out": (lambda: tg.grad(total)(X, out=READ_ONLY), V, "out is read-only", "can be written to"),
    "broadcast out": (lambda: tg.grad(total)(X, out=np.broadcast_to(np.zeros(1), (3,))), V, "out is read-only", "can"),
    "out within an argument": (lambda: tg.grad(total)(LINE[:3], out=LINE[2:5]), V, "out shares memory with x", "own"),
    "out twice": (lambda: tg.grad(pair, (0, 1))(X, X + 1, out=(LINE[:3], LINE[:3])), V,
                  r"out\[1\] .* out\[0\]", "array of its own"),
    "overlapping out": (lambda: tg.grad(pair, (0, 1))(X, X + 1, out=(LINE[:3], LINE[2:5])), V,
                        r"out\[1\] shares memory with out\[0\]", "array of its own"),
    "nondiff by name": (lambda: tg.custom_jvp(pair, nondiff_argnums="x"), T, "nondiff_argnums takes a position", "from 0"),
    "an option that is none": (lambda: tg.config(thread=3), V, "there is no option 'thread'", "one of cache_size"),
    "nondiff by a float": (lambda: tg.custom_vjp(pair, nondiff_argnums=1.0), T, "nondiff_argnums takes a position", "0"),
}


@pytest.mark.parametrize("call, kind, what, remedy", CALLS.values(), ids=CALLS)
def test_what_the_error_says(call, kind, what, remedy):
    before = LINE.copy()
    with pytest.raises(tg.TracegradError, match=what) as found:
        call()
    assert isinstance(found.value, kind)
    assert re.search(remedy, str(found.value).split("Instead:")[1])
    assert os.path.dirname(tg.__file__) not in str(found.value)           # no place inside of the library
    assert LINE.tolist() == before.tolist()                               # nothing is written


def product(x, y):
    return x * y


def with_tangents(rule):
    f = tg.custom_jvp(product)
    f.defjvp(rule)
    return f


def with_cotangents(fwd, bwd):
    f = tg.custom_vjp(product)
    f.defvjp(fwd, bwd)
    return f


def halves(x, y):
    return x * y, (x, y)


RULES = {
    "rule": (lambda: with_tangents(lambda primals: primals), r"takes \(primals\), and is called as rule\(primals, tangents\)"),
    "fwd": (lambda: with_cotangents(lambda x: (x, x), lambda kept, out_bar: out_bar), r"takes \(x\), and is called as fwd"),
    "bwd": (lambda: with_cotangents(halves, lambda out_bar: out_bar),
            r"takes \(out_bar\), and is called as bwd\(residuals, out_bar\), with 2 arguments"),
    "an object": (lambda: with_tangents(functools.partial(lambda a, primals, tangents: primals[0] * a, 2.0)),
                  r"the rule `partial` must return a pair \(out, out_dot\), but returns \*"),
}


def steps(f, x, y):
    """Through a loop of known and one of unknown length."""
    for _ in range(3):
        x = f(x, y)
    while np.sum(x) > 1e9:
        x = 0.1 * f(x, y)
    return np.sum(x)


@pytest.mark.parametrize("make, what", RULES.values(), ids=RULES)
def test_a_rule_with_other_parameters(make, what):
    """In both modes, and within loops."""
    f = make()
    calls = (lambda: tg.jvp(f, (X, X), (X, X)), lambda: tg.grad(lambda x, y: np.sum(f(x, y)))(X, X),
             lambda: tg.grad(lambda x: steps(f, x, X))(X))
    for call in calls:
        with pytest.raises(tg.ArgumentTypeError, match=what) as found:
            call()
        assert found.value.loc or "partial" in what             # the place of the rule; an object has none


# --- what is no misuse -----------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Scaled:
    """A callable object without a hash."""

    factor: float

    def __call__(self, x):
        return self.factor * np.sum(x * x)


def test_a_function_without_a_hash():
    f, g = Scaled(3.0), Scaled(5.0)
    for _ in range(2):
        assert tg.jvp(f, (X,), (X,)) == (9.0, 18.0) and tg.jvp(g, (X,), (X,))[1] == 30.0
        assert pull(f, X)(1.0)[0].tolist() == [6.0] * 3 and push(g, X)(X) == 30.0
        assert tg.hvp(f, (X,), (X,)).tolist() == [6.0] * 3
    assert tg.jit(lambda x: tg.jvp(f, (x,), (x,))[1] + tg.hvp(g, (x,), (x,))[0])(X) == 28.0
    tg.check_grads(f, (X,))


def test_a_pullback_is_called_many_times():
    """Residuals are not used up, those of a loop of unknown length neither."""
    def until(x):
        while x < 100.0:
            x = x * x
        return x

    for f, x, slope in ((square, X, 2 * X), (until, 3.0, 8 * 3.0**7)):
        back = pull(f, x)
        for scale in (1.0, -2.0, 1.0):
            np.testing.assert_allclose(back(scale * np.ones(np.shape(x)))[0], scale * slope)
