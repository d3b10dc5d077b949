"""Functions written in C, and of the standard library, that change what they are given: as Python, or refused."""
import collections
import functools
import itertools
import operator

import numpy as np
import pytest

import tracegrad as tg

LIST = "xs = [x[0], x[1], x[2]]", "xs[0] + 2 * xs[1] + 3 * xs[-1] + len(xs)"
LONG = "xs = [x[0], x[1], x[2], x[0], x[1], x[2], x[0]]", LIST[1]
DICT = "d = {'a': x[0], 'b': x[1]}", "sum(d.values()) + 3 * d['a'] + len(d)"
DEFAULT = "d = collections.defaultdict(float); d['a'] = v", DICT[1]
COUNTER = "d = collections.Counter({'a': x[0]})", DICT[1]
DEQUE = "xs = collections.deque([x[0], x[1], v])", LIST[1]
USERS = "xs = collections.UserList([x[0], x[1]])", LIST[1]
SET = "s = {1}; q = 0.0", "q + len(s)"
OBJECT = "o = Held(); o.a = x[0]; q = v", "o.a + q"
ITEMS = "q = 0.0; c = iter([v, x[0], x[1], x[2], v, v])", "q"

PROGRAMS = [
    (LIST, "list.append(xs, v)"), (LIST, "list.insert(xs, 0, v)"), (LIST, "list.extend(xs, [v, 2 * v])"),
    (LONG, "list.pop(xs)"),
    (LIST, "list.sort(xs)"), (LIST, "list.reverse(xs)"), (LIST, "list.__setitem__(xs, 0, v)"), (LIST, "xs.__setitem__(0, v)"),
    (LIST, "xs.__iadd__([v])"), (LONG, "xs.__delitem__(0)"), (LONG, "operator.delitem(xs, 0)"),
    (LIST, "operator.setitem(xs, 0, v)"), (LIST, "operator.iadd(xs, [v])"), (LIST, "xs = operator.iadd(xs, [v])"),
    (LIST, "operator.iconcat(xs, [v])"), (LIST, "functools.partial(list.append, xs)(v)"),
    (LIST, "list(map(xs.append, [v, v]))"),
    (LIST, "operator.methodcaller('append', v)(xs)"), (LIST, "functools.reduce(operator.iadd, [[v], [v]], xs)"),
    (LIST, "collections.deque(itertools.starmap(list.append, [(xs, v)]), maxlen=0)"),
    (DICT, "dict.update(d, a=v)"), (DICT, "dict.setdefault(d, 'c', v)"), (DICT, "dict.__setitem__(d, 'a', v)"),
    (DICT, "d.__setitem__('a', v)"), (DICT, "d.__ior__({'a': v})"), (DICT, "operator.ior(d, {'a': v})"),
    (DICT, "d['a'] += dict.pop(d, 'b', v)"), (DEFAULT, "d['c'] += v"), (DEFAULT, "d['c']"),
    (COUNTER, "d.update({'a': v})"), (COUNTER, "d.update(a=v)"), (COUNTER, "d.subtract({'a': v})"), (COUNTER, "d.update('ab')"),
    (("e = {'a': x[0]}; d = collections.ChainMap(e, {'b': x[1]})", "e['a'] + d['b']"), "d['a'] = d['a'] + v"),
    (("d = collections.UserDict(a=x[0])", "d['a']"), "d['a'] = d['a'] + v"),
    (("d = collections.OrderedDict(a=x[0], b=v)", "list(d.values())[0]"), "collections.OrderedDict.move_to_end(d, 'a')"),
    (USERS, "xs[0] = xs[0] + v"), (USERS, "xs.append(v)"), (DEQUE, "collections.deque.append(xs, v)"),
    (DEQUE, "xs[0] = 2 * v"), (DEQUE, "operator.setitem(xs, 0, 2 * v)"), (SET, "set.add(s, 2); q = q + len(s)"),
    (SET, "operator.ior(s, {2}); q += len(s)"),
    (OBJECT, "object.__setattr__(o, 'a', v); q = q + o.a"), (OBJECT, "setattr(o, 'a', v); q = q + o.a"),
    (ITEMS, "q = q + next(c)"), (ITEMS, "q = q + c.__next__()"), (ITEMS, "q = q + sum(itertools.islice(c, 1))"),
    (ITEMS, "q = q + sum(c)"), (ITEMS, "q = q + sum([z for z in c])"),
    (("q = 0.0; c = iter(x)", "q"), "q = q + next(c, 5.0)"), (("q = 0.0; c = iter(range(10))", "q"), "q = q + next(c)"),
    (("q = 0.0; c = map(abs, [v, -v, v * v, v, v, v])", "q"), "q = q + next(c)"),
    (("q = 0.0; c = iter([1, 2, 3, 4])", "q"), "q = q + (2 in c)"),
    (("q = 0.0", "q"), "q = q + list.index([3, 2, n], n) + operator.itemgetter(n % 3)([v, x[1], x[2]])"),
    (("q = 0.0", "q"), "q = q + of_class(v) + 10 * of_class(n) + 100 * of_class([v])"),
]
PLACES = {"loop": "for i in range(n):\n        {}\n    {}", "branch": "if x[0] > 0:\n        {}",
          "while": "t = 0.0\n    while t < v:\n        t = t + 1.0\n        {}"}
ARGS = [(np.array([1.0, -2.0, 3.0]), 3, 1.5), (np.array([-1.0, 5.0, -0.5]), 0, -0.5)]


@functools.singledispatch
def of_class(a):
    return 1.0


@of_class.register
def _(a: float):
    return 2.0


@of_class.register
def _(a: int):
    return 3.0


class Held:
    """Holds attributes."""


class Dispatches:
    @functools.singledispatchmethod
    def of_class(self, a):
        return 1.0

    @of_class.register
    def _(self, a: int):
        return 5.0


def outcome(f, args):
    try:
        return f(args[0].copy(), *args[1:])
    except (tg.UnsupportedError, tg.ConcretizationError) as error:
        assert "/changes.py" in str(error)
        assert "Instead: " in str(error)
        return "refused"
    except (StopIteration, RuntimeError):
        return "stopped"


@pytest.mark.sweep(2)
@pytest.mark.parametrize("place", PLACES)
def test_changes(place, tmp_path):
    path, text = tmp_path / "changes.py", ""
    for k, ((before, result), change) in enumerate(PROGRAMS):
        text += f"def f{k}(x, n, v):\n    {before}\n    {PLACES[place].format(change, change)}\n    return {result}\n\n\n"
    path.write_text(text)
    found = {"collections": collections, "functools": functools, "itertools": itertools, "operator": operator,
            "Held": Held, "of_class": of_class}
    exec(compile(text, str(path), "exec"), found)
    refused = 0
    for k, (_, change) in enumerate(PROGRAMS):
        f = tg.jit(found[f"f{k}"])
        for args in ARGS:
            want, got = outcome(found[f"f{k}"], args), outcome(f.interpret, args)
            refused += got == "refused"
            if got != "refused":
                assert got == want or np.isclose(got, want, rtol=1e-12), (place, change, args)
    assert refused < {"loop": 5, "branch": 100, "while": 120}[place], refused


def test_a_method_by_class_is_refused_by_name():
    held = Dispatches()
    with pytest.raises(tg.UnsupportedError, match="singledispatchmethod"):
        tg.jit(lambda n: held.of_class(n))(3)


def test_functions_that_iterators_call():
    def f(x, v):
        return sum(itertools.accumulate(x, max)) + sum(itertools.starmap(pow, [(v, 2.0), (v, 3)]))
    x = np.array([1.0, -2.0, 3.0])
    assert np.isclose(tg.jit(f)(x, 1.5), f(x, 1.5), rtol=1e-15)
    tg.check_grads(f, (x, 1.5))


def test_a_library_that_asks_for_numbers_of_a_lambda_is_refused_at_its_line():
    from scipy.integrate import solve_ivp

    def f(k):
        return k + solve_ivp(lambda t, y: -y, (0, 1), [1.0]).y[0]
    with pytest.raises(tg.ConcretizationError, match=r"solve_ivp\(lambda[\s\S]*Instead: "):
        tg.jit(f)(1.0)
