"""A `map` as ops on whole batches: the batch becomes one more axis of the arrays that differ from element to element.

    %y = map %i = 0 to %n { %r = slice %x, %i;  %h = dot %w, %r;  yield tanh %h }
    %h = dot %w, %x;  %y = tanh %h                           one product for all elements

That is done where it gains (batching/interpreter.py counts): products with what all elements share become products of
matrices, recurrences of single numbers become loops over vectors. Everything else runs best element by element, in registers.

Temporaries then have the length of the batch. A large batch is cut in chunks whose temporaries stay in the cache:

    map %k = 0 to %n / 64 { ops on the elements 64 k … 64 k + 63 }           the elements that are left over follow
"""
from __future__ import annotations

from ..analysis.draws import is_draw
from ..analysis.patterns import number
from ..build import Builder
from ..core import Block, Value
from ..opdef import OpDef
from ..types import INDEX_SCALAR, Type
from .batched import BatchedValue, NotBatched, Unprofitable
from .interpreter import Lift

_CHUNK_BYTES, _CACHE = 1 << 18, 1 << 19           # of the temporaries of a chunk: what is aimed at, and the most
_FEWEST, _MOST = 32, 256                          # elements of a chunk: enough for products of matrices and for vectors


def batched(b: Builder, region: Block, trip: Value) -> tuple[BatchedValue, ...] | None:
    """What `map trip region` yields, over the batch; None where the loop is the better form, or the only one.

    The region has been built and stands nowhere; where this gives None it is unchanged, and nothing has been emitted.
    """
    count = number(trip)
    if not count or not any(_gains(op.defn) for op in region.walk()) or _ordered(region):
        return None
    scratch = Block()
    try:
        with b.at(scratch):
            results = _lifted(b, region, count)
    except (NotBatched, Unprofitable):
        return None
    b.block.ops += scratch.ops
    return results


def _ordered(region: Block) -> bool:
    """Whether each element prints or draws random numbers: the order of that is the order of the elements."""
    return any(op.defn.name == "print" or is_draw(op) or ("callee" in op.attrs and _ordered(op.attrs["callee"].body))
               for op in region.walk())


def _lifted(b: Builder, region: Block, count: int) -> tuple[BatchedValue, ...]:
    length = chunk(region, count)
    if length == count:
        return Lift(b, region.params[0], count).results(region)
    whole, rest = divmod(count, length)
    made = Block([INDEX_SCALAR], ["chunk"])
    with b.at(made):
        lift = Lift(b, region.params[0], length, b.iop("mul", made.params[0], length))
        made.yields = tuple([lift.moved(x, 0) for x in lift.results(region)])
    parts = [b.reshape(r, [whole * length, *r.type.dims[2:]]) for r in b.emit("map", b.index(whole), regions=[made])]
    if rest:
        lift = Lift(b, region.params[0], rest, b.index(whole * length))
        parts = [b("concat", part, lift.moved(x, 0), axis=0) for part, x in zip(parts, lift.results(region))]
    return tuple([BatchedValue(part, 0) for part in parts])


def _gains(defn: OpDef) -> bool:
    """Whether the batch may be faster in one such op; where there is none, nothing can gain."""
    return defn.name == "dot" or (defn.loop and defn.name != "map")


def _placed(defn: OpDef) -> bool:
    """Whether a result has no memory of its own: parts, repetitions, and what stands where something else was."""
    if defn.name in ("gather", "concat", "map"):
        return False
    return defn.moves or defn.loop or defn.name == "if" or defn.overwrites is not None


def chunk(region: Block, count: int) -> int:
    """How many elements to take together: as many as the cache has room for, all in parts of one length where there is one.
    Raises Unprofitable where it has no room for a few: gradients of each element by a large matrix are best made one by one."""
    size = sum([_bytes(r.type) for op in region.walk() if not _placed(op.defn) for r in op.results])
    if size * _FEWEST > _CACHE:
        raise Unprofitable
    most = min(max(_FEWEST, _CHUNK_BYTES // max(size, 1)), _MOST)
    if count <= 2 * most:
        return count
    parts = -(-count // most)
    even = next((k for k in range(parts, parts + parts // 4 + 1) if count % k == 0), None)
    return count // even if even else most


def _bytes(type: Type) -> int:
    return type.count * max(type.dtype.bits // 8, 1) if type.__class__ is Type and type.static else 0
