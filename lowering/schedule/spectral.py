"""Eigenvalues, singular values, QR and Fourier transforms, by NumPy's routines (libraries/numpy_gufuncs.py) on whole stacks at
once.

Operands are packed where they do not lie row by row; results are written where they stand.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ...ir.core import Op, Value, as_dim
from ...ir.types import BOOL, DType, Type
from ..libraries.numpy_gufuncs import letters
from ..loopir.cursor import operand
from ..loopir.grammar import At, Buffer, Imm, Lib, Scalar, Size
from .library_calls import ROUTINES, View, address, at_batch, batched, stack, strides_of

if TYPE_CHECKING:
    from ..build.loop_builder import Nester


def _whole(g: Nester, found: View) -> Buffer | At:
    return address(g, found.buffer, found.start, (), ())


def _stacks(g: Nester, v: Value, core: int) -> Size:
    return g.product(g.dims(v.type)[:v.type.rank - core])


def _call(g: Nester, routine: str, outer: Size, sizes: Sequence[Size], inputs: Sequence[float | Value | View],
          outputs: Sequence[Value | View], site: int | None = None,
          dtypes: tuple[list[DType], list[DType]] | None = None) -> None:
    """`inputs` are values, views of memory or numbers, `outputs` values or views."""
    places = [stack(g, x) if isinstance(x, Value) else x for x in (*inputs, *outputs)]
    kinds = dtypes or tuple([p.buffer.dtype for p in some if isinstance(p, View)]
                            for some in (places[:len(inputs)], places[len(inputs):]))
    operands = [p if isinstance(p, float) else _whole(g, p) for p in places]
    g.write(Lib("gufunc", (f"{routine}.{letters(*kinds)}", outer, *sizes, *operands), site))


def _scratch(g: Nester, type: Type) -> View:
    buffer = g.temporary(type, kind="heap").buffer
    return View(buffer, 0, strides_of(g, buffer.dims))


def _failure(g: Nester, op: Op, what: str) -> int:
    return g.site("LinAlgError", f"{what} did not converge", op.loc)


# --- eigenvalues and singular values -----------------------------------------------------------------------------------

def _eigen(routine: str) -> Callable:
    def run(g: Nester, op: Op) -> None:
        (a,) = op.operands
        name = routine + ("_lo" if op.attrs["lower"] else "_up") if "lower" in op.attrs else routine
        _call(g, name, _stacks(g, a, 2), [g.size(a.type.dims[-1])], [a], op.results, _failure(g, op, "Eigenvalues"))

    return run


def _singular_sizes(g: Nester, op: Op) -> list[Size]:
    a = op.operands[0]
    return [g.size(a.type.dims[-2]), g.size(a.type.dims[-1]), g.size(as_dim(op.operands[1]))]


def _svd(g: Nester, op: Op) -> None:
    a = op.operands[0]
    _call(g, "svd_f" if op.attrs["full"] else "svd_s", _stacks(g, a, 2), _singular_sizes(g, op), [a], op.results,
          _failure(g, op, "SVD"))


def _svdvals(g: Nester, op: Op) -> None:
    a = op.operands[0]
    _call(g, "svd", _stacks(g, a, 2), _singular_sizes(g, op), [a], op.results, _failure(g, op, "SVD"))


def _qr(g: Nester, op: Op) -> None:
    """The raw factor holds R in its upper triangle and the reflections, from which Q is made, below."""
    a, (q, r) = op.operands[0], op.results
    k = as_dim(op.operands[1])
    m, n, inner = g.size(a.type.dims[-2]), g.size(a.type.dims[-1]), g.size(k)
    raw, tau = _scratch(g, a.type), _scratch(g, Type(a.type.dtype, (*a.type.dims[:-2], k)))
    g.each(a.type, lambda index: g.store(raw.buffer, index, g.value_at(a, index)))
    outer = _stacks(g, a, 2)
    _call(g, "qr_r_raw", outer, [m, n, inner], [raw], [tau])

    def write(index: tuple[int | Scalar, ...]) -> None:
        i, j = index[-2:]
        if type(i) is int and type(j) is int:
            value = g.load(raw.buffer, index, g.depth) if i <= j else Imm(0, a.type.dtype)
        else:
            upper = g.let("le", (operand(i), operand(j)), BOOL)
            value = g.let("select", (upper, g.load(raw.buffer, index, g.depth), Imm(0, a.type.dtype)), a.type.dtype)
        g.store_value(r, index, value)

    g.each(r.type, write)
    routine, sizes = ("qr_complete", [m, n]) if op.attrs["complete"] else ("qr_reduced", [m, n, inner])
    _call(g, routine, outer, sizes, [raw, tau], [q])


def _pinv(g: Nester, op: Op) -> None:
    """V S^-1 U^H of the thin factors, without the singular values that count as 0."""
    a, p, k = op.operands[0], op.results[0], as_dim(op.operands[2])
    dtype, lead, (m, n) = a.type.dtype, a.type.dims[:-2], a.type.dims[-2:]
    tall = Type(dtype, (*lead, k, m))
    u, s, vh, scaled = (_scratch(g, t) for t in (Type(dtype, (*lead, m, k)), Type(dtype.real, (*lead, k)),
                                                 Type(dtype, (*lead, k, n)), tall))
    rows, columns, inner = g.size(m), g.size(n), g.size(k)
    _call(g, "svd_s", _stacks(g, a, 2), [rows, columns, inner], [a], [u, s, vh], _failure(g, op, "SVD"))
    rcond = g.scalar(op.operands[1])

    def conjugated(found: View, index: tuple[Size, ...]) -> Scalar:
        value = g.load(found.buffer, index, g.depth)
        return g.let("conj", (value,), dtype, level=g.depth) if dtype.complex else value

    def scale(index: tuple[Size, ...]) -> None:
        *batch, i, j = index
        size, largest = g.load(s.buffer, (*batch, i), g.depth), g.load(s.buffer, (*batch, 0), g.depth)
        kept = g.let("gt", (size, g.let("mul", (rcond, largest), dtype.real)), BOOL)
        over = g.let("div", (Imm(1, dtype.real), size), dtype.real)
        factor = g.let("select", (kept, over, Imm(0, dtype.real)), dtype.real)
        factor = g.let("cast", (factor,), dtype) if dtype.complex else factor
        g.store(scaled.buffer, index, g.let("mul", (factor, conjugated(u, (*batch, j, i))), dtype))

    g.each(tall, scale)
    if dtype.complex:
        g.each(Type(dtype, (*lead, k, n)), lambda index: g.store(vh.buffer, index, conjugated(vh, index)))
    with ExitStack() as loops:
        index = batched(g, p, loops)
        left, right = (address(g, x.buffer, 0, index, x.strides) for x in (vh, scaled))
        sizes = (columns, rows, inner, columns, rows, rows)
        g.write(Lib("gemm", (at_batch(g, p, index), left, right, True, False, *sizes, 1.0, 0.0)))


# --- Fourier transforms ------------------------------------------------------------------------------------------------

def _fft(g: Nester, op: Op) -> None:
    (x,) = op.operands
    n = g.size(x.type.dims[-1])
    real = x.type.dtype.real
    _call(g, "ifft" if op.attrs["inverse"] else "fft", _stacks(g, x, 1), [n, n], [x, 1.0], op.results,
          dtypes=([x.type.dtype, real], [x.type.dtype]))


def _rfft(g: Nester, op: Op) -> None:
    """NumPy has a routine for even and one for odd lengths: of a length known at run time each stands in a loop of 0 or 1."""
    x, r = op.operands[0], op.results[0]
    n, m = g.size(x.type.dims[-1]), g.size(r.type.dims[-1])
    dtype = x.type.dtype
    source = stack(g, x)
    odd = g.iop("mod", n, 2)
    for routine, count in (("rfft_n_odd", odd), ("rfft_n_even", g.iop("sub", 1, odd))):
        if type(count) is int and count == 0:
            continue
        with g.loop(count):
            _call(g, routine, _stacks(g, x, 1), [n, m], [source, 1.0], [r], dtypes=([dtype, dtype], [r.type.dtype]))


def _irfft(g: Nester, op: Op) -> None:
    x, r = op.operands[0], op.results[0]
    _call(g, "irfft", _stacks(g, x, 1), [g.size(x.type.dims[-1]), g.size(r.type.dims[-1])], [x, 1.0], [r],
          dtypes=([x.type.dtype, r.type.dtype], [r.type.dtype]))


ROUTINES |= {"eigh": _eigen("eigh"), "eigvalsh": _eigen("eigvalsh"), "eig": _eigen("eig"), "eigvals": _eigen("eigvals"),
             "svd": _svd, "svdvals": _svdvals, "qr": _qr, "pinv": _pinv, "fft": _fft, "rfft": _rfft, "irfft": _irfft}
