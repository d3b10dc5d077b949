"""Discrete Fourier transforms along the last axis, without a factor in front.

    fft x {inverse}    complex: out[k] = sum over j of x[j] exp(∓2πi j k / n), with + where inverse
    rfft x, m          real x of n elements, m = n // 2 + 1: the first m of them
    irfft x, n         m = n // 2 + 1 complex elements: n real ones, the sum with + over x continued by x[n - k] = conj(x[k]);
                       the imaginary parts of x[0] and, for even n, of x[n/2] are not read

Each is linear. The matrix of fft is symmetric, so it is its own transpose; rfft and irfft are each other's up to weights
(autodiff/rules/fourier.py). No transform of no elements: the tracer refuses it with NumPy's error.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..opdef import COMPLEXES, FLOATS, OpDef
from ..types import DTYPES, DType, Type
from .common import array_type, expect_choice, expect_count, expect_dtype, expect_index, fail

if TYPE_CHECKING:
    from ..core import Block, Op, Value

_COMPLEX_OF = {DTYPES[name].real: DTYPES[name] for name in ("c64", "c128")}


def _lanes(name: str, operands: Sequence[Value], count: int, takes: frozenset[DType]) -> Type:
    expect_count(name, operands, count)
    x = array_type(name, operands[0])
    expect_dtype(name, x.dtype, takes)
    if not x.rank:
        fail(f"{name} takes arrays, not {x!r}")
    return x


def _infer_fft(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    x = _lanes("fft", operands, 1, COMPLEXES)
    expect_choice("fft", "inverse", attrs["inverse"], (True, False))
    return [x]


def _infer_rfft(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    x = _lanes("rfft", operands, 2, FLOATS)
    return [Type(_COMPLEX_OF[x.dtype], (*x.dims[:-1], expect_index("rfft", operands[1])))]


def _infer_irfft(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    x = _lanes("irfft", operands, 2, COMPLEXES)
    return [Type(x.dtype.real, (*x.dims[:-1], expect_index("irfft", operands[1])))]


def _evaluate_fft(op: Op, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return (np.fft.ifft(x, norm="forward") if op.attrs["inverse"] else np.fft.fft(x),)


OpDef("fft", _infer_fft, _evaluate_fft, rule="linear", linear_in=(0,), doc="Discrete Fourier transform.", combines=True)
OpDef("rfft", _infer_rfft, lambda op, x, m: (np.fft.rfft(x),), rule="linear", linear_in=(0,),
      doc="Half the Fourier transform of real numbers.", combines=True)
OpDef("irfft", _infer_irfft, lambda op, x, n: (np.fft.irfft(x, int(n), norm="forward"),), rule="linear", linear_in=(0,),
      doc="Real numbers from half their Fourier transform.", combines=True)
