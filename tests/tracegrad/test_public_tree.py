"""`tg.tree`, and registered classes as arguments and results; its names and meanings are those of `jax.tree`."""
import collections
import dataclasses

import numpy as np
import pytest

import tracegrad as tg

Point = collections.namedtuple("Point", "x y")


class Pair:
    def __init__(self, a, b, tag):
        self.a, self.b, self.tag = a, b, tag


tg.tree.register(Pair, lambda p: ((p.a, p.b), p.tag), lambda tag, parts: Pair(*parts, tag))


@tg.tree.register
class Scaled:
    def __init__(self, values, unit="m"):
        self.values, self.unit = values, unit

    def tree_flatten(self):
        return (self.values,), self.unit

    @classmethod
    def tree_unflatten(cls, unit, children):
        return cls(*children, unit)


class Model:
    def __init__(self, w, b):
        self.w, self.b, self.name = w, b, "m"


@dataclasses.dataclass
class State:
    x: object
    n: object = None


TREE = {"b": [1.0, (2.0, None)], "a": Point(3.0, State(4.0))}


def test_taken_apart_and_put_together():
    leaves, structure = tg.tree.flatten(TREE)
    assert leaves == tg.tree.leaves(TREE) == [3.0, 4.0, 1.0, 2.0]
    assert structure == tg.tree.structure(TREE) and hash(structure) == hash(tg.tree.structure(TREE))
    assert tg.tree.unflatten(structure, iter(leaves)) == TREE
    assert tg.tree.structure([1, 2]) != tg.tree.structure((1, 2))
    assert isinstance(structure, tg.tree.TreeDef)


def test_as_jax_does():
    jax = pytest.importorskip("jax")
    tree = {"b": [1.0, (2.0, None)], "a": {"z": 5, "y": ()}}
    assert tg.tree.leaves(tree) == jax.tree.leaves(tree)
    assert tg.tree.map(lambda a, b: (a, b), tree, tree) == jax.tree.map(lambda a, b: (a, b), tree, tree)
    assert tg.tree.map(lambda a, b: b, [1, 2], [[3], {"k": 4}]) == jax.tree.map(lambda a, b: b, [1, 2], [[3], {"k": 4}])
    outer, inner = [(1, 2), (3, 4)], (0, 0)
    assert tg.tree.transpose(tg.tree.structure([0, 0]), tg.tree.structure(inner), outer) == jax.tree.transpose(
        jax.tree.structure([0, 0]), jax.tree.structure(inner), outer)
    leaf = lambda x: isinstance(x, list)  # noqa: E731
    assert tg.tree.leaves(tree, leaf) == jax.tree.leaves(tree, leaf)
    assert tg.tree.reduce(lambda a, b: a + b, tree, 10.0) == jax.tree.reduce(lambda a, b: a + b, tree, 10.0)
    assert tg.tree.all(tree) == jax.tree.all(tree)


def test_registered_classes_as_arguments_and_results():
    p = Pair(2.0, np.arange(3.0), "t")
    made = tg.jit(lambda p: Pair(p.a * 2, p.b + 1, p.tag + "!"))(p)
    assert (made.a, made.tag) == (4.0, "t!") and made.b.tolist() == [1, 2, 3]
    g = tg.grad(lambda p: p.a**2 * p.b.sum())(p)
    assert type(g) is Pair and g.a == 12.0 and g.b.tolist() == [4.0] * 3 and g.tag == "t"
    rows = tg.vmap(lambda p: Pair(p.a * 2, p.b.sum(), p.tag))(Pair(np.ones(2), np.ones((2, 3)), "t"))
    assert rows.a.tolist() == [2, 2] and rows.b.tolist() == [3, 3]
    s = tg.jit(lambda s: Scaled(s.values / 1000, "km"))(Scaled(np.array([500.0])))
    assert s.unit == "km" and s.values.tolist() == [0.5]
    with tg.disable_jit():
        assert tg.grad(lambda p: p.a**2 * p.b.sum())(p).a == 12.0
    _, pullback = tg.vjp(lambda p: Pair(p.a, p.b * p.a, "r"), p)
    assert pullback(Pair(0.0, np.ones(3), "r"))[0].a == 3.0


@pytest.mark.parametrize("operator", [tg.jit, tg.vmap])
def test_an_assignment_to_one_is_refused(operator):
    def double(p):
        p.a = p.a * 2
        return p.a

    p = Pair(np.ones(2), np.ones(2), "t")
    with pytest.raises(tg.UnsupportedError, match="is replaced inside its container"):
        operator(double)(p)
    assert p.a.tolist() == [1, 1]


def test_objects_with_numbers_are_trees_as_they_are_for_derivatives():
    m = Model(np.ones(2), 2.0)
    g = tg.grad(lambda m: (m.w**2).sum() * m.b)(m)
    stepped = tg.tree.map(lambda x, dx: x if isinstance(x, str) else x - 0.5 * dx, m, g)
    assert type(stepped) is Model and stepped.w.tolist() == [-1.0, -1.0] and stepped.b == 1.0 and stepped.name == "m"


def test_inside_of_compiled_code():
    def loss(p, x):
        return ((x @ p["w"] + p["b"]) ** 2).sum()

    def step(p, x):
        g = tg.grad(loss)(p, x)
        leaves, structure = tg.tree.flatten(g)
        assert len(leaves) == 2 and structure == tg.tree.structure(p)
        return tg.tree.map(lambda p, g: p - 0.1 * g if g.sum() > 0 else p, p, g)

    p, x = {"w": np.ones(2), "b": np.zeros(1)}, np.arange(6.0).reshape(3, 2)
    found, expected = tg.jit(step)(p, x), step(p, x)
    for key in p:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-14)


REFUSED = {
    "leaves": (lambda: tg.tree.unflatten(tg.tree.structure([1, 2]), [1]), "2 leaves was given 1"),
    "order": (lambda: tg.tree.unflatten([1, 2], tg.tree.structure([1, 2])), r"the structure is a list.*unflatten\(struct"),
    "other": (lambda: tg.tree.map(lambda a, b: a, [1, 2], (1, 2)), "expected the structure"),
    "no class": (lambda: tg.tree.register(3, None, None), "takes a class, got 3"),
    "no methods": (lambda: tg.tree.register(Point), "how a Point is taken apart.*tree_flatten"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, text = REFUSED[name]
    with pytest.raises(tg.ArgumentTypeError, match=f"(?s){text}"):
        call()
