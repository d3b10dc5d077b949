"""No stale answer where Python itself makes or finds something: classes that are called, libraries' names, iterators.

Each row: what the module has, what f(x) returns, and what changes, in turn. The compiled function is held to Python after each,
and so is one of another process, which finds the first program on the disk.
"""
import builtins
import functools
import itertools
import math
import operator
import statistics
import sys

import numpy as np
import pytest
from disk import folder, module, origin  # noqa: F401

import tracegrad as tg

HEAD = """
import builtins, contextlib, dataclasses, functools, importlib, math, operator, os, sys, types, collections
import numpy as np
import tracegrad as tg
K = 2.0
"""
DATA = "@dataclasses.dataclass\nclass C:\n    k: float = 1.0\n"
META = "class M(type):\n    def __call__(cls):\n        made = super().__call__()\n        made.k = K\n        return made\n"
PARTIAL = "def g(a, x):\n    return a * x\np = functools.partial(g, 2.0)\n"

# name: (module, result, changes)
CHANGES = {
    "defaults of a dataclass": (DATA, "x * C().k", ["C.__init__.__defaults__ = (5.0,)"]),
    "code of a dataclass's __init__": (DATA, "x * C().k",
                                       ["def i(self, k=1.0): self.k = 9.0\nC.__init__.__code__ = i.__code__"]),
    "__init__ of a dataclass": (DATA, "x * C().k", ["def i(self, k=1.0): self.k = K\nC.__init__ = i", "K = 7.0"]),
    "keyword defaults of a dataclass": (DATA.replace("\n", "(kw_only=True)\n", 1), "x * C().k",
                                        ["C.__init__.__kwdefaults__ = {'k': 5.0}", "C.__init__.__kwdefaults__['k'] = 6.0"]),
    "__post_init__": (DATA + "    def __post_init__(self): self.k = self.k * K\n", "x * C().k",
                      ["K = 5.0", "C.__post_init__ = lambda self: None"]),
    "__eq__ of a dataclass": (DATA + "a, b = C(), C(2.0)", "x if a == b else -x", ["C.__eq__ = lambda s, o: True"]),
    "order of a dataclass": (DATA.replace("\n", "(order=True)\n", 1) + "a, b = C(2.0), C()", "x if a < b else -x",
                             ["C.__lt__ = lambda s, o: True"]),
    "defaults of a namedtuple": ("P = collections.namedtuple('P', 'a b', defaults=[2.0])", "x * P(1.0).b",
                                 ["P.__new__.__defaults__ = (7.0,)"]),
    "__call__ of a metaclass": (META + "class C(metaclass=M): pass", "x * C().k",
                                ["K = 5.0", "M.__call__ = lambda cls: types.SimpleNamespace(k=9.0)"]),
    "state of a partial": (PARTIAL, "p(x)",
                           ["p.__setstate__((g, (7.0,), {}, {}))", "p.__setstate__((operator.sub, (9.0,), {}, {}))"]),
    "__class_getitem__": ("class C:\n    def __class_getitem__(cls, n): return K * n", "x * C[3]",
                          ["K = 5.0", "C.__class_getitem__ = classmethod(lambda cls, n: 9.0)"]),
    "__getitem__ without an end": ("class C:\n    def __getitem__(self, n): return K * n\nc = C()", "x * c[3]", ["K = 5.0"]),
    "__getitem__ of a list's class": ("class L(list): pass\nl = L([1.0])", "x * l[0]",
                                      ["l[0] = 4.0", "L.__getitem__ = lambda s, i: 9.0"]),
    "__len__": ("class C:\n    def __len__(self): return int(K)\nc = C()", "x * len(c)",
                ["K = 5.0", "C.__len__ = lambda s: 9"]),
    "__index__": ("class C:\n    def __index__(self): return int(K)\nc = C()", "x * len(range(c))", ["K = 5.0"]),
    "__iter__": ("class C:\n    def __iter__(self): return iter([K, 1.0])\nc = C()", "x * sum(v for v in c)", ["K = 5.0"]),
    "__setattr__": ("class C:\n    def __setattr__(self, n, v): object.__setattr__(self, n, v * K)\n"
                    "def g(x):\n    c = C()\n    c.k = x\n    return c.k", "g(x)", ["K = 5.0"]),
    "__enter__": ("class C:\n    def __enter__(self): return K\n    def __exit__(self, *a): pass\n"
                  "def g(x):\n    with C() as k:\n        return x * k", "g(x)", ["K = 5.0", "C.__enter__ = lambda self: 9.0"]),
    "__match_args__": ("class P:\n    __match_args__ = ('a', 'b')\n    a, b = 1.0, 2.0\np = P()\n"
                       "def g(x):\n    match p:\n        case P(q):\n            return x * q", "g(x)",
                       ["P.__match_args__ = ('b',)", "P.b = 9.0"]),
    "methodcaller": ("class C:\n    def m(self): return K\nc, get = C(), operator.methodcaller('m')", "x * get(c)",
                     ["K = 5.0", "C.m = lambda s: 9.0"]),
    "frompyfunc": ("def g(a): return a * K\nop = np.frompyfunc(g, 1, 1)", "x * op(3.0)", ["K = 5.0"]),
    "names of a module": ("m = types.ModuleType('m')\nm.k = 2.0", "x * vars(m)['k'] * m.__dict__['k']", ["m.k = 5.0"]),
    "import_module": ("sys.modules['made_here'] = types.SimpleNamespace(k=2.0)",
                      "x * importlib.import_module('made_here').k",
                      ["sys.modules['made_here'] = types.SimpleNamespace(k=7.0)"]),
    "NumPy's names": ("", "x * np.pi * np.sqrt(4.0)", ["np.pi = 3.0", "np.sqrt = lambda x: K * x", "K = 5.0"]),
    "names that NumPy gets": ("", "x * getattr(np, 'not_there', 2.0)", ["np.not_there = 3.0", "np.not_there = 4.0"]),
    "names of the standard library": ("", "x * operator.mul(math.pi, len(sys.argv)) * len(os.sep)",
                                      ["math.pi = 3.0", "sys.argv = ['a', 'b', 'c']", "sys.argv.append('d')", "os.sep = 'ab'",
                                       "operator.mul = lambda a, b: 7.0"]),
    "builtins": ("", "x * round(2.6)", ["builtins.round = lambda v: 50.0"]),
}


@pytest.fixture
def libraries():
    """What rows change in libraries is put back."""
    spaces = [vars(m) for m in (np, math, operator, sys)] + [vars(builtins), vars(__import__("os"))]
    kept = [dict(space) for space in spaces]
    argv = list(sys.argv)
    yield
    for space, old in zip(spaces, kept):
        space.pop("not_there", None)
        space.update({name: x for name, x in old.items() if space.get(name) is not x})
    sys.argv[:] = argv
    sys.modules.pop("made_here", None)


@pytest.mark.parametrize("name", CHANGES)
def test_no_answer_is_stale(folder, tmp_path, libraries, name):  # noqa: F811
    head, returned, changes = CHANGES[name]
    source = f"{HEAD}\n{head}\ndef f(x):\n    return {returned}\ncompiled = tg.jit(f)\n"
    x = np.array([1.25, 0.5])
    first = module(tmp_path, source)
    np.testing.assert_allclose(first.compiled(x), first.f(x), rtol=1e-15)
    made = module(tmp_path, source)
    for change in ["", *changes]:
        exec(change, vars(made))
        for _ in range(2):
            np.testing.assert_allclose(made.compiled(x), np.asarray(made.f(x), float), rtol=1e-15, err_msg=change)


@pytest.mark.parametrize("head, returned", [
    (DATA, "x * C().k * np.pi + math.sqrt(x[0])"), ("P = collections.namedtuple('P', 'a b', defaults=[2.0])", "x * P(1.0).b"),
    (DATA + "a, b = C(), C(2.0)", "x if a == b else -x"), ("", "x[np.newaxis] * len(np.c_[[1.0, 2.0]]) + abs(x)"),
    ("", "np.linalg.norm(x) + np.random.normal.__name__.count('n') + functools.reduce(operator.add, [x, x])")])
def test_what_libraries_and_dataclasses_give_is_kept_on_disk(folder, tmp_path, head, returned):  # noqa: F811
    source = f"{HEAD}\n{head}\n@tg.jit\ndef f(x):\n    return {returned}\n"
    for expected in ("compiled", "disk"):
        made = module(tmp_path, source)
        made.f(np.array([1.25, 0.5]))
        assert origin(made.f) == expected or "random" in returned


def test_another_function_under_a_librarys_name_is_not_that_of_the_disk(folder, tmp_path, libraries):  # noqa: F811
    source = HEAD + "@tg.jit\ndef f(x):\n    return np.sin(x)\n"
    module(tmp_path, source).f(0.5)
    np.sin = np.cos
    assert module(tmp_path, source).f(0.5) == math.cos(0.5)


@pytest.mark.parametrize("order", ["jvp", "vjp"])
def test_a_slice_of_what_is_captured_is_no_object_to_come_back_to(order):
    """It is another one each time: what lay at the address of the first may be anything by the second call."""
    outside = np.linspace(0.5, 1.5, 9), 2.0
    g = lambda x: np.sum(np.sin(x)) * outside[1:][0] * len(outside[:1])  # noqa: E731
    f = (lambda x: tg.jvp(g, (x,), (x,))[1]) if order == "jvp" else lambda x: np.sum(tg.grad(g)(x) * x)
    x = np.ones(9)
    want = 2.0 * np.sum(np.cos(x) * x)
    for _ in range(4):
        assert f(x) == pytest.approx(want)
        np.testing.assert_allclose(tg.grad(f)(x), 2.0 * (np.cos(x) - np.sin(x) * x))


CONSUMERS = {
    "sum": sum, "sum from": lambda g: sum(g, 1.0), "max": max, "max or": lambda g: max(g, default=1.0), "all": all,
    "fsum": math.fsum, "prod": math.prod, "mean": statistics.mean, "chain": lambda g: next(iter(itertools.chain(g))),
    "islice": lambda g: sum(itertools.islice(g, 1)), "fromiter": lambda g: np.fromiter(g, float)[0],
    "reduce": lambda g: functools.reduce(operator.add, g), "comprehension": lambda g: sum([q * q for q in g]),
}


@pytest.mark.parametrize("name", CONSUMERS)
def test_iterators_from_outside_are_refused_by_all_that_consume_them(name):
    consume = CONSUMERS[name]
    for held in ((q for q in [1.0, 2.0]), map(float, [1, 2]), reversed([1.0, 2.0])):
        with pytest.raises(tg.UnsupportedError, match="consumed"):
            tg.jit(lambda x, held=held: x * consume(held))(1.0)


@pytest.mark.parametrize("read", ["len([k for k in os.environ])", "float(subprocess.check_output(['date', '+%N']))",
                                  "len(linecache.getline(linecache.__file__, 1))", "len(tempfile.gettempdir())"])
def test_more_of_what_lies_outside_is_refused(tmp_path, read):
    made = module(tmp_path, f"import linecache, os, subprocess, tempfile\ndef f(x):\n    return x * {read}\n")
    with pytest.raises(tg.UnsupportedError, match=r"reads|is the environment"):
        tg.jit(made.f)(1.0)


def test_a_call_says_which_name_of_a_library_is_another(libraries):
    f = tg.jit(lambda x: x * math.tau)
    f(1.0)
    math.tau = 6.0
    assert f(1.0) == 6.0 and "`math.tau` is 6.0, was 6.28" in f.why_recompiled()
