"""Functions as users write them become IR: closures, methods, keyword arguments, classes, structures, static arguments."""
import collections
import dataclasses
import functools
import importlib
import math
import sys

import numpy as np
import pytest
from trace_check import check, ops, run, same
from tracegrad.ir.errors import ArgumentTypeError, ConcretizationError, DTypeError, ShapeError, UnsupportedError
from tracegrad.tracer.staging import arguments, trace_function
from tracegrad.tracer.syntax import source
from tracegrad.tracer.values import boxes

X = np.array([0.5, -1.5, 2.5, 3.5])
SCALE = 3.0
TABLE = np.array([1.0, 2.0, 3.0, 4.0])
HISTORY = []


def helper(x, power=2, *, gain=1.0):
    return gain * x**power


def calls_helper(x):
    return helper(x) + helper(x, 3) + helper(x, gain=2.0) + helper(power=2, x=x)


def star_arguments(x):
    def add(first, *rest, **named):
        total = first
        for r in rest:
            total = total + r
        return total * named.get("scale", 1.0)

    parts = [x, x * 2, x * 3]
    return add(*parts) + add(x, *parts[:1], **{"scale": 2.0})


def reads_globals(x):
    return x * SCALE + TABLE


def lambdas(x):
    square, shift = lambda v: v * v, lambda v, by=1.0: v + by
    return square(shift(x)) + (lambda a: a if SCALE > 2 else -a)(x)


def nested_functions(x):
    scale = 2.0

    def outer(v):
        def inner(w):
            return w * scale + v
        return inner(v)

    return outer(x)


def partial_and_reduce(x):
    doubled = functools.partial(helper, gain=2.0)
    return functools.reduce(lambda a, b: a * 0.5 + b, [doubled(x), x, x]), list(map(doubled, [x[0], x[1]]))


def math_and_builtins(x):
    return math.sin(x[0]) + abs(x[1]) + min(x[0], x[1], 0.1) + max(x[2],
                                                                   1) + round(x[3]) + sum([x[0], x[1]]) + float(x[0]), len(x)


def unpacks(x):
    a, *middle, b = x
    (c, d), e = (a, b), middle
    return a, b, c + d, e[0] + e[1]


def walrus_and_slices(x):
    if (n := x.size) > 3:
        x = x[: n - 1]
    return x, n


def structures(x):
    return {"z": x[0], "a": (x, [1, 2.5, None, "text"]), "b": True}


def formats_static_text(x):
    name = f"{x.shape[0]:03d}-{x.dtype}"
    return x, name


def sets_and_dicts(x):
    seen = {"a": 1.0}
    seen["b"] = x[0]
    seen.update(c=x[1])
    keys = sorted(seen)
    return [seen[k] for k in keys], keys, set(keys)


def chained_assignment(x):
    a = b = x.copy()
    a[0] = 9.0
    return b


def while_static(x):
    n = 3
    while n:
        x = x * 2
        n -= 1
    return x


def deletes_item(x):
    d = {"a": x, "b": 2 * x}
    del d["a"]
    return d


class Layer:
    count = 3
    __hidden = 2.0

    def __init__(self, w, b=0.5):
        self.w, self.b = w, b
        self.__secret = 1.5

    @property
    def size(self):
        return self.count

    @staticmethod
    def act(v):
        return np.tanh(v)

    @classmethod
    def make(cls, w):
        return cls(w, b=1.0)

    def __call__(self, v):
        return self.act(self.w * v + self.b) * self.__secret + self.__hidden

    def grow(self, by):
        self.w = self.w + by
        self.b += 1.0
        return self


class Wide(Layer):
    def __init__(self, w):
        super().__init__(w, b=0.25)
        self.extra = w * 2

    def __call__(self, v):
        return super().__call__(v) + self.extra


def classes(x):
    layer = Layer(x[0])
    wide = Wide(x[1])
    made = Layer.make(x[2])
    layer.grow(0.5).grow(1.0)
    return layer(x) + wide(x) + made(x) * layer.size


@dataclasses.dataclass
class Params:
    w: np.ndarray
    b: float
    name: str = "p"

    def shifted(self, v):
        return self.w * v + self.b


Point = collections.namedtuple("Point", "x y")


def makes_dataclass(x):
    p = Params(x, 2.0)
    q = dataclasses.replace(p, b=x[0])
    return Point(p.shifted(x), q.shifted(x)), q


PROGRAMS = [calls_helper, star_arguments, reads_globals, lambdas, nested_functions, partial_and_reduce, math_and_builtins,
            unpacks,
            walrus_and_slices, structures, formats_static_text, sets_and_dicts, chained_assignment, while_static, deletes_item,
            classes]


@pytest.mark.parametrize("fn", PROGRAMS, ids=lambda f: f.__name__)
def test_program(fn):
    check(fn, X.copy())


def test_dataclasses_in_and_out():
    point, params = run(makes_dataclass, X.copy())
    expected, expected_params = makes_dataclass(X.copy())
    same(list(point), list(expected))
    assert type(point) is Point and type(params) is Params and params.name == "p"
    same([params.w, params.b], [expected_params.w, expected_params.b])

    def takes(p, q):
        return p.shifted(q.x) + q.y

    args = Params(X, 2.0), Point(X + 1, 3)
    same(run(takes, *args), takes(*args))


def test_keyword_arguments():
    def fn(a, b, /, c, d=4.0, *, e=5.0):
        return a + b * c - d / e

    check(fn, X, 2.0, 3.0)
    check(fn, X, 2.0, c=3.0, e=X)
    check(fn, X, 2.0, d=X, c=3.0)
    with pytest.raises(TypeError, match="missing a required argument"):
        run(fn, X, 2.0, e=1.0)


def test_closures_see_later_values():
    scale = 1.0

    def fn(x):
        return x * scale

    same(run(fn, X), X)
    scale = 5.0
    same(run(fn, X), X * 5)


def test_lambdas_on_one_line():
    first, second = (lambda v: v + 1), (lambda v: v * 10)
    same(run(first, X), X + 1)
    same(run(second, X), X * 10)


def decorated(wrapped):
    @functools.wraps(wrapped)
    def wrapper(*args):
        return 2 * wrapped(*args)
    return wrapper


@decorated
def with_decorator(x):
    if x[0] > 0:
        return x
    return -x


@functools.lru_cache
def cached(n):
    return n * 2


def calls_cached(x):
    return with_decorator(x) + cached(3)


def test_decorated():
    check(with_decorator, X)
    check(calls_cached, X)


def test_methods_and_callables():
    layer = Layer(2.0)
    check(layer, X)
    check(layer.act, X)
    same(run(Layer(1.0).__call__, X), Layer(1.0)(X))


def test_numba_functions():
    numba = pytest.importorskip("numba")

    @numba.njit
    def inner(x):
        s = 0.0
        for i in range(x.size):
            if x[i] > 0:
                s += x[i]
        return s

    @numba.njit
    def outer(x):
        total = inner(x)
        for i in numba.prange(6):
            total += i * x[0]
        return total

    same(run(inner, X), inner.py_func(X))
    same(run(outer, X), outer(X))


# --- specialisation ---------------------------------------------------------------------------------------------------


def test_weak_numbers():
    def fn(x, a, k):
        return x * a + k, a * 2, k + 1, a / k

    check(fn, X.astype(np.float32), 0.5, 3)
    check(fn, np.arange(4, dtype=np.int8), np.float32(0.5), np.int16(3))
    traced = trace_function.trace(fn, (X, 0.5, 3))
    assert [leaf.kind for leaf in traced.leaves] == ["array", "float", "int"]
    assert traced.statics == ()


def test_ints_that_decide_shapes_become_static():
    def fn(x, n, m):
        return np.zeros(n) + x[:n] * m

    traced = trace_function.trace(fn, (X, 3, 5))
    assert [traced.paths[k] for k in traced.statics] == ["n"]
    assert traced.leaves[1].value == 3 and len(traced.function.params) == 2
    check(fn, X, 3, 5)


def test_ints_behind_structures_and_control():
    def fn(options, x):
        y = x
        for _ in range(options["depth"]):
            y = np.concatenate([y, y[: options["take"]]])
        if options["mode"] == "sum":
            return y.sum()
        return y

    check(fn, {"depth": 3, "take": 2, "mode": "sum"}, X)
    check(fn, {"depth": 0, "take": 2, "mode": "all"}, X)


def test_int_that_decides_a_structure():
    def fn(x, order):
        if order == 1:
            return x
        return x.sum(), order

    check(fn, X, 1)
    check(fn, X, 2)


def test_static_arguments():
    def fn(x, n, how):
        return x * n if how == "scale" else x + n

    traced = trace_function.trace(fn, (X, 2.5, "scale"), static_argnums=1)
    assert [leaf.kind for leaf in traced.leaves] == ["array", "static", "static"]
    traced = trace_function.trace(fn, (X, 2.5), {"how": "add"}, static_argnames="n")
    assert [leaf.kind for leaf in traced.leaves] == ["array", "static", "static"]


def test_recursion_that_shapes_and_ints_end():
    def tree_sum(x):
        if x.size == 1:
            return x[0]
        half = x.size // 2
        return tree_sum(x[:half]) + tree_sum(x[half:])

    def power(x, n):
        return 1.0 if n == 0 else x * power(x, n - 1)

    check(tree_sum, X)
    check(power, 2.5, 4)


# --- arguments that are overwritten -----------------------------------------------------------------------------------


def test_overwritten_arguments():
    def fn(x, y, rows):
        x[0] = 9.0
        y += x
        rows[0][1] = x[1]
        return x

    x, y, rows = X.copy(), X * 2, [X * 3, X * 4]
    traced = trace_function.trace(fn, (x, y, rows))
    assert traced.writes == {0: 0, 1: 1, 2: 2} and traced.outs[0].kind == "arg"
    check(fn, x, y, rows)


def test_the_same_array_twice():
    def fn(a, b):
        a[0] = 5.0
        b[1] = a[0] + 1
        return a + b

    x = X.copy()
    call = arguments.flatten_call(fn, (x, x))
    assert call.aliases == {1: 0}
    expected = X.copy()
    result = fn(expected, expected)
    same(run(fn, x, x), result)
    same(x, expected)


def test_what_is_put_into_containers_of_arguments_is_told():
    def fn(params):
        params["w"] = params["w"] * 2
        return params["w"].sum()

    found = trace_function.trace(fn, ({"w": X},))
    assert found.assigned == ((0, "w"),) and found.refers_to_objects


def test_arrays_from_outside_cannot_be_overwritten():
    def fn(x):
        TABLE[0] = x[0]

    def grows(x):
        HISTORY.append(x)

    with pytest.raises(UnsupportedError, match="made outside the compiled function"):
        trace_function.trace(fn, (X,))
    with pytest.raises(UnsupportedError, match="exists outside of the traced function"):
        trace_function.trace(grows, (X,))
    assert HISTORY == []


TABLES = {"seen": [1.0]}


def by_another_name(x):
    seen = TABLES["seen"]
    seen.append(x[0])
    return len(seen)


def replaced_by_another_name(x):
    tables = TABLES
    tables["seen"] = x
    return len(tables)


def in_a_default(x, seen=[1.0]):                # noqa: B006
    seen.append(x[0])
    return len(seen)


def item_of_a_default(x, seen=[1.0]):           # noqa: B006
    seen[0] = x[0]
    return seen


@pytest.mark.parametrize("fn", [by_another_name, replaced_by_another_name, in_a_default, item_of_a_default])
def test_what_is_there_before_the_call_cannot_be_changed_by_any_name(fn):
    with pytest.raises(UnsupportedError, match="exists outside of the traced function"):
        trace_function.trace(fn, (X,))
    assert TABLES == {"seen": [1.0]} and fn.__defaults__ in (None, ([1.0],))


def test_attributes_of_outside_objects_cannot_be_assigned():
    layer = Layer(1.0)

    def fn(x):
        layer.w = x
        return x

    with pytest.raises(UnsupportedError, match=r"`\.w =` changes a Layer that exists outside"):
        trace_function.trace(fn, (X,))
    assert layer.w == 1.0


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_kinds_of_results():
    def fn(x, n):
        return x, x[0], n * 2, x.size, 2.5, None, "s", n > 2, x > 0, [x.T, ()]

    traced = trace_function.trace(fn, (X, 3))
    assert [out.kind for out in traced.outs] == ["arg", "numpy", "int", "static", "static", "static", "bool", "array", "view"]
    check(fn, X, 3)


def test_traced_values_do_not_survive_their_trace():
    kept = {}

    def fn(x):
        kept_here = kept
        return x, kept_here

    trace_function.trace(fn, (X,))
    box = boxes.ArrayBox(trace_function.trace(lambda x: x * 2, (X,)).function.results[0])
    with pytest.raises(UnsupportedError, match="after its trace has ended"):
        box + 1


def test_objects_with_traced_attributes_are_returned_by_their_attributes():
    found = trace_function.trace(lambda x: Layer(x * 2), (X,))
    assert found.out_tree.kind.name == "object" and found.out_tree.meta[0] is Layer
    assert sorted(out.kind for out in found.outs) == ["array", "static", "static"]


def test_size_follows_the_source():
    def fn(x):
        y = x * 2
        return y + y * y

    assert ops(fn, X) == {"mul": 2, "add": 1}


# --- locations --------------------------------------------------------------------------------------------------------


def test_locations_name_the_users_lines():
    traced = trace_function.trace(calls_helper, (X,))
    first = next(traced.function.body.walk())
    assert [frame.function for frame in first.loc] == ["calls_helper", "helper"]
    assert first.loc[-1].line == helper.__code__.co_firstlineno + 1
    assert first.loc[-1].file == __file__


def test_locations_inside_branches_and_loops():
    def fn(x):
        for i in range(x.size):
            if x[i] > 0:
                for j in range(9):
                    x[j] = np.sin(x[i])
        return x

    found = [op for op in trace_function.trace(fn, (np.ones(9),)).function.body.walk() if op.name == "sin"]
    start = fn.__code__.co_firstlineno
    assert [(f.function, f.line)
            for f in found[0].loc] == [(test_locations_inside_branches_and_loops.__name__, found[0].loc[0].line),
                                                            ("fn", start + 4)][1:]


# --- errors -----------------------------------------------------------------------------------------------------------


def message_of(kind, fn, *args):
    with pytest.raises(kind) as caught:
        trace_function.trace(fn, args)
    return str(caught.value)


def test_shapes_that_do_not_fit():
    def fn(x, y):
        return x + y

    text = message_of(ShapeError, fn, np.ones(3), np.ones(4))
    assert "operands could not be broadcast together with shapes (3,) (4,)" in text
    assert f"line {fn.__code__.co_firstlineno + 1}, in fn" in text and "    return x + y\n           ^^^^^" in text


def test_python_needs_a_number():
    def fn(x):
        return ["a", len][int(x[0])]

    text = message_of(ConcretizationError, fn, X)
    assert "needs a number" in text and "the elements of argument `x`" in text and "in fn" in text

    def comprehended(x):
        return {k: (last := v) for k, v in enumerate(x) if v > 0}, last

    assert "the condition of a comprehension" in message_of(ConcretizationError, comprehended, X)


def test_arguments_that_cannot_be_compiled():
    def fn(x, params=None):
        return x

    assert "argument x has dtype object" in message_of(DTypeError, fn, np.array([None, 1]))
    assert "argument x has dtype float128" in message_of(DTypeError, fn, X.astype(np.longdouble))
    assert "argument params['a'][1] is a 'set'" in message_of(ArgumentTypeError, fn, X, {"a": [1, {2, 3}]})


def test_errors_have_no_internal_frames():
    def inner(x):
        return x @ x

    def fn(x):
        y = np.outer(x, x)
        return inner(y) + np.ones(7)

    with pytest.raises(ShapeError) as caught:
        trace_function.trace(fn, (X,))
    traceback, files = caught.value.__traceback__, []
    while traceback is not None:
        files.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    assert files[-1] == __file__
    assert caught.value.loc[-1].line == fn.__code__.co_firstlineno + 2


def test_the_users_own_exceptions_pass():
    def fn(x):
        if x.size != 3:
            raise KeyError("wanted three")
        return x

    with pytest.raises(KeyError, match="wanted three"):
        trace_function.trace(fn, (X,))


def test_rewriting_is_done_once_per_function():
    def make(k):
        def fn(x):
            return x * k
        return fn

    one, two = make(1.0), make(2.0)
    assert source.rewritten(one).__code__ is source.rewritten(two).__code__
    assert source.rewritten(source.rewritten(one)) is source.rewritten(one)
    same(run(two, X), X * 2)


# --- inside another trace ---------------------------------------------------------------------------------------------


class Inner:
    """Stands for a derivative operator: traces a function inside the trace at hand."""

    def __init__(self):
        self.traced = None

    def __tracegrad_call__(self, args, kwargs):
        self.traced = trace_function.trace_inner(args[0], args[1:], kwargs)
        return args[1]


def test_inner_traces_capture_outer_values():
    inner = Inner()

    def fn(x, k):
        scale = x[0] * 2
        for i in range(9):
            x = inner(lambda v, i=i: v * scale + k * i, x)
        return x

    trace_function.trace(fn, (X, 3.0))
    assert len(inner.traced.captured) == 3 and len(inner.traced.function.params) == 4
    assert inner.traced.leaves[0].kind == "array"


def test_inner_traces_do_not_write_outside():
    inner = Inner()

    def fn(x):
        def writes(v):
            x[0] = v[0]
            return v
        return inner(writes, x * 2)

    with pytest.raises(UnsupportedError, match="changes an array that was made outside of it"):
        trace_function.trace(fn, (X.copy(),))


FIRST = """
def fn(x):
    y = x * 2
    for k in range(2):
        y = y + k
        y = y * 2
    return y

pick = lambda x: x * 2
"""


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """edited(text): the module that is made from the text, with the file as the import found it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "edited_module", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "edited_module.py"

    def write(text, imported=True):
        file.write_text(text)
        module = sys.modules.get("edited_module")
        if imported:
            module = importlib.reload(module) if module else importlib.import_module("edited_module")
        return module

    yield write
    sys.modules.pop("edited_module", None)


def test_a_file_that_is_edited_and_reloaded(edited):
    module = edited(FIRST)
    same(run(module.fn, X), module.fn(X))
    same(run(module.pick, X), X * 2)
    module = edited("# longer now\n" + FIRST.replace("x * 2", "x * 3"))
    same(run(module.fn, X), module.fn(X))
    same(run(module.pick, X), X * 3)


@pytest.mark.parametrize("old, new", [
    ("x * 2", "x * 3"), ("x * 2", "x + 2"), ("        y = y * 2", "    y = y * 2"), ("range(2)", "range(2.0)"),
    ("return y", "return x"), ("def fn(x):", "def fn(z):"), ("y = x * 2", "y = x * True"),
])
def test_a_file_that_is_edited_and_not_reloaded(edited, old, new):
    # what stands in the file now is another program than the one that runs: which is traced as it is
    module = edited(FIRST)
    edited(FIRST.replace(old, new), imported=False)
    same(run(module.fn, X), module.fn(X))


def test_a_file_that_is_edited_after_a_trace(edited):
    # its lines are still at hand as they were
    module = edited(FIRST + "\n\ndef other(x):\n    return x - 1\n")
    same(run(module.fn, X), module.fn(X))
    edited("# nothing is left\n", imported=False)
    same(run(module.other, X), X - 1)


def test_a_comment_that_is_edited(edited):
    module = edited(FIRST)
    edited(FIRST.replace("y = x * 2", "y = (x * 2)      # twice"), imported=False)
    same(run(module.fn, X), module.fn(X))


class Counter:
    __scale = 2.0

    def plain(self, x):
        def inner(y):
            return y * self.__scale

        return inner


def test_a_private_name_in_a_function_of_a_method():
    same(run(Counter().plain(X), X), X * 2)
