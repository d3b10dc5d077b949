"""No stale answer where no single place holds what decides: registries of classes, the order of bases, arrays that give shapes.

Each row makes a function of x and a change. The compiled function is held to Python before and after, and a new one after.
"""
import abc
import collections
import functools
import operator
import sys
import types
import weakref

import numpy as np
import pytest

import tracegrad as tg
from tests.support.native_calls import needs_native

KINDS = {}
LINE = np.arange(12.0)


def kind(make):
    KINDS[make.__name__] = make
    return make


class Plain:
    rate = 2.0


class Other:
    rate = 3.0


@functools.singledispatch
def area(shape, x):
    return x * 1.0


@kind
def a_function_that_is_registered_late():
    class Square:
        pass
    square = Square()
    return lambda x: area(square, x), lambda: area.register(Square, lambda shape, x: x * 5.0)


@kind
def a_class_that_is_registered():
    class Base(abc.ABC):  # noqa: B024
        pass

    class Late:
        pass
    late = Late()
    return lambda x: x * 2.0 if isinstance(late, Base) else x * 3.0, lambda: Base.register(Late)


@kind
def a_class_that_is_registered_as_a_subclass():
    class Base(abc.ABC):  # noqa: B024
        pass

    class Late:
        pass
    return lambda x: x * 2.0 if issubclass(Late, (int, Base)) else x * 3.0, lambda: Base.register(Late)


@kind
def a_pattern_of_a_registered_class():
    class Base(abc.ABC):  # noqa: B024
        pass

    class Late:
        pass
    late = Late()

    def f(x):
        match late:
            case Base():
                return x * 2.0
            case _:
                return x * 3.0
    return f, lambda: Base.register(Late)


@kind
def the_check_of_a_metaclass():
    class Meta(type):
        answer = True

        def __instancecheck__(cls, held):
            return Meta.answer

    class Base(metaclass=Meta):
        pass
    plain = Plain()
    return lambda x: x * 2.0 if isinstance(plain, Base) else x * 3.0, lambda: setattr(Meta, "answer", False)


@kind
def the_bases_of_a_class():
    class Child(Plain):
        pass
    child = Child()
    return lambda x: x * 7.0 if isinstance(child, Other) else x * child.rate, lambda: setattr(Child, "__bases__", (Other,))


@kind
def the_bases_that_super_sees():
    class One:
        def go(self, x):
            return x

    class Two:
        def go(self, x):
            return x * 100.0

    class Child(One):
        def go(self, x):
            return super().go(x) * 2.0
    child = Child()
    return lambda x: child.go(x), lambda: setattr(Child, "__bases__", (Two,))


@kind
def a_constructor_before_init():
    class Made:
        def __new__(cls):
            made = super().__new__(cls)
            made.k = 2.0
            return made

    def new(cls):
        made = object.__new__(cls)
        made.k = 9.0
        return made
    return lambda x: x * Made().k, lambda: setattr(Made, "__new__", new)


@kind
def a_constructor_that_a_class_gets():
    class Made:
        k = 2.0
    return lambda x: x * Made().k, lambda: setattr(Made, "__new__", lambda cls: types.SimpleNamespace(k=9.0))


@kind
def the_call_that_a_metaclass_gets():
    class Meta(type):
        pass

    class Made(metaclass=Meta):
        def __init__(self):
            self.k = 2.0
    return lambda x: x * Made().k, lambda: setattr(Meta, "__call__", lambda cls: types.SimpleNamespace(k=9.0))


@kind
def the_names_of_an_object_and_its_class():
    class Made:
        a = 1.0
    made = Made()
    return lambda x: x * len([k for k in dir(made) if k[0] != "_"]), lambda: setattr(Made, "b", 4.0)


@kind
def whether_an_object_can_be_called():
    class Quiet:
        pass
    quiet = Quiet()
    return lambda x: x * 2.0 if callable(quiet) else x * 3.0, lambda: setattr(Quiet, "__call__", lambda self: 1)


@kind
def a_method_with_arguments_given():
    class Made:
        def go(self, a, x):
            return a * x
        two = functools.partialmethod(go, 2.0)
    made = Made()
    return lambda x: made.two(x), lambda: setattr(Made, "two", functools.partialmethod(Made.go, 9.0))


@kind
def a_value_that_is_computed_once():
    class Made:
        @functools.cached_property
        def k(self):
            return 2.0
    made = Made()
    return lambda x: x * made.k, lambda: setattr(made, "k", 12.0)


@kind
def what_a_container_of_the_users_looks_into():
    class Made:
        items = (1,)

        def __contains__(self, k):
            return k in self.items
    made = Made()
    return lambda x: x * 2.0 if 1 in made else x * 3.0, lambda: setattr(made, "items", ())


@kind
def a_list_of_a_class_that_python_looks_into():
    class Made:
        items = [1]

        def __contains__(self, k):
            return k in self.items
    made = Made()
    return lambda x: x * 2.0 if 1 in made else x * 3.0, Made.items.clear


@kind
def an_array_of_a_class():
    class Made:
        values = np.ones(3)

        def __array__(self, dtype=None, copy=None):
            return self.values
    made = Made()
    return lambda x: x * np.asarray(made), lambda: setattr(Made, "values", np.full(3, 4.0))


@kind
def an_array_of_a_class_that_the_object_hides():
    class Made:
        values = np.ones(3)

        def __array__(self, dtype=None, copy=None):
            return self.values
    made = Made()
    return lambda x: x * np.asarray(made), lambda: setattr(made, "values", np.full(3, 4.0))


@kind
def what_attrgetter_reads():
    bag = types.SimpleNamespace(inner=types.SimpleNamespace(k=2.0))
    get = operator.attrgetter("inner.k")
    return lambda x: x * get(bag), lambda: setattr(bag.inner, "k", 5.0)


@kind
def whether_ids_are_equal():
    bag = types.SimpleNamespace(a=[1.0])
    bag.b = bag.a
    return lambda x: x * 2.0 if id(bag.a) == id(bag.b) else x * 3.0, lambda: setattr(bag, "b", [1.0])


@kind
def the_state_of_a_metaclass():
    class Meta(type):
        answers = [True]

        def __instancecheck__(cls, x):
            return cls.answers[0]

    class Made(metaclass=Meta):
        pass
    return lambda x: x * 2.0 if isinstance(1, Made) else x * 3.0, lambda: setattr(Meta, "answers", [False])


@kind
def how_many_attributes_there_are():
    bag = types.SimpleNamespace(a=1.0)
    return lambda x: x * len(vars(bag)), lambda: setattr(bag, "b", 4.0)


@kind
def the_values_in_a_class():
    class Made:
        a = 1.0
    return lambda x: x * sum(v for k, v in vars(Made).items() if k[0] != "_"), lambda: setattr(Made, "b", 4.0)


@kind
def what_a_function_says_of_itself():
    def named(x):
        """ab"""
        return x
    return lambda x: named(x) * len(named.__name__) * len(named.__doc__), lambda: setattr(named, "__doc__", "abcd")


@kind
def an_object_that_has_died():
    keep = [Plain()]
    reference = weakref.ref(keep[0])
    return lambda x: x * 2.0 if reference() is None else x * 3.0, keep.clear


@kind
def a_function_made_elementwise():
    each = np.vectorize(lambda x: x * 2.0)
    return lambda x: each(np.array([x, x])), lambda: setattr(each, "pyfunc", lambda x: x * 3.0)


@kind
def a_module_that_appears():
    def f(x):
        try:
            import tracegrad_test_of_absence
        except ImportError:
            return x * 3.0
        return x * tracegrad_test_of_absence.K

    def change():
        sys.modules["tracegrad_test_of_absence"] = made = types.ModuleType("tracegrad_test_of_absence")
        made.K = 4.0
    sys.modules.pop("tracegrad_test_of_absence", None)
    return f, change


@kind
def an_object_of_the_library():
    import logging
    logger = logging.getLogger("tracegrad.test of old answers")
    logger.setLevel(logging.INFO)
    return lambda x: x * 2.0 if logger.isEnabledFor(logging.INFO) else x * 3.0, lambda: logger.setLevel(logging.ERROR)


@kind
def an_array_made_by_a_method():
    class Made:
        def __init__(self):
            self.k = np.ones(2)

        def __array__(self, dtype=None, copy=None):
            return self.k * 2
    made = Made()
    return lambda x: np.asarray(made) * x, lambda: made.k.__setitem__(0, 7.0)


ARRAYS = {                      # (before, after, a function of the array and x)
    "ones": ([2, 3], [4, 3], lambda a, x: np.ones(a) * x),
    "like": ([2, 2], [3, 2], lambda a, x: np.zeros_like(LINE, shape=a) + x),
    "reshape": ([3, 4], [4, 3], lambda a, x: np.reshape(LINE, a) * x),
    "method": ([3, 4], [4, 3], lambda a, x: (LINE * x).reshape(a)),
    "split": ([1, 3], [2, 3], lambda a, x: np.split(LINE, a)[0].sum() * x),
    "pad": ([1, 2], [3, 2], lambda a, x: np.pad(np.ones(2), a) * x),
    "filled": ([1.0, 2.0], [3.0, 4.0], lambda a, x: np.pad(LINE * x, 1, constant_values=a)),
    "axis": (0, 1, lambda a, x: np.sum(LINE.reshape(3, 4) * x, axis=a)),
    "slice": (2, 3, lambda a, x: (LINE * x)[:a]),
    "range": (2, 4, lambda a, x: sum(range(a)) * x),
    "position": (1, 3, lambda a, x: [1.0, 2.0, 3.0, 4.0][a] * x),
    "spacing": (1.0, 3.0, lambda a, x: np.gradient(LINE * x, a)),
    "text": ([2.0, 3.0], [444.25, 3.0], lambda a, x: x * len(repr(a))),
    "ways": ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0], lambda a, x: np.digitize(x, a)),
}


def _of_array(name):
    before, after, function = ARRAYS[name]
    a = np.array(before)
    return lambda x: function(a, x), lambda: a.__setitem__(..., after)


@pytest.mark.parametrize("name", [*KINDS, *ARRAYS])
def test_no_answer_is_stale(name):
    plain, change = KINDS[name]() if name in KINDS else _of_array(name)
    f = tg.jit(plain)
    seen = []
    for step in (lambda: None, change):
        step()
        seen.append(np.asarray(plain(1.25)))
        for call in (f, f, tg.jit(plain)):
            np.testing.assert_array_equal(call(1.25), seen[-1], err_msg=name)
    assert seen[0].shape != seen[1].shape or not np.array_equal(*seen)


def _asked_in_native_code():
    """name -> (a function of x, a change): checks that machine code asks Python about."""
    one, two = Plain(), Plain()
    two.rate = 5.0
    held = weakref.WeakValueDictionary(k=one)
    members, line, masked = {1.0, 2.0}, collections.deque([1.0, 2.0]), np.ma.array([1.0, 2.0], mask=[0, 1], fill_value=5.0)

    class Base(abc.ABC):  # noqa: B024
        pass
    yield "weak", lambda x: x * held["k"].rate, lambda: held.__setitem__("k", two)
    yield "class", lambda x: x if isinstance(one, Base) else -x, lambda: Base.register(Plain)
    yield "set", lambda x: x * sum(members), lambda: members.add(7.0)
    yield "deque", lambda x: x * line[-1], lambda: line.append(7.0)
    yield "masked", lambda x: x * masked.filled(), lambda: setattr(masked, "fill_value", 7.0)


@needs_native
def test_machine_code_asks_python_and_goes_on(monkeypatch):
    for name, plain, change in _asked_in_native_code():
        f = tg.jit(plain)
        for step in (lambda: None, change):
            step()
            f(1.25)
            with monkeypatch.context() as patch:
                patch.setattr(type(f), "invoke", None)                 # where calls go that machine code leaves to Python
                np.testing.assert_array_equal(f(1.25), plain(1.25), err_msg=name)


def test_an_interrupt_while_python_is_asked_comes_through():
    class Asked:
        stop = False

        def __len__(self):
            if Asked.stop:
                raise KeyboardInterrupt
            return 2

        def __iter__(self):
            return iter([1.0, 2.0])
    asked = Asked()
    f = tg.jit(lambda x: x * sum(np.asarray(list(asked))))
    assert f(2.0) == 6.0
    Asked.stop = True
    with pytest.raises(KeyboardInterrupt):
        f(2.0)
    Asked.stop = False
    assert f(2.0) == 6.0


def test_a_large_array_that_is_only_read_does_not_compile_again():
    held = np.arange(5000.0)
    f = tg.jit(lambda x: np.dot(held, held) * x + np.shape(held)[0] + np.zeros_like(held)[0])
    for k in range(3):
        held[0] = k
        assert f(1.0) == held @ held + 5000.0
    assert f.cache_info().misses == 1


@pytest.mark.parametrize("bins", [[1.0, 2.0, 3.0], [3.0, 2.0, 2.0], [1.0, 1.0], [2.0], [1.0, 2.0, np.nan]])
@pytest.mark.parametrize("right", [False, True])
def test_bins_of_digitize(bins, right):
    x, bins = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 4.0, np.nan]), np.array(bins)
    f = tg.jit(lambda x, b: np.digitize(x, b, right=right))
    np.testing.assert_array_equal(f(x, bins), np.digitize(x, bins, right=right))


def test_bins_that_go_both_ways_are_refused_when_they_come_to():
    bins = np.array([1.0, 2.0, 3.0])
    f = tg.jit(lambda x: np.digitize(x, bins))
    assert f(2.5) == 2
    bins[:] = [3.0, 2.0, 5.0]
    with pytest.raises(ValueError, match="bins must be monotonically increasing or decreasing"):
        f(2.5)


class Single:
    """As scipy's Rotation: it has the methods of a container and refuses to be one."""

    def __init__(self, angle):
        self.angle = angle

    def __len__(self):
        raise TypeError("single")

    __iter__ = __contains__ = __len__

    def __repr__(self):
        return "a" * self.angle


def test_an_object_that_refuses_to_be_gone_through():
    held = [Single(3)]
    f = tg.jit(lambda x: len(repr(held[0])) * x)
    for angle in (3, 5):
        held[0] = Single(angle)
        assert f(2.0) == angle * 2.0


def twice(x):
    return 2 * x


def test_a_function_in_a_closure_is_the_function_that_others_name():
    """A copy stood for it, which was equal to nothing: `is`, `==`, `in` and dicts said no."""
    table = {twice: 5.0}

    def programs(f):
        return (lambda x: f(x) if f is twice else 0 * x, lambda x: x * table.get(f, 0.0), lambda x: x * (f in (twice,)),
                lambda x: x * (f == twice), lambda x: tg.grad(f)(x) if f is twice else 0.0)

    assert [tg.jit(p)(1.0) for p in programs(twice)] == [2.0, 5.0, 1.0, 1.0, 2.0]
    assert [tg.jit(p)(1.0) for p in programs(lambda x: x)] == [0.0, 0.0, 0.0, 0.0, 0.0]
