"""Objects that are handed over as they are: none leads to a value that was there only while the function was compiled."""
import functools
import itertools

import numpy as np
import pytest

import tracegrad as tg


class Holder:
    def __init__(self, x):
        self.x = x

    def value(self):
        return self.x


def scaled(x, default=1.0):
    def scale(y, by=x):
        return y * by
    return scale


READ_LATER = [
    (lambda x: zip([x], [2.0]), "zip", "list"), (lambda x: enumerate([x]), "enumerate", "list"),
    (lambda x: reversed([x, x]), "list_reverseiterator", "list"), (lambda x: iter((x, x)), "tuple_iterator", "list"),
    (lambda x: itertools.chain([x], [x]), "chain", "list"), (lambda x: {"a": x}.values(), "dict_values", "list"),
    (lambda x: {"a": x}.items(), "dict_items", "list"), (lambda x: reversed(range(int(x))), "backwards", "list"),
    (lambda x: lambda y: x * y, "function", "numbers"),
    (scaled, "function", "numbers"), (lambda x: functools.partial(np.multiply, x), "partial", "numbers"),
    (lambda x: Holder(x).value, "method", "numbers"), (lambda x: (1.0, [Holder(x).value]), "method", "numbers"),
    (lambda x: (lambda held: lambda y: held.x + y)(Holder(x)), "function", "numbers"),
]


@pytest.mark.parametrize(("f", "name", "remedy"), READ_LATER)
def test_what_would_read_traced_values_later_is_refused(f, name, remedy):
    with pytest.raises(tg.UnsupportedError, match=f"an object of type {name} cannot be returned: it reads traced") as met:
        tg.jit(f)(2.0)
    assert {"list": "return list(...)", "numbers": "return the numbers in a tuple"}[remedy] in str(met.value)
    assert "test_opaque_results.py" in str(met.value)


@pytest.mark.parametrize("make", [lambda x: (x, zip([1], [2])), lambda x: (x, iter([1])), lambda x: itertools.count()])
def test_an_iterator_would_be_used_up(make):
    with pytest.raises(tg.UnsupportedError, match="whoever reads it uses it up for all later calls"):
        tg.jit(make)(2.0)


def test_what_holds_no_traced_value_is_returned():
    def plain(y):
        return y + 1.0

    def f(x):
        return plain, x * 2.0, range(3), slice(1, 2), {"a": x}.keys(), list, np.float32
    for k in (1.0, 2.0):
        function, value, *rest, keys, cls, dtype = tg.jit(f)(k)
        assert function(1.0) == 2.0 and value == 2.0 * k and rest == [range(3), slice(1, 2)] and list(keys) == ["a"]
        assert cls is list and dtype is np.float32


@pytest.mark.parametrize(("cls", "args"), [(list, ([1.0, 2.0],)), (list, ((1.0, 2.0),)), (dict, ()), (tuple, ([1.0],)),
                                           (set, ()), (float, (1,)), (complex, (1.0, 2.0)), (Holder, (3.0,))])
def test_a_class_is_compiled_as_it_is(cls, args):
    """No line of the user's is there that a list could be known by."""
    found = tg.jit(cls)(*args)
    assert type(found) is cls and (found.x == 3.0 if cls is Holder else found == cls(*args))
