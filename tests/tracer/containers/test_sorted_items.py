"""Items that are put in order by keys of run time: texts, records, objects; what is shared between the old list and the new."""
import numpy as np
import pytest

import tracegrad as tg


class Shape:
    def __init__(self, size, name):
        self.size, self.name = size, name

    def area(self):
        return 3.0 * self.size * self.size


def by_value(scores):
    best = max(scores, key=scores.get)
    ranking = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    least = min(scores.items(), key=lambda item: item[1])
    return best, ranking, [name for name, _ in ranking], f"{best}: {scores[best]}", best == "a", least


def people(rows):
    rows.sort(key=lambda row: row[1], reverse=True)
    return [name for name, score in rows if score > 2.0], rows


def largest(a, b):
    shapes = [Shape(a, "first"), Shape(b, "second"), Shape(1.0, "third")]
    found = max(shapes, key=lambda s: s.area())
    return found.size, found.name, [s.name for s in sorted(shapes, key=Shape.area)]


def spanning_tree(edges, n):
    parent = list(range(n))

    def find(x):
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    total, chosen = 0.0, []
    for u, v, w in sorted(edges, key=lambda e: e[2]):
        a, b = find(u), find(v)
        if a != b:
            parent[a] = b
            total += w
            chosen.append((u, v))
    return total, chosen


@pytest.mark.parametrize("scores", [{"b": 3, "a": 3, "c": 1}, {"b": 2.5, "a": 0.5, "c": 4.0}])
def test_the_keys_of_a_dict_by_its_values(scores):
    assert tg.jit(by_value)(scores) == by_value(scores)


def test_records_with_a_name():
    rows = [("bob", 3.0), ("al", 5.0), ("cy", 1.0)]
    mine = list(rows)
    assert tg.jit(people)(mine) == people(rows) and mine == rows


def test_objects():
    compiled = tg.jit(largest)
    for args in ((2.0, 3.0), (2.0, 0.5), (0.1, 0.2)):
        assert compiled(*args) == largest(*args)
    assert tg.grad(lambda a, b: largest(a, b)[0])(2.0, 3.0) == (0.0 if largest(2.0, 3.0)[0] == 3.0 else 1.0)


def test_numbers_of_a_sorted_list_are_positions():
    edges = [(0, 1, 4.0), (1, 2, 1.0), (0, 2, 2.0), (2, 3, 0.5)]
    assert tg.jit(spanning_tree)(edges, 4) == spanning_tree(edges, 4)


def into_bytes(a, out):
    ordered = sorted([int(a[0]), int(a[1])])
    out[0] = ordered[1]
    return out


def test_numbers_of_a_sorted_list_are_pythons():
    with pytest.raises(OverflowError):
        into_bytes(np.array([300, 2]), np.zeros(2, np.uint8))
    with pytest.raises(OverflowError):
        tg.jit(into_bytes)(np.array([300, 2]), np.zeros(2, np.uint8))
    assert tg.jit(into_bytes)(np.array([200, 2]), np.zeros(2, np.uint8)).tolist() == [200, 0]


def into_sorted(rows):
    sorted(rows)[0][1] = 99.0
    return rows


def into_largest(rows):
    found = max(rows, key=lambda row: row[1])
    found[0] = -1.0
    return rows


def behind_sorted(rows):
    made = sorted(rows)
    rows[0][1] = 99.0
    return made


def identity_of_largest(a, b):
    shapes = [Shape(a, "first"), Shape(b, "second")]
    return max(shapes, key=Shape.area) is shapes[0]


@pytest.mark.parametrize("f", [into_sorted, into_largest, behind_sorted])
def test_a_change_of_an_item_would_not_be_seen_under_its_other_name(f):
    with pytest.raises(tg.UnsupportedError, match="sorted or chosen by a key of run time"):
        tg.jit(f)([[3.0, 1.0], [1.0, 2.0]])


def test_which_item_it_is():
    with pytest.raises(tg.UnsupportedError, match="sorted or chosen by a key of run time"):
        tg.jit(identity_of_largest)(2.0, 3.0)


def alone(x):
    rows = [[x, 1.0], [2.0, x * x], [1.0, 0.0]]
    rows.sort(key=lambda row: row[0])
    rows[0][1] = 7.0
    shapes = sorted([Shape(x, "first"), Shape(2.0, "second")], key=lambda s: -s.size)
    shapes[0].size = 5.0
    return rows, [s.size for s in shapes]


def test_items_without_another_name_can_be_changed():
    for x in (3.0, 0.5):
        assert tg.jit(alone)(x) == alone(x)


def written_least(x):
    rows = [x[0:2], x[1:3]]
    low = min(rows, key=lambda row: row[0])
    low[0] = 9.0
    return x


def written_named(x):
    zeros = np.zeros(2)
    rows = [zeros, np.ones(2)]
    rows.sort(key=lambda row: -row[0] * x[0])
    rows[0][0] = 7.0
    return zeros


def written_callers(x, rows):
    rows.sort(key=lambda row: row[0] * x[0])
    rows[0][0] = 7.0


def written_own(x):
    rows = [np.zeros(2), np.ones(2)]
    rows.sort(key=lambda row: -row[0] * x[0])
    rows[0][0] = 7.0
    return rows


def test_arrays_that_have_been_put_in_order_and_are_written():
    """They are copies: where the array itself can be seen, that is refused."""
    x = np.array([3.0, 1.0, 2.0])
    for f, more in ((written_least, ()), (written_named, ()), (written_callers, ([np.arange(2.0), np.ones(2)],))):
        with pytest.raises(tg.UnsupportedError, match="another name"):
            tg.jit(f)(x.copy(), *more)
    np.testing.assert_equal(tg.jit(written_own)(x), written_own(x))


@pytest.mark.parametrize("whose", ["sorted", "own"])
def test_arrays_that_are_sorted_and_written_to_are_refused(whose):
    def f(x):
        held = [np.full(3, x[i]) for i in range(300)]
        found = sorted(held, key=lambda a: -a[0])
        for i in range(300):
            (found if whose == "sorted" else held)[i][0] *= 2
        return held[299], found[0]

    with pytest.raises(tg.UnsupportedError, match=r"would miss what is written[\s\S]*x.copy\(\)"):
        tg.jit(f)(np.linspace(0.0, 1.0, 300))
