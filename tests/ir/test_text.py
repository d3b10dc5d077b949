"""The IR's text: every function prints and reads back to an equal one, every literal to the same bits."""
from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import tracegrad.ir.ops  # noqa: F401
from tracegrad.ir.build import Builder, const, function
from tracegrad.ir.errors import Frame, IRError
from tracegrad.ir.opdef import OPS
from tracegrad.ir.text.printer import equal, literal, parse, print_function
from tracegrad.ir.types import BOOL, C128, DTYPES, F16, F32, F64, I64, INDEX, StackType, Type
from tracegrad.ir.verify import verify

CONTROL = """
func @double(%x: f64[%n], %n: index) -> f64[%n] {
  %0 = mul %x, 2.0 : f64[%n]
  return %0
}

func @main(%x: f64[%n], %n: index, %flag: bool) -> (f64, f64[%n], f64[4], index) {
  %y = call @double(%x, %n) : f64[%n]
  %s, %last = for %i = 0 to %n carry(%s0 = 0.0, %last0 = -inf) : (f64, f64) {
    %0 = slice %y[%i] : f64
    %1 = add %s0, %0 : f64
    yield %1, %0
  }
  %z = if %flag : f64[%n] {
    yield %x
  } else {
    %2 = update %x[0], %last : f64[%n]
    yield %2
  }
  %rows = map %k = 0 to 4 : f64[4] {
    %3 = cast %k {dtype=f64} : f64
    %4 = add %3, %s : f64
    yield %4
  }
  %m, %w = while carry(%m0 = 3, %w0: f64[3] = f64[3]{1.0, nan, -0.0}) : (index, f64[3]) {
    %5 = lt %m0, 10 : bool
    yield %5
  } do (%m1, %w1: f64[3]) {
    %6 = add %m1, 1 : index
    yield %6, %w1
  }
  check %flag, %s, %m {error=ValueError, message="was {0}: \\"no\\""}
  return %s, %z, %rows, %m
}
"""


def roundtrip(f):
    text = print_function(f)
    again = parse(text)
    assert print_function(again) == text
    assert equal(f, again) and equal(again, f)
    return again


def test_control_roundtrips():
    f = parse(CONTROL)
    verify(f)
    roundtrip(f)
    assert print_function(f) == CONTROL.lstrip().replace("%w1: f64[3]", "%w1").replace("%w0: f64[3]", "%w0")


BITS = {"f": [0.0, -0.0, 1.0, -1.5, 0.1, 1e300, 5e-324, 1e-45, np.inf, -np.inf, np.nan, -np.nan, 1 / 3, 2**53 + 1.0],
        "i": [0, 1, -1, 127, -128, 2**31 - 1, -2**63, 2**63 - 1], "u": [0, 255, 2**64 - 1], "b": [True, False]}


def samples(d):
    if d.kind == "c":
        part = samples(d.real)
        out = np.empty((len(part), len(part)), d.np)
        out.real, out.imag = part[:, None], part[None, :]
        return out.ravel()
    if d.kind in "iux":
        info = np.iinfo(d.np)
        return np.array([v for v in BITS["u" if d.kind == "u" else "i"] if info.min <= v <= info.max], d.np)
    with np.errstate(all="ignore"):
        return np.array(BITS[d.kind], np.float64 if d.kind == "f" else bool).astype(d.np)


@pytest.mark.parametrize("d", DTYPES.values(), ids=str)
def test_literals_keep_their_bits(d):
    values = samples(d)
    shapes = [values, values[:0], values[:1].reshape(1, 1), values[:0].reshape(0, 3), np.resize(values, (5, 4, 3))]
    constants = [const(v, d) for v in values] + [const(a, d) for a in shapes]
    f = function("literals", [])
    f.body.yields = tuple(constants)
    again = roundtrip(f)
    for a, b in zip(constants, again.results):
        assert a.type == b.type and a.data.tobytes() == b.data.tobytes()


def test_odd_nan_bits():
    for d, word in ((F64, 0x7FF8000000000123), (F64, 0xFFF8000000000000), (F32, 0x7FC00001)):
        data = np.array(word, f"u{d.size}").view(d.np)
        f = function("nans", [])
        f.body.yields = (const(data, d),)
        assert roundtrip(f).results[0].data.tobytes() == data.tobytes()


def test_names_are_unique_and_legal():
    f = function("<lambda>", [Type(F64)] * 4, ["x", "x", "1st", "a-b"])
    b = Builder()
    with b.at(f.body):
        y = b("add", f.params[0], f.params[1])
        y.name = "x"
        z = b("mul", y, f.params[2])
    f.body.yields = (z,)
    text = print_function(f)
    assert text.splitlines()[0] == 'func @"<lambda>"(%x: f64, %x.1: f64, %_1st: f64, %a_b: f64) -> f64 {'
    assert "%x.2 = add %x, %x.1 : f64" in text
    roundtrip(f)


def test_attributes():
    f = function("f", [Type(F64, (3, 4))])
    f.attrs = {"inout": {0: 0}, "note": "two words", "nested": (
        (1, (2,)), (), None, True, -0.5, 1j, F32, "sum", "true", float("nan"))}
    f.body.yields = f.params
    again = roundtrip(f)
    assert repr(again.attrs) == repr(f.attrs)


def test_a_users_array_stays_live():
    array = np.arange(3.0)
    f = function("f", [])
    c = const(array, F64, frozen=False)
    f.body.yields = (c, c)
    text = print_function(f)
    assert text.startswith("const @c0 : f64[3] live = ") and text.count("const") == 1
    again = parse(text)
    assert not again.results[0].frozen and again.results[0] is again.results[1]


X, V, M = Type(F64, (3, 4)), Type(F64, (3,)), Type(F64, (4, 4))
# operands (types, or numbers for constants of dtype index) and attributes of every op that is not elementwise
STRUCTURAL = {
    "check": ([Type(BOOL), Type(F64)], {"error": "ValueError", "message": 'a "quoted" {0}\n%'}),
    "wrap": ([Type(INDEX), 3], {"axis": 0}), "print": ([Type(F64)], {"format": "# {0}"}),
    "slice": ([X, Type(INDEX), 0, 2, -1], {"spec": "is"}), "update": ([X, V, 2], {"spec": ":i"}),
    "update_add": ([X, Type(F64, (3, 2)), 1, 2, 2], {"spec": ":s"}),
    "gather": ([X, Type(INDEX, (5,)), Type(INDEX, (5,))], {"axes": (0, 1), "at": 0}),
    "scatter": ([X, Type(F64, (5,)), Type(INDEX, (5,)), Type(INDEX, (5,))], {"axes": (0, 1), "at": 0}),
    "scatter_add": ([X, Type(F64, (5, 4)), Type(INDEX, (5,))], {"axes": (0,), "at": 0}),
    "nonzero": ([Type(BOOL, (3, 4)), Type(INDEX)], {}), "searchsorted": ([V, X], {"side": "right"}),
    "dot": ([X, M], {"contract": ((1,), (0,)), "batch": ((), ())}), "cholesky": ([M], {}), "lu": ([M], {}),
    "lu_solve": ([M, M, Type(INDEX, (4,)), M], {"trans": True}),
    **{name: ([M], {"lower": True}) for name in ("eigh", "eigvalsh")},
    "couple": ([M, M, M, M], {"lower": True}),
    **{name: ([Type(C128, (3, 3))], {}) for name in ("eig", "eigvals")},
    "svd": ([X, 3], {"full": True}), "svdvals": ([X, 3], {}), "qr": ([X, 3], {"complete": False}),
    "pinv": ([X, Type(F64), 3], {}), "fft": ([Type(C128, (3, 4))], {"inverse": True}), "rfft": ([X, 3], {}),
    "irfft": ([Type(C128, (3, 4)), 6], {}),
    "triangular_solve": ([M, M], {"lower": True, "trans": False, "unit": False}),
    "reduce": ([X], {"kind": "max", "axes": (0, 1)}), "argreduce": ([X], {"kind": "argmax", "axis": 1}),
    "scan": ([X], {"kind": "sum", "axis": 0, "reverse": True}), "sort": ([X], {"axis": 0}),
    "argsort": ([X], {"axis": 1, "kind": "stable"}),
    "dim": ([X], {"axis": 1}), "iota": ([Type(INDEX)], {"dtype": F32}), "broadcast": ([V, Type(INDEX), 3], {}),
    "empty": ([Type(INDEX), 3], {"dtype": F32}), "stack_new": ([], {"dtype": F32}),
    "push": ([StackType(Type(F64)), Type(F64)], {}), "pop": ([StackType(Type(F64))], {}),
    "exchange": ([StackType(Type(F64)), Type(INDEX), Type(F64)], {}),
    "lookup": ([StackType(Type(I64)), Type(INDEX), Type(I64), Type(F64)], {"mode": "enter", "key": "(if)"}),
    "members": ([StackType(Type(I64)), Type(INDEX)], {"key": "i"}), "replica": ([StackType(Type(I64))], {"key": "f"}),
    "draw": ([Type(I64), 3, Type(F64)], {"dist": "poisson", "kind": "Generator", "dtype": I64, "rank": 1}),
    "random_call": ([Type(I64), Type(I64), 3], {"kind": "RandomState", "method": "choice", "form": '[[["x", 0], ["d", 1]], []]',
                                               "result": "i64", "rank": 1}),
    "reshape": ([X, 2, 6], {}), "transpose": ([X], {"perm": (1, 0)}), "concat": ([V, V], {"axis": 0}),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", OPS)
def test_every_op_roundtrips(name):
    """Each op on samples of its operands, once with parameters and once with literals."""
    defn = OPS[name]
    if defn.rule == "control":
        return                                  # test_control_roundtrips
    if name in STRUCTURAL:
        variants = [STRUCTURAL[name]]
    else:
        attrs = {"dtype": F32} if name == "cast" else {}
        takes = sorted(defn.takes, key=str)
        variants = [([Type(BOOL, (3,)), Type(d, (3,)), d] if name == "select" else [Type(d, (3,)), d, d, d][:defn.arity], attrs)
                    for d in takes]
    for operands, attrs in variants:
        f = function("f", [t for t in operands if isinstance(t, (Type, StackType))])
        params, b = list(f.params), Builder()
        with b.at(f.body):
            values = [params.pop(0) if isinstance(t, (Type, StackType)) else b.index(t) if isinstance(t, int) else const(1, t)
                      for t in operands]
            f.body.yields = b.emit(name, *values, **attrs)
        verify(f)
        verify(roundtrip(f))


@pytest.mark.parametrize("text, message", [
    ("func @f(%x: f64) -> f64 {\n  %0 = ad %x : f64\n  return %0\n}", "line 2: expected the name of an op, found 'ad'"),
    ("func @f(%x: f64) -> f64 {\n  return %y\n}", "line 2: expected a value that is defined above, found '%y'"),
    ("func @f(%x: f65) -> f64 {\n  return %x\n}", "expected a dtype, found 'f65'"),
    ("func @f(%x: f64, %x: f64) -> f64 {\n  return %x\n}", "a name that is new instead of %x"),
    ("", "expected a function"),
])
def test_messages(text, message):
    with pytest.raises(IRError, match=message):
        parse(text)


def test_equal_sees_differences():
    f = parse(CONTROL)
    changes = [("2.0", "2.5"), ("add %s0, %0", "add %0, %s0"), ("[0], %last", "[1], %last"), ("to 4", "to 5"), ("nan", "0.0"),
               ("ValueError", "IndexError"), ("-0.0", "0.0"), ("yield %x\n", "yield %y\n")]
    for old, new in changes:
        assert old in CONTROL
        text = CONTROL.replace(old, new).replace("f64[4]", "f64[5]" if new == "to 5" else "f64[4]")
        assert not equal(f, parse(text)), (old, new)
    assert equal(f, parse(CONTROL.replace("%s", "%t").replace("%k", "%index")))


def test_margin_and_color():
    b = Builder()
    f = function("f", [Type(F64)], ["x"])
    with b.at(f.body):
        b.loc = (__frame__(),)
        y = b("mul", f.params[0], f.params[0])
        f.body.yields = (b("add", y, f.params[0]),)
    text = print_function(f, margin=True)
    lines = text.splitlines()
    assert "# test_text.py:" in lines[1] and "def __frame__():" in lines[1] and "#" not in lines[2]
    assert equal(parse(text), f)
    colored = print_function(f, color=True)
    assert "\x1b[" in colored and re.sub(r"\x1b\[[0-9;]*m", "", colored) == print_function(f)


def __frame__():
    return Frame(__file__, __frame__.__code__.co_firstlineno, "f")


def test_half_precision_is_printed_without_a_warning():
    """1e9, where the exponent begins to be shown, is no number of half precision."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [literal(F16, np.float16(x)) for x in (2.0, 6e-5, -65504.0)] == ["2.0_f16", "6.0e-05_f16", "-65500.0_f16"]
