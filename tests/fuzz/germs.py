"""What a program does right of a point, as a series: an oracle for derivatives that uses no derivative rule.

A germ is f(x + t d) for small t > 0, as the first coefficients of its series in t. Arithmetic is that of series; a comparison
is decided by the first coefficients that differ, and so are |x|, max, sort and branches. Programs of the IR run on germs as
they run on numbers. The germ to the left is that in the direction -d. Where the two are one series, the program is smooth
along the line at the point, whatever kinks its formulas have there, and the coefficients are its derivatives.
"""
from __future__ import annotations

import functools
import itertools
import math

import mpmath as mp
import numpy as np
from tracegrad.ir.interp import Machine
from tracegrad.ir.ops.linalg import dot_axes

ORDER = 9
TINY = 1e-13                   # coefficients that are rounding errors beside others of the size 1


class UnknownGerm(Exception):
    """Of what has no series in t, or none that is known."""


class Germ:
    __slots__ = ("c",)

    def __init__(self, c):
        self.c = c

    def __add__(self, other):
        return Germ([a + b for a, b in zip(self.c, germ(other).c)])

    __radd__ = __add__

    def __neg__(self):
        return Germ([-a for a in self.c])

    def __sub__(self, other):
        return Germ([a - b for a, b in zip(self.c, germ(other).c)])

    def __rsub__(self, other):
        return germ(other) - self

    def __mul__(self, other):
        a, b = self.c, germ(other).c
        return Germ([sum(map(float.__mul__, a[:k + 1], b[k::-1])) for k in range(min(len(a), len(b)))])

    __rmul__ = __mul__

    def __truediv__(self, other):
        a, b = self.c, germ(other).c
        low = order_of(b)
        if low and order_of(a) < low:
            raise UnknownGerm
        a, b, out = a[low:], b[low:], []
        for k in range(min(len(a), len(b))):
            out.append((a[k] - sum(out[j] * b[k - j] for j in range(k))) / b[0])
        return Germ(out)

    def __rtruediv__(self, other):
        return germ(other) / self

    def sign(self):
        c = next((x for x in self.c if abs(x) > TINY), 0.0)
        return (c > 0) - (c < 0)

    def __lt__(self, other):
        return (self - other).sign() < 0

    def __le__(self, other):
        return (self - other).sign() <= 0

    def __gt__(self, other):
        return (self - other).sign() > 0

    def __ge__(self, other):
        return (self - other).sign() >= 0

    def __eq__(self, other):
        return (self - other).sign() == 0

    def __ne__(self, other):
        return (self - other).sign() != 0

    __hash__ = None

    def __abs__(self):
        return -self if self.sign() < 0 else self

    def slope(self):
        return Germ([k * x for k, x in enumerate(self.c)][1:])

    def integral(self, constant):
        return Germ([float(constant), *[x / (k + 1) for k, x in enumerate(self.c)]])


def germ(x):
    return x if x.__class__ is Germ else Germ([float(x)] + [0.0] * (ORDER - 1))


def order_of(c):
    found = next((k for k, x in enumerate(c) if abs(x) > TINY), None)
    if found is None:
        raise UnknownGerm
    return found


def composed(g, coefficients):
    """Σ a[k] (g - g(0))^k."""
    rest = Germ([0.0, *g.c[1:]])
    total = germ(0.0)
    for a in reversed(coefficients[:len(g.c)]):
        total = total * rest + float(a)
    return total


def power(g, p):
    if p == int(p) and 0 <= p <= 12:
        return functools.reduce(Germ.__mul__, [g] * int(p), germ(1.0))
    low = order_of(g.c)
    shift = low * p
    if shift != int(shift) or shift < 0 or (g.c[low] < 0 and p != int(p)):
        raise UnknownGerm
    unit = Germ(g.c[low:])
    a, out = unit.c[0], [unit.c[0] ** p]
    for k in range(1, len(unit.c)):
        out.append(out[-1] * (p - k + 1) / k / a)
    return Germ([0.0] * int(shift) + composed(unit, out).c)


def cube_root(g):
    return -power(-g, 1 / 3) if g.sign() < 0 else _third(g)


def _third(g):
    low = order_of(g.c)
    if low % 3:
        raise UnknownGerm
    return Germ([0.0] * (low // 3) + power(Germ(g.c[low:]), 1 / 3).c)


@functools.lru_cache(100_000)
def _taylor(name, x, *parameters):
    with mp.workdps(40):
        return tuple(map(float, mp.taylor(lambda t: _MEANING[name](*parameters, t), mp.mpf(x), ORDER - 1)))


_MEANING = {"erf": mp.erf, "erfc": mp.erfc, "j0": lambda t: mp.besselj(0, t), "gammaln": mp.loggamma, "tan": mp.tan,
            "gammainc": lambda a, t: mp.gammainc(a, 0, t, regularized=True), "i0": lambda t: mp.besseli(0, t),
            "expit": lambda t: 1 / (1 + mp.exp(-t)), "log_expit": lambda t: -mp.log1p(mp.exp(-t)), "ndtr": mp.ncdf,
            "digamma": mp.digamma, "sinc": mp.sincpi, "lgamma": mp.loggamma,
            "exprel": lambda t: mp.fsum(t ** k / mp.factorial(k + 1) for k in range(60)),
            "softplus": lambda t: mp.log1p(mp.exp(t))}


def _series(*cycle):
    """A function with the derivatives of a cycle, from its values."""
    def function(g):
        values = [f(g.c[0]) for f in cycle]
        return composed(g, [values[k % len(values)] / math.factorial(k) for k in range(ORDER)])
    return function


_exp = _series(math.exp)
_minus_sin, _minus_cos = (lambda x: -math.sin(x)), (lambda x: -math.cos(x))


def _integrated(value, slope):
    return lambda g: (slope(g) * g.slope()).integral(value(g.c[0]))


def _log(g):
    return (g.slope() / g).integral(math.log(g.c[0])) if g.c[0] > 0 else unknown()


def unknown(*_):
    raise UnknownGerm


def _copysign(g, x):
    return abs(g) if x.sign() > 0 else -abs(g) if x.sign() < 0 else unknown()


def _pow(x, y):
    if any(abs(c) > 0 for c in y.c[1:]):
        return _exp(y * _log(x))
    return power(x, y.c[0])


def _root(g):
    return germ(0.0) if not any(abs(x) > TINY for x in g.c) else power(g, 0.5)


def _larger(a, b):
    return a if a >= b else b


def _smaller(a, b):
    return a if a <= b else b


FUNCTIONS = {
    "neg": lambda x: -x, "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y, "abs": abs, "sign": lambda x: germ(x.sign()), "copysign": _copysign,
    "max": _larger, "min": _smaller, "fmax": _larger, "fmin": _smaller, "sqrt": _root, "root": _root, "cbrt": cube_root,
    "pow": _pow, "norm_root": _pow, "hypot": lambda x, y: _root(x * x + y * y),
    "exp": _exp, "expm1": lambda g: _exp(g) - 1.0, "exp2": lambda g: _exp(g * math.log(2)), "log": _log,
    "log1p": lambda g: _log(g + 1.0), "log2": lambda g: _log(g) * (1 / math.log(2)),
    "sin": _series(math.sin, math.cos, _minus_sin, _minus_cos), "cos": _series(math.cos, _minus_sin, _minus_cos, math.sin),
    "sinh": _series(math.sinh, math.cosh), "cosh": _series(math.cosh, math.sinh),
    "atan": _integrated(math.atan, lambda g: 1.0 / (g * g + 1.0)),
    "asinh": _integrated(math.asinh, lambda g: 1.0 / power(g * g + 1.0, 0.5)),
    "atanh": _integrated(math.atanh, lambda g: 1.0 / (1.0 - g * g)),
    "asin": _integrated(math.asin, lambda g: 1.0 / power(1.0 - g * g, 0.5)),
    "acos": _integrated(math.acos, lambda g: -1.0 / power(1.0 - g * g, 0.5)),
    "surrogate": lambda value, smooth: value, "sloped": lambda value, x, slope: value, "stop_gradient": lambda x: x,
    "with_square": lambda value, square: value,
}
FUNCTIONS["tanh"] = lambda g: FUNCTIONS["sinh"](g) / FUNCTIONS["cosh"](g)
_ASKED = {"lt": Germ.__lt__, "le": Germ.__le__, "gt": Germ.__gt__, "ge": Germ.__ge__, "eq": Germ.__eq__, "ne": Germ.__ne__,
          "isnan": lambda x: False, "isinf": lambda x: False, "isfinite": lambda x: True,
          "signbit": lambda x: x.sign() < 0 if x.sign() else unknown()}
_ROUNDED = frozenset({"floor", "ceil", "trunc", "rint"})
_EXTREMES = {"max": _larger, "min": _smaller}


def _is_germs(x):
    return isinstance(x, np.ndarray) and x.dtype == object


def _array(values):
    out = np.empty(() if values.__class__ is Germ else len(values), object)
    out[...] = values
    return out


def lifted(x):
    """A float array as germs."""
    x = np.asarray(x)
    out = np.empty(x.shape, object)
    for k in np.ndindex(x.shape):
        out[k] = germ(x[k])
    return out


def _each(function, arrays, dtype=object):
    arrays = [x if _is_germs(x) or x.dtype.kind != "f" else lifted(x) for x in map(np.asarray, arrays)]
    shape = np.broadcast_shapes(*[x.shape for x in arrays])
    out = np.empty(shape, dtype)
    for k, *values in zip(np.ndindex(shape), *[np.broadcast_to(x, shape).flat for x in arrays]):
        out[k] = function(*values)
    return out


class GermMachine(Machine):
    """The evaluator on arrays of germs."""

    def __call__(self, *arrays):
        return [np.asarray(x) for x in self.body(self.f.body, dict(zip(self.f.params, arrays)))]

    def evaluate(self, op, operands):
        operands = [_array(x) if x.__class__ is Germ else x for x in operands]
        if not any(map(_is_germs, operands)):
            return super().evaluate(op, operands)
        name = op.defn.name
        if name in FUNCTIONS:
            return (_each(FUNCTIONS[name], operands),)
        if name in _ASKED:
            return (_each(_ASKED[name], operands, bool),)
        if name in _MEANING:
            parameters = [np.asarray(x) for x in operands[:-1]]
            if any(_is_germs(x) and any(any(g.c[1:]) for g in x.flat) for x in parameters):
                raise UnknownGerm
            return (_each(lambda *v: composed(v[-1], _taylor(name, v[-1].c[0], *[p.c[0] for p in v[:-1]])), operands),)
        if name in _ROUNDED:
            return (_each(lambda g: germ(_rounded(name, g)), operands),)
        rule = _RULES.get(name)
        if rule is not None:
            return (rule(op, *operands),)
        if op.defn.moves or name in ("update", "scatter", "check"):
            operands = [lifted(x) if isinstance(x, (np.ndarray, np.floating)) and x.dtype.kind == "f" else x for x in operands]
            if name in ("update", "scatter") and not np.ndim(operands[1]):
                operands[1] = operands[1][()]              # the germ, rather than an array as an element
            return tuple(op.defn.evaluate(op, *operands))
        raise UnknownGerm(name)

    def write(self, op, write, operands):
        return self.evaluate(op, operands)[0]

    def map_(self, op, operands, frame):
        (block,) = op.regions
        rows = []
        for i in range(int(operands[0])):
            frame[block.params[0]] = np.int64(i)
            rows.append([np.asarray(x) for x in self.body(block, frame)])
        return [_stacked([row[k] for row in rows]) for k in range(len(op.results))]


def _rounded(name, g):
    low = math.floor(g.c[0])
    if g.c[0] != low:
        return {"floor": math.floor, "ceil": math.ceil, "trunc": math.trunc, "rint": round}[name](g.c[0])
    side = (g - g.c[0]).sign()
    return low if name == "rint" or not side else (low if side > 0 else low - 1) if name == "floor" else unknown()


def _stacked(rows):
    if any(map(_is_germs, rows)):
        rows = [row if _is_germs(row) else lifted(row) for row in rows]
    return np.stack(rows) if rows else unknown()


def _reduce(op, x):
    kind, axes = op.attrs["kind"], op.attrs["axes"]
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    rows = x.transpose(kept + axes).reshape(*[x.shape[k] for k in kept], -1)
    function = {"sum": Germ.__add__, "prod": Germ.__mul__, **_EXTREMES}[kind]
    out = np.empty(rows.shape[:-1], object)
    for k in np.ndindex(out.shape):
        out[k] = functools.reduce(function, rows[k])
    return out


def _sorted(row):
    return sorted(row, key=functools.cmp_to_key(lambda a, b: (a - b).sign()))


def _along(function):
    def rule(op, x):
        rows = np.moveaxis(x, op.attrs["axis"], -1)
        out = np.empty(rows.shape, object)
        for k in np.ndindex(rows.shape[:-1]):
            out[k] = _array(function(op, list(rows[k])))
        return np.moveaxis(out, -1, op.attrs["axis"])
    return rule


def _scan(op, row):
    function = {"sum": Germ.__add__, "prod": Germ.__mul__, **_EXTREMES}[op.attrs["kind"]]
    back = -1 if op.attrs["reverse"] else 1
    return list(itertools.accumulate(row[::back], function))[::back]


def _argsort(op, x):
    rows = np.moveaxis(x, op.attrs["axis"], -1)
    out = np.empty(rows.shape, np.int64)
    for k in np.ndindex(rows.shape[:-1]):
        row = rows[k]
        out[k] = sorted(range(len(row)), key=functools.cmp_to_key(lambda a, b, row=row: (row[a] - row[b]).sign()))
    return np.moveaxis(out, -1, op.attrs["axis"])


def _argreduce(op, x):
    rows = np.moveaxis(x, op.attrs["axis"], -1)
    out = np.empty(rows.shape[:-1], np.int64)
    for k in np.ndindex(out.shape):
        row, best = rows[k], 0
        for i in range(1, len(row)):
            if row[i] > row[best] if op.attrs["kind"] == "argmax" else row[i] < row[best]:
                best = i
        out[k] = best
    return out


def _dot(op, a, b):
    a, b = (x if _is_germs(x) else lifted(x) for x in (a, b))
    (a_batch, a_contract, a_free), (b_batch, b_contract, b_free) = dot_axes(op.attrs, a.ndim, b.ndim)
    letters = "abcdefghijklmnop"
    names_a, names_b = [""] * a.ndim, [""] * b.ndim
    for x, y, letter in zip((*a_batch, *a_contract), (*b_batch, *b_contract), letters):
        names_a[x] = names_b[y] = letter
    for names, free, rest in ((names_a, a_free, "qrst"), (names_b, b_free, "uvwx")):
        for k, letter in zip(free, rest):
            names[k] = letter
    out = "".join([*[names_a[k] for k in (*a_batch, *a_free)], *[names_b[k] for k in b_free]])
    return np.asarray(np.einsum(f"{''.join(names_a)},{''.join(names_b)}->{out}", a, b, optimize=False))


def _select(op, cond, a, b):
    return _each(lambda c, x, y: x if c else y, [cond, a, b])


def _cast(op, x):
    kind = op.attrs["dtype"].kind
    if kind == "f":
        return x if _is_germs(x) else lifted(x)
    if kind == "b":
        return _each(lambda g: g.sign() != 0, [x], bool)
    return _each(lambda g: int(g.c[0]), [x], op.attrs["dtype"].np) if kind in "iux" else unknown()


def _added(op, x, v, *indices):
    spec = op.attrs["spec"]
    if set(spec) - set("i:"):
        raise UnknownGerm
    at = tuple(slice(None) if s == ":" else int(i) for s, i in zip(spec, _filled(spec, indices)))
    out = (x if _is_germs(x) else lifted(x)).copy()
    out[at] = out[at] + v
    return out


def _filled(spec, indices):
    rest = iter(indices)
    return [None if s == ":" else next(rest) for s in spec]


_RULES = {"reduce": _reduce, "sort": _along(lambda op, row: _sorted(row)), "scan": _along(_scan), "argsort": _argsort,
          "argreduce": _argreduce, "dot": _dot, "select": _select, "cast": _cast, "update_add": _added}


def series(function, point, direction):
    """The coefficients of a scalar function of the IR, of one array, in t > 0 at point + t direction."""
    point, direction = np.asarray(point), np.asarray(direction)
    x = np.empty(point.shape, object)
    for k in np.ndindex(x.shape):
        x[k] = Germ([float(point[k]), float(direction[k]), *[0.0] * (ORDER - 2)])
    (out, *_) = GermMachine(function)(x)
    return [float(c) for c in germ(np.asarray(out)[()]).c]
