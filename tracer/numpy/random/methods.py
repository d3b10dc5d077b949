"""Methods of generators that are no distribution of single numbers: integers, choices, orders, vectors, seeds; and generators
that traced code makes.

What chooses among the elements of an array, or puts them into another order, draws positions and takes the elements from there,
as NumPy does: derivatives pass through the elements.
"""
from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....ir.build import Expr, const
from ....ir.core import Function, Value
from ....ir.errors import ArgumentTypeError, DTypeError, ShapeError, UnsupportedError
from ....ir.types import BOOL, F64, I64, Dim, DType, dtype
from ... import tracing
from ...values import boxes, random_generators, shapes
from ...values.boxes import FUNCTIONS, ArrayBox, Box, ScalarBox
from ...values.promotion import fail, to_dtype
from ...values.random_generators import METHODS, GeneratorBox
from .distributions import Source, check

if TYPE_CHECKING:
    from ...tracing import Scope, Trace


def emitted(box: GeneratorBox | None, method: str, args: Sequence = (), kwargs: Iterable[tuple[str, Any]] = (),
            result: DType = I64, dims: tuple[Dim, ...] = (), kind: str | None = None) -> Value:
    """Emit a `random_call` with a result. Arguments are Values, DTypes, "dims" (of the result) or Python literals."""
    (found,) = _emit(box, method, args, kwargs, result, dims, kind)
    return found


def _emit(box: GeneratorBox | None, method: str, args: Sequence, kwargs: Iterable[tuple[str, Any]] = (),
          result: DType | None = None, dims: tuple[Dim, ...] = (), kind: str | None = None) -> Sequence[Value]:
    """The same, where it need not have one."""
    b, operands = tracing.current().builder, [] if box is None else [box.value]

    def form(x: Any) -> Any:
        if isinstance(x, Value):
            operands.append(x)
            return "x", len(operands) - 1 - (box is not None)
        if isinstance(x, DType):
            return "t", x.np.name
        return ("d", len(dims)) if x is DIMS else ("d", x[1]) if type(x) is tuple and x[:1] == (DIMS,) else ("c", x)

    text = json.dumps([list(map(form, args)), [(name, form(x)) for name, x in kwargs]])
    return b.emit("random_call", *operands, *map(b.index, dims), kind=box.kind if box is not None else kind, method=method,
                  form=text, result="none" if result is None else result.name, rank=len(dims))


DIMS = "<dims>"


# --- integers --------------------------------------------------------------------------------------------------------------

def _integers(box: GeneratorBox, low: int, high: int | ScalarBox | None = None, size: int | None = None, dtype: Any = np.int64,
              endpoint: bool = False) -> Box:
    """Generator.integers and RandomState.randint."""
    python = dtype in (int, bool)
    target = to_dtype(dtype)
    if target.kind not in "iub":
        fail(ArgumentTypeError, f"Unsupported dtype dtype('{target.np}') for integers")
    nonpositive = high is None
    if nonpositive:
        low, high = 0, low
    first, last = _bound_of(low), _bound_of(high)
    b = tracing.current().builder
    dims = _size(size, [first, last])
    x, y = b.expr(b.broadcast(first, dims) if first.type.dims else first), b.expr(
        b.broadcast(last, dims) if last.type.dims else last)
    info = np.iinfo(target.np) if target is not BOOL else None
    nothing = const(False, BOOL) if size is None else b("eq", b.index(shapes.product(dims)), b.index(0))

    def expect(good: Expr, message: str) -> None:
        """As NumPy, which looks at the bounds where it is to draw something."""
        check((good | b.expr(nothing)).value, message)

    lowest, highest = (0, 1) if info is None else (int(info.min), int(min(info.max, np.iinfo(np.int64).max)))
    expect(x >= lowest, f"low is out of bounds for {target.np.name}")
    expect(y <= highest if endpoint or target in _WIDE else y <= highest + 1,
           f"high is out of bounds for {target.np.name}")
    what = ("high < 0" if endpoint else "high <= 0") if nonpositive else "low > high" if endpoint else "low >= high"
    expect(x <= y if endpoint else x < y, what)
    top = y if endpoint else y - 1
    if target is I64:
        value = Source(box, dims, I64).draw("integers", x, top).value
    else:                                            # by NumPy's method on the whole: numbers of few bits share draws
        given = [low.value for low in (x, top)]
        value = emitted(box, "integers_between", [*given, DIMS if dims else None, target], result=target, dims=dims)
    if size is None and not dims:
        return ScalarBox(value, ("bool" if dtype is bool else "int") if python else None)
    return boxes.array(value)


_WIDE = frozenset({I64, dtype("u64")})          # their bounds are as wide as bounds can be


def _bound_of(x: Any) -> Value:
    box = boxes.lift(x)
    if box.dtype_ir.kind not in "iubx":
        if isinstance(x, float) and x.is_integer():
            return const(int(x), I64)
        fail(DTypeError, f"a bound of integers is of dtype {box.dtype_ir.np}", "convert it with int() or .astype(int)")
    return boxes.to_value(box, I64)


def _size(size: int | None, values: list[Value]) -> tuple:
    found = shapes.broadcast_dims(*[v.type.dims for v in values])
    if size is None:
        return found
    dims = shapes.shape_of(size)
    if len(shapes.broadcast_dims(dims, found)) != len(dims):
        fail(ShapeError, f"the bounds of shape {shapes.show(found)} do not broadcast to size {shapes.show(dims)}")
    return dims


def _randint(box: Any, low: int, high: Any = None, size: Any = None, dtype: Any = int) -> Any:
    return _integers(box, low, high, size, dtype)


def _random_integers(box: Any, low: int, high: Any = None, size: Any = None) -> Any:
    if high is None:
        low, high = 1, low
    return _integers(box, low, high, size, int, True)


# --- choices and orders ----------------------------------------------------------------------------------------------------

def _choice(box: GeneratorBox, a: int, size: int | ScalarBox | None = None, replace: bool = True, p: Value | None = None,
            axis: int = 0, shuffle: bool = True) -> Any:
    pool = a if isinstance(a, (int, ScalarBox)) and not isinstance(a, bool) else boxes.as_array(a)
    if isinstance(pool, ArrayBox) and not pool.dims:
        pool = ScalarBox(pool.read())
    if isinstance(pool, ArrayBox):
        axis = shapes.axis_of(axis, len(pool.dims)) if box.kind == "Generator" else 0
        if box.kind == "RandomState" and len(pool.dims) != 1:
            fail(ShapeError, "a must be 1-dimensional")
        count = tracing.current().builder.cast(tracing.current().builder.index(pool.dims[axis]), I64)
    else:
        count = boxes.to_value(pool, I64)
    kwargs: list[tuple[str, Any]] = [("p", boxes.to_value(p, F64))] if p is not None else []
    if box.kind == "Generator":
        kwargs.append(("shuffle", _literal(shuffle, "shuffle")))
    dims = () if size is None else shapes.shape_of(size)
    places = emitted(box, "choice", [count, None if size is None else DIMS, _literal(replace, "replace")], kwargs, I64, dims)
    places = boxes.array(places) if size is not None else ScalarBox(places, "int")
    if isinstance(pool, ArrayBox):
        return FUNCTIONS[np.take](pool, places, axis=axis)
    return places


def _literal(x: bool, what: str) -> bool:
    if isinstance(x, Box):
        return bool(boxes.concrete(x, what))
    return bool(x)


def _order(box: Any, method: str, x: ArrayBox, axis: Any) -> ArrayBox:
    """Where a new order takes elements along an axis from."""
    b = tracing.current().builder
    whole = method == "permuted"
    along = x.dims[0 if axis is None else axis]
    lengths = [b.cast(b.index(d), I64) for d in x.dims]
    dims = x.dims if whole else (along,)
    shape = b("concat", *[b.reshape(n, (1,)) for n in lengths], axis=0)
    return boxes.array(emitted(box, method, [shape, axis], result=I64, dims=dims))


def _shuffle(box: GeneratorBox, x: Any, axis: int = 0) -> None:
    if isinstance(x, (list, np.ndarray)) or not isinstance(x, ArrayBox):
        fail(UnsupportedError, f"{box.kind}.shuffle of a '{type(x).__name__}' cannot be compiled: it would change it for good",
             "shuffle an array that the function makes or gets as an argument, or take `x[rng.permutation(len(x))]`")
    axis = shapes.axis_of(axis, len(x.dims))
    order = _order(box, "shuffle", x, axis)
    x.write(FUNCTIONS[np.take](x, order, axis=axis).read())


def _permutation(box: GeneratorBox, x: Any, axis: int = 0) -> Any:
    if isinstance(x, (int, ScalarBox)):
        n = shapes.shape_of(x)
        x = FUNCTIONS.get(np.arange, None) or boxes.REDIRECT[np.arange]
        return _take(box, boxes.REDIRECT[np.arange](boxes.count(n[0])), 0)
    return _take(box, boxes.as_array(x), axis)


def _take(box: Any, x: ArrayBox, axis: int) -> Any:
    if not x.dims:
        fail(ShapeError, "x must be an integer or at least 1-dimensional")
    axis = shapes.axis_of(axis, len(x.dims))
    return FUNCTIONS[np.take](x, _order(box, "permutation", x, axis), axis=axis)


def _permuted(box: GeneratorBox, x: Any, *, axis: int | None = None, out: Expr | None = None) -> Any:
    x = boxes.as_array(x)
    if axis is not None:
        axis = shapes.axis_of(axis, len(x.dims))
    order = _order(box, "permuted", x, axis)
    if axis is None:
        found = FUNCTIONS[np.take](FUNCTIONS[np.ravel](x), order)
    else:
        found = FUNCTIONS[np.take_along_axis](x, order, axis)
    if out is None:
        return found
    out.write(found.read())
    return out


# --- vectors ---------------------------------------------------------------------------------------------------------------

def _array(x: Any, dtype: DType) -> Value:
    return boxes.to_value(boxes.as_array(x), dtype)


def _multinomial(box: GeneratorBox, n: Any, pvals: Any, size: Any = None) -> Any:
    count, p = boxes.to_value(n, I64), _array(pvals, F64)
    lead = shapes.broadcast_dims(count.type.dims, p.type.dims[:-1]) if size is None else shapes.shape_of(size)
    return _vector(box, "multinomial", [count, p], lead, p.type.dims[-1], I64, size)


def _hypergeometric(box: ArrayBox, colors: Any, nsample: Any, size: Any = None, method: str = "marginals") -> Any:
    colors, count = _array(colors, I64), boxes.to_value(nsample, I64)
    lead = () if size is None else shapes.shape_of(size)
    return _vector(box, "multivariate_hypergeometric", [colors, count], lead, colors.type.dims[0], I64, size,
                   [("method", str(method))])


def _dirichlet(box: ArrayBox, alpha: Any, size: Any = None) -> Any:
    alpha = _array(alpha, F64)
    return _vector(box, "dirichlet", [alpha], () if size is None else shapes.shape_of(size), alpha.type.dims[0], F64, size)


def _multivariate_normal(box: ArrayBox, mean: Any, cov: Any, size: Any = None, check_valid: str = "warn", tol: float = 1e-8, *,
                         method: str = "svd") -> Any:
    mean, cov = _array(mean, F64), _array(cov, F64)
    kwargs = [("check_valid", str(check_valid)), ("tol", float(tol))]
    if box.kind == "Generator":
        kwargs.append(("method", str(method)))
    lead = () if size is None else shapes.shape_of(size)
    b = tracing.current().builder
    zeros = b.zeros_like(mean)
    drawn = _vector(box, "multivariate_normal", [zeros, cov], lead, mean.type.dims[0], F64, size, kwargs)
    return boxes.array(b("add", b.broadcast(mean, drawn.dims), drawn.read()))


def _vector(box: Any, method: str, args: Any, lead: Any, length: Dim, dtype: DType, size: Any,
            kwargs: Any = ()) -> Any:
    """Vectors of `length` numbers, as many as `lead` says."""
    given = None if size is None else (DIMS, len(lead))
    return boxes.array(emitted(box, method, [*args, given], kwargs, dtype, (*lead, length)))


# --- seeds and new generators ----------------------------------------------------------------------------------------------

def seeded(box: GeneratorBox, seed: Any = None) -> None:
    _emit(box, "seed", [_seed_of(seed)])


def _seed_of(seed: Any) -> Any:
    if seed is None:
        return None
    if isinstance(seed, np.integer):
        return int(seed)
    if isinstance(seed, int):
        return seed
    if isinstance(seed, (list, tuple)) and all(isinstance(x, int) for x in seed):
        return list(seed)
    found = boxes.lift(seed)
    if found.dtype_ir.kind not in "iux":
        fail(ArgumentTypeError, f"a seed is of dtype {found.dtype_ir.np}", "take an integer, or an array of integers")
    return boxes.to_value(found)


class Bits:
    """A bit generator that traced code makes: its name and seed."""

    __slots__ = ("name", "seed")

    def __init__(self, name: str, seed: Any):
        self.name, self.seed = name, seed


def _bits(name: str) -> Callable:
    return lambda seed=None: Bits(name, seed)


def made(method: str, kind: str, *how: Any) -> GeneratorBox:
    """A generator that the program makes; the last argument is its seed."""
    found = GeneratorBox(emitted(None, method, [*how[:-1], _seed_of(how[-1])], kind=kind), kind, True)
    tracing.current().scopes[-1].generators.append(found)
    return found


def drop(trace: Trace, scope: Scope) -> None:
    """What a region has made is let go at its end: it is known nowhere else."""
    for made in scope.generators:
        _emit(made, "drop", [])


random_generators.DROP.append(drop)


def _default_rng(seed: Any = None) -> Any:
    box = random_generators.boxed(seed)
    if box is not None and box.kind == "Generator":
        return box
    if isinstance(seed, Bits):
        return made("new", "Generator", seed.name, seed.seed)
    return made("new", "Generator", "", seed)


def _generator(bits: Any) -> Any:
    if not isinstance(bits, Bits):
        fail(UnsupportedError, f"np.random.Generator of a '{type(bits).__name__}' that exists outside of the compiled function",
             "make the generator before the call, and pass it in")
    return made("new", "Generator", bits.name, bits.seed)


def _random_state(seed: Any = None) -> Any:
    if isinstance(seed, Bits):
        return made("random_state", "RandomState", seed.name, seed.seed)
    return made("random_state", "RandomState", "", seed)


def _spawn(box: GeneratorBox, n_children: Any) -> Any:
    count = shapes.static_int(n_children, "the number of generators to spawn")
    made = [GeneratorBox(emitted(box, "spawn"), box.kind, True) for _ in range(count)]
    tracing.current().scopes[-1].generators.extend(made)
    return made


_CLASSES = {"Generator": _generator, "RandomState": _random_state,
            **{name: _bits(name) for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")}}


def function(f: Function) -> Any:
    """What traced code calls in place of a function or class of np.random that belongs to no generator; None for others."""
    module = sys.modules.get("numpy.random")
    name = getattr(f, "__name__", "")
    if module is None or getattr(module, name, None) is not f:
        return None
    if name == "default_rng":
        return _default_rng
    if name in _CLASSES:
        return _CLASSES[name]
    shared = random_generators.boxed(module.mtrand._rand)
    return getattr(shared, _SHARED[name]) if name in _SHARED else None


_SHARED = {"seed": "seed", "ranf": "random_sample", "sample": "random_sample"}

METHODS |= {
    ("Generator", "integers"): _integers, ("RandomState", "randint"): _randint,
    ("RandomState", "random_integers"): _random_integers, ("Generator", "spawn"): _spawn,
    ("Generator", "permuted"): _permuted, ("RandomState", "seed"): seeded,
    ("Generator", "multivariate_hypergeometric"): _hypergeometric,
    **{(kind, name): method for kind in ("Generator", "RandomState") for name, method in
       {"choice": _choice, "shuffle": _shuffle, "permutation": _permutation, "multinomial": _multinomial,
        "dirichlet": _dirichlet, "multivariate_normal": _multivariate_normal}.items()},
}
