"""Recipes run by NumPy, one element at a time: what lowering/llvm/scalar.py must reproduce, without LLVM."""
from __future__ import annotations

import math
import operator

import numpy as np
from tracegrad.ir.opdef import OPS
from tracegrad.ir.ops.numeric import cast, fits
from tracegrad.ir.ops.scalar_expansions import Node, rule_of
from tracegrad.ir.types import DTYPES
from tracegrad.ir.types import dtype as dtype_of

# --- leaf rules on NumPy scalars --------------------------------------------------------------------------------------


def _trap(a, b):
    """LLVM's integer division traps or is undefined on these."""
    if int(b) == 0 or (int(b) == -1 and int(a) == np.iinfo(a.dtype).min):
        raise ArithmeticError("division that LLVM does not define")


def _sdiv(a, b):
    _trap(a, b)
    q = abs(int(a)) // abs(int(b))
    return a.dtype.type(q if (int(a) < 0) == (int(b) < 0) else -q)


def _srem(a, b):
    return a.dtype.type(int(a) - int(_sdiv(a, b)) * int(b))


def _shift(function):
    def shift(a, b):
        if not 0 <= int(b) < a.dtype.itemsize * 8:
            raise ArithmeticError("shift that LLVM does not define")
        return function(a, b)
    return shift


_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def _lshr(a, b):
    return a.dtype.type((a.view(_UNSIGNED[a.dtype.itemsize]) >> b.view(_UNSIGNED[a.dtype.itemsize])).view(a.dtype))


INSTRUCTIONS = {
    "fneg": np.negative, "fadd": np.add, "fsub": np.subtract, "fmul": np.multiply, "fdiv": np.divide, "frem": np.fmod,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "sdiv": _sdiv, "srem": _srem, "udiv": _sdiv, "urem": _srem,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "shl": _shift(np.left_shift),
    "ashr": _shift(np.right_shift), "lshr": _shift(_lshr),
}
PREDICATES = {
    "eq": np.equal, "ne": np.not_equal, "slt": np.less, "sle": np.less_equal, "sgt": np.greater, "sge": np.greater_equal,
    "oeq": np.equal, "une": np.not_equal, "olt": np.less, "ole": np.less_equal, "ogt": np.greater, "oge": np.greater_equal,
    "uno": lambda a, b: np.isnan(a) | np.isnan(b),
}
INTRINSICS = {"maximum": np.maximum, "minimum": np.minimum, "smax": np.maximum, "umax": np.maximum, "smin": np.minimum,
              "umin": np.minimum, "fabs": np.fabs, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint,
              "copysign": np.copysign, "sqrt": np.sqrt}
_LIBM = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
         "pow": "power", "atan2": "arctan2"}


def _icmp(predicate, a, b):
    read_as = {"u": "u", "s": "i"}.get(predicate[0], a.dtype.kind)
    if a.dtype.kind in "iu" and read_as != a.dtype.kind:
        a, b = (x.view(f"{read_as}{x.dtype.itemsize}") for x in (a, b))
    return {"ult": np.less, "ule": np.less_equal, "ugt": np.greater, "uge": np.greater_equal, **PREDICATES}[predicate](a, b)


def _guarded(function):
    def call(x):
        try:
            return function(float(x))
        except (OverflowError, ValueError):
            return math.inf
    return call


def _libm(name, *args):
    if name in ("erf", "erfc"):
        return args[0].dtype.type(getattr(math, name)(float(args[0])))
    if name in ("lgamma", "tgamma"):
        return args[0].dtype.type(_guarded(math.lgamma if name == "lgamma" else math.gamma)(args[0]))
    return getattr(np, _LIBM.get(name, name))(*args)


# --- the interpreter --------------------------------------------------------------------------------------------------


def run(name: str, dtype, *args):
    """One elementwise op on scalars of `dtype` (the dtype of its last operand), by its recipe."""
    defn = OPS[name]
    result = _Run(dtype, args).rule(rule_of(defn.recipe, dtype.kind), args)
    return np.asarray(result)[()]


class _Run:
    def __init__(self, dtype, args):
        self.dtype, self.args, self.memo, self.vars = dtype, args, {}, ()

    def rule(self, rule, args):
        if isinstance(rule, Node):
            return self.node(rule)
        head = rule[0]
        if head == "instr":
            return INSTRUCTIONS[rule[1]](*args)
        if head in ("icmp", "fcmp"):
            return _icmp(rule[1], *args) if head == "icmp" else PREDICATES[rule[1]](*args)
        if head == "intrinsic":
            return INTRINSICS[rule[1]](*args)
        if head == "exact":
            return OPS["libm_" + rule[1]].numpy(*args)
        if head == "libm":
            return _libm(rule[1], *args)
        if head == "clibm":
            name = rule[1][1:]
            return getattr(np, _LIBM.get(name, name))(*args)
        if head == "fits":
            return fits(getattr(operator, rule[1][1:]))(*args)
        if head == "cast":
            return cast(args[0], self.dtype if rule[1] == "operand" else DTYPES[rule[1]])
        return {"signbit": np.signbit, "real": np.real, "imag": np.imag, "copy": lambda x: x, "complex": _complex,
                "select": lambda c, a, b: a if c else b}[head](*args)

    def node(self, node):
        if node not in self.memo:
            self.memo[node] = self.make(node)
        return self.memo[node]

    def make(self, node):
        if node.op == "arg":
            return self.args[node.args[0]]
        if node.op == "var":
            return self.vars[node.args[0]]
        if node.op == "after":
            return self.loop(node.args[0])[node.args[1]]
        if node.op == "const":
            return self.constant(node, None)
        plain = [None if a.op == "const" else self.node(a) for a in node.args]
        typed = [x for k, x in enumerate(plain) if x is not None and not (node.op == "select" and k == 0)]
        args = [x if x is not None else self.constant(a, typed[0] if typed else None) for a, x in zip(node.args, plain)]
        if isinstance(node.op, tuple):
            return self.rule(node.op, args)
        return run(node.op, dtype_of(args[-1].dtype), *args)

    def constant(self, node, beside):
        d = (dtype_of(beside.dtype) if beside is not None else self.dtype).real
        value = d.np.itemsize * 8 if node.args[0] == "bits" else node.args[0]
        return d.np.type(value % 2**d.bits if d.kind == "u" else value)

    def loop(self, loop):
        if loop not in self.memo:
            state = [self.node(x) for x in loop.inits]
            while True:
                inner = _Run(self.dtype, self.args)
                inner.vars = state
                if not inner.node(loop.cond):
                    break
                state = [inner.node(x) for x in loop.steps]
            self.memo[loop] = state
        return self.memo[loop]


def _complex(re, im):
    return np.dtype(np.complex64 if re.dtype == np.float32 else np.complex128).type(complex(re, im))


