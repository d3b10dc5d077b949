"""Whole derivatives of functions with many results: jacfwd, jacrev, jacobian, hessian, hvp.

The function runs once; the linear half of its derivative (tangents to tangents, or cotangents to cotangents) then runs in a
parallel loop over the basis of one side. With N input and M output elements:

    forward   map k in N:  push(e_k)   ->  one [N, out…] array for each result, its first axis moved last
    reverse   map k in M:  pull(e_k)   ->  one [M, in…] array for each argument
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, ParamSpec, TypeVar, overload

from ..autodiff import forward
from ..autodiff.reverse import reverse
from ..ir.analysis import lengths
from ..ir.analysis.patterns import number
from ..ir.build import Builder
from ..ir.clone import inline
from ..ir.core import Function, Value
from ..ir.errors import ArgumentError
from ..ir.types import Type
from ..jitted.api import Jitted
from ..jitted.functions import MAKERS, derived, maker
from ..jitted.out_argument import WithOut
from ..operators.transforms import expect_tuples, grad, jvp, several
from ..programs.derivative_programs import built, halves, only_returned, tuple_of
from ..tracer import tracing
from ..tracer.staging.traced import Out, Traced
from .compressed import Compressed, mapped_over
from .spec import Sides, nested, places, sides

P = ParamSpec("P")
R = TypeVar("R")
MODES = ("auto", "forward", "reverse", "compressed")


def one_hot(b: Builder, k: Value, offset: Value, count: Value, like: Type) -> Value:
    """The array of a type, of `count` elements, that is 1 at flat position k - offset, and 0 where that is outside."""
    at = b.iop("sub", k, offset)
    if not like.dims:
        return b.cast(b("eq", at, b.index(0)), like.dtype)
    hot = b("eq", b("iota", count, dtype=at.type.dtype), at)
    return b.reshape(b.cast(hot, like.dtype), like.dims)


class Basis(NamedTuple):
    """The elements of all leaves of one side, one after the other: their types, where each starts, and how many there are."""

    types: tuple[Type, ...]
    starts: list[Value]

    @classmethod
    def of(cls, b: Builder, types: Sequence[Type]) -> Basis:
        return cls(tuple(types), places(b, types))

    def vectors(self, b: Builder, k: Value) -> list[Value]:
        """Those of basis vector k."""
        return [one_hot(b, k, self.starts[n], self.size(b, n), t) for n, t in enumerate(self.types)]

    def size(self, b: Builder, n: int) -> Value:
        return b.iop("sub", self.starts[n + 1], self.starts[n]) if n else self.starts[1]

    def part(self, b: Builder, x: Value, axis: int, n: int) -> Value:
        """Of what has one entry for each vector along an axis, those of leaf n."""
        if len(self.types) == 1:
            return x
        spec = ":" * axis + "s" + ":" * (x.rank - axis - 1)
        return b("slice", x, self.starts[n], self.size(b, n), b.index(1), spec=spec)


def jacobian_of(traced: Traced, argnums: int | tuple[int, ...], mode: str, has_aux: bool = False) -> Traced:
    """The program of the Jacobian: for each result leaf and each argument leaf an array of shape out… + in…"""
    s = sides(traced, argnums, has_aux, general=True)
    f = s.function
    aux, structure = s.aux or ((), None)
    kept = dict.fromkeys(out.computed for out in aux if out.result is not None)

    def body(b: Builder, params: tuple[Value, ...]) -> list[Value]:
        forwards = mode == "forward" or (mode == "auto" and _fewer_inputs(b, s))
        parts, blocks = (forward.linearize, _forward_blocks) if forwards else (reverse.split, _reverse_blocks)
        first, linear = halves(f, s.wrt, parts)
        found = inline(b, first, params)
        rows = blocks(b, f, linear, found, s.outs, s.ins)
        return [*[block for row in rows for block in row], *[found[k] for k in kept]]

    g = built(f"{f.name}_jac", f, [p.type for p in f.params], [p.name for p in f.params], body)
    count = len(g.results) - len(kept)
    kinds = [Out("array" if v.type.rank else "numpy", n) for n, v in enumerate(g.results[:count])]
    place = {k: count + n for n, k in enumerate(kept)}
    kinds += [out if out.result is None else out._replace(result=place[out.computed]) for out in aux]
    whole = nested(s.traced.out_tree, s.below)
    return only_returned(replace(s.traced, function=g, outs=tuple(kinds),
                                 out_tree=whole if structure is None else tuple_of(whole, structure)))


def _fewer_inputs(b: Builder, s: Sides) -> bool:
    """Whether there are no more inputs than outputs."""
    n, m = [places(b, types)[-1] for types in (s.ins, s.results)]
    if (known := number(n)) is not None and (bound := number(m)) is not None:
        return known <= bound
    larger = lengths.larger(m, n)
    if larger is None:
        raise tracing.NeedLengths("whether there are more inputs or outputs, which decides the mode, depends on lengths")
    return larger is m


def _forward_blocks(b: Builder, f: Function, push: Function, values: Sequence[Value], outs: tuple[int, ...],
                    ins: tuple[Type, ...]) -> Iterator[list[Value]]:
    """values: what the first half returns, results and residuals."""
    residuals, basis, place = values[len(f.results):], Basis.of(b, ins), _inexact_places(f)
    stacked = mapped_over(b, basis.starts[-1], lambda k: inline(b, push, (*residuals, *basis.vectors(b, k))))
    for r in outs:
        dims = values[r].type.dims
        if r not in place:
            yield [b.full(0, dims + t.dims, t.dtype) for t in ins]
            continue
        whole = stacked[place[r]]
        last = b.transpose(whole, (*range(1, whole.rank), 0))
        yield [b.reshape(basis.part(b, last, last.rank - 1, n), dims + t.dims) for n, t in enumerate(ins)]


def _reverse_blocks(b: Builder, f: Function, pull: Function, values: Sequence[Value], outs: tuple[int, ...],
                    ins: tuple[Type, ...]) -> Iterator[list[Value]]:
    residuals, place = values[len(f.results):], _inexact_places(f)
    basis = Basis.of(b, [values[r].type for r in place])
    stacked = mapped_over(b, basis.starts[-1], lambda k: inline(b, pull, (*residuals, *basis.vectors(b, k))))
    for r in outs:
        dims = values[r].type.dims
        if r not in place:
            yield [b.full(0, dims + t.dims, t.dtype) for t in ins]
            continue
        yield [b.reshape(basis.part(b, whole, 0, place[r]), dims + t.dims) for whole, t in zip(stacked, ins)]


def _inexact_places(f: Any) -> dict[int, int]:
    """result -> its number among the inexact results."""
    found = [k for k, r in enumerate(f.results) if r.type.dtype.inexact]
    return {k: n for n, k in enumerate(found)}


def _operator(name: str, f: Callable, argnums: int, mode: str, sparse: bool, static_argnums: tuple,
              static_argnames: tuple, has_aux: bool = False) -> Jitted:
    chosen = several(argnums)
    static: dict[str, Any] = {"static_argnums": static_argnums, "static_argnames": static_argnames}

    def whole(traced: Traced) -> Traced:
        return jacobian_of(traced, chosen, mode, has_aux)
    if sparse or mode in ("auto", "compressed"):
        return Compressed(f, chosen, mode, sparse, whole, name, has_aux=has_aux, **static)
    return WithOut(f, whole, label=name, **static)


for _name in ("jacfwd", "jacrev", "jacobian"):
    maker(_name)(functools.partial(_operator, _name))


@overload
def jacfwd(f: Callable[P, R], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
           static_argnums: Any = (), static_argnames: Any = ()) -> Jitted[P, Any]: ...
@overload
def jacfwd(f: None = None, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, static_argnums: Any = (),
           static_argnames: Any = ()) -> Callable[[Callable[P, R]], Jitted[P, Any]]: ...
def jacfwd(f: Callable | None = None, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, static_argnums: Any = (),
           static_argnames: Any = ()) -> Any:
    """The Jacobian by forward mode: one column for each input element, best where there are few inputs.

    For a result of shape `out` and an argument of shape `in` an array of shape out + in; structures of results hold
    structures of arguments, as in JAX. Raises for integers, complex numbers and results whose length only run time knows.

    Parameters: `f`, `argnums`, `has_aux`, `static_argnums`, `static_argnames` as of `grad`.
    Result: a function of the same arguments, of the Jacobian, with has_aux of (Jacobian, aux); with `f` left out, a decorator.
    Errors: DTypeError, UnsupportedError as above; those of `jit`.

    >>> tg.jacfwd(lambda x: x**2)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    if f is None:
        return functools.partial(jacfwd, argnums=argnums, has_aux=has_aux, static_argnums=static_argnums,
                                 static_argnames=static_argnames)
    return derived(f, "jacfwd", argnums, "forward", False, static_argnums, static_argnames, *[True] * bool(has_aux))


@overload
def jacrev(f: Callable[P, R], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
           static_argnums: Any = (), static_argnames: Any = ()) -> Jitted[P, Any]: ...
@overload
def jacrev(f: None = None, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, static_argnums: Any = (),
           static_argnames: Any = ()) -> Callable[[Callable[P, R]], Jitted[P, Any]]: ...
def jacrev(f: Callable | None = None, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, static_argnums: Any = (),
           static_argnames: Any = ()) -> Any:
    """The Jacobian by reverse mode: one row for each output element, best where there are few outputs. See `jacfwd`.

    Parameters: `f`, `argnums`, `has_aux`, `static_argnums`, `static_argnames` as of `grad`.
    Result: a function of the same arguments, of the Jacobian, with has_aux of (Jacobian, aux); with `f` left out, a decorator.
    Errors: those of `jacfwd`.

    >>> tg.jacrev(lambda x: x[0] * x)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [2.0, 1.0]]
    """
    if f is None:
        return functools.partial(jacrev, argnums=argnums, has_aux=has_aux, static_argnums=static_argnums,
                                 static_argnames=static_argnames)
    return derived(f, "jacrev", argnums, "reverse", False, static_argnums, static_argnames, *[True] * bool(has_aux))


@overload
def jacobian(f: Callable[P, R], argnums: int | tuple[int, ...] = 0, *, mode: str = "auto", sparse: bool = False,
             has_aux: bool = False, static_argnums: Any = (), static_argnames: Any = ()) -> Jitted[P, Any]: ...
@overload
def jacobian(f: None = None, argnums: int | tuple[int, ...] = 0, *, mode: str = "auto", sparse: bool = False,
             has_aux: bool = False, static_argnums: Any = (), static_argnames: Any = ()
             ) -> Callable[[Callable[P, R]], Jitted[P, Any]]: ...
def jacobian(f: Callable | None = None, argnums: int | tuple[int, ...] = 0, *, mode: str = "auto", sparse: bool = False,
             has_aux: bool = False, static_argnums: Any = (), static_argnames: Any = ()) -> Any:
    """The Jacobian, by the mode that takes the fewest passes, or as a sparse matrix.

    mode    "forward": a pass for each input; "reverse": one for each output; "compressed": one for each colour of the sparsity
            pattern (see `sparsity`), columns or rows, whichever are fewer; "auto": the cheapest of these by counting
    sparse  the result is a SciPy CSR array of shape (size of out, size of in), elements in C order, with an entry for all
            that can differ from zero; always compressed, where mode "forward" and "reverse" choose columns and rows

    Results are otherwise as of `jacfwd`, and so are the errors. What goes by a pattern must be called from Python; within a
    compiled function "auto" is forward mode where there are no more inputs than outputs, else reverse.

    Parameters: `f`, `argnums`, `has_aux`, `static_argnums`, `static_argnames` as of `grad`; these two.
    Result: a function of the same arguments, of the Jacobian, with has_aux of (Jacobian, aux); with `f` left out, a decorator.
    Errors: those of `jacfwd`; ArgumentError for another mode.

    >>> tg.jacobian(lambda x: x[1:] - x[:-1], sparse=True)(np.zeros(3)).toarray().tolist()
    [[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0]]
    """
    if mode not in MODES:
        raise ArgumentError(f"there is no mode {mode!r}", "use one of " + ", ".join(map(repr, MODES)))
    static = {"static_argnums": static_argnums, "static_argnames": static_argnames}
    if f is None:
        return functools.partial(jacobian, argnums=argnums, mode=mode, sparse=sparse, has_aux=has_aux, **static)
    return derived(f, "jacobian", argnums, mode, sparse, static_argnums, static_argnames, *[True] * bool(has_aux))


@overload
def hessian(f: Callable[P, R], argnums: int | tuple[int, ...] = 0, *, sparse: bool = False, has_aux: bool = False,
            static_argnums: Any = (), static_argnames: Any = ()) -> Jitted[P, Any]: ...
@overload
def hessian(f: None = None, argnums: int | tuple[int, ...] = 0, *, sparse: bool = False, has_aux: bool = False,
            static_argnums: Any = (), static_argnames: Any = ()) -> Callable[[Callable[P, R]], Jitted[P, Any]]: ...
def hessian(f: Callable | None = None, argnums: int | tuple[int, ...] = 0, *, sparse: bool = False, has_aux: bool = False,
            static_argnums: Any = (), static_argnames: Any = ()) -> Any:
    """The second derivatives of a scalar function: forward mode over its gradient. For an argument of shape `in`, in + in.

    sparse  a SciPy CSR array of shape (size of in, size of in) from as many products with the Hessian as a star colouring of
            its pattern has colours; see `jacobian`

    Parameters: `f`, `argnums`, `has_aux`, `static_argnums`, `static_argnames` as of `grad`; this one.
    Result: a function of the same arguments, of the Hessian, with has_aux of (Hessian, aux); with `f` left out, a decorator.
    Errors: those of `grad` and `jacfwd`.

    >>> tg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0])).tolist()
    [[4.0, 2.0], [2.0, 0.0]]
    """
    if f is None:
        return functools.partial(hessian, argnums=argnums, sparse=sparse, has_aux=has_aux, static_argnums=static_argnums,
                                 static_argnames=static_argnames)
    return derived(f, "hessian", argnums, sparse, static_argnums, static_argnames, *[True] * bool(has_aux))


@maker("hessian")
def _hessian(f: Callable, argnums: int, sparse: bool, static_argnums: tuple, static_argnames: tuple, has_aux: bool = False
             ) -> Jitted:
    gradient = MAKERS["grad"](f, argnums, has_aux, static_argnums, static_argnames)
    if not sparse:
        return _operator("hessian", gradient, argnums, "forward", False, static_argnums, static_argnames, has_aux)
    return Compressed(gradient, several(argnums), "forward", True, None, "hessian", symmetric=True, has_aux=has_aux,
                      static_argnums=static_argnums, static_argnames=static_argnames)


def hvp(f: Callable, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The Hessian of a scalar function at `primals` times `tangents`, without the Hessian: forward mode over the gradient.

    primals, tangents   tuples of all arguments and their tangents. Returns the product in the structure of the argument
                        where there is one, a tuple where there are several.
    has_aux             the function returns (value, aux), and the product comes as (product, aux)

    Parameters: `f`, the function, and these.
    Result: the product, as above.
    Errors: those of `grad` and `jvp`.

    >>> tg.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),)).tolist()
    [6.0, 0.0]
    """
    expect_tuples("hvp", primals, tangents)
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums, has_aux=has_aux), primals, tangents, has_aux)[1:][0 if not has_aux else slice(None)]
