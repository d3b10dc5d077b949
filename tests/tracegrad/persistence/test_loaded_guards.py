"""A program from the disk holds for as long as one that was compiled: whatever it has read is looked at before each call."""
import builtins
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from disk import folder, module, origin  # noqa: F401

PROGRAM = """
import enum, functools, types
from typing import NamedTuple
import numpy as np
import tracegrad as tg

SCALE, FLAG, NAME = 2.0, True, "sin"
Z, C32 = 1 + 2j, np.float32(0.5)
TABLE = {"rate": 0.5, "names": ["a", "b"], "deep": {"k": (1.0, [2.0])}}
ITEMS = [1.0, 2.0, 3.0]
LONG = list(range(100))
TUPLE = (1.0, (2.0, "x"))
STEPS = range(3)
MEMBERS = frozenset({"a", "b"})
A = np.arange(2000.0)
SMALL = np.array([2, 3])
OP = np.sin
DTYPE = np.dtype("f4")

def helper(x):
    return x * 3.0

def other(x):
    return x - 7.0

@tg.jit
def compiled(x):
    return helper(x) + 1.0

def default(x, k=1.5, *, shift=0.25):
    return x * k + shift

class Kind(enum.Enum):
    PLUS, MINUS = 1, 2
KIND = Kind.PLUS

class Base:
    gain = 4.0
    def scaled(self, x):
        return x * self.gain

class Model(Base):
    def __init__(self, w):
        self.w = w
    @property
    def twice(self):
        return self.w * 2
    def __call__(self, x):
        return self.scaled(x) + self.twice

class Slots:
    __slots__ = ("k",)

class Pair(NamedTuple):
    a: float
    b: float

model, slots, pair = Model(1.0), Slots(), Pair(1.0, 2.0)
slots.k = 3.0
space = types.SimpleNamespace(k=1.0, w=np.arange(2000.0))
scaled = functools.partial(default, k=2.0)

def make(k, h):
    def inner(x):
        return h(x) * k
    def rebind(to):
        nonlocal k
        k = to
    return inner, rebind
inner, rebind = make(2.0, helper)
"""

# name: (what f(x) returns, what changes it: each in turn)
CHANGES = {
    "global": ("x * SCALE", ["SCALE = 5.0", "SCALE = 3", "SCALE = np.float32(0.1)", "SCALE = True"]),
    "complex": ("x * Z", ["Z = 2j"]),
    "NumPy scalar": ("x * C32", ["C32 = np.float64(0.5)", "C32 = np.float32(0.25)"]),
    "flag": ("x if FLAG else -x", ["FLAG = False", "FLAG = ''"]),
    "text": ("np.sin(x) if NAME == 'sin' else x", ["NAME = 'cos'"]),
    "name that is gone": ("x * SCALE", ["del SCALE\nimport builtins\nbuiltins.SCALE = 9.0"]),
    "builtin": ("x * abs(-2.0)", ["abs = lambda y: 10.0"]),
    "helper": ("helper(x)", ["helper = other", "def helper(x):\n    return x * x"]),
    "code of a helper": ("helper(x)", ["helper.__code__ = other.__code__"]),
    "compiled helper": ("compiled(x)", ["helper = other", "compiled = tg.jit(other)", "compiled = other"]),
    "default": ("default(x)", ["default.__defaults__ = (9.0,)", "default.__kwdefaults__ = {'shift': 2.0}",
                               "default.__kwdefaults__['shift'] = 3.0"]),
    "closure": ("inner(x)", ["rebind(7.0)", "rebind(np.arange(3.0))", "inner, rebind = make(3.0, other)"]),
    "dict": ("x * TABLE['rate']", ["TABLE['rate'] = 0.75", "TABLE = {'rate': 8.0}"]),
    "nested": ("x * TABLE['deep']['k'][1][0]", ["TABLE['deep']['k'][1][0] = 5.0", "TABLE['deep'] = {'k': (0.0, [6.0])}"]),
    "whole dict": ("x * len(TABLE) + sum(len(k) for k in TABLE)", ["TABLE['new key'] = 1"]),
    "whole list": ("x * sum(ITEMS)", ["ITEMS[1] = 9.0", "ITEMS.append(1.0)", "ITEMS[:] = []"]),
    "long list": ("x * sum(LONG)", ["LONG[70] = -1", "LONG.append(1)"]),
    "missing key": ("x * TABLE.get('other', 1.0)", ["TABLE['other'] = 3.0"]),
    "in": ("x if 'c' in MEMBERS else -x", ["MEMBERS = frozenset('c')"]),
    "tuple": ("x * TUPLE[1][0]", ["TUPLE = (1.0, (9.0, 'x'))"]),
    "range": ("x * sum(STEPS)", ["STEPS = range(5)"]),
    "enum": ("x if KIND is Kind.PLUS else -x", ["KIND = Kind.MINUS"]),
    "attribute": ("model.w * x", ["model.w = 8.0", "model = Model(3.0)"]),
    "class attribute": ("model.scaled(x)", ["Base.gain = 6.0", "Model.gain = 7.0", "model.gain = 8.0"]),
    "method": ("model.scaled(x)", ["Base.scaled = lambda self, x: x - self.gain", "Model.scaled = lambda self, x: x + 1"]),
    "property": ("model.twice + x", ["model.w = 8.0", "Model.twice = property(lambda self: 11.0)"]),
    "callable object": ("model(x)", ["model.w = 4.0", "Model.__call__ = lambda self, x: x + 100"]),
    "attribute that appears": ("x * getattr(model, 'extra', 1.0)", ["model.extra = 5.0"]),
    "namespace": ("space.k * x + space.w[0]", ["space.k = 4.0", "space.w += 1.0", "space = types.SimpleNamespace(k=1.0, w=A)"]),
    "keywords of a partial": ("scaled(x)", ["scaled.keywords['k'] = 3.0", "scaled.keywords['shift'] = 1.0"]),
    "slots": ("slots.k * x", ["slots.k = 4.0"]),
    "namedtuple": ("pair.a * x + pair[1]", ["pair = Pair(3.0, 4.0)"]),
    "function of NumPy": ("OP(x)", ["OP = np.cos"]),
    "module": ("np.sin(x)", ["np = types.SimpleNamespace(sin=lambda x: 5.0 * x, sum=np.sum)"]),
    "dtype": ("x.astype(DTYPE)", ["DTYPE = np.dtype('f8')"]),
    "array": ("A * x[0]", ["A += 1.0", "A = np.ones(2000)", "A = np.ones(3)", "A = np.ones(3, 'f4')", "A = 2.0"]),
    "array that decides": ("np.ones(SMALL[0]) * x[0]", ["SMALL[0] = 4", "SMALL = np.array([1, 1])"]),
    "array in a dict": ("x * TABLE['deep']['k'][0] + A[:3]", ["A[0] = 50.0", "TABLE['deep']['k'] = (2.0,)"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen_by_a_program_from_the_disk(folder, tmp_path, name):  # noqa: F811
    returned, changes = CHANGES[name]
    source = f"{PROGRAM}\ndef f(x):\n    return {returned}\ng = tg.jit(f)\n"
    x = np.arange(1.0, 4.0)
    module(tmp_path, source).g(x)
    made = module(tmp_path, source)
    try:
        for change in ["", *changes]:
            exec(change, vars(made))
            expected, found = made.f(x), made.g(x)
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=change)
            np.testing.assert_array_equal(made.g(x), found)              # the native entry
            if not change:
                assert origin(made.g) == "disk"
    finally:
        vars(builtins).pop("SCALE", None)


def test_what_was_changed_back_is_found_again(folder, tmp_path):  # noqa: F811
    source = PROGRAM + "\nf = tg.grad(lambda x: np.sum(x ** 2) * SCALE * model.w)\n"
    x = np.arange(3.0)
    module(tmp_path, source).f(x)
    made = module(tmp_path, source)
    for scale in (2.0, 3.0, 2.0, 3.0):
        made.SCALE = scale
        np.testing.assert_array_equal(made.f(x), 2 * x * scale)
    assert sorted(s.origin for s in made.f.specializations) == ["compiled", "disk"]


def test_numbers_that_were_loaded_count_among_those_that_change(folder, tmp_path):  # noqa: F811
    source = PROGRAM + "\nf = tg.jit(lambda x: x * SCALE)\n"
    module(tmp_path, source).f(1.0)
    made = module(tmp_path, source)
    for made.SCALE in (2.0, 3.0, 4.0, 5.0, 6.0):
        assert made.f(1.0) == made.SCALE
    assert sorted(s.origin for s in made.f.specializations) == ["compiled", "compiled", "disk"]


def test_numbers_that_change_become_inputs_of_loaded_programs_too(folder, tmp_path):  # noqa: F811
    source = PROGRAM + "\n@tg.jit\ndef f(x):\n    return x * SCALE + model.w\n"
    for _ in range(2):
        made = module(tmp_path, source)
        for k in range(6):
            made.SCALE, made.model.w = 2.0 + k, 1.0 - k
            np.testing.assert_array_equal(made.f(np.ones(2)), np.full(2, 2.0 + k + 1.0 - k))
        assert len(made.f.specializations) == 3


TWO = PROGRAM + """
def plain(x):
    return helper(x) * SCALE + inner(x) + model.scaled(x) + default(x) + A[:3]

f, g = tg.jit(plain), tg.grad(lambda x: np.sum(plain(x) ** 2))
x = np.arange(1.0, 4.0)

def check(change):
    np.testing.assert_allclose(f(x), plain(x), rtol=1e-12, err_msg=change)
    slope = [(np.sum(plain(x + h) ** 2) - np.sum(plain(x - h) ** 2)) / 2e-6 for h in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(g(x), slope, rtol=1e-6, err_msg=change)

check("")
print(f.specializations[-1].origin, g.specializations[-1].origin, len(f.specializations))
for change in ("SCALE = 5.0", "helper = other", "rebind(-1.0)", "model.gain = 0.5", "default.__defaults__ = (2.5,)",
               "A[:] = 9.0", "A = np.ones(2000)", "A = np.ones(3)", "SCALE = 2.0", "del model.gain"):
    exec(change)
    check(change)
"""


def test_two_real_processes(tmp_path):
    (tmp_path / "program.py").write_text(TWO)
    root = str(next(p for p in pathlib.Path(__file__).parents if (p / "pyproject.toml").exists()))
    environment = {**os.environ, "TRACEGRAD_CACHE": "1", "TRACEGRAD_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": root}
    for expected in ("compiled", "disk", "disk"):
        run = subprocess.run([sys.executable, "program.py"], env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert run.stdout.split() == [expected, expected, "1"]


ORDERS = {
    "captured": "S = {'a', 'b', 'c'}\nD = {'a': 1.0, 'b': 2.0, 'c': 3.0}\nf = tg.jit(lambda x: [x * D[k] for k in S])",
    "made": "D = {'a': 1.0, 'b': 2.0, 'c': 3.0}\nf = tg.jit(lambda x: [x * D[k] for k in {'a', 'b', 'c'}])",
    "called": "D = {'a': 1.0, 'b': 2.0, 'c': 3.0}\nf = tg.jit(lambda x: [x * D[k] for k in set('abc')])",
    "in a loop": "D = {'a': 1.0, 'b': 2.0}\n@tg.jit\ndef f(x):\n    r = []\n    for k in {'a', 'b'}:\n"
                 "        r.append(x * D[k])\n    return r",
}


@pytest.mark.parametrize("name", ORDERS)
def test_the_order_of_sets_is_that_of_the_process(folder, tmp_path, name):  # noqa: F811
    source = "import tracegrad as tg\n" + ORDERS[name]
    for _ in range(2):
        made = module(tmp_path, source)
        made.f(1.0)
        assert origin(made.f) == "compiled"


def test_membership_of_sets_is_kept(folder, tmp_path):  # noqa: F811
    source = "import tracegrad as tg\n@tg.jit\ndef f(x, m):\n    return x if m in {'a', 'b'} else -x\n"
    for expected in ("compiled", "disk"):
        made = module(tmp_path, source)
        assert made.f(1.0, "b") == 1.0 and origin(made.f) == expected


def test_names_that_builtins_was_given_count(folder, tmp_path, monkeypatch):  # noqa: F811
    source = "import tracegrad as tg\nf = tg.jit(lambda x: x * ADDED)"
    for value in (2.0, 3.0, 2.0):
        monkeypatch.setattr(builtins, "ADDED", value, raising=False)
        assert module(tmp_path, source).f(1.0) == value


@pytest.mark.parametrize("program", [
    "from numpy.random import default_rng as d\n@tg.jit\ndef f(x):\n    return x + d(1).normal()",
    "RNG = np.random.default_rng(1)\n@tg.jit\ndef f(x):\n    return x + RNG.normal()",
    "@tg.jit\ndef f(x, rng=np.random.default_rng(1)):\n    return x + rng.random()",
    "RNG = np.random.default_rng(1)\ng = tg.jit(lambda x, rng: x * rng.standard_normal())\ndef f(x):\n    return g(x, RNG)",
])
def test_programs_that_draw_are_not_kept(folder, tmp_path, program):  # noqa: F811
    for _ in range(2):
        made = module(tmp_path, "import numpy as np\nimport tracegrad as tg\n" + program)
        made.f(1.0)
        assert origin(getattr(made, "g", made.f)) == "compiled"


def test_routines_of_scipy_are_found_by_name(folder, tmp_path):  # noqa: F811
    pytest.importorskip("scipy")
    source = ("import numpy as np\nfrom scipy import special\nimport tracegrad as tg\n"
              "f = tg.jit(lambda x: special.gammaln(x) + special.jv(1.5, x) + special.expit(x))\n")
    x = np.linspace(0.5, 3.0, 7)
    expected = module(tmp_path, source).f(x)
    made = module(tmp_path, source)
    np.testing.assert_array_equal(made.f(x), expected)
    assert origin(made.f) == "disk"


def test_long_loops_that_ask_for_signals_are_kept(folder, tmp_path):  # noqa: F811
    source = ("import numpy as np\nimport tracegrad as tg\n@tg.jit\ndef f(x, n):\n    s = x\n    while n > 0:\n"
              "        s = np.sin(s) + 1e-3\n        n = n - 1\n    return s\n")
    expected = module(tmp_path, source).f(0.5, np.int64(1000))
    made = module(tmp_path, source)
    assert made.f(0.5, np.int64(1000)) == expected and origin(made.f) == "disk"


def test_warnings_about_error_states_come_with_the_disk_too(folder, tmp_path):  # noqa: F811
    source = "import numpy as np\nimport tracegrad as tg\n@tg.jit\ndef f(x):\n    return 1.0 / x\n"
    for _ in range(2):
        made = module(tmp_path, source)
        with np.errstate(divide="raise"), pytest.warns(RuntimeWarning, match="check_numerics"):
            made.f(2.0)
    assert origin(made.f) == "disk"
