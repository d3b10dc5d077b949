"""Whatever a program reads is in the name of its entry: after any edit the next process computes what Python does."""
import logging

import numpy as np
import pytest
from disk import folder, module, origin  # noqa: F401
from tracegrad.lowering.cache import environment
from tracegrad.lowering.native import engine

import tracegrad as tg

HEAD = """
import collections, dataclasses, enum, functools, math, os, random, time
from typing import NamedTuple
import numpy as np
import tracegrad as tg
"""
JIT = "\n@tg.jit\ndef f(x):\n    "

DEEP = "def make(k):\n    def g(x):\n        return x * k\n    return tg.jit(lambda x: g(x))\n"
RULE = "@tg.custom_jvp\ndef g(x):\n    return x\nf = tg.grad(lambda x: np.sum(g(x)))\n"

# name: (before, after)
EDITS = {
    "function": (JIT + "return x + 1", JIT + "return x + 2"),
    "helper": ("def h(x):\n    return x + 1" + JIT + "return h(x)", "def h(x):\n    return x + 2" + JIT + "return h(x)"),
    "helper of a helper": ("def g(x):\n    return x + 1\ndef h(x):\n    return g(x)" + JIT + "return h(x)",
                           "def g(x):\n    return x * 3\ndef h(x):\n    return g(x)" + JIT + "return h(x)"),
    "int": ("N = 2" + JIT + "return x * N", "N = 3" + JIT + "return x * N"),
    "kind of number": ("N = 2" + JIT + "return x // N", "N = 2.0" + JIT + "return x // N"),
    "float": ("A = 0.1" + JIT + "return x * A", "A = 0.1 + 2**-56" + JIT + "return x * A"),
    "sign of zero": ("A = 0.0" + JIT + "return np.copysign(x, A)", "A = -0.0" + JIT + "return np.copysign(x, A)"),
    "string": ("M = 'sin'" + JIT + "return np.sin(x) if M == 'sin' else x",
               "M = 'cos'" + JIT + "return np.sin(x) if M == 'sin' else x"),
    "bool": ("B = True" + JIT + "return x if B else -x", "B = False" + JIT + "return x if B else -x"),
    "none": ("B = None" + JIT + "return x if B is None else -x", "B = 0" + JIT + "return x if B is None else -x"),
    "list": ("L = [1.0, 2.0]" + JIT + "return x * L[1]", "L = [1.0, 3.0]" + JIT + "return x * L[1]"),
    "length of a list": ("L = [1.0]" + JIT + "return x * len(L)", "L = [1.0, 1.0]" + JIT + "return x * len(L)"),
    "dict": ("D = {'a': 1.0}" + JIT + "return x * D['a']", "D = {'a': 2.0}" + JIT + "return x * D['a']"),
    "order of a dict": ("D = {'a': 1.0, 'b': 2.0}" + JIT + "return x * list(D.values())[0]",
                        "D = {'b': 2.0, 'a': 1.0}" + JIT + "return x * list(D.values())[0]"),
    "nested": ("D = {'a': [(1.0, {'z': 2.0})]}" + JIT + "return x * D['a'][0][1]['z']",
               "D = {'a': [(1.0, {'z': 5.0})]}" + JIT + "return x * D['a'][0][1]['z']"),
    "attribute": ("class C:\n    pass\nc = C(); c.k = 1.0" + JIT + "return x * c.k",
                  "class C:\n    pass\nc = C(); c.k = 2.0" + JIT + "return x * c.k"),
    "class attribute": ("class C:\n    k = 1.0\nc = C()" + JIT + "return x * c.k",
                        "class C:\n    k = 2.0\nc = C()" + JIT + "return x * c.k"),
    "method": ("class C:\n    def m(self, x):\n        return x\nc = C()" + JIT + "return c.m(x)",
               "class C:\n    def m(self, x):\n        return -x\nc = C()" + JIT + "return c.m(x)"),
    "base class": ("class B:\n    def m(self, x):\n        return x\nclass C(B): pass\nc = C()" + JIT + "return c.m(x)",
                   "class B:\n    def m(self, x):\n        return -x\nclass C(B): pass\nc = C()" + JIT + "return c.m(x)"),
    "slots": ("class C:\n    __slots__ = ('k',)\nc = C(); c.k = 1.0" + JIT + "return x * c.k",
              "class C:\n    __slots__ = ('k',)\nc = C(); c.k = 2.0" + JIT + "return x * c.k"),
    "property": ("class C:\n    @property\n    def k(self):\n        return 1.0\nc = C()" + JIT + "return x * c.k",
                 "class C:\n    @property\n    def k(self):\n        return 2.0\nc = C()" + JIT + "return x * c.k"),
    "dataclass default": ("@dataclasses.dataclass\nclass C:\n    k: float = 1.0" + JIT + "return x * C().k",
                          "@dataclasses.dataclass\nclass C:\n    k: float = 2.0" + JIT + "return x * C().k"),
    "enum": ("class E(enum.Enum):\n    A = 1.0" + JIT + "return x * E.A.value",
             "class E(enum.Enum):\n    A = 2.0" + JIT + "return x * E.A.value"),
    "closure": ("def make(k):\n    return tg.jit(lambda x: x * k)\nf = make(1.0)",
                "def make(k):\n    return tg.jit(lambda x: x * k)\nf = make(2.0)"),
    "closure of a closure": (DEEP + "f = make(1.0)", DEEP + "f = make(2.0)"),
    "default": ("\n@tg.jit\ndef f(x, k=1.0):\n    return x * k", "\n@tg.jit\ndef f(x, k=2.0):\n    return x * k"),
    "default from elsewhere": ("K = 1.0\n@tg.jit\ndef f(x, k=K):\n    return x * k",
                               "K = 2.0\n@tg.jit\ndef f(x, k=K):\n    return x * k"),
    "keyword default": ("\n@tg.jit\ndef f(x, *, k=1.0):\n    return x * k", "\n@tg.jit\ndef f(x, *, k=2.0):\n    return x * k"),
    "function attribute": ("def g(x):\n    return x * g.k\ng.k = 1.0\nf = tg.jit(g)",
                           "def g(x):\n    return x * g.k\ng.k = 2.0\nf = tg.jit(g)"),
    "partial": ("def g(k, x):\n    return k * x\nf = tg.jit(functools.partial(g, 1.0))",
                "def g(k, x):\n    return k * x\nf = tg.jit(functools.partial(g, 2.0))"),
    "function in a table": ("T = {'a': lambda x: x}" + JIT + "return T['a'](x)",
                            "T = {'a': lambda x: -x}" + JIT + "return T['a'](x)"),
    "inner function": (JIT + "def g(y):\n        return y + 1\n    return g(x)",
                       JIT + "def g(y):\n        return y + 2\n    return g(x)"),
    "other NumPy function": ("op = np.sin" + JIT + "return op(x)", "op = np.cos" + JIT + "return op(x)"),
    "NumPy scalar": ("A = np.float64(1.0)" + JIT + "return x * A", "A = np.float64(2.0)" + JIT + "return x * A"),
    "dtype": ("D = np.dtype('f8')" + JIT + "return x.astype(D)", "D = np.dtype('f4')" + JIT + "return x.astype(D)"),
    "small array": ("A = np.array([2])" + JIT + "return np.ones(A[0]) * x[0]",
                    "A = np.array([3])" + JIT + "return np.ones(A[0]) * x[0]"),
    "array": ("A = np.full(3, 2.0)" + JIT + "return A * x", "A = np.full(3, 5.0)" + JIT + "return A * x"),
    "large array": ("A = np.full(3000, 2.0)" + JIT + "return A[:3] * x", "A = np.full(3000, 5.0)" + JIT + "return A[:3] * x"),
    "shape of an array": ("A = np.full((3, 900), 2.0)" + JIT + "return A[0, 0] * x",
                          "A = np.full((3, 901), 3.0)" + JIT + "return A[0, 0] * x"),
    "custom rule": (RULE + "g.defjvp(lambda p, t: (p[0], t[0]))", RULE + "g.defjvp(lambda p, t: (p[0], 2 * t[0]))"),
    "which argument": ("def g(x, y=3.0):\n    return np.sum(x * x)\nf = tg.grad(g)",
                       "def g(x, y=3.0):\n    return np.sum(x * x)\nf = tg.value_and_grad(g)"),
    "has aux": ("f = tg.jit(lambda x: (np.sum(x * x), x))",
                "f = tg.grad(lambda x: (np.sum(x * x), x), has_aux=True)"),
    "assertion": (JIT + "assert x[0] < 9, 'a'\n    return x", JIT + "assert x[0] < 9, 'b'\n    return x * 2"),
    "unit of a pragma": (JIT + "s = 0.0\n    for k in tg.unroll(range(3)):\n        s = s + x[k]\n    return s",
                         JIT + "s = 0.0\n    for k in tg.unroll(range(2)):\n        s = s + x[k]\n    return s"),
}


def value(tmp_path, source):
    f = module(tmp_path, HEAD + source).f
    return f, f(np.arange(1.0, 4.0))


def same(a, b):
    for x, y in zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]:
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_seen_by_the_next_process(folder, tmp_path, name):  # noqa: F811
    before, after = EDITS[name]
    with tg.config(cache=False):
        expected = [value(tmp_path, source)[1] for source in (before, after)]
    for source, right in ((before, expected[0]), (after, expected[1]), (before, expected[0]), (after, expected[1])):
        f, found = value(tmp_path, source)
        same(found, right)
    assert origin(f) == "disk"


def test_helper_in_another_file(folder, tmp_path):  # noqa: F811
    user = HEAD + "import helpers\nfrom helpers import other" + JIT + "return helpers.h(x) + other(x)"
    for factor in (1.0, 2.0, 1.0):
        module(tmp_path, f"K = {factor}\ndef h(x):\n    return x * K\ndef other(x):\n    return x * {factor}\n", "helpers")
        f = module(tmp_path, user).f
        np.testing.assert_array_equal(f(np.arange(3.0)), 2 * factor * np.arange(3.0))
    assert origin(f) == "disk"


UNSEEN = {
    "__array__": "class C:\n    def __array__(self, *a, **k):\n        return A[5:8]\nC = C()"
                 + JIT + "return x * np.asarray(C)",
    "key": "def key(i):\n    return A[i]" + JIT + "return x * max([5, 6, 7], key=key)",
    "map": "def g(i):\n    return float(A[i])" + JIT + "return x * sum(list(map(g, [5, 6])))",
    "library": "P = np.polynomial.Polynomial(A)" + JIT + "return x * P.coef[5]",
    "apply": "def g(r):\n    return r.sum() + A[5]\nS = np.ones((2, 3))" + JIT + "return x * np.apply_along_axis(g, 1, S)[0]",
}


@pytest.mark.parametrize("name", UNSEEN)
def test_elements_that_code_reads_which_is_not_traced(folder, tmp_path, name):  # noqa: F811
    sources = [f"A = np.arange(300.0) {change}\n" + UNSEEN[name] for change in ("", "+ 1", "* -1", "")]
    for source in sources:
        with tg.config(cache=False):
            try:
                right = value(tmp_path, source)[1]
            except (tg.TracegradError, TypeError):
                pytest.skip("refused by the tracer")
        np.testing.assert_array_equal(value(tmp_path, source)[1], right)


@pytest.mark.parametrize("change", ["source", "versions", "cpu", "features", "llvm"])
def test_another_environment_has_entries_of_its_own(folder, tmp_path, monkeypatch, change):  # noqa: F811
    source = JIT + "return x + 1"
    value(tmp_path, source)
    target, names = engine.target_names(), environment.versions()
    monkeypatch.setattr(*{
        "source": (environment, "source_digest", lambda: "other"),
        "versions": (environment, "versions", lambda: (*names, "1.2")),
        "cpu": (engine, "target_names", lambda: ("z80", *target[1:])),
        "features": (engine, "target_names", lambda: (target[0], "-sse", *target[2:])),
        "llvm": (engine, "target_names", lambda: (*target[:2], "0", *target[3:]))}[change])
    f, _ = value(tmp_path, source)
    assert origin(f) == "compiled"
    assert ("passes" in f.specializations[0].phases) == (change != "versions")      # the text says all that LLVM is given


def test_moved_lines_are_traced_again_and_not_compiled(folder, tmp_path):  # noqa: F811
    """Errors must point at the present lines; the machine code is the same."""
    value(tmp_path, JIT + "return x[np.int64(1):][1]")
    f, _ = value(tmp_path, "# a comment\n" + JIT + "# another\n    return x[np.int64(1):][1]")
    assert origin(f) == "compiled" and {"trace", "load"} <= f.specializations[0].phases.keys()
    assert "passes" not in f.specializations[0].phases


UNKNOWN = {
    "the clock": "T = time.perf_counter" + JIT + "return x * 0 + (T() > 0)",
    "chance": "R = np.random.default_rng(0)" + JIT + "return x * R.integers(1, 2)",
    "the system": JIT + "return x * len(os.environ.get('NOWHERE', 'a'))",
    "files": JIT + "return x * len(open(os.devnull).read() + 'a')",
    "globals": "K = 1" + JIT + "return x * globals()['K']",
    "identity": JIT + "return x * min(id(x), 1)",
    "iterators": "I = iter([1.0, 2.0])" + JIT + "return x * next(I)",
    "objects that answer everything": "class M:\n    def __getattr__(self, name):\n        raise RuntimeError(name)\n"
                                      "class N:\n    __slots__ = ()\n    @property\n    def __dict__(self):\n        1 / 0\n"
                                      "M, N = M(), N()" + JIT + "return x if M is not N else -x",
    "more than is looked at": "L = list(range(200_000))" + JIT + "return x * L[1]",
    "computed attributes": "import helpers" + JIT + "return x * getattr(helpers, 'K' + 'K')",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_no_name_says_is_not_kept(folder, tmp_path, caplog, name):  # noqa: F811
    module(tmp_path, "KK = 1", "helpers")
    caplog.set_level(logging.INFO, "tracegrad.cache")
    try:
        f, _ = value(tmp_path, UNKNOWN[name])
    except tg.TracegradError:                         # the tracer itself may refuse it
        return
    assert origin(f) == "compiled" and not list(folder.glob("*.call"))
    assert "is not kept on disk" in caplog.text


def test_functions_that_nothing_leads_to_are_not_kept(folder, tmp_path, caplog):  # noqa: F811
    caplog.set_level(logging.INFO, "tracegrad.cache")
    head, tail = "def make():\n    t = {'h': lambda x: x * ", "}\n    return t.get\nG = make()" + JIT + "return G('h')(x)"
    value(tmp_path, head + "2" + tail)
    g, _ = value(tmp_path, head + "3" + tail)
    np.testing.assert_array_equal(g(np.ones(2)), np.full(2, 3.0))
