"""Many arguments, long expressions, deep nesting, recursion: they work, or end soon in an error that names the line."""
import math
import time

import numpy as np
import pytest

import tracegrad as tg


def made(tmp_path, text: str, name: str = "f"):
    """A function of a module of its own."""
    file = tmp_path / "program.py"
    file.write_text("import numpy as np\n" + text)
    space: dict = {}
    exec(compile(file.read_text(), str(file), "exec"), space)
    return space[name]


# --- many leaves ------------------------------------------------------------------------------------------------------

@pytest.mark.sweep(2)
@pytest.mark.parametrize("count", [1022, 1023, 1024, 1100])
def test_many_numbers(count):
    numbers = [float(k) for k in range(count)]
    f = tg.jit(lambda x: x[0] * x[-1] + x[1])
    for _ in range(2):                        # the first call comes from Python, the next from machine code
        assert f(numbers) == 1.0
    numbers[-1], numbers[0] = 3.0, 2.0
    assert f(numbers) == 7.0


@pytest.mark.sweep(3, days=True)
def test_gradient_of_many_arrays():
    arrays = {f"a{k}": np.full(2, float(k)) for k in range(1100)}
    found = tg.grad(lambda d: sum([np.sum(x * x) for x in d.values()]))(arrays)
    assert list(found) == list(arrays) and all(np.array_equal(found[k], 2 * arrays[k]) for k in arrays)


# --- recursion --------------------------------------------------------------------------------------------------------

def adaptive(x, depth, eps):
    if depth <= 0 or x * x < eps:
        return x
    return adaptive(x / 2, depth - 1, eps / 2) + adaptive(x / 3, depth - 1, eps / 2)


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def even(n, x):
    return x if n == 0 else odd(n - 1, x) + odd(n - 2, x)


def odd(n, x):
    return 0.0 if n == 0 else even(n - 1, x) * 2


def closure(x):
    def go(v, depth):
        if v > 1e6 or depth == 0:
            return v
        return go(v * x, depth - 1) - go(v + x, depth - 1)
    return go(x, 25)


def looping(x, depth):
    total = x
    for k in range(int(x)):
        if depth:
            total += looping(x - k, depth - 1)
    return total


def tree_walk(x):
    def walk(lo, hi, depth):
        middle = (lo + hi) / 2
        if depth == 0:
            return middle
        while lo < x:
            lo += walk(lo, middle, depth - 1) + walk(middle, hi, depth - 1)
        return lo
    return walk(0.0, 8.0, 30)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("program, x", [
    (lambda x: adaptive(x, 30, 1e-9), 3.5), (lambda x: fibonacci(x), 3.5), (lambda x: fibonacci(int(x)), 3.5), (closure, 9.5),
    (tree_walk, -1.0)])
def test_recursion_that_data_ends_is_compiled_soon(program, x):
    start = time.process_time()
    found = tg.jit(program)(x)
    assert time.process_time() - start < 6
    np.testing.assert_allclose(found, program(x), rtol=1e-12)


def test_recursion_without_end_is_pythons_error():
    with pytest.raises(RecursionError, match="maximum recursion depth exceeded"):
        tg.jit(lambda x: even(int(x), x))(7.5)


def chain(x, n):
    return x if n == 0 else np.sin(chain(x, n - 1)) + 1.0


@pytest.mark.sweep(2, days=True)
def test_recursion_that_known_values_end():
    x = 0.3
    want = x
    for _ in range(500):
        want = math.sin(want) + 1.0
    assert tg.jit(chain, static_argnums=1)(x, 500) == pytest.approx(want, rel=1e-14)
    assert tg.jit(lambda x: adaptive(x, 6, 0.0) + fibonacci(12))(0.5) == pytest.approx(adaptive(0.5, 6, 0.0) + 144)
    assert tg.jit(lambda x: looping(x, 5))(3.5) == looping(3.5, 5)
    assert tg.grad(lambda x: chain(x, 60))(0.3) == pytest.approx(
        (chain(0.3 + 1e-6, 60) - chain(0.3 - 1e-6, 60)) / 2e-6, rel=1e-6, abs=1e-12)


def test_recursion_without_end():
    def f(x):
        return f(x) + 1.0

    with pytest.raises(tg.UnsupportedError, match=r"too deeply[^$]*test_limits"):
        tg.jit(f)(1.0)


# --- long and deep text -----------------------------------------------------------------------------------------------

def test_long_sum(tmp_path):
    f = made(tmp_path, "def f(x):\n    return " + "+".join(["x"] * 1500) + "\n")
    assert tg.jit(f)(1.0) == 1500.0 and tg.grad(f)(1.0) == 1500.0


def test_deep_parentheses(tmp_path):
    f = made(tmp_path, "def f(x):\n    return " + "np.sin(" * 90 + "x" + ")" * 90 + "\n")
    assert tg.jit(f)(1.0) == pytest.approx(f(1.0), rel=1e-14)


@pytest.mark.sweep(3, days=True)
def test_many_lines(tmp_path):
    f = made(tmp_path, "def f(x):\n" + "".join(f"    x = x * 0.5 + {k % 7}.0\n" for k in range(5000)) + "    return x\n")
    assert tg.jit(f)(1.0) == f(1.0)


def test_many_branches_of_elif(tmp_path):
    f = made(tmp_path, "def f(x):\n    if x < 0:\n        return 0.0\n"
             + "".join(f"    elif x < {k}:\n        return {k}.0 * x\n" for k in range(1, 60)) + "    return x\n")
    assert [tg.jit(f)(x) for x in (-1.0, 30.5, 99.0)] == [0.0, 31 * 30.5, 99.0]


# --- containers -------------------------------------------------------------------------------------------------------

def nested(depth: int, kind):
    held = 2.0
    for _ in range(depth):
        held = kind(held)
    return held


def inner(x):
    while isinstance(x, (list, tuple, dict)):
        x = x["k"] if isinstance(x, dict) else x[0]
    return x * 3.0


@pytest.mark.sweep(2)
@pytest.mark.parametrize("kind", [lambda x: [x], lambda x: (x,), lambda x: {"k": x}])
def test_deep_containers(kind):
    f = tg.jit(inner)
    for _ in range(2):
        assert f(nested(100, kind)) == 6.0
    try:
        assert f(nested(1000, kind)) == 6.0
    except tg.TracegradError as error:
        assert "deep" in str(error)


@pytest.mark.sweep(2, days=True)
def test_containers_that_hold_themselves():
    held: list = [1.0]
    held.append(held)
    table: dict = {"a": 1.0}
    table["self"] = table
    deep: list = [nested(300, lambda x: {"k": (1.0, x)})]
    deep.append({"back": (2.0, deep)})
    places = ((held, r"list that holds itself, at \[1\]"), (table, r"dict that holds itself, at \['self'\]"),
              ((1.0, held), r"list that holds itself, at \[1\]"), (deep, r"list that holds itself, at \[1\]\['back'\]\[1\]"))
    for x, place in places:
        for operator in (tg.jit, tg.grad, tg.vmap):
            with pytest.raises(tg.ArgumentError, match=place):
                operator(lambda x: 1.0)(x)
    shared = [1.0]
    assert tg.jit(lambda x: x[0][0] + x[1][0])((shared, shared)) == 2.0


def test_results_that_hold_themselves():
    def appended(x):
        x.append(x)
        return x

    def looped(x):
        table = {"a": x, "b": 2.0 * x}
        table["c"] = (table["b"], [table])
        return (x, table)

    for f, given, kind in ((appended, [1.0], "list"), (looped, 1.0, "dict")):
        with pytest.raises(tg.UnsupportedError, match=f"the function returns a {kind} that holds itself"):
            tg.jit(f)(given)

    def doubled(x):
        held = [x]
        for _ in range(12):
            held = [held, held]                          # 4096 times the same number
        return held

    assert len(tg.tree.flatten(tg.jit(doubled)(2.0))[0]) == 4096


# --- arguments that are not what they seem ----------------------------------------------------------------------------

class Gives:
    def __init__(self, make):
        self.make, self.asked = make, 0

    def __array__(self, dtype=None, copy=None):
        self.asked += 1
        return self.make(self)


class Misdeclared:
    def __array__(self, a, b, c, d):
        return np.ones(3)


def raises(_):
    raise RuntimeError("no array today")


def test_objects_that_give_arrays():
    f = tg.jit(lambda x: np.sum(x * 2))
    assert f(Gives(lambda _: np.ones(3))) == 6.0
    changing = Gives(lambda g: np.ones(g.asked, ["f8", "f4", "i8"][g.asked % 3]))
    for count in range(1, 8):
        assert f(changing) == 2.0 * count and changing.asked == count
    for make in (lambda _: 5, lambda g: g, lambda _: None):
        with pytest.raises(tg.ArgumentError, match="gives no array"):
            f(Gives(make))
    with pytest.raises(tg.ArgumentTypeError, match="gives no array"):
        f(Misdeclared())
    with pytest.raises(RuntimeError, match="no array today"):
        f(Gives(raises))


def test_buffers():
    x = np.array([1.0, 2.0])
    assert np.array_equal(tg.grad(lambda x: np.sum(x * x))(memoryview(x)), [2.0, 4.0])
    assert np.array_equal(tg.grad(lambda x: np.sum(np.from_dlpack(x) ** 2))(x), [2.0, 4.0])


@pytest.mark.parametrize("name", ["__hash__", "__eq__", "__len__", "__iter__", "__bool__", "__repr__", "__getattr__"])
def test_hostile_objects(name):
    """Their own errors come out, or nothing does."""
    def fails(*_):
        raise RuntimeError("hostile")

    x = type("Hostile", (), {name: fails} | ({"__hash__": lambda self: 1} if name == "__eq__" else {}))()
    f = tg.jit(lambda o, x: x * 2)
    for _ in range(2):
        try:
            assert f(x, 2.0) == 4.0
        except RuntimeError as error:
            assert str(error) == "hostile"


@pytest.mark.parametrize("subscripts", ["ii", "ij->i", "ij->", "ij,ij->ij", "ij,jk->ik", "ij,ij->"])
def test_einsum_of_bools(subscripts):
    a = np.array([[True, False, True], [False, False, False], [True, True, True]])
    args = (a, ~a)[:1 + subscripts.count(",")]
    want, got = (np.einsum(subscripts, *args), tg.jit(lambda *a: np.einsum(subscripts, *a))(*args))
    assert np.asarray(got).dtype == bool and np.array_equal(got, want)


@pytest.mark.parametrize("reduce", [np.add.reduce, np.multiply.reduce, np.sum, np.prod])
def test_reductions_as_bools(reduce):
    a = np.array([[True, False], [False, False], [True, True]])
    for axis in (0, 1, None):
        def run(a, axis=axis):
            return reduce(a, axis=axis, dtype=bool)
        want, got = run(a), tg.jit(run)(a)
        assert np.asarray(got).dtype == bool and np.array_equal(got, want)
