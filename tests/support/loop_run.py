"""Compile a loop IR kernel by itself and call it on NumPy arrays."""
from __future__ import annotations

import ctypes

import numpy as np
from tracegrad.lowering.llvm.emit import emit
from tracegrad.lowering.loopir.passes.verifier import verify
from tracegrad.lowering.native import engine


class Failed(Exception):
    """The kernel returned 1: `site` and the words of the error record."""

    def __init__(self, site, words):
        super().__init__(f"check {site} failed: {words}")
        self.site, self.words = site, words


class Compiled:
    """A compiled kernel. Calling it with one array a parameter runs it; a "result" parameter is given as None and returned."""

    def __init__(self, kernel, **options):
        self.kernel = kernel
        kernel.sites = kernel.sites or [("ValueError", "", ())] * 8
        verify(kernel)
        self.code = engine.compile_module(emit(kernel, **options))
        count = len(kernel.params) + 1
        self.function = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * count)(self.code.address(kernel.symbol))

    def __call__(self, *arrays):
        error = (ctypes.c_int64 * 7)()
        pointers, descriptors = [], []
        for array, buffer in zip(arrays, self.kernel.params, strict=True):
            if buffer.space == "result":
                descriptors.append((buffer, (ctypes.c_int64 * (1 + len(buffer.dims)))()))
                pointers.append(ctypes.addressof(descriptors[-1][1]))
            else:
                assert array.flags.c_contiguous and array.dtype == buffer.dtype.np
                pointers.append(array.ctypes.data)
        failed = self.function(*pointers, ctypes.addressof(error))
        if failed:
            assert all(d[0] == 0 for _, d in descriptors)
            raise Failed(error[0], list(error)[1:])
        return [_take(buffer, d) for buffer, d in descriptors]


def _take(buffer, descriptor):
    """A copy of a run-time-shaped result; frees the kernel's memory."""
    dims = tuple(descriptor[1:])
    data = (ctypes.c_char * (int(np.prod(dims)) * buffer.dtype.size)).from_address(descriptor[0])
    out = np.frombuffer(bytes(data), buffer.dtype.np).reshape(dims).copy()
    free = ctypes.CDLL(None).free
    free.argtypes = [ctypes.c_void_p]
    free(descriptor[0])
    return out
