"""No stale answer where code that is not traced does the reading: Python's own protocols, libraries, functions without source.

Each row is an expression of x, what it needs, and what changes. The compiled function is held to Python before and after.
"""
import linecache
import sys
import types

import numpy as np
import pytest

import tracegrad as tg

HEAD = """
import array, bisect, configparser, dataclasses, decimal, email.message, enum, functools, heapq
import operator, sys, types, typing, weakref
import numpy as np
K = 2.0
class V:
    rate = 2.0
    def __init__(self, a):
        self.a = a
    def rank(self):
        return self.a * K
    def __add__(self, other):
        return V(self.a + other.a * K)
    def __lt__(self, other):
        return self.rank() < other.rank()
    def __contains__(self, x):
        return x < self.rate
    def __bool__(self):
        return self.rate < 5.0
    def __index__(self):
        return int(K > 0)
    def __str__(self):
        return "a" * int(abs(K) * 4)
class Missing(dict):
    def __missing__(self, key):
        return K
class Computed:
    def __getattr__(self, name):
        if name == "rate":
            return K
        raise AttributeError(name)
class Reader:
    def __get__(self, held, cls=None):
        return K
class Described:
    rate = Reader()
@dataclasses.dataclass
class Data:
    a: float = 1.0
    parts: list = dataclasses.field(default_factory=lambda: [K])
class Slots:
    __slots__ = ("__a",)
    def __init__(self, a):
        self.__a = a
    def put(self, a):
        self.__a = a
    def __float__(self):
        return self.__a
class Everything:
    def __getattribute__(self, name):
        return K
class Listing:
    def __dir__(self):
        return ["a"] * int(abs(K) * 4)
class Text(str):
    def __eq__(self, other):
        return K > 0
    __hash__ = str.__hash__
class Kind(type):
    def __iter__(cls):
        return iter([K])
    def __contains__(cls, x):
        return K > 0
class OfKind(metaclass=Kind):
    pass
class Other:
    rate = 3.0
class Plain:
    rate = 2.0
class Colour(enum.Enum):
    RED, BLUE = 1, 2
    @classmethod
    def _missing_(cls, value):
        return cls.RED if K > 0 else cls.BLUE
class Held(enum.Enum):
    A = [1.0]
class Asking(type):
    def __instancecheck__(cls, held):
        return K < 0
class Asked(metaclass=Asking):
    pass
@typing.runtime_checkable
class Ranked(typing.Protocol):
    def new_rank(self): ...
def key(q):
    return q * K
class Shown:
    table = [1.0]
    def __repr__(self):
        return "a" * int(abs(K) * 4)
    def __eq__(self, other):
        return K < 0
    __hash__ = None
shown = Shown()
def of_module(q):
    return q * OTHER.table[0]
def of_default(q, table=[1.0]):
    return q * table[0]
def of_class(q):
    return q * Shown.table[0]
a, b = V(1.0), V(2.0)
o, described, missing, data, space = Computed(), Described(), Missing(), Data(), types.SimpleNamespace(k=2.0)
ITEMS, ROWS, NAMED = [1.0], [np.ones(3), np.arange(3.0)], {"a": np.ones(3)}
W = np.arange(1.0, 4.0)
RECORDS = [{"w": np.ones(3)}, {"w": np.arange(3.0)}]
FIRST = SECOND = [1.0]
P, Q = np.ones(2), np.full(1, 0.123456)
SAME, NAMES, HELD = P, {"a": 2.0}, [1.0]
HELD.append(HELD)
third, half = decimal.Decimal(1), np.float64(0.5)
config = configparser.ConfigParser()
config["a"] = {"rate": "2.0"}
mail = email.message.Message()
mail["rate"] = "2.0"
slots, everything, listing, text, plain = Slots(2.0), Everything(), Listing(), Text("a"), Plain()
look, position, doubles = NAMES.get, ITEMS.__getitem__, array.array("d", [2.0])
double = doubles.__getitem__
MEMBERS = {a}
REFERENCE = weakref.ref(a)
MEMMAP = np.arange(1.0, 4.0).view(type("Mapped", (np.ndarray,), {}))
FIELDS = np.array([(1.0, 2.0), (3.0, 4.0)], dtype=[("a", "f8"), ("b", "f8")])
PART = np.arange(4.0)[1:]
MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])
AT, SHAPE = [0, 1], [3, 1]
OTHER = types.ModuleType("unseen_other")
OTHER.k, OTHER.table = 2.0, [1.0]
sys.modules["unseen_other"] = OTHER
COMPUTING = types.ModuleType("unseen_computing")
COMPUTING.__getattr__ = lambda name: {"k": K}[name]
exec("def without_source(x):\\n    return x * k", OTHER.__dict__)
"""
NEGATIVE = "K = -1.5"

# expression or lines of the function: what changes, in turn
READS = {
    "return x * sum(ROWS)": ["ROWS[0] = ROWS[0] * 2", "ROWS[1][0] = 9.0", "ROWS.append(np.ones(3))"],
    "return x * sum(NAMED.values())": ["NAMED['a'] = np.full(3, 4.0)", "NAMED['a'][1] = 3.0"],
    "return x * sum(r['w'] for r in RECORDS)": ["RECORDS[0]['w'] = np.full(3, 4.0)", "RECORDS[1]['w'][0] = 3.0"],
    "return x * list(W)[0]": ["W[0] = 5.0", "W = W * 2"],
    "return x * next(iter(ROWS))": ["ROWS[0] = np.full(3, 2.0)", "ROWS[0][0] = 4.0"],
    "return x * getattr(space, 'w', 1.0)": ["space.w = np.ones(3)", "space.w[0] = 9.0", "space.w = np.zeros(3)"],
    "return x * min(map(float, W))": ["W[0] = 0.5"],
    "return x * MEMMAP[0]": ["MEMMAP[0] = 5.0"],
    "try:\n        return x * ITEMS[1]\n    except IndexError:\n        return x": ["ITEMS.append(5.0)", "ITEMS.pop()"],
    "try:\n        return x * space.new\n    except AttributeError:\n        return x": ["space.new = 5.0", "del space.new"],
    "try:\n        return x * NEW\n    except NameError:\n        return x": ["NEW = 5.0", "del NEW"],
    "from unseen_other import k\n    return x * k": ["OTHER.k = 3.0",
                                                     "sys.modules['unseen_other'] = types.SimpleNamespace(k=7.0)"],
    "import unseen_other as m\n    return x * m.k": ["OTHER.k = 3.0"],
    "return x * COMPUTING.k": [NEGATIVE, "COMPUTING.k = 8.0"],
    "return OTHER.without_source(x)": ["OTHER.k = 3.0"],
    "return x * o.rate": [NEGATIVE],
    "return x * described.rate": [NEGATIVE],
    "return x * missing['q']": [NEGATIVE, "missing['q'] = 3.0"],
    "return x * Data().parts[0]": [NEGATIVE],
    "return x if data == Data(1.0, [2.0]) else -x": ["data.a = 4.0"],
    "return sum([V(x), V(x)], V(0.0)).a": [NEGATIVE],
    "return operator.add(V(x), V(x)).a": [NEGATIVE],
    "return x * sorted([a, b])[0].a": [NEGATIVE],
    "return x * min(a, b).a": [NEGATIVE],
    "return x if 3.0 in a else -x": ["a.rate = 9.0", "V.rate = 7.0\ndel a.rate"],
    "return x if a else -x": ["a.rate = 9.0"],
    "return x * [1.0, 2.0][a]": [NEGATIVE],
    "return x * [1.0, 2.0, 3.0][a:][0]": [NEGATIVE],
    "return x * len(f'{a}')": [NEGATIVE],
    "return x * len('%s' % a)": [NEGATIVE],
    "return x * len(str([a.a, str(a)]))": [NEGATIVE],
    "return x * bisect.bisect([1.0, 2.0], 1.5, key=key)": [NEGATIVE],
    "return x * heapq.nsmallest(1, [1.0, 2.0], key=key)[0]": [NEGATIVE],
    "return x * np.frompyfunc(key, 1, 1)(3.0)": [NEGATIVE],
    "return x * bisect.bisect([1.0, 2.0], 1.5, key=of_module)": ["OTHER.table[0] = -1.0", "OTHER.table = [1.0]"],
    "return x * bisect.bisect([1.0, 2.0], 1.5, key=of_default)": ["of_default.__defaults__[0][0] = -1.0"],
    "return x * bisect.bisect([1.0, 2.0], 1.5, key=of_class)": ["Shown.table[0] = -1.0"],
    "return x * len(f'{shown}')": [NEGATIVE],
    "return x if shown != 3 else -x": [NEGATIVE],
    "return x * sorted([a, b])[1].a": ["V.__lt__ = lambda self, other: self.a > other.a"],
    "return x * len(dir(space))": ["space.new = 1"],
    "return x * sum(space.__dict__.values())": ["space.new = 1.0"],
    "return x if FIRST is SECOND else -x": ["FIRST = [1.0]", "FIRST = SECOND"],
    "return x * sum(m.rate for m in MEMBERS)": ["a.rate = 5.0"],
    "return x * FIRST[0] if FIRST is SECOND else -x": ["FIRST[0] = 5.0", "FIRST = [3.0]"],
    "return x if P is SAME else -x": ["P = np.ones(2)", "SAME = P"],
    "return x * HELD[1][1][0]": ["HELD[0] = 2.0", "HELD[1] = [7.0, [8.0]]"],
    "return x if P.flags.writeable else -x": ["P.flags.writeable = False", "P = np.ones(2)"],
    "return x if P.flags['OWNDATA'] and P.base is None else -x": ["P = np.ones(3)[:2]", "P = np.ones(2)"],
    "return x * len(f'{Q}')": ["np.set_printoptions(precision=2)", "np.set_printoptions(precision=8)"],
    "return x * len('%s' % Q)": ["np.set_printoptions(precision=3)", "np.set_printoptions(precision=8)"],
    "return x * len(repr(half))": ["np.set_printoptions(legacy='1.13')", "np.set_printoptions(legacy=False)"],
    "return x * float(third / 3)": ["decimal.getcontext().prec = 3", "decimal.getcontext().prec = 28"],
    "return x * float(sum([third / 7, third]))": ["decimal.getcontext().prec = 4", "decimal.getcontext().prec = 28"],
    "return x * float(config['a']['rate'])": ["config['a']['rate'] = '3.0'"],
    "return x * float(mail['rate'])": ["mail.replace_header('rate', '3.0')"],
    "return x * float(slots)": ["slots.put(3.0)"],
    "return x * everything.rate": [NEGATIVE],
    "return x * len(dir(listing))": [NEGATIVE],
    "return x if text == 'b' else -x": [NEGATIVE],
    "return x * look('a')": ["NAMES['a'] = 5.0"],
    "return x * sum(map(look, ['a']))": ["NAMES['a'] = 5.0"],
    "return x * position(0)": ["ITEMS[0] = 5.0"],
    "return x * double(0)": ["doubles[0] = 5.0"],
    "return x * sum(OfKind)": [NEGATIVE],
    "return x if 'a' in OfKind else -x": [NEGATIVE],
    "return x * Colour(7).value": [NEGATIVE],
    "return x[a:]": [NEGATIVE],
    "return x * type(plain).rate": ["plain.__class__ = Other"],
    "return x if isinstance(plain, Other) else -x": ["plain.__class__ = Other"],
    "return x * REFERENCE().rate": ["a.rate = 5.0"],
    "return x * FIELDS['a'][1]": ["FIELDS.dtype.names = ('b', 'a')", "FIELDS['a'][1] = 7.0"],
    "return x * PART.base[0]": ["PART.base[0] = 9.0", "PART = np.arange(3.0, 6.0)[1:]"],
    "return x * len(PART.base)": ["PART = np.arange(6.0)[3:]"],
    "return x * MASKED.filled()[1]": ["MASKED.fill_value = 8.0", "MASKED.mask[1] = False"],
    "return x * Held.A.value[0]": ["Held.A.value[0] = 5.0"],
    "return x if isinstance(a, Asked) else -x": [NEGATIVE, "Asking.__instancecheck__ = lambda cls, held: False"],
    "return x if isinstance(a, Ranked) else -x": ["a.new_rank = None", "V.new_rank = V.rank\ndel a.new_rank"],
    "return x * W[AT].sum()": ["AT[1] = 2", "AT.append(0)"],
    "return x[AT]": ["AT[1] = 2"],
    "y = x * 1.0\n    y[AT] = 7.0\n    return y": ["AT[1] = 2"],
    "return x * x.reshape(SHAPE).shape[0]": ["SHAPE[:] = [1, 3]"],
}


def program(body: str, number: int) -> types.ModuleType:
    name = f"unseen_{number}"
    source = f"{HEAD}\ndef f(x):\n    {body}\n"
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    made = types.ModuleType(name)
    sys.modules[name] = made
    exec(compile(source, name, "exec"), made.__dict__)
    return made


@pytest.mark.parametrize("body", READS)
def test_reads_of_untraced_code_are_seen(body):
    made = program(body, list(READS).index(body))
    f, x = tg.jit(made.f), np.array([1.25, 0.5, 2.0])
    with tg.config(cache=False):
        np.testing.assert_array_equal(f(x), made.f(x))
        for change in READS[body]:
            exec(change, made.__dict__)
            for _ in range(2):
                np.testing.assert_array_equal(f(x), np.asarray(made.f(x), float), change)


@pytest.mark.parametrize("read", ["np.geterr()['over'] == 'warn'", "np.get_printoptions()['precision']",
                                  "sys.getrecursionlimit()"])
def test_settings_of_the_process_are_refused(read):
    made = program(f"return x * ({read})", 1000 + len(read))
    with pytest.raises(tg.UnsupportedError, match="reads the environment"):
        tg.jit(made.f)(1.0)


def test_derivatives_see_what_untraced_code_reads():
    made = program("return np.sum(x * x * sum(ROWS)) * (K if a else -K)", 2000)
    slope = tg.grad(made.f)
    for change, factor in (("", 1.0), ("ROWS[0] = ROWS[0] * 3", 3.0), ("a.rate = 9.0", -3.0)):
        exec(change, made.__dict__)
        rows = np.arange(3.0) + abs(factor)
        np.testing.assert_allclose(slope(np.ones(3)), 2 * rows * 2.0 * np.sign(factor))
