"""A second process takes what the first has compiled: same values, same errors, neither traced nor compiled."""
import subprocess
import sys

import numpy as np
import pytest
from disk import folder, module, origin  # noqa: F401

import tracegrad as tg

HEAD = """
import collections, dataclasses, enum, functools, math
from typing import NamedTuple
import numpy as np
import tracegrad as tg
"""

# name: (the module, what it calls, with `np`, `tg` and the module's names)
PROGRAMS = {
    "array": ("@tg.jit\ndef f(x):\n    return np.sin(x) * 2.0", "f, (np.arange(5.0),)"),
    "single": ("@tg.jit\ndef f(x):\n    return x / 3", "f, (np.arange(5, dtype=np.float32),)"),
    "empty": ("@tg.jit\ndef f(x):\n    return np.sum(x), x", "f, (np.zeros((0, 3)),)"),
    "strided": ("@tg.jit\ndef f(x):\n    return x @ x.T", "f, (np.arange(24.0).reshape(4, 6)[:, ::2],)"),
    "complex": ("@tg.jit\ndef f(x, z):\n    return x * z", "f, (np.arange(3.0), 1 + 2j)"),
    "grad": ("f = tg.grad(lambda x: np.sum(np.tanh(x) ** 2))", "f, (np.arange(4.0),)"),
    "value and grad": ("f = tg.value_and_grad(lambda a, b: (a @ b).sum(), argnums=(0, 1))",
                       "f, (np.ones((3, 4)), np.arange(8.0).reshape(4, 2))"),
    "second order": ("f = tg.grad(tg.grad(lambda x: x ** 3))", "f, (2.0,)"),
    "hessian": ("f = tg.hessian(lambda x: np.sum(x[1:] * x[:-1] ** 2))", "f, (np.arange(4.0),)"),
    "jacobian": ("f = tg.jacobian(lambda x: np.cumsum(np.exp(x)))", "f, (np.arange(3.0),)"),
    "vmap": ("f = tg.vmap(lambda x, y: x @ y, in_axes=(0, None))", "f, (np.ones((3, 4)), np.arange(4.0))"),
    "sort and solve": ("@tg.jit\ndef f(a, b):\n    return np.sort(b), np.linalg.solve(a, b), np.linalg.eigvalsh(a)",
                       "f, (np.eye(3) * 2 + 0.1, np.array([3.0, 1.0, 2.0]))"),
    "structures": ("""
class P(NamedTuple):
    mass: float
    place: np.ndarray
@dataclasses.dataclass
class Q:
    p: P
    scale: float
@tg.jit
def f(q, d):
    return Q(P(q.p.mass * 2, q.p.place + d["b"]), q.scale), {"z": d["a"], "a": [q.p.place]}, (), None
""", "f, (Q(P(1.5, np.arange(3.0)), 2.0), {'b': 1.0, 'a': np.ones(2)})"),
    "none or a number": ("@tg.jit\ndef f(x):\n    for k, v in enumerate(x):\n        if v > 2:\n            return k",
                         "f, (np.arange(5.0),)"),
    "text": ("@tg.jit\ndef f(x):\n    return x, 'up' if x > 0 else 'down'", "f, (-1.5,)"),
    "static": ("@tg.jit\ndef f(x, n, mode):\n    return np.zeros(n) + x if mode == 'a' else x", "f, (np.ones(1), 4, 'a')"),
    "enum": ("""
class Kind(enum.Enum):
    SIN, COS = 1, 2
@tg.jit
def f(x, kind):
    return np.sin(x) if kind is Kind.SIN else np.cos(x)
""", "f, (np.arange(3.0), Kind.COS)"),
    "function": ("def g(x):\n    return x * 3\n@tg.jit\ndef f(h, x):\n    return h(x)", "f, (g, np.arange(3.0))"),
    "method": ("""
class Model:
    gain = 2.0
    def __init__(self, w):
        self.w = w
    @property
    def twice(self):
        return self.w * 2
    def __call__(self, x):
        return np.tanh(self.twice @ x) * self.gain
model = Model(np.arange(6.0).reshape(2, 3))
f = tg.jit(model)
""", "f, (np.ones(3),)"),
    "captured": ("A = np.arange(2000.0)\n@tg.jit\ndef f(x):\n    return A * x", "f, (2.0,)"),
    "captured in containers": ("""
W = {"layers": [(np.ones((300, 3)), np.zeros(3))], "rate": 0.5}
@tg.jit
def f(x):
    w, b = W["layers"][0]
    return (x @ w + b) * W["rate"]
""", "f, (np.ones(300),)"),
    "known elements": ("N = np.array([2, 3])\n@tg.jit\ndef f(x):\n    return 2.0 * x.reshape(N[0], N[1])",
                       "f, (np.arange(6.0),)"),
    "closure": ("""
def make(k, table):
    def f(x):
        return x * k + table
    return tg.jit(f)
f = make(3.0, np.arange(400.0))
""", "f, (np.ones(400),)"),
    "writes": ("@tg.jit\ndef f(x):\n    x[1:] += x[:-1]\n    return x", "f, (np.arange(5.0),)"),
    "loops": ("@tg.jit\ndef f(x):\n    s = 0.0\n    for v in x:\n        if v > 1:\n            s += v ** 2\n    return s",
              "f, (np.arange(5.0),)"),
    "lengths": ("@tg.jit\ndef f(x):\n    return x[x > 1.0]", "f, (np.arange(5.0),)"),
    "partial": ("def g(k, x):\n    return k * x\nf = tg.jit(functools.partial(g, 3.0))", "f, (np.arange(3.0),)"),
    "custom rule": ("""
@tg.custom_vjp
def clip(x):
    return np.minimum(x, 1.0)
clip.defvjp(lambda x: (clip(x), x), lambda x, g: (g * 0.5,))
f = tg.grad(lambda x: np.sum(clip(x)))
""", "f, (np.arange(3.0),)"),
    "checkpoint": ("@tg.checkpoint\ndef g(x):\n    return np.sin(x)\nf = tg.grad(lambda x: np.sum(g(x)))",
                   "f, (np.arange(3.0),)"),
    "local import": ("@tg.jit\ndef f(x):\n    import math\n    return math.sin(x)", "f, (0.5,)"),
    "prints": ("@tg.jit\ndef f(x):\n    print('x is', x)\n    return x", "f, (0.5,)"),
    "large constant": ("@tg.jit\ndef f(x):\n    return x + np.linspace(0.0, 1.0, 30_000) ** 2", "f, (0.5,)"),
}


def run(tmp_path, program, call):
    made = module(tmp_path, HEAD + program)
    f, args = eval(call, vars(made))
    return f, f(*args), args, made


def same(a, b):
    if isinstance(a, (tuple, list)):
        assert len(a) == len(b) and type(a).__name__ == type(b).__name__
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        same(list(a.values()), list(b.values()))
    elif type(a).__name__ == "Q":
        same([a.p, a.scale], [b.p, b.scale])
    else:
        assert type(a) is type(b)
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_later_process_takes_it_from_the_disk(folder, tmp_path, name):  # noqa: F811
    program, call = PROGRAMS[name]
    f, first, seen, _ = run(tmp_path, program, call)
    g, second, too, made = run(tmp_path, program, call)
    assert (origin(f), origin(g)) == ("compiled", "disk")
    same(second, first)
    for a, b in zip(seen, too, strict=True):
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)                 # what it overwrites
    again = eval(call, vars(made))[1]
    same(g(*again), first)                                      # the native entry
    assert len(g.specializations) == 1 and g.specializations[0].hits == 2
    assert "load" in g.specializations[0].phases and "trace" not in g.specializations[0].phases


def test_captured_arrays_are_looked_up_at_each_call(folder, tmp_path):  # noqa: F811
    source = HEAD + "A = np.arange(2000.0)\n@tg.jit\ndef f(x):\n    return A * x"
    module(tmp_path, source).f(2.0)
    later = module(tmp_path, source)
    later.A += 1
    np.testing.assert_array_equal(later.f(2.0), 2 * (np.arange(2000.0) + 1))
    assert origin(later.f) == "disk"
    later.A = np.ones(2000)
    np.testing.assert_array_equal(later.f(2.0), np.full(2000, 2.0))
    later.A = np.ones(3)
    np.testing.assert_array_equal(later.f(2.0), np.full(3, 2.0))
    assert origin(later.f) == "compiled"


def test_elements_that_decided_the_program_are_compared(folder, tmp_path):  # noqa: F811
    source = HEAD + "N = np.arange(2, 402)\n@tg.jit\ndef f(x):\n    return np.zeros(N[0]) + x"
    assert module(tmp_path, source).f(1.0).shape == (2,)
    later = module(tmp_path, source)
    later.N[0] = 5
    assert later.f(1.0).shape == (5,) and origin(later.f) == "compiled"
    later = module(tmp_path, source)
    assert later.f(1.0).shape == (2,)


def test_values_of_deciding_integers_have_entries_of_their_own(folder, tmp_path):  # noqa: F811
    source = HEAD + "@tg.jit\ndef f(x, n):\n    return np.ones(n) * x"
    first = module(tmp_path, source).f
    assert [first(2.0, n).size for n in (3, 4)] == [3, 4]
    later = module(tmp_path, source).f
    assert [later(2.0, n).size for n in (4, 3, 5)] == [4, 3, 5]
    assert [s.origin for s in sorted(later.specializations, key=lambda s: s.types)] == ["disk", "disk", "compiled"]


def test_other_forms_of_call_and_other_layouts(folder, tmp_path):  # noqa: F811
    source = HEAD + "@tg.jit\ndef f(x, k=2.0, *, shift=1.0):\n    return x * k + shift"
    x = np.arange(4.0)
    np.testing.assert_array_equal(module(tmp_path, source).f(x, 3.0, shift=2.0), 3 * x + 2)
    later = module(tmp_path, source).f
    np.testing.assert_array_equal(later(x, shift=2.0, k=3.0), 3 * x + 2)
    np.testing.assert_array_equal(later(x, 3.0, shift=2.0), 3 * x + 2)
    np.testing.assert_array_equal(later(x[::-1], 3.0, shift=2.0), 3 * x[::-1] + 2)
    np.testing.assert_array_equal(later(x.astype(">f8"), k=3.0, shift=2.0), 3 * x + 2)
    assert [s.origin for s in later.specializations] == ["disk"]


def test_failed_checks_raise_the_same_error_at_the_same_line(folder, tmp_path):  # noqa: F811
    source = HEAD + "@tg.jit\ndef f(x, i):\n    assert i != 7, f'seven'\n    return x[i]"
    f = module(tmp_path, source).f
    for _ in range(2):
        assert f(np.arange(4.0), np.int64(2)) == 2.0
        with pytest.raises(IndexError, match=r"(?s)index 9 .*program\.py\", line 9.*return x\[i\]"):
            f(np.arange(4.0), np.int64(9))
        with pytest.raises(AssertionError, match="seven"):
            f(np.arange(4.0), np.int64(7))
        f = module(tmp_path, source).f
    f(np.arange(4.0), np.int64(1))
    assert origin(f) == "disk"


def test_users_exceptions(folder, tmp_path):  # noqa: F811
    source = HEAD + ("class Odd(ValueError):\n    pass\n@tg.jit\ndef f(x):\n    if x > 3:\n"
                     "        raise Odd(f'not {x}')\n    return x")
    for expected in ("compiled", "disk"):
        made = module(tmp_path, source)
        assert made.f(2.0) == 2.0 and origin(made.f) == expected
        with pytest.raises(made.Odd, match=r"not 4\.0"):
            made.f(4.0)


def test_options_have_entries_of_their_own(folder, tmp_path):  # noqa: F811
    source = HEAD + "@tg.jit\ndef f(x):\n    return np.sum(x * x)"
    with tg.config(fastmath=True):
        module(tmp_path, source).f(np.ones(5))
    plain = module(tmp_path, source).f
    plain(np.ones(5))
    assert origin(plain) == "compiled"
    with tg.config(fastmath=True):
        fast = module(tmp_path, source).f
        fast(np.ones(5))
        assert origin(fast) == "disk"


def test_off_writes_and_reads_nothing(folder, tmp_path):  # noqa: F811
    source = HEAD + "@tg.jit\ndef f(x):\n    return x + 1"
    with tg.config(cache=False):
        module(tmp_path, source).f(1.0)
        assert not folder.exists()
    module(tmp_path, source).f(1.0)
    with tg.config(cache=False):
        f = module(tmp_path, source).f
        f(1.0)
        assert origin(f) == "compiled"


def test_two_real_processes(tmp_path):
    (tmp_path / "program.py").write_text(HEAD + "def f(x):\n    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2)\n"
                                         "g = tg.grad(f)\nprint(g(np.arange(5.0)), g.specializations[0].origin)\n")
    root = str(next(p for p in __import__("pathlib").Path(__file__).parents if (p / "pyproject.toml").exists()))
    environment = {**__import__("os").environ, "TRACEGRAD_CACHE": "1", "TRACEGRAD_CACHE_DIR": str(tmp_path / "cache"),
                   "PYTHONPATH": root, "PYTHONHASHSEED": "random"}
    out = [subprocess.run([sys.executable, "program.py"], env=environment, cwd=tmp_path, capture_output=True, text=True,
                          check=True).stdout for _ in range(2)]
    assert out[1] == out[0].replace("compiled", "disk")
