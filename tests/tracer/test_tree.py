"""Nested containers taken apart and put together."""
import collections
import dataclasses

import pytest
from tracegrad.ir.errors import ArgumentTypeError
from tracegrad.tracer import pytrees

Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Model:
    weights: list
    bias: float
    name: str = "m"


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: int
    b: object = None

    def __post_init__(self):
        assert self.a is not None


class Result(collections.namedtuple("Result", "statistic pvalue")):
    """As SciPy's results of tests: a tuple of some fields, with more beside them."""

    def __new__(cls, statistic, pvalue, **more):
        return tuple.__new__(cls, (statistic, pvalue))

    def __init__(self, statistic, pvalue, *, df):
        self.df = df


TREES = [
    1, None, (), [], {}, (1, [2, 3], {"b": 4, "a": (5,)}), Point(1, [2]), [Point({"k": 1}, None)], Model([1, 2], 3.0),
    Frozen(1, (2, 3)),
    collections.OrderedDict([("z", 1), ("a", [2])]), collections.defaultdict(list, {"q": 1, "b": 2}), {1: 2, 0: 3},
    {(1, 2): 3, "a": 4}, Result(1, (2, 3), df=[4]),
]


@pytest.mark.parametrize("x", TREES, ids=repr)
def test_round_trip(x):
    leaves, structure = pytrees.flatten(x)
    again = structure.unflatten(leaves)
    assert again == x and type(again) is type(x)
    if isinstance(x, dict):
        assert list(again) == list(x)
    assert structure == pytrees.flatten(again)[1] and hash(structure) == hash(pytrees.flatten(again)[1])
    assert structure.count == len(leaves) == len(structure.paths())


def test_leaves_of_a_dict_are_in_the_order_of_its_keys():
    assert pytrees.leaves_of({"b": 1, "a": 2, "c": {"z": 3, "y": 4}}) == [2, 1, 4, 3]
    assert list(pytrees.map(lambda v: -v, {"b": 1, "a": 2})) == ["b", "a"]


def test_different_structures():
    structures = [pytrees.flatten(x)[1] for x in (1, (1,), [1], {"a": 1}, {"b": 1}, Point(1, 1), (1, 1), Model(1, 1), None, ())]
    assert len(set(structures)) == len(structures)
    assert all((a == b) == (a is b) for a in structures for b in structures)


def test_paths_read_as_a_user_writes_them():
    structure = pytrees.flatten([{"w": 1, "b": Model([2, 3], 4)}, Point(5, None)])[1]
    assert structure.paths("params") == [
        "params[0]['b'].weights[0]", "params[0]['b'].weights[1]", "params[0]['b'].bias", "params[0]['b'].name",
        "params[0]['w']",
        "params[1].x"]


def test_map_over_several():
    assert pytrees.map(lambda a, b: a + b, (1, [2]), (10, [20])) == (11, [22])
    assert pytrees.map(lambda a, b: b, {"k": 1}, {"k": [7, 8]}) == {"k": [7, 8]}
    with pytest.raises(ArgumentTypeError, match="expected the structure"):
        pytrees.map(lambda a, b: a, (1, 2), [1, 2])
    with pytest.raises(ArgumentTypeError, match="2 leaves was given 3"):
        pytrees.flatten((1, 2))[1].unflatten([1, 2, 3])


def test_registered_classes():
    class Pair:
        def __init__(self, a, b, tag):
            self.a, self.b, self.tag = a, b, tag

    pytrees.register(Pair, lambda p: ((p.a, p.b), p.tag), lambda tag, parts: Pair(*parts, tag))
    leaves, structure = pytrees.flatten([Pair(1, (2, 3), "t")])
    assert leaves == [1, 2, 3]
    again = structure.unflatten([4, 5, 6])[0]
    assert (again.a, again.b, again.tag) == (4, (5, 6), "t")


def test_subclasses_of_containers_are_leaves():
    class Special(list):
        pass

    assert pytrees.leaves_of([Special([1, 2])]) == [Special([1, 2])]
    assert list(pytrees.containers([{"a": (1, [2])}, Model([], 1)])) == [[{"a": (1, [2])}, Model([], 1)], {"a": (1, [2])}, [2],
                                                                      Model([], 1), []]
