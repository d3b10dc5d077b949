"""Products and linear algebra on boxes, composed of `dot`, the factorisations and elementwise ops."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import Builder, Expr, const
from ...ir.errors import LinAlgError, ShapeError
from ...ir.types import BOOL, I64
from .. import tracing
from ..values import boxes, shapes, ufuncs
from ..values.boxes import FUNCTIONS, HOOKS, ArrayBox, Box, as_array, implements, lift
from ..values.promotion import fail, resolve, result_dtype, strong, to_dtype
from ..values.shapes import axis_of
from ..values.ufuncs import GUFUNCS
from . import reductions
from .arrays.creation import eye
from .arrays.manipulation import diagonal, moveaxis, reshape, swapaxes

if TYPE_CHECKING:
    from ...ir.core import Value

# --- products -------------------------------------------------------------------------------------------------------

def contraction(a: Value, b: Value, contract: tuple[tuple[int, ...], ...], batch: tuple[tuple, ...] = ((), ())) -> Value:
    """`dot` of two values of one dtype, with lengths that are checked where they are not proved equal; bools by and, or."""
    builder = tracing.current().builder
    dims = list(b.type.dims)
    for i, j in zip(contract[0] + batch[0], contract[1] + batch[1]):
        dims[j] = shapes.unify(a.type.dims[i], dims[j], "shapes do not align: {0} and {1}")
    own = list(a.type.dims)
    for i, j in zip(contract[0] + batch[0], contract[1] + batch[1]):
        own[i] = dims[j]
    a, b = shapes.retype(a, tuple(own)), shapes.retype(b, tuple(dims))
    if a.type.dtype is BOOL:
        found = builder("dot", builder.cast(a, I64), builder.cast(b, I64), contract=contract, batch=batch)
        return builder("ne", found, const(0, I64))
    return builder("dot", a, b, contract=contract, batch=batch)


def common(a: Any, b: ArrayBox | Builder, dtype: Any = None) -> tuple[Value, Value]:
    """Both operands as values in NumPy's common dtype; a Python number is the array that NumPy makes of it."""
    a, b = lift(a), lift(b)
    target = to_dtype(dtype) if dtype is not None else result_dtype([strong(a.kind), strong(b.kind)])
    return boxes.converted(a, a.read(), target), boxes.converted(b, b.read(), target)


def finish(value: Value, out: Any = None, name: str = "matmul", core: int | None = None) -> Box:
    """A result, in `out` where that is given, of which the last `core` axes are not repeated; None: no axis."""
    if out is None:
        return boxes.result(value)
    return ufuncs.deliver(name, value, out[0] if isinstance(out, tuple) else out, core=core)


def _misfit(name: str, a: Value, b: Value, i: int, j: int) -> None:
    x, y = a.type.dims[i], b.type.dims[j]
    if type(x) is int and type(y) is int and x != y:
        fail(ShapeError,
             f"matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature (n?,k),(k,m?)->(n?,m?) "
                         f"(size {y} is different from {x})" if name == "matmul" else
             f"shapes {shapes.show(a.type.dims)} and {shapes.show(b.type.dims)} not aligned: {x} (dim {i % a.type.rank}) != "
             f"{y} "
             f"(dim {j % b.type.rank})")


def matmul_values(a: Value, b: Value) -> Value:
    """a @ b: the last axis of a with the last but one of b (the only one, where b has one); other axes broadcast."""
    builder = tracing.current().builder
    ra, rb = a.type.rank, b.type.rank
    if not ra or not rb:
        fail(ShapeError,
             f"matmul: Input operand {int(bool(ra))} does not have enough dimensions (has 0, gufunc core with signature "
                         "(n?,k),(k,m?)->(n?,m?) requires 1)")
    _misfit("matmul", a, b, -1, -2 if rb > 1 else -1)
    if rb <= 2:
        return contraction(a, b, ((ra - 1,), (0,)))
    if ra == 1:
        return contraction(a, b, ((0,), (rb - 2,)))
    lead_a, lead_b = a.type.dims[:-2], b.type.dims[:-2]
    if not lead_a:
        found = contraction(a, b, ((1,), (rb - 2,)))            # n, batch…, m
        return builder.transpose(found, (*range(1, rb - 1), 0, rb - 1))
    lead = shapes.broadcast_dims(lead_a, lead_b)
    a, b = (shapes.expand(v, (*lead, *v.type.dims[-2:])) for v in (a, b))
    n = len(lead)
    return contraction(a, b, ((n + 1,), (n,)), (tuple(range(n)), tuple(range(n))))


def matmul(a: Any, b: Any, out: Expr | None = None, dtype: Any = None, casting: str = "same_kind",
           **others: Any) -> Box:
    x, y = lift(a), lift(b)
    ins, _ = resolve(np.matmul, (x.kind, y.kind), None if dtype is None else to_dtype(dtype).np)
    found = matmul_values(boxes.converted(x, x.read(), ins[0]), boxes.converted(y, y.read(), ins[1]))
    return finish(found, out, core=(len(x.dims) > 1) + (len(y.dims) > 1))


GUFUNCS[np.matmul] = matmul


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    a, b = common(a, b)
    ra, rb = a.type.rank, b.type.rank
    if out is not None and as_array(out).dtype_ir is not a.type.dtype:
        raise ValueError("output array is not acceptable (must have the right datatype, number of dimensions, and be a "
                         "C-Array)")
    if not ra or not rb:
        (x, y), _ = shapes.align([a, b])
        return finish(ufuncs.evaluate(np.multiply, [x, y], (x.type.dtype,)), out, "dot")
    at = max(rb - 2, 0)
    _misfit("dot", a, b, ra - 1, at)
    return finish(contraction(a, b, ((ra - 1,), (at,))), out, "dot")


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    a, b = common(a, b)
    if not a.type.rank or not b.type.rank:
        return np.multiply(boxes.result(a), boxes.result(b))
    _misfit("inner", a, b, a.type.rank - 1, b.type.rank - 1)
    return finish(contraction(a, b, ((a.type.rank - 1,), (b.type.rank - 1,))))


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    x, y = common(FUNCTIONS[np.ravel](a), FUNCTIONS[np.ravel](b))
    _misfit("vdot", x, y, 0, 0)
    return finish(contraction(conjugate(x), y, ((0,), (0,))))


def conjugate(x: Any) -> Any:
    return tracing.current().builder("conj", x) if x.type.dtype.complex else x


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> ArrayBox:
    found = np.multiply(reshape(a, (-1, 1)), reshape(b, (1, -1)))
    return found if out is None else ufuncs.deliver("multiply", found.read(), out)


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    for x in map(as_array, (x1, x2)):
        shapes.require_rank(x, 1, "Input arrays must be one-dimensional")
    return outer(x1, x2)


implements(np.linalg.matmul)(lambda x1, x2, /: matmul(x1, x2))


@implements(np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: Any = -1) -> Any:
    x, y = as_array(x1), as_array(x2)
    x, y = (moveaxis(v, axis, -1) for v in (x, y))
    product = as_array(np.multiply(np.conjugate(x) if x.dtype_ir.complex else x, y)).read()
    kind = "any" if product.type.dtype is BOOL else "sum"      # in the dtype of the product: small integers wrap, as in a dot
    return boxes.result(tracing.current().builder.reduce(product, kind, (product.type.rank - 1,)))


GUFUNCS[np.vecdot] = lambda x1, x2, out=None, axis=-1, **others: finish(as_array(vecdot(x1, x2, axis=axis)).read(), out,
                                                                               core=0)
if hasattr(np, "matvec"):
    GUFUNCS[np.matvec] = lambda a, b, out=None, **others: finish(matmul(a, as_array(b)[..., None])[..., 0].read(), out,
                                                             core=1)
    GUFUNCS[np.vecmat] = lambda a, b, out=None, **others: finish(matmul(np.conjugate(as_array(a))[..., None, :], b)[..., 0,
                                                                                                                    :].read(),
                                                                 out, core=1)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> ArrayBox:
    a, b = common(a, b)
    if isinstance(axes, (tuple, list)):
        left, right = (tuple(x) if isinstance(x, (tuple, list)) else (x,) for x in axes)
    else:
        n = shapes.static_int(axes, "axes of np.tensordot")
        left, right = tuple(range(a.type.rank - n, a.type.rank)), tuple(range(n))
    left, right = tuple(axis_of(k, a.type.rank) for k in left), tuple(axis_of(k, b.type.rank) for k in right)
    if len(left) != len(right) or any(type(a.type.dims[i]) is int and type(b.type.dims[j]) is int
                                      and a.type.dims[i] != b.type.dims[j]
                                      for i, j in zip(left, right)):
        fail(ShapeError, "shape-mismatch for sum")
    return boxes.array(contraction(a, b, (left, right)))


implements(np.linalg.tensordot)(lambda x1, x2, /, *, axes=2: tensordot(x1, x2, axes))


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    rank = max(len(a.dims), len(b.dims))
    wide = [(1,) * (rank - len(x.dims)) + x.dims for x in (a, b)]
    x = reshape(a, tuple(boxes.count(e) for d in wide[0] for e in (d, 1)))
    y = reshape(b, tuple(boxes.count(e) for d in wide[1] for e in (1, d)))
    product = np.multiply(x, y)
    dims = tuple(shapes.arith("mul", d, e) for d, e in zip(*wide))
    return boxes.array(tracing.current().builder.reshape(product.read(), dims))


@implements(np.cross)
def cross(a: Any, b: Any, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (moveaxis(as_array(x), k, -1) for x, k in ((a, axisa), (b, axisb)))
    sizes = a.dims[-1], b.dims[-1]
    if not all(s in (2, 3) for s in sizes if type(s) is int) or any(type(s) is not int for s in sizes):
        fail(ShapeError, "incompatible dimensions for cross product\n(dimension must be 2 or 3)")
    if sizes == (2, 2):
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a0, a1, b0, b1 = a[..., 0], a[..., 1], b[..., 0], b[..., 1]
    a2 = a[..., 2] if sizes[0] == 3 else None
    b2 = b[..., 2] if sizes[1] == 3 else None
    if b2 is None:
        parts = [-(a2 * b1), a2 * b0, a0 * b1 - a1 * b0]
    elif a2 is None:
        parts = [a1 * b2, -(a0 * b2), a0 * b1 - a1 * b0]
    else:
        parts = [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0]
    found = FUNCTIONS[np.stack](parts, -1)
    return moveaxis(found, -1, axisc) if len(found.dims) > 1 else found


implements(np.linalg.cross)(lambda x1, x2, /, *, axis=-1: cross(x1, x2, axis=axis))


@implements(np.trace)
def trace(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: Any = None) -> Any:
    return reductions.sum_(diagonal(a, offset, axis1, axis2), -1, dtype, out)


implements(np.linalg.trace)(lambda x, /, *, offset=0, dtype=None: trace(x, offset, -2, -1, dtype))
implements(np.linalg.diagonal)(lambda x, /, *, offset=0: diagonal(x, offset, -2, -1))
implements(np.matrix_transpose, np.linalg.matrix_transpose)(lambda x, /: swapaxes(x, -1, -2))


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """The cheapest order of the products where the lengths are numbers, else from left to right."""
    parts = [as_array(x) for x in arrays]
    if len(parts) < 2:
        fail(ShapeError, "Expecting at least two arrays.")
    sizes = [p.dims[0] if len(p.dims) == 2 else 1 for p in parts] + [parts[-1].dims[-1] if len(parts[-1].dims) == 2 else 1]
    order = _cheapest(sizes) if all(type(s) is int for s in sizes) else None

    def join(i: Any, j: Any) -> Any:
        if i == j:
            return parts[i]
        k = order[i, j] if order else j - 1
        return dot(join(i, k), join(k + 1, j))

    found = join(0, len(parts) - 1)
    return found if out is None else ufuncs.deliver("dot", found.read(), out)


def _cheapest(sizes: Any) -> Any:
    n = len(sizes) - 1
    cost, cut = {(i, i): 0 for i in range(n)}, {}
    for span in range(1, n):
        for i in range(n - span):
            j = i + span
            cost[i, j], cut[i, j] = min((cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                                        for k in range(i, j))
    return cut


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    a, k = square(as_array(a)), shapes.to_index(n)
    if type(k) is not int:
        tracing.need_static(n, "the power of a matrix")
        return HOOKS["matrix_power"](a, boxes.count(k))
    n = k
    if n == 0:
        unit = eye(boxes.count(a.dims[-1]), dtype=a.kind)
        return boxes.array(shapes.expand(unit.read(), a.dims))
    base, found = (inv(a), None) if n < 0 else (a, None)
    n = abs(n)
    while n:
        if n & 1:
            found = base if found is None else matmul(found, base)
        n >>= 1
        base = matmul(base, base) if n else base
    return found


# --- solving --------------------------------------------------------------------------------------------------------

def square(a: ArrayBox) -> ArrayBox:
    """The array, whose last two lengths are the same value."""
    if len(a.dims) < 2:
        fail(LinAlgError, f"{len(a.dims)}-dimensional array given. Array must be at least two-dimensional")
    x, y = a.dims[-2:]
    if type(x) is int and type(y) is int and x != y:
        fail(LinAlgError, "Last 2 dimensions of the array must be square")
    n = shapes.unify(x, y, "Last 2 dimensions of the array must be square, not {0} and {1}")
    return a if shapes.same(x, y) else boxes.array(shapes.retype(a.read(), (*a.dims[:-2], n, n)))


def inexact(*arrays: ArrayBox) -> list[Value]:
    """The values in the dtype that LAPACK computes in: float64 for integers."""
    kinds = [np.dtype(float) if x.dtype_ir.kind in "biu" else x.dtype_ir.np for x in arrays]
    target = result_dtype(kinds)
    return [boxes.to_value(x, target) for x in arrays]


def factored(a: Value) -> tuple[Value, ...]:
    builder = tracing.current().builder
    return builder.emit("lu", a)


def _invertible(a: Value) -> tuple[Value, ...]:
    """The factors of a matrix whose equations are to be solved."""
    trace = tracing.current()
    if trace.targets:                  # a `try` may catch what lu_solve raises: a zero on the diagonal of the upper factor
        builder, held = trace.builder, trace.builder("stop_gradient", a)         # whose tangent is for regular ones only
        pivots = diagonal(boxes.array(factored(held)[0]), 0, -2, -1).read()
        regular = builder("ne", pivots, builder.zeros_like(pivots))
        builder.emit("check", builder.reduce(regular, "all", range(pivots.type.rank)), error="LinAlgError",
                     message="Singular matrix")
    return factored(a)


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> ArrayBox:
    builder, a, b = tracing.current().builder, as_array(a), as_array(b)
    a = square(a)
    x, y = inexact(a, b)
    vector = y.type.rank == 1
    if vector:
        y = builder.reshape(y, (*y.type.dims, 1))
    if y.type.rank < 2:
        fail(ShapeError, "solve: Input operand 1 does not have enough dimensions")
    n = shapes.unify(x.type.dims[-1], y.type.dims[-2], "solve: a mismatch in its core dimension: {0} is different from {1}")
    lead = shapes.broadcast_dims(x.type.dims[:-2], y.type.dims[:-2])
    x = shapes.expand(shapes.retype(x, (*x.type.dims[:-2], n, n)), (*lead, n, n))
    y = shapes.expand(shapes.retype(y, (*y.type.dims[:-2], n, y.type.dims[-1])), (*lead, n, y.type.dims[-1]))
    lu, perm = _invertible(x)
    found = builder("lu_solve", x, lu, perm, y, trans=False)
    return boxes.array(builder.reshape(found, found.type.dims[:-1]) if vector else found)


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = as_array(a), as_array(b)
    rank = len(a.dims)
    if axes is not None:
        chosen = [axis_of(k, rank) for k in axes]
        a = FUNCTIONS[np.transpose](a, (*(k for k in range(rank) if k not in chosen), *chosen))
    unknown = a.dims[len(b.dims):] if rank > len(b.dims) else ()
    x = solve(_as_square(a, shapes.product(unknown)), FUNCTIONS[np.ravel](b))
    return reshape(x, tuple(map(boxes.count, unknown)))


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: Any = 2) -> Any:
    a = as_array(a)
    if ind <= 0:
        fail(ShapeError, "Invalid ind argument.")
    left, right = a.dims[:ind], a.dims[ind:]
    return reshape(inv(_as_square(a, shapes.product(right))), tuple(map(boxes.count, (*right, *left))))


def _as_square(a: Any, n: Any) -> Any:
    total = shapes.product(a.dims)
    if type(total) is int and type(n) is int and total != n * n:
        fail(LinAlgError, "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])")
    return reshape(a, (boxes.count(n), boxes.count(n)))


@implements(np.linalg.inv)
def inv(a: Any) -> ArrayBox:
    builder, a = tracing.current().builder, as_array(a)
    a = square(a)
    (x,) = inexact(a)
    unit = eye(boxes.count(x.type.dims[-1]), dtype=x.type.dtype).read()
    lu, perm = _invertible(x)
    return boxes.array(builder("lu_solve", x, lu, perm, shapes.expand(unit, x.type.dims), trans=False))


def _expect_definite(x: Any) -> None:
    """Where a `try` may catch it: whether a matrix has a factor. Where it has none, LAPACK leaves the pivot at which it stopped
    on the diagonal, which is not positive."""
    trace = tracing.current()
    if not trace.targets:
        return
    builder = trace.builder
    found = builder("cholesky", builder("stop_gradient", x), quiet=True)
    pivots = boxes.array(diagonal(boxes.array(found), 0, -2, -1).read()).real.read()
    definite = builder("not", builder("le", pivots, builder.zeros_like(pivots)))
    builder.emit("check", builder.reduce(definite, "all", range(pivots.type.rank)), error="LinAlgError",
                 message="Matrix is not positive definite")


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: Any = False) -> Any:
    a = as_array(a)
    a = square(a)
    (x,) = inexact(a)
    if upper:
        x = conjugate(swapaxes(boxes.array(x), -1, -2).read())
    _expect_definite(x)
    found = tracing.current().builder("cholesky", x)
    return boxes.array(conjugate(swapaxes(boxes.array(found), -1, -2).read()) if upper else found)
