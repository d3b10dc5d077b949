"""The transposes of the Fourier transforms, rows of linear.TRANSPOSE.

fft is symmetric: its transpose is itself. With θ = 2π j k / n and w[k] = 1 where k is 0 or n/2, else 2:

    irfft   out[j] = sum over k of w[k] Re(x[k] exp(iθ)), so x_bar[k] = w[k] conj(rfft(out_bar)[k])
    rfft    out[k] = sum over j of x[j] exp(-iθ), so x_bar[j] = sum over k of Re(out_bar[k] exp(-iθ)), which is
            irfft(conj(out_bar) / w)[j]
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.types import INDEX
from .transpose_rules import TRANSPOSE

if TYPE_CHECKING:
    from ...ir.build import Builder
    from ...ir.core import Op
    from ..adjoint_frames import Frame


def _weighted(b: Builder, half: Any, n: Any, paired: float) -> Any:
    """half[..., k], times `paired` where the element stands for two of the n: k and n - k."""
    dims, dtype = half.type.dims, half.type.dtype
    k = b("iota", b.index(dims[-1]), dtype=INDEX)
    single = b("or", b("eq", k, b.index(0)), b("eq", b("mul", k, b.index(2)), b.index(n)))
    w = b("select", single, b.const(1, dtype.real), b.const(paired, dtype.real))
    return b("mul", half, b.broadcast(b.cast(w, dtype), dims))


def _fft(f: Frame, op: Op, ct: Any) -> None:
    f.add(op.operands[0], f.b("fft", ct, **op.attrs))


def _rfft(f: Frame, op: Op, ct: Any) -> None:
    x = op.operands[0]
    n = f.dims(x)[-1]
    f.add(x, f.b("irfft", _weighted(f.b, f.b("conj", ct), n, 0.5), f.b.index(n)))


def _irfft(f: Frame, op: Op, ct: Any) -> None:
    x = op.operands[0]
    half = f.b("rfft", ct, f.b.index(f.dims(x)[-1]))
    f.add(x, _weighted(f.b, f.b("conj", half), ct.type.dims[-1], 2.0))


TRANSPOSE |= {"fft": _fft, "rfft": _rfft, "irfft": _irfft}
