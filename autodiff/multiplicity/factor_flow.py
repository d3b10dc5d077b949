"""How each op passes on vectors and values of a factorisation: a row is row(b, op, operands, flows) -> what its result is, as a
Flow; a value where it does not depend any more on how vectors of a group are chosen; None where that cannot be told.

`operands` are those of the plain program, `flows` what is known of each, or None.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ...ir.build import Builder, key_of
from ...ir.core import Const, Op, Value
from ...ir.ops.linalg import dot_axes
from .vector_mixing import Flow, Frame, leaving, mixing_of, moved, range_of, same_length, scaled, trace, values_in
from .zero_values import meeting, multiplied, summed

# --- elementwise --------------------------------------------------------------------------------------------------------

def _one(x: Flow | None, y: Flow | None) -> Flow:
    """The one of two that is known."""
    found = x or y
    assert found is not None
    return found


def _only(frame: Frame) -> bool:
    """Whether there is one vector, which any axis of length 1 numbers: to sum over such an axis is to multiply."""
    return same_length(frame.w.type.dims[-1], 1)


def _along(v: Value, axis: int) -> bool:
    """Whether a value is the same along an axis for certain."""
    if not v.type.dims:
        return True
    if v.op is None or v.op.defn.name != "broadcast":
        return isinstance(v, Const) and v.data.size > 0 and bool((v.data == v.data.take([0], axis)).all())
    source = v.op.operands[0].type.dims
    k = axis - (len(v.type.dims) - len(source))
    return k < 0 or source[k] == 1


def _elementwise(b: Builder, op: Op, operands: tuple[Value, ...], flows: list[Flow | None]) -> Flow | None:
    first = next(f for f in flows if f)
    frame, axis, name = first.frame, first.axis, op.defn.name
    if any(f and (f.frame is not frame or (f.axis != axis and not _only(frame))) for f in flows):
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
        return vectors.through(lambda v: b("conj", v), turned=not vectors.turned and not frame.real) \
            if vectors.kind in ("vectors", "more") else None
    if name == "cast" and (frame.real or op.attrs["dtype"].complex):
        return _plain(vectors, lambda v: b.cast(v, op.attrs["dtype"]))
    if name == "neg":
        return _plain(vectors, lambda v: b("neg", v))
    if name == "real" and frame.real:
        return None
    if name == "div" and kinds[0] in ("vectors", "pairs"):
        return _divided(b, flows, values)
    known = [f for f in flows if f is not None]
    if name in ("add", "sub") and kinds == ["vectors", "vectors"] and known[0].turned == known[1].turned:
        return replace(first, value=b(name, *values), bare=summed(b, name, known[0].bare, known[1].bare))
    return None


def _converted(b: Builder, op: Op, flow: Flow) -> Flow | None:
    """A diagonal matrix in another dtype."""
    if op.defn.name != "cast":
        return None
    dtype = op.attrs["dtype"]
    return replace(flow, value=b.cast(flow.value, dtype), core=b.cast(flow.each, dtype))


def _divided(b: Builder, flows: Sequence[Flow | None], values: Sequence[Value]) -> Flow | None:
    x, y = flows
    assert x is not None                      # the dividend is vectors
    if x.kind == "pairs":
        left, right = x.parts
        part = _divided(b, (right, y), (right.value, values[1]))
        return part and replace(x, value=b("mul", left.value, part.value), parts=(left, part))
    if y is None:
        return x.through(lambda v: b("div", v, values[1]))
    if y.kind != "values":
        return None
    by = b("div", b.full(1, y.each.type.dims, y.each.type.dtype), y.each)
    return replace(x, value=scaled(b, b("div", *values), x, by), bare=multiplied(b, x.bare, by))


def _plain(flow: Flow, f: Callable[[Value], Value]) -> Flow | None:
    return flow.through(f) if flow.kind in ("vectors", "more") else None


def _of_values(b: Builder, op: Op, first: Flow, flows: list[Flow | None], values: list[Value]) -> Flow | None:
    """A function of values is one of each; without the axes it was repeated along."""
    cores: list[Value] = []
    dims = first.each.type.dims
    for f, v in zip(flows, values):
        if f:
            cores.append(f.each)
        elif not v.type.dims or first.value is first.core:
            cores.append(v)
        elif v.op is not None and v.op.defn.name == "broadcast" and not v.op.operands[0].type.dims:
            cores.append(b.broadcast(v.op.operands[0], dims))
        else:
            return None
    value = b(op.defn, *values, **op.attrs)
    same = all(f is None or f.value is f.core for f in flows)
    return replace(first, value=value, core=value if same else b(op.defn, *cores, **op.attrs))


def _product(b: Builder, op: Op, flows: Sequence[Flow | None], values: list[Value]) -> Flow | None:
    value = b("mul", *values)
    x, y = flows
    if x is None or y is None:
        only, other = _one(x, y), values[1 if x else 0]
        if only.kind == "pairs":
            return replace(only, value=value, parts=(only.parts[0], only.parts[1].through(lambda v: b("mul", v, other))))
        return only.through(lambda v: b("mul", v, other))
    if x.kind == "values":
        x, y = y, x
    if y.kind == "vectors":
        return Flow("pairs", value, x.frame, x.axis, parts=(x, y)) if x.frame.real or x.turned != y.turned else None
    if y.kind != "values":
        return None
    if x.kind == "vectors":
        return replace(x, value=scaled(b, value, x, y.each), bare=multiplied(b, x.bare, y.each))
    left, right = x.parts
    value = scaled(b, b("mul", right.value, y.value), right, y.each)
    right = replace(right, value=value, bare=multiplied(b, right.bare, y.each))
    return replace(x, value=b("mul", left.value, right.value), parts=(left, right))


# --- axes ---------------------------------------------------------------------------------------------------------------

def _kept(flow: Flow, f: Callable[[Value], Value], axis: int) -> Flow | None:
    """The flow with its axis elsewhere."""
    return flow.through(f, axis=axis) if flow.kind in ("vectors", "values", "more") else None


def _transpose(b: Builder, op: Op, operands: tuple[Value, ...], flows: list[Flow]) -> Flow | None:
    (flow,), perm = flows, op.attrs["perm"]
    lead = flow.frame.lead
    if flow.kind not in ("vectors", "values", "more") or perm[:lead] != tuple(range(lead)):
        return None
    return _kept(flow, lambda v: b.transpose(v, perm), perm.index(flow.axis))


def _broadcast(b: Builder, op: Op, operands: tuple[Value, ...], flows: list[Flow | None]) -> Flow | None:
    flow = flows[0]
    if flow is None or any(flows[1:]):
        return None
    old, new = flow.value.type.dims, op.results[0].type.dims
    more = len(new) - len(old)
    lead = flow.frame.lead
    if (more and lead) or (old[flow.axis] == 1 and not same_length(new[flow.axis + more], 1)):
        return None
    value = b("broadcast", flow.value, *operands[1:])
    if any(not same_length(value.type.dims[k], old[k]) for k in range(lead)):
        return None
    return _kept(flow, lambda v: b("broadcast", v, *operands[1:]), flow.axis + more)


def _reshape(b: Builder, op: Op, operands: tuple[Value, Const, Const], flows: list[Flow | None]) -> Flow | Value | None:
    """Axes of length 1 come and go."""
    flow = flows[0]
    if flow is None or flow.kind not in ("vectors", "values"):
        return None
    value = b("reshape", flow.value, *operands[1:])
    old, new = flow.value.type.dims, value.type.dims
    if flow.kind == "values" and _only(flow.frame) and len(new) == flow.frame.lead:
        found = trace(b, flow, "sum")                          # a sum of one
        return found and b.reshape(found, new)
    longer, now = ([k for k, d in enumerate(dims) if not (type(d) is int and d == 1)] for dims in (old, new))
    lead = flow.frame.lead
    if (len(longer) != len(now) or not all(same_length(old[i], new[j]) for i, j in zip(longer, now))
            or not all(same_length(old[k], new[k]) for k in range(lead))):
        return None
    axes = [now[longer.index(flow.axis)]] if flow.axis in longer else [k for k in range(lead, len(new)) if k not in now]
    return _kept(flow, lambda v: b("reshape", v, *operands[1:]), axes[0]) if axes else None


def _reduce(b: Builder, op: Op, operands: tuple[Value, ...], flows: list[Flow]) -> Any:
    (flow,) = flows
    axes, kind = op.attrs["axes"], op.attrs["kind"]
    if flow.axis in axes:
        if flow.kind == "pairs" and kind == "sum":
            left, right = flow.parts
            return meeting(b, left, right, lambda x, y: b.reduce(b("mul", x, y), kind, axes))
        if flow.kind != "values" or kind not in ("sum", "prod"):
            return None
        found = trace(b, flow, kind)
        return found and b.reduce(found, kind, tuple(k for k in axes if k != flow.axis))
    if kind != "sum" or flow.kind not in ("vectors", "pairs") or any(k < flow.frame.lead for k in axes):
        return None
    axis = flow.axis - sum(k < flow.axis for k in axes)
    if flow.kind == "vectors":
        return flow.through(lambda v: b.reduce(v, kind, axes), axis=axis)
    return None


def _slice(b: Builder, op: Op, operands: tuple[Value, ...], flows: list[Flow | None]) -> Flow | None:
    flow, *indices = flows
    if flow is None or any(indices) or flow.kind not in ("vectors", "values", "more"):
        return None
    spec, frame = op.attrs["spec"], flow.frame
    at = 1 + sum({":": 0, "i": 1, "s": 3}[char] for char in spec[:flow.axis])
    if any(char != ":" for char in spec[:frame.lead]) or spec[flow.axis] == "i":
        return None
    axis = flow.axis - spec[:flow.axis].count("i")

    def cut(v: Value) -> Value:
        return b("slice", v, *operands[1:], spec=spec)

    if spec[flow.axis] == ":":
        if flow.kind == "values" and flow.value is flow.core:
            return None
        return _kept(flow, cut, axis)
    start, length, step = operands[at:at + 3]
    if not (isinstance(step, Const) and step.item == 1):
        return None
    if flow.kind == "values":
        return values_in(b, flow, start, length) if flow.value is flow.core else None
    if flow.kind == "more":
        n = frame.w.type.dims[-1]
        numbers: list[Any] = [*(d.item if isinstance(d, Const) else d for d in (start, length)), n]
        if not all(type(d) is int for d in numbers) or numbers[0] + numbers[1] > n:
            return None
        whole = "".join("s" if k == flow.axis else ":" for k in range(len(spec)))
        flow = flow.through(lambda v: b("slice", v, b.index(0), b.index(n), step, spec=whole))
    if (key_of(start), key_of(length)) == (key_of(b.index(0)), key_of(b.index(frame.w.type.dims[-1]))):
        return flow.through(cut, kind="vectors", axis=axis)
    flow = replace(flow, value=leaving(b, flow, flow.value, start, length), bare=flow.bare and replace(
        flow.bare, value=leaving(b, flow, flow.bare.value, start, length)))
    return flow.through(cut, kind="vectors", axis=axis, frame=range_of(b, frame, start, length))


# --- products and diagonals ---------------------------------------------------------------------------------------------

def _scatter(b: Builder, op: Op, operands: tuple[Value, ...], flows: list[Flow | None]) -> Flow | None:
    """np.diag of values."""
    base, flow, *places = flows
    if base or flow is None or any(places) or flow.kind != "values" or flow.frame.lead:
        return None
    i, j = (v.op for v in operands[2:]) if len(operands) == 4 else (None, None)
    zero = operands[0].op
    if (i is None or i is not j or i.defn.name != "iota" or op.attrs["axes"] != (0, 1) or zero is None
            or zero.defn.name != "broadcast" or not isinstance(zero.operands[0], Const) or zero.operands[0].data.any()
            or not all(same_length(d, flow.each.type.dims[0]) for d in op.results[0].type.dims)):
        return None
    value = b("scatter", operands[0], flow.value, *operands[2:], **op.attrs)
    return Flow("diagonal", value, flow.frame, 0, core=flow.core)


def _dot(b: Builder, op: Op, operands: tuple[Value, ...], flows: list[Flow | None]) -> Flow | Value | None:
    x, y = flows
    values = [f.value if f else v for f, v in zip(flows, operands)]
    frame = _one(x, y).frame
    contract, batch = op.attrs["contract"], op.attrs["batch"]
    lead = tuple(range(frame.lead))
    if frame.lead and (tuple(batch[0]) != lead or tuple(batch[1]) != lead):
        return None
    if x and y:
        return _meeting(b, op, x, y, values)
    k, flow = 0 if x else 1, _one(x, y)
    if flow.kind != "vectors" or flow.axis in contract[k] or flow.axis in batch[k]:
        return None
    other = values[1 - k]
    return flow.through(lambda v: b("dot", *((other, v) if k else (v, other)), **op.attrs),
                        axis=_axis_after(op, values, k, flow.axis))


def _axis_after(op: Op, values: list[Value], k: int, axis: int) -> int:
    (a_batch, _, a_free), (_, _, b_free) = dot_axes(op.attrs, *[len(v.type.dims) for v in values])
    return len(a_batch) + (a_free.index(axis) if k == 0 else len(a_free) + b_free.index(axis))


def _meeting(b: Builder, op: Op, x: Flow, y: Flow, values: list[Value]) -> Flow | Value | None:
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
        added = moved(b, flow.value, mixing_of(b, flow, other.each), flow.axis, flow.frame.lead, flow.turned)
        order = [d for d in range(len(value.type.dims)) if d != flow.axis]
        order.insert(axis, flow.axis)
        added = b.cast(b.transpose(added, order), value.type.dtype)
        bare = multiplied(b, flow.bare and flow.bare.through(lambda v: b.transpose(v, order)), other.each)
        return replace(flow, value=b("add", value, added), axis=axis, bare=bare)
    if (x.axis, y.axis) not in pairs and not _only(x.frame):
        return None
    if kinds == {"vectors"} and (x.frame.real or x.turned != y.turned):
        return meeting(b, x, y, lambda p, q: b("dot", p, q, **op.attrs))
    if kinds == {"values"} and x.value is x.core and y.value is y.core and len(pairs) == 1:
        core = b("mul", x.each, y.each)
        return trace(b, replace(x, value=core, core=core), "sum")
    if kinds == {"values", "pairs"} and all(len(f.value.type.dims) == 1 for f in (x, y)):
        found = _product(b, op, [x, y], values)
        if found is None:
            return None
        left, right = found.parts
        return meeting(b, left, right, lambda p, q: b.reduce(b("mul", p, q), "sum", (0,)))
    return None


RULES = {"elementwise": _elementwise, "transpose": _transpose, "broadcast": _broadcast, "reshape": _reshape,
         "reduce": _reduce, "slice": _slice, "scatter": _scatter, "dot": _dot}
