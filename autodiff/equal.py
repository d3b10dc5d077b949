"""Smooth functions of vectors and values of a factorisation where values are equal, or nearly.

Single eigenvectors and eigenvalues have no derivative where values are equal, and one that loses all digits where they nearly
are. But v diag(f(w)) v^H has, and the sum of f(w). Write A = U B U^H with B block diagonal, a block for each group of close
values: U, which does not turn inside a group, and B depend smoothly on A. With M = U^H A_dot U

    U_dot = U Omega, Omega[i, j] = M[i, j] / (w[j] - w[i]) outside of groups;    B_dot = M inside

At the point itself U = v, B = diag(w), so programs can be read as written in U and B. What is written with f(w), of every
element alike, and multiplied along the vectors' axis means f(B) = diag(f(w)) + N, of which N is zero itself and

    N_dot[i, j] = M[i, j] (f(w[j]) - f(w[i])) / (w[j] - w[i])        f'(w) where they are close

(Daleckii, Krein 1965). This module follows vectors and values through a program, from the factorisation to where the axis that
numbers them is summed over: from there on nothing depends on how vectors of a group are chosen. It marks the factorisation
with `near` and adds N, as `couple` ops, to the products. What it cannot follow stays with the unmarked factorisation, of which
vectors and values of a group have the derivative NaN. For A = U B V^H of singular values, B is the Hermitian part.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..ir.build import Builder, Expr, key_of
from ..ir.core import Block, Const, Function, Op, Value
from ..ir.ops.linalg import dot_axes
from ..ir.rewrite import copy_op, copy_region, mapped, sweep
from ..ir.types import F32, F64
from .partials import partial, product
from .special import matmul, positions, rule_of
from .spectral import columns, grouped, inverse_gaps, rows

_FACTORS = frozenset({"eigh", "eigvalsh", "svd", "svdvals"})
_ALIKE = frozenset({"select", "cast", "neg", "add", "sub", "mul", "complex", "real", "imag", "conj", "abs"})
_OF_EACH = _ALIKE | {"slice"}
# Relative differences below which values are close: there the mean of two slopes, wrong by the square of the difference, is
# better than the quotient, whose rounding errors are divided by it.
_NEAR = {F64: 1e-5, F32: 4e-3}


@dataclass(eq=False)
class Frame:
    """A factorisation whose vectors are followed: a range of its columns, `w` their values; `lead` axes number matrices."""

    a: Value
    u: Value | None
    v: Value | None
    w: Value
    lead: int
    near: float
    lower: bool | None
    ranges: dict = field(default_factory=dict)

    @property
    def real(self) -> bool:
        return not self.a.type.dtype.complex

    def mixed(self, b: Builder) -> Value:
        """B without its diagonal."""
        close = grouped(b, self.w, _square(b, self), self.near)[2]
        return _couple(b, self, b.cast(close, self.w.type.dtype))


@dataclass(frozen=True)
class Flow:
    """What a value means: `kind` "vectors" (an axis numbers them; `turned` where they are conjugated), "values" (a function of
    each; `core` without axes beyond those of w), "diagonal" (values on the diagonal of a matrix), "pairs" (products of two
    vectors' elements along the axis: of `parts`)."""

    kind: str
    value: Value
    frame: Frame
    axis: int
    turned: bool = False
    core: Value | None = None
    parts: tuple = ()


def smooth(f: Function) -> Function:
    """A copy of `f`, or `f` where there is nothing to follow."""
    if not any(op.defn.name in _FACTORS and "near" not in op.attrs for op in f.body.walk()):
        return f
    return _Following().function(f) or f


class _Following:
    """`get` is asked for the rule of every op (rewrite.copy_block)."""

    def __init__(self):
        self.flows: dict[Value, Flow] = {}
        self.twins: list[tuple[Op, Op]] = []               # a factorisation and the same one, marked
        self.settled = False                               # whether a flow has ended where vectors do not matter

    def get(self, name):
        return self.op

    def function(self, f: Function) -> Function | None:
        new = Function(f.name, copy_region(Builder(), f.body, {}, self), f.loc, dict(f.attrs))
        if not self.settled:
            return None
        sweep(new)
        used = {v for op in new.body.walk() for v in (*op.operands, *(y for r in op.regions for y in r.yields))}
        used.update(new.body.yields)
        dead = {twin[k] for twin in self.twins for k in (0, 1) if not used & set(twin[k].results)}
        for plain, marked in self.twins:
            if plain in dead and marked in dead:
                dead.discard(plain)
        _drop(new.body, dead)
        sweep(new)
        return new

    # --- ops

    def op(self, builder: Builder, op: Op, mapping):
        name = op.defn.name
        if name in _FACTORS and "near" not in op.attrs:
            return self.start(builder, op, mapping)
        flows = [self.flows.get(v) for v in op.operands]
        if op.regions or not any(flows):
            return copy_op(builder, op, mapping, self)
        follow = _RULES.get(name) or (_elementwise if hasattr(op.defn, "arity") or name in _ALIKE else None)
        found = follow(builder, op, mapped(op.operands, mapping), flows) if follow else None
        if isinstance(found, Value):
            self.settled = True
            return (found,)
        if found is not None:
            self.flows[op.results[0]] = found
        return copy_op(builder, op, mapping, self)

    def start(self, builder: Builder, op: Op, mapping):
        plain = copy_op(builder, op, mapping, self)
        name, operands = op.defn.name, mapped(op.operands, mapping)
        n = op.results[1 if name == "svd" else 0].type.dims[-1]
        if type(n) is int and n < 2:
            return plain
        source = operands[0].op
        single = source is not None and source.defn.name == "cast" and source.operands[0].type.dtype.real is F32
        near, a = _NEAR[F32 if single else F64], operands[0]
        marked = builder.emit(op.defn, *operands, **op.attrs, near=near)
        self.twins.append((plain[0].op, marked[0].op))
        lead, lower = len(a.type.dims) - 2, op.attrs.get("lower")
        if name in ("eigh", "eigvalsh"):
            w, v = marked[0], marked[1] if name == "eigh" else None
            frame = Frame(a, v, v, w, lead, near, lower)
            flows = [Flow("values", w, frame, lead, core=w), Flow("vectors", v, frame, lead + 1)]
        elif name == "svd":
            u, w, vh = marked
            v = _adjoint(builder, vh)
            thin = [_columns_of(builder, x, builder.index(0), builder.index(n)) if op.attrs["full"] else x for x in (u, v)]
            frame = Frame(a, *thin, w, lead, near, lower)
            kinds = ["vectors" if _same_length(x.type.dims[-1], n) else "more" for x in (u, v)]
            flows = [Flow(kinds[0], u, frame, lead + 1), Flow("values", w, frame, lead, core=w),
                     Flow(kinds[1], vh, frame, lead, turned=not frame.real)]
        else:
            frame = Frame(a, None, None, marked[0], lead, near, lower)
            flows = [Flow("values", marked[0], frame, lead, core=marked[0])]
        self.flows.update(zip(op.results, flows))
        return plain


def _drop(block: Block, dead) -> None:
    block.ops = [op for op in block.ops if op not in dead]
    for op in block.ops:
        for region in op.regions:
            _drop(region, dead)


def _adjoint(b, vh):
    n = len(vh.type.dims)
    t = b.transpose(vh, (*range(n - 2), n - 1, n - 2))
    return b("conj", t) if t.type.dtype.complex else t


# --- N -------------------------------------------------------------------------------------------------------------------

def _slope(b: Builder, core: Value, w: Value, memo: dict) -> Value | None:
    """The derivative of a function of each element of w; None where that is 0."""
    if core is w:
        return b.full(1, w.type.dims, w.type.dtype)
    if core not in memo:
        memo[core] = _slope_of(b, core, [_slope(b, v, w, memo) for v in core.op.operands]) if core.op is not None else None
    return memo[core]


def _slope_of(b: Builder, core: Value, dots):
    op = core.op
    rule, name = rule_of(op), op.defn.name
    if all(d is None for d in dots) or not core.type.dtype.inexact or not (hasattr(op.defn, "arity") or name in _OF_EACH):
        return None                                            # a sum over all values, say, is no function of each
    if name in ("mul", "mulz"):
        terms = [b("mul", dot, op.operands[1 - k]) for k, dot in enumerate(dots) if dot is not None]
    elif rule == "elementwise":
        exprs = [Expr(b, v) for v in (*op.operands, core)]
        terms = [product(b, dot, partial(op, k, exprs), k in op.defn.singular)
                 for k, dot in enumerate(dots) if dot is not None and op.defn.partials[k] is not None]
    elif name == "select":
        zero = b.const(0, core.type.dtype)
        terms = [b("select", op.operands[0], *[zero if d is None else d for d in dots[1:]])]
    elif name in ("add", "sub"):
        terms = [b("neg", d) if k and name == "sub" else d for k, d in enumerate(dots) if d is not None]
    else:
        terms = [b(op.defn, *[d if d is not None else b.zeros_like(v) if v.type.dtype.inexact else v
                              for d, v in zip(dots, op.operands)], **op.attrs)]
    total = None
    for term in terms:
        if term is not None:
            total = term if total is None else b("add", total, term)
    return total if total is None or total.type.dims else b.broadcast(total, core.type.dims)


def _square(b: Builder, frame: Frame) -> Value:
    """A matrix of the differences of values, for its dims."""
    w = frame.w
    return b.full(0, (*w.type.dims, w.type.dims[-1]), w.type.dtype)


def _couple(b: Builder, frame: Frame, k: Value) -> Value:
    return b("couple", frame.a, frame.u, frame.v, k, lower=frame.lower)


def _mixing(b: Builder, frame: Frame, core: Value) -> Value:
    """N of f(w) = core."""
    if core.type.dtype.complex:
        parts = [_mixing(b, frame, b(part, core)) for part in ("real", "imag")]
        i = b.const(1j, core.type.dtype)
        re, im = (b.cast(p, core.type.dtype) for p in parts)
        return b("add", re, b("mul", im, i))
    slope = _slope(b, core, frame.w, {})
    wide = frame.w.type.dtype
    f = b.cast(core, wide)
    bend = None if slope is None else _slope(b, slope, frame.w, {})
    slope = b.zeros_like(f) if slope is None else b.cast(slope, wide)
    first = _couple(b, frame, _quotients(b, frame, f, slope))
    return first if bend is None else b("add", first, _bent(b, frame, b.cast(bend, wide)))


def _bent(b: Builder, frame: Frame, bend: Value) -> Value:
    """The second power of B in f(B): sum over k of B[i, k] B[k, j] f''/2, of which f'' is the mean of those at i, j and k."""
    mixed = frame.mixed(b)
    third = b.const(1 / 6, bend.type.dtype)
    bend = b.cast(b("mul", bend, third), mixed.type.dtype)
    ends = b("add", rows(b, bend, mixed), columns(b, bend, mixed))
    middle = matmul(b, mixed, b("mul", columns(b, bend, mixed), mixed))
    return b("add", b("mul", ends, matmul(b, mixed, mixed)), middle)


def _trace(b: Builder, flow: Flow, kind: str) -> Value | None:
    """A symmetric function of all values, of its second order in B too: the trace of f(B), or its determinant."""
    core, frame = flow.core, flow.frame
    if flow.value is not core:
        return None
    plain = b.reduce(core, kind, (frame.lead,))
    slope = _slope(b, core, frame.w, {})
    bend = None if slope is None else _slope(b, slope, frame.w, {})
    if core.type.dtype.complex or slope is None or bend is None and kind == "sum":
        return plain if kind == "sum" and (bend is None or slope is None) else None
    _with_vectors(b, frame)
    n = b.cast(_real(b, _mixing(b, frame, core)), core.type.dtype)
    like = _square(b, frame)
    if kind == "prod":
        none = b.const(np.nan, core.type.dtype)
        safe = b("select", b("eq", core, b.const(0, core.type.dtype)), none, core)
        n = b("div", n, rows(b, safe, n))
    eye = b("eq", positions(b, like, -2), positions(b, like, -1))
    last = frame.lead, frame.lead + 1
    traced = b.reduce(b("select", eye, n, b.const(0, n.type.dtype)), "sum", last)
    if kind == "sum":
        return b("add", plain, traced)
    pairs = _couple(b, frame, _quotients(b, frame, *[b.cast(x, frame.w.type.dtype) for x in (core, slope)]))
    square = b.cast(_real(b, b("mul", pairs, b("conj", pairs) if pairs.type.dtype.complex else pairs)), core.type.dtype)
    square = b("div", square, b("mul", rows(b, safe, square), columns(b, safe, square)))
    half = b("mul", b.reduce(square, "sum", last), b.const(0.5, core.type.dtype))
    return b("add", plain, b("mul", plain, b("sub", traced, half)))


def _real(b, x):
    return b("real", x) if x.type.dtype.complex else x


def _quotients(b: Builder, frame: Frame, f: Value, slope: Value) -> Value:
    """(f[j] - f[i]) / (w[j] - w[i]) of close values, by the slopes where these agree with it: f may be another function of
    some elements than of others. 0 elsewhere."""
    w, like = frame.w, _square(b, frame)
    _, equal, close = grouped(b, w, like, frame.near)
    half, zero = b.const(0.5, w.type.dtype), b.const(0, w.type.dtype)
    mean = b("mul", b("add", rows(b, slope, like), columns(b, slope, like)), half)
    rise = b("sub", rows(b, f, like), columns(b, f, like))
    gap = b("sub", rows(b, w, like), columns(b, w, like))
    size = b("add", b("abs", rows(b, f, like)), b("abs", columns(b, f, like)))
    off = b("abs", b("sub", rise, b("mul", gap, mean)))
    bound = b("add", b("mul", b("abs", b("mul", gap, mean)), b.const(0.1, w.type.dtype)),
              b("mul", size, b.const(1e-6 if frame.near < 1e-4 else 1e-3, w.type.dtype)))
    agree = b("not", b("gt", off, bound))
    quotient = b("mul", rise, inverse_gaps(b, w, like, b("and", close, b("not", equal)), np.nan))
    return b("select", close, b("select", agree, mean, quotient), zero)


def _moved(b: Builder, y: Value, n: Value, axis: int, lead: int, turned: bool) -> Value:
    """y N along an axis of vectors, N y of conjugated ones."""
    dtype = y.type.dtype if y.type.dtype.complex or not n.type.dtype.complex else n.type.dtype
    y, n = b.cast(y, dtype), b.cast(n, dtype)
    leading = tuple(range(lead))
    found = b("dot", y, n, contract=((axis,), (lead + 1 if turned else lead,)), batch=(leading, leading))
    last = len(found.type.dims) - 1
    order = list(range(last))
    order.insert(axis, last)
    return b.transpose(found, order)


def _scaled(b: Builder, value: Value, y: Flow, core: Value) -> Value:
    """`value`, the vectors y times f(w) = core, with what N adds."""
    n = _mixing(b, y.frame, core)
    return b("add", value, b.cast(_moved(b, y.value, n, y.axis, y.frame.lead, y.turned), value.type.dtype))


# --- elementwise -----------------------------------------------------------------------------------------------------------

def _along(v: Value, axis: int) -> bool:
    """Whether a value is the same along an axis for certain."""
    if not v.type.dims:
        return True
    if v.op is None or v.op.defn.name != "broadcast":
        return isinstance(v, Const) and v.data.size > 0 and bool((v.data == v.data.take([0], axis)).all())
    source = v.op.operands[0].type.dims
    k = axis - (len(v.type.dims) - len(source))
    return k < 0 or source[k] == 1


def _elementwise(b: Builder, op: Op, operands, flows):
    first = next(f for f in flows if f)
    frame, axis, name = first.frame, first.axis, op.defn.name
    if any(f and (f.frame is not frame or f.axis != axis) for f in flows):
        return None
    if not all(f or _along(v, axis) for f, v in zip(flows, operands)):
        return None
    kinds = [f.kind if f else None for f in flows]
    values = [f.value if f else v for f, v in zip(flows, operands)]
    if set(kinds) <= {"values", None}:
        return _of_values(b, op, first, flows, values)
    if "diagonal" in kinds:
        return _converted(b, op, first)
    if name == "mul":
        return _product(b, op, flows, values)
    vectors = next((f for f in flows if f and f.kind != "values"), first)
    if name == "conj":
        return replace(vectors, value=b("conj", values[0]), turned=not vectors.turned and not frame.real) \
            if vectors.kind in ("vectors", "more") else None
    if name == "cast" and (frame.real or op.attrs["dtype"].complex):
        return _plain(replace(vectors, value=b.cast(values[0], op.attrs["dtype"])))
    if name == "neg":
        return _plain(replace(vectors, value=b("neg", values[0])))
    if name == "real" and frame.real:
        return None
    if name == "div" and kinds[0] in ("vectors", "pairs"):
        return _divided(b, flows, values)
    if name in ("add", "sub") and kinds == ["vectors", "vectors"] and flows[0].turned == flows[1].turned:
        return replace(first, value=b(name, *values))
    return None


def _converted(b: Builder, op: Op, flow: Flow) -> Flow | None:
    """A diagonal matrix in another dtype."""
    if op.defn.name != "cast":
        return None
    dtype = op.attrs["dtype"]
    return replace(flow, value=b.cast(flow.value, dtype), core=b.cast(flow.core, dtype))


def _divided(b: Builder, flows, values) -> Flow | None:
    x, y = flows
    if x.kind == "pairs":
        left, right = x.parts
        part = _divided(b, (right, y), (right.value, values[1]))
        return part and replace(x, value=b("mul", left.value, part.value), parts=(left, part))
    value = b("div", *values)
    if y is None:
        return replace(x, value=value)
    if y.kind != "values":
        return None
    one = b.full(1, y.core.type.dims, y.core.type.dtype)
    return replace(x, value=_scaled(b, value, x, b("div", one, y.core)))


def _plain(flow: Flow) -> Flow | None:
    return flow if flow.kind in ("vectors", "more") else None


def _of_values(b: Builder, op: Op, first: Flow, flows, values):
    """A function of values is one of each; without the axes it was repeated along."""
    cores, dims = [], first.core.type.dims
    for f, v in zip(flows, values):
        if f:
            cores.append(f.core)
        elif not v.type.dims or first.value is first.core:
            cores.append(v)
        elif v.op is not None and v.op.defn.name == "broadcast" and not v.op.operands[0].type.dims:
            cores.append(b.broadcast(v.op.operands[0], dims))
        else:
            return None
    value = b(op.defn, *values, **op.attrs)
    same = all(f is None or f.value is f.core for f in flows)
    return replace(first, value=value, core=value if same else b(op.defn, *cores, **op.attrs))


def _product(b: Builder, op: Op, flows, values):
    value = b("mul", *values)
    x, y = flows
    if x is None or y is None:
        only = x or y
        if only.kind == "pairs":
            k = 0 if x else 1
            return replace(only, value=value, parts=(only.parts[0], replace(
                only.parts[1], value=b("mul", only.parts[1].value, values[1 - k]))))
        return replace(only, value=value)
    if x.kind == "values":
        x, y = y, x
    if y.kind == "vectors":
        return Flow("pairs", value, x.frame, x.axis, parts=(x, y)) if x.frame.real or x.turned != y.turned else None
    if y.kind != "values":
        return None
    if x.kind == "vectors":
        return replace(x, value=_scaled(b, value, x, y.core))
    left, right = x.parts
    right = replace(right, value=_scaled(b, b("mul", right.value, y.value), right, y.core))
    return replace(x, value=b("mul", left.value, right.value), parts=(left, right))


# --- axes ------------------------------------------------------------------------------------------------------------------

def _kept(flow: Flow, value: Value, axis: int) -> Flow | None:
    """The flow with its axis elsewhere."""
    return replace(flow, value=value, axis=axis) if flow.kind in ("vectors", "values", "more") else None


def _transpose(b, op, operands, flows):
    (flow,), perm = flows, op.attrs["perm"]
    lead = flow.frame.lead
    if flow.kind not in ("vectors", "values", "more") or perm[:lead] != tuple(range(lead)):
        return None
    return _kept(flow, b.transpose(flow.value, perm), perm.index(flow.axis))


def _broadcast(b, op, operands, flows):
    flow = flows[0]
    if flow is None or any(flows[1:]):
        return None
    old, new = flow.value.type.dims, op.results[0].type.dims
    more = len(new) - len(old)
    lead = flow.frame.lead
    if more and lead or old[flow.axis] == 1:
        return None
    value = b("broadcast", flow.value, *operands[1:])
    if any(not _same_length(value.type.dims[k], old[k]) for k in range(lead)):
        return None
    return _kept(flow, value, flow.axis + more)


def _same_length(a, b) -> bool:
    return a is b or (type(a) is int and a == b)


def _reshape(b, op, operands, flows):
    """Axes of length 1 come and go."""
    flow = flows[0]
    if flow is None or flow.kind not in ("vectors", "values"):
        return None
    value = b("reshape", flow.value, *operands[1:])
    old, new = flow.value.type.dims, value.type.dims
    longer, now = ([k for k, d in enumerate(dims) if not (type(d) is int and d == 1)] for dims in (old, new))
    lead = flow.frame.lead
    if (len(longer) != len(now) or not all(_same_length(old[i], new[j]) for i, j in zip(longer, now))
            or flow.axis not in longer or not all(_same_length(old[k], new[k]) for k in range(lead))):
        return None
    return _kept(flow, value, now[longer.index(flow.axis)])


def _reduce(b, op, operands, flows):
    (flow,) = flows
    axes, kind = op.attrs["axes"], op.attrs["kind"]
    if flow.axis in axes:
        if flow.kind == "pairs" and kind == "sum":
            return b.reduce(flow.value, kind, axes)
        if flow.kind != "values" or kind not in ("sum", "prod"):
            return None
        found = _trace(b, flow, kind)
        return found and b.reduce(found, kind, tuple(k for k in axes if k != flow.axis))
    if kind != "sum" or flow.kind not in ("vectors", "pairs") or any(k < flow.frame.lead for k in axes):
        return None
    axis = flow.axis - sum(k < flow.axis for k in axes)
    if flow.kind == "vectors":
        return replace(flow, value=b.reduce(flow.value, kind, axes), axis=axis)
    return None


def _slice(b, op, operands, flows):
    flow, *indices = flows
    if flow is None or any(indices) or flow.kind not in ("vectors", "values", "more"):
        return None
    spec, frame, at = op.attrs["spec"], flow.frame, 1
    for k, char in enumerate(spec):
        if k == flow.axis:
            break
        at += {":": 0, "i": 1, "s": 3}[char]
    if any(char != ":" for char in spec[:frame.lead]) or spec[flow.axis] == "i":
        return None
    value, axis = flow.value, flow.axis - spec[:flow.axis].count("i")
    if spec[flow.axis] == ":":
        if flow.kind == "values" and flow.value is flow.core:
            return None
        return _kept(flow, b("slice", value, *operands[1:], spec=spec), axis)
    start, length, step = operands[at:at + 3]
    if not (isinstance(step, Const) and step.item == 1):
        return None
    if flow.kind == "values":
        return _values_in(b, flow, start, length) if flow.value is flow.core else None
    if flow.kind == "more":
        n = frame.w.type.dims[-1]
        numbers = [d.item if isinstance(d, Const) else d for d in (start, length)] + [n]
        if not all(type(d) is int for d in numbers) or numbers[0] + numbers[1] > n:
            return None
        at = "".join("s" if k == flow.axis else ":" for k in range(len(spec)))
        value = b("slice", value, b.index(0), b.index(n), step, spec=at)
    if (key_of(start), key_of(length)) == (key_of(b.index(0)), key_of(b.index(frame.w.type.dims[-1]))):
        value = b("slice", value, *operands[1:], spec=spec)
        return replace(flow, kind="vectors", value=value, axis=axis)
    part = _range(b, frame, start, length)
    astray = _couple(b, frame, _leaving(b, frame, start, length, False))
    moved = _moved(b, value, astray, flow.axis, frame.lead, flow.turned)
    value = b("add", value, b.cast(b("neg", moved) if flow.turned else moved, value.type.dtype))
    return replace(flow, kind="vectors", value=b("slice", value, *operands[1:], spec=spec), axis=axis, frame=part)


def _inside(b, frame, start, length):
    """Of each value, whether it is in the range."""
    n = frame.w.type.dims
    at = b.broadcast(b("iota", b.index(n[-1]), dtype=start.type.dtype), n)
    end = b.iop("add", start, length)
    return b("and", b("ge", at, start), b("lt", at, end))


def _leaving(b, frame, start, length, values):
    """Factors of M for close values of which one is in the range: what turns vectors out of it, NaN where they are equal. Of
    values only that."""
    w, like = frame.w, _square(b, frame)
    inside = _inside(b, frame, start, length)
    _, equal, close = grouped(b, w, like, frame.near)
    cut = b("ne", rows(b, inside, like), columns(b, inside, like))
    if values:
        return b("select", b("and", cut, equal), b.const(np.nan, w.type.dtype), b.const(0, w.type.dtype))
    cut = b("and", cut, close)
    gaps = inverse_gaps(b, w, like, b("and", cut, b("not", equal)), np.nan)
    return b("select", cut, gaps, b.const(0, w.type.dtype))


def _columns_of(b, x, start, length):
    spec = ":" * (len(x.type.dims) - 1) + "s"
    return b("slice", x, start, length, b.index(1), spec=spec)


def _with_vectors(b, frame: Frame) -> None:
    """Asked for the values only, find the vectors for derivatives of parts; without derivatives nobody uses them."""
    if frame.u is not None:
        return
    if frame.lower is None:
        frame.u, _, vh = b.emit("svd", frame.a, b.index(frame.w.type.dims[-1]), full=False, near=frame.near, spare=True)
        frame.v = _adjoint(b, vh)
    else:
        frame.u = frame.v = b.emit("eigh", frame.a, lower=frame.lower, near=frame.near, spare=True)[1]


def _range(b, frame: Frame, start, length) -> Frame:
    key = key_of(start), key_of(length)
    if key not in frame.ranges:
        _with_vectors(b, frame)
        one = u = _columns_of(b, frame.u, start, length)
        v = one if frame.v is frame.u else _columns_of(b, frame.v, start, length)
        lost = b.reduce(_couple(b, frame, _leaving(b, frame, start, length, True)), "sum", (frame.lead + 1,))
        lost = b("real", lost) if lost.type.dtype.complex else lost
        w = _columns_of(b, b("add", frame.w, lost), start, length)
        frame.ranges[key] = replace(frame, u=u, v=v, w=w, ranges={})
    return frame.ranges[key]


def _values_in(b, flow: Flow, start, length) -> Flow | None:
    """The values in a range, which is a frame of its own; other functions of values are too little used in part."""
    if flow.core is not flow.frame.w:
        return None
    part = _range(b, flow.frame, start, length)
    return replace(flow, value=part.w, core=part.w, frame=part)


# --- products and diagonals --------------------------------------------------------------------------------------------------

def _scatter(b, op, operands, flows):
    """np.diag of values."""
    base, flow, *places = flows
    if base or flow is None or any(places) or flow.kind != "values" or flow.frame.lead:
        return None
    i, j = (v.op for v in operands[2:]) if len(operands) == 4 else (None, None)
    zero = operands[0].op
    if (i is None or i is not j or i.defn.name != "iota" or op.attrs["axes"] != (0, 1) or zero is None
            or zero.defn.name != "broadcast" or not isinstance(zero.operands[0], Const) or zero.operands[0].data.any()
            or not all(_same_length(d, flow.core.type.dims[0]) for d in op.results[0].type.dims)):
        return None
    value = b("scatter", operands[0], flow.value, *operands[2:], **op.attrs)
    return Flow("diagonal", value, flow.frame, 0, core=flow.core)


def _dot(b, op, operands, flows):
    x, y = flows
    values = [f.value if f else v for f, v in zip(flows, operands)]
    frame = (x or y).frame
    contract, batch = op.attrs["contract"], op.attrs["batch"]
    lead = tuple(range(frame.lead))
    if frame.lead and (tuple(batch[0]) != lead or tuple(batch[1]) != lead):
        return None
    if x and y:
        return _meeting(b, op, x, y, values)
    k = 0 if x else 1
    flow = x or y
    if flow.kind != "vectors" or flow.axis in contract[k] or flow.axis in batch[k]:
        return None
    return replace(flow, value=b("dot", *values, **op.attrs), axis=_axis_after(op, values, k, flow.axis))


def _axis_after(op: Op, values, k: int, axis: int) -> int:
    (a_batch, _, a_free), (_, _, b_free) = dot_axes(op.attrs, *[len(v.type.dims) for v in values])
    return len(a_batch) + (a_free.index(axis) if k == 0 else len(a_free) + b_free.index(axis))


def _meeting(b, op, x, y, values):
    """Where vectors meet vectors along their axis nothing depends on their choice any more."""
    pairs = list(zip(*op.attrs["contract"]))
    if x.frame is not y.frame:
        return None
    kinds = {x.kind, y.kind}
    if kinds == {"vectors", "diagonal"}:
        k, flow, other = (0, x, y) if x.kind == "vectors" else (1, y, x)
        if len(pairs) != 1 or pairs[0][k] != flow.axis:
            return None
        n = 1 - pairs[0][1 - k]
        value = b("dot", *values, **op.attrs)
        axis = _axis_after(op, values, 1 - k, n)
        added = _moved(b, flow.value, _mixing(b, flow.frame, other.core), flow.axis, flow.frame.lead, flow.turned)
        order = [d for d in range(len(value.type.dims)) if d != flow.axis]
        order.insert(axis, flow.axis)
        added = b.transpose(added, order)
        return replace(flow, value=b("add", value, b.cast(added, value.type.dtype)), axis=axis)
    if (x.axis, y.axis) not in pairs:
        return None
    if kinds == {"vectors"} and (x.frame.real or x.turned != y.turned):
        return b("dot", *values, **op.attrs)
    if kinds == {"values"} and x.value is x.core and y.value is y.core and len(pairs) == 1:
        core = b("mul", x.core, y.core)
        return _trace(b, replace(x, value=core, core=core), "sum")
    if kinds == {"values", "pairs"} and all(len(f.value.type.dims) == 1 for f in (x, y)):
        found = _product(b, op, [x, y], values)
        return b.reduce(found.value, "sum", (0,))
    return None


_RULES = {"transpose": _transpose, "broadcast": _broadcast, "reshape": _reshape, "reduce": _reduce, "slice": _slice,
          "scatter": _scatter, "dot": _dot}
