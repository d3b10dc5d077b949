"""numba.typed's containers as arguments: in traced code lists and dicts."""
import numpy as np
import pytest
from numba import types
from numba.typed import Dict, List

import tracegrad as tg


def total(values):
    s = 0.0
    for v in values:
        s += v
    return s


@pytest.mark.sweep(6, days=True)
def test_lists_and_typed_lists_share_a_program():
    compiled = tg.jit(total)
    for values in ([1.0, 2.0], List([1.0, 2.0]), [1.0, 2.0], List([1.0, 2.0, 4.0]), List([1, 2])):
        assert compiled(values) == total(values)
        assert compiled.interpret(values) == total(values)


@pytest.mark.sweep(2, days=True)
def test_arrays_in_one_are_written_to():
    def fn(rows, k):
        s = 0.0
        for row in rows:
            s += row.sum()
            row[0] = 5.0
        return s + rows[k][0]

    rows = List()
    for n in (3, 2):
        rows.append(np.arange(float(n)))
    assert tg.jit(fn)(rows, 1) == 9.0
    np.testing.assert_array_equal(rows[0], [5.0, 1.0, 2.0])


@pytest.mark.sweep(4, days=True)
def test_a_dict_of_known_keys():
    weights = Dict.empty(types.unicode_type, types.float64)
    weights["a"], weights["b"] = 3.0, 4.0
    assert tg.jit(lambda w: w["a"] * 2 + w["b"])(weights) == 10.0


def test_gradients_come_back_as_plain_lists():
    assert tg.grad(total)(List([1.0, 2.0])) == [1.0, 1.0]


def counted(xs):
    seen = Dict.empty(key_type=types.int64, value_type=types.int64)
    large = List.empty_list(types.float64)
    for x in xs:
        if x in seen:
            seen[x] += 1
        else:
            seen[x] = 1
            if x > 1:
                large.append(x * 0.5)
    return len(seen), sum(large), max(seen.values())


@pytest.mark.sweep(2, days=True)
def test_empty_ones_that_are_made_inside():
    xs = np.array([3, 1, 3, 2])
    assert tg.jit(counted)(xs) == counted(xs) == (3, 2.5, 2)
    for make in (lambda: Dict.empty(types.int64, types.float32), lambda: List.empty_list(types.UniTuple(types.int8, 2))):
        with pytest.raises(tg.UnsupportedError, match="numbers would be converted when they are put in"):
            tg.jit(lambda x, make=make: make())(1.0)


# --- what the program makes of those that it is given -------------------------------------------------------------------------

def dict_of(kinds, **items):
    found = Dict.empty(*kinds)
    for key, value in items.items():
        found[key] = value
    return found


def grown(values, k):
    for i in range(k):
        values.append(i)
    values.remove(1)
    values.insert(0, 9)
    return values.pop()


def in_order(values):
    values.sort(key=lambda x: -x)
    return values


def nested(rows):
    rows[1].append(4.0)
    rows.append(List([7.0]))
    rows[0][0] += 1
    return len(rows)


def other_keys(table, k):
    for i in range(k):
        table[i * 3 % 7] = i
    del table[0]
    return len(table)


def other_values(table):
    for key, value in table.items():
        table[key] = value * 2
    return table["a"]


def failing(values, k):
    values.append(k)
    if k > 0:
        raise ValueError(f"{k}")


@pytest.mark.parametrize("f, make", [
    (grown, lambda: (List([3, 1, 2]), 4)), (in_order, lambda: (List([5, 7, 6]),)), (in_order, lambda: (List(range(40)),)),
    (nested, lambda: (List([List([1.0, 2.0]), List([3.0])]),)), (lambda values: values.append(1), lambda: (List(),)),
    (lambda pair: pair[0].append(pair[1]), lambda: ((List([1.0]), 2.5),)),
    (lambda values: values.clear(), lambda: (List([1]),)),
    (other_keys, lambda: (Dict(((0, 7), (1, 5))), 5)), (failing, lambda: (List([1]), 2)),
    (other_values, lambda: (dict_of((types.unicode_type, types.float64[:]), a=np.ones(2), b=np.zeros(3)),))])
def test_they_get_what_the_program_makes_of_them(f, make):
    mine, theirs = make(), make()
    found = []
    for run, args in ((tg.jit(f), mine), (f, theirs)):
        try:
            found.append(run(*args))
        except ValueError:
            found.append("error")
    assert str(found[0]) == str(found[1]) and str(mine) == str(theirs)
    assert found[0] is mine[0] if found[1] is theirs[0] else True


def test_one_that_is_given_twice_is_one():
    values = List([1])
    assert tg.jit(lambda a, b: (a.append(2), len(b))[1])(values, values) == 2 and list(values) == [1, 2]
