"""BLAS of NumPy's wheel, else BLAS and LAPACK through SciPy's function pointers: how each row of `Lib` is called.

Every matrix is row-major with a row length `ld` (elements from one row to the next), so a block of a larger array can be
passed: `At(buffer, (i, j))` with the larger array's row length. A row-major matrix is the transpose of the column-major one
that BLAS sees: C = A B is computed as C^T = B^T A^T. The dtype (f32, f64, c64, c128) is that of the first address.

In the rows below c, a, b, x, y … are addresses (a `Buffer` or an `At`); m, n, k, ld* and inc* are sizes (a Python int or a
scalar of dtype index); alpha and beta are Python numbers or atoms of the matrix dtype; flags are Python bools. Nothing is
conjugated: a transpose is plain. With beta 0 the destination is not read. Addresses written must not overlap those read.

    gemm  c, a, b, trans_a, trans_b, m, n, k, lda, ldb, ldc, alpha, beta
          C[m,n] = alpha op(A)[m,k] op(B)[k,n] + beta C. With trans_a the memory of A has k rows of m; with trans_b that of
          B has n rows of k.
    syrk  c, a, trans, m, k, lda, ldc
          C[m,m] = op(A)[m,k] op(A)^T, of which the routine makes one triangle.
    gemv  y, a, x, trans, m, n, lda, incx, incy, alpha, beta
          y = alpha op(A) x + beta y, where the memory of A has m rows of n; x has n elements (m with trans), y has m
          (n with trans).
    ger   a, x, y, m, n, lda, incx, incy, alpha
          A[m,n] += alpha x y^T
    dot   out, x, y, n, incx, incy
          out[0] = sum x y

    cholesky    a, n, lda
          In place: the lower triangle of A is read and replaced by L, A = L L^H; the strict upper triangle is set to 0.
          Error: A is not positive definite.
    lu          a, perm, n, lda
          In place: A[perm] = L U, unit lower L and upper U in one matrix; perm (dtype index) has n elements.
          Error: U has an exact zero on its diagonal.
    lu_solve    x, lu, perm, b, trans, n, k, ldlu, ldb, ldx
          X[n,k] with A X = B (A^T X = B with trans) from the factors of `lu`.
    triangular  b, t, lower, trans, unit, n, k, ldt, ldb
          In place: B[n,k] becomes X with op(T) X = B; only the named triangle of T is read.
          Error: an exact zero on the diagonal (not with unit).
"""
from __future__ import annotations

import ctypes
import glob
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ...ir.errors import IRError
from ...ir.types import I32, DType
from ..loopir.grammar import At, Buffer, Imm, Lib, Scalar, Size
from ..native import engine
from ..native.c_layouts import function_address

if TYPE_CHECKING:
    from ..llvm.emit import Emitter

TILE = 32                 # rows and columns that are reflected at once

PREFIX = {"f32": "s", "f64": "d", "c64": "c", "c128": "z"}


def _address(name: str) -> int:
    """SciPy's pointer to a routine; SciPy's modules are loaded when the first is asked for."""
    found = getattr(_library(), f"scipy_{name}_", None) if "scipy.linalg.cython_blas" not in sys.modules else None
    if found is not None:
        return function_address(found)
    for module in ("cython_blas", "cython_lapack"):
        table = _extension("scipy.linalg." + module).__pyx_capi__
        if name in table:
            return _pointer(table[name])
    raise IRError(f"SciPy has no routine {name}")


@cache
def _library(package: str = "scipy", pattern: str = "libscipy_openblas-*.so") -> ctypes.CDLL | None:
    """The OpenBLAS of SciPy's wheels, to which its modules' functions lead: without those it loads in 2 ms instead of 20."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = glob.glob(os.path.join(os.path.dirname(folder), package + ".libs", pattern))
        if len(found) == 1:
            with suppress(OSError):
                return ctypes.CDLL(found[0])
    return None


# Routines that are taken from NumPy's OpenBLAS: all of whose integers are sizes.
_SIZES_ONLY = frozenset({"gemm", "syrk", "gemv", "ger", "geru", "dot", "trsm"})


@cache
def _numpy_has(name: str) -> bool:
    """Whether NumPy's wheel has a routine, in its OpenBLAS with sizes of 64 bits. That is in memory already: a first call that
    needs no other has 2 to 20 ms less to do, and the process one pool of threads less. Often it is newer than SciPy's, too:
    products of few rows in single precision are up to 2.5 times as fast."""
    return hasattr(_library("numpy", "libscipy_openblas64_-*.so"), f"scipy_{name}_64_")


def _address_in_numpy(name: str) -> int:
    library = _library("numpy", "libscipy_openblas64_-*.so")
    return ctypes.cast(getattr(library, f"scipy_{name}_64_"), ctypes.c_void_p).value or 0


def _extension(name: str) -> ModuleType:
    """An extension module of scipy.linalg, without the rest of that package, which takes five times as long to import.

    It stands in sys.modules under its own name, so a later import of the package finds it.
    """
    if name in sys.modules:
        return sys.modules[name]
    package = importlib.util.find_spec("scipy")
    folders = [os.path.join(p, "linalg") for p in (package.submodule_search_locations or () if package else ())]
    spec = importlib.machinery.PathFinder.find_spec(name, folders)
    if spec is None or spec.loader is None or "scipy.linalg" in sys.modules:
        return importlib.import_module(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _pointer(capsule: Any) -> int:
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return pointer(capsule, name(capsule))


engine.PROVIDERS["scipy"] = lambda names: [_address(name) for name in names]
engine.PROVIDERS["numpy"] = lambda names: [_address_in_numpy(name) for name in names]


class _Call:
    """The operands of one routine: Fortran takes the address of each."""

    def __init__(self, out: Emitter, dtype: DType, name: str):
        self.out, self.dtype = out, dtype
        name = "geru" if name == "ger" and dtype.complex else name
        numpy = name in _SIZES_ONLY and _numpy_has(PREFIX[dtype.name] + name)
        self.symbol, self.int = (f"{'numpy' if numpy else 'scipy'}.{PREFIX[dtype.name]}{name}", "i64" if numpy else "i32")
        self.args: list[str] = []

    def flag(self, letter: str) -> _Call:
        self.args.append(f"@tracegrad.letter.{letter}")
        self.out.declare(f"@tracegrad.letter.{letter} = private unnamed_addr constant i8 {ord(letter)}")
        return self

    def sizes(self, *sizes: Size) -> _Call:
        for size in sizes:
            self.args.append(self._int(self.out.index(size)))
        return self

    def stride(self, size: Size) -> _Call:
        """A row length: at least 1, as the routines ask even of empty matrices."""
        if isinstance(size, (int, Imm)):
            return self.sizes(max(int(self.out.index(size)), 1))
        out, least = self.out, self.out.fresh()
        out.declare("declare i64 @llvm.smax.i64(i64, i64)")
        out.lines.append(f"  {least} = call i64 @llvm.smax.i64(i64 {out.index(size)}, i64 1)")
        self.args.append(self._int(least))
        return self

    def _int(self, operand: str) -> str:
        out = self.out
        cell = out.alloca(self.int)
        if self.int != "i64" and not operand.lstrip("-").isdigit():
            narrow = out.fresh()
            out.lines.append(f"  {narrow} = trunc i64 {operand} to {self.int}")
            operand = narrow
        out.lines.append(f"  store {self.int} {operand}, ptr {cell}")
        return cell

    def number(self, value: float) -> _Call:
        out = self.out
        cell = out.alloca("[2 x double]")
        out.store_at(cell, out.reg(value if isinstance(value, (Scalar, Imm)) else Imm(value, self.dtype)), self.dtype)
        self.args.append(cell)
        return self

    def at(self, where: Buffer | At) -> _Call:
        self.args.append(self.out.address(where))
        return self

    def info(self) -> str:
        """Call with a last argument for the error code; its value as an i32 register."""
        cell, value = self.out.alloca("i32"), self.out.fresh()
        self.out.lines.append(f"  store i32 0, ptr {cell}")
        self.args.append(cell)
        self.call()
        self.out.lines.append(f"  {value} = load i32, ptr {cell}")
        return value

    def call(self, returns: str = "void") -> str:
        out, target = self.out, self.out.fresh() if returns != "void" else ""
        out.declare(f"declare {returns} @{self.symbol}({', '.join(['ptr'] * len(self.args))})")
        result, operands = f"{target} = " if target else "", ", ".join("ptr " + a for a in self.args)
        out.lines.append(f"  {result}call {returns} @{self.symbol}({operands})")
        return target


def _buffer(where: Buffer | At) -> Buffer:
    return where.buffer if isinstance(where, At) else where


def _gemm(out: Emitter, site: int | None, c: Any, a: Buffer, b: At | Buffer, trans_a: bool, trans_b: bool, m: int, n: int,
          k: int, lda: int, ldb: int, ldc: int, alpha: float = 1.0, beta: float = 0.0) -> None:
    dtype = _buffer(c).dtype
    call = _Call(out, dtype, "gemm")
    call.flag("T" if trans_b else "N").flag("T" if trans_a else "N").sizes(n, m, k)
    call.number(alpha).at(b).stride(ldb).at(a).stride(lda).number(beta).at(c).stride(ldc).call()


def _syrk(out: Any, site: int, c: Any, a: Any, trans: bool, m: Any, k: Any, lda: int, ldc: Any) -> None:
    """The upper triangle as the routine sees it is the lower one of rows. Its reflection goes by tiles, for the cache, and
    writes along rows."""
    dtype = _buffer(c).dtype
    call = _Call(out, dtype, "syrk").flag("U").flag("N" if trans else "T").sizes(m, k).number(1.0).at(a).stride(lda)
    call.number(0.0).at(c).stride(ldc).call()
    base, size, ld = out.address(c), out.index(m), out.index(ldc)

    def tile(first: Any, column: Any) -> None:
        """What stands in rows from `first` on and columns from `column` on, left of the diagonal."""
        end = _extreme(out, "smin", out.sum(first, str(TILE)), size)

        def line(j: Any) -> None:
            across = out.sum(column, j)
            begin = _extreme(out, "smax", first, out.sum(across, "1"))

            def element(i: Any) -> None:
                at = out.sum(begin, i)
                value = out.load_at(_offset(out, base, dtype, at, across, ld), dtype)
                out.store_at(_offset(out, base, dtype, across, at, ld), value, dtype)

            out.loop(_minus(out, end, begin), element)

        out.loop(_extreme(out, "smin", _minus(out, size, column), str(TILE)), line)

    def tiles(k: Any) -> None:
        out.loop(out.sum(k, "1"), lambda c: tile(out.times(k, TILE), out.times(c, TILE)))

    out.loop(_tiles(out, size), tiles)


def _tiles(out: Emitter, size: str) -> str:
    up, count = out.sum(size, str(TILE - 1)), out.fresh()
    out.lines.append(f"  {count} = sdiv i64 {up}, {TILE}")
    return count


def _extreme(out: Emitter, which: str, a: str, b: str) -> str:
    found = out.fresh()
    out.declare(f"declare i64 @llvm.{which}.i64(i64, i64)")
    out.lines.append(f"  {found} = call i64 @llvm.{which}.i64(i64 {a}, i64 {b})")
    return found


def _minus(out: Emitter, a: str, b: str) -> str:
    found = out.fresh()
    out.lines.append(f"  {found} = sub nsw i64 {a}, {b}")
    return found


def _gemv(out: Emitter, site: int | None, y: At | Buffer, a: Buffer, x: Buffer, trans: bool, m: int, n: int, lda: int,
          incx: int, incy: int, alpha: float = 1.0, beta: float = 0.0) -> Any:
    inner = m if trans else n
    if not isinstance(inner, int) or inner == 0:      # OpenBLAS leaves y as it is where the sum is empty; gemm does not
        rows = n if trans else m
        return _gemm(out, site, y, a, x, trans, False, rows, 1, inner, lda, incx, incy, alpha, beta)
    call = _Call(out, _buffer(y).dtype, "gemv").flag("N" if trans else "T").sizes(n, m)
    call.number(alpha).at(a).stride(lda).at(x).sizes(incx).number(beta).at(y).sizes(incy).call()


def _ger(out: Emitter, site: int, a: Any, x: Any, y: Any, m: Any, n: Any, lda: int, incx: Any, incy: Any,
         alpha: float = 1.0) -> None:
    call = _Call(out, _buffer(a).dtype, "ger").sizes(n, m).number(alpha).at(y).sizes(incy).at(x).sizes(incx)
    call.at(a).stride(lda).call()


def _dot(out: Emitter, site: int, target: Any, x: Any, y: Any, n: Any, incx: Any, incy: Any) -> None:
    dtype = _buffer(x).dtype
    if dtype.complex:                                 # how a complex number is returned differs between compilers
        call = _Call(out, dtype, "gemm").flag("N").flag("T").sizes(1, 1, n).number(1.0).at(x).stride(incx).at(y).stride(incy)
        call.number(0.0).at(target).sizes(1).call()
        return
    kind = "float" if dtype.name == "f32" else "double"
    value = _Call(out, dtype, "dot").sizes(n).at(x).sizes(incx).at(y).sizes(incy).call(kind)
    out.store_at(out.address(target), value, dtype, out.storage.tags(_buffer(target)))


# --- factorisations ---------------------------------------------------------------------------------------------------


def _offset(out: Emitter, base: str, dtype: DType, i: str, j: str, ld: str) -> str:
    """The address of element (i, j) of a matrix with rows of length ld."""
    pointer = out.fresh()
    linear = out.sum(out.times(i, ld), j)
    out.lines.append(f"  {pointer} = getelementptr inbounds [{dtype.size} x i8], ptr {base}, i64 {linear}")
    return pointer


def _failed(out: Emitter, info: str, site: int | None) -> None:
    if site is not None:
        bad = out.fresh()
        out.lines.append(f"  {bad} = icmp sgt i32 {info}, 0")
        out.leave_if(bad, site)


def _cholesky(out: Emitter, site: int, a: Any, n: Any, lda: int) -> None:
    dtype = _buffer(a).dtype
    _failed(out, _Call(out, dtype, "potrf").flag("U").sizes(n).at(a).stride(lda).info(), site)
    base, size, row = out.address(a), out.index(n), out.index(lda)
    out.declare("declare void @llvm.memset.p0.i64(ptr nocapture, i8, i64, i1 immarg)")

    def clear(i: Any) -> None:
        rest, count = out.fresh(), out.fresh()
        out.lines += [f"  {rest} = sub nsw i64 {size}, {i}", f"  {count} = add nsw i64 {rest}, -1"]
        start = _offset(out, base, dtype, i, out.sum(i, "1"), row)
        length = out.times(count, dtype.size)
        out.lines.append(f"  call void @llvm.memset.p0.i64(ptr {start}, i8 0, i64 {length}, i1 false)")

    out.loop(size, clear)


def _transpose(out: Emitter, base: str, dtype: DType, n: str, ld: str) -> None:
    """Transpose a square matrix in place."""
    def row(i: str) -> None:
        def element(j: str) -> None:
            p, q = _offset(out, base, dtype, i, j, ld), _offset(out, base, dtype, j, i, ld)
            a, b = out.load_at(p, dtype), out.load_at(q, dtype)
            out.store_at(p, b, dtype)
            out.store_at(q, a, dtype)
        out.loop(i, element)
    out.loop(n, row)


def _lu(out: Emitter, site: int | None, a: Buffer, perm: Buffer, n: int, lda: int) -> None:
    """LAPACK must see A itself, not its transpose, to exchange rows: transpose, factorise, transpose back."""
    dtype, size, ld = _buffer(a).dtype, out.index(n), out.index(lda)
    pivots = Buffer("pivots", I32, (n,), "heap")
    out.storage.alloc(pivots)
    base = out.address(a)
    _transpose(out, base, dtype, size, ld)
    info = _Call(out, dtype, "getrf").sizes(n, n).at(a).stride(lda).at(pivots).info()
    _transpose(out, base, dtype, size, ld)
    order, moves = out.address(perm), out.address(pivots)

    def start(i: str) -> None:
        out.lines.append(f"  store i64 {i}, ptr {_at(out, order, 'i64', i)}")

    def exchange(i: str) -> None:
        narrow, wide, other, a, b = (out.fresh() for _ in range(5))
        p, where = _at(out, order, "i64", i), _at(out, moves, "i32", i)
        out.lines += [f"  {narrow} = load i32, ptr {where}", f"  {wide} = sext i32 {narrow} to i64",
                      f"  {other} = add nsw i64 {wide}, -1"]
        q = _at(out, order, "i64", other)
        out.lines += [f"  {a} = load i64, ptr {p}", f"  {b} = load i64, ptr {q}", f"  store i64 {b}, ptr {p}",
                      f"  store i64 {a}, ptr {q}"]

    out.loop(size, start)
    out.loop(size, exchange)
    _failed(out, info, site)


def _at(out: Emitter, base: str, kind: str, i: str) -> str:
    pointer = out.fresh()
    out.lines.append(f"  {pointer} = getelementptr inbounds {kind}, ptr {base}, i64 {i}")
    return pointer


def _solve(out: Emitter, b: Buffer, t: Buffer, lower: bool, trans: bool, unit: bool, n: int, k: int, ldt: int,
           ldb: int) -> None:
    """op(T) X = B in place: of transposes, X^T op(T)^T = B^T, and the transpose of a lower triangle is an upper one."""
    call = _Call(out, _buffer(b).dtype, "trsm").flag("R").flag("U" if lower else "L").flag("T" if trans else "N")
    call.flag("U" if unit else "N").sizes(k, n).number(1.0).at(t).stride(ldt).at(b).stride(ldb).call()


def _triangular(out: Emitter, site: int, b: Buffer, t: Buffer, lower: bool, trans: bool, unit: bool, n: int, k: int, ldt: int,
                ldb: int) -> None:
    if site is not None and not unit:
        _check_diagonal(out, site, t, n, ldt)
    _solve(out, b, t, lower, trans, unit, n, k, ldt, ldb)


def _check_diagonal(out: Emitter, site: int, t: Buffer, n: int, ldt: int) -> None:
    dtype, base, ld = _buffer(t).dtype, out.address(t), out.index(ldt)
    kind = "float" if dtype.real.name == "f32" else "double"

    def check(i: str) -> None:
        value = out.load_at(_offset(out, base, dtype, i, i, ld), dtype)
        zeros = []
        for part in value if isinstance(value, tuple) else (value,):
            zeros.append(out.fresh())
            out.lines.append(f"  {zeros[-1]} = fcmp oeq {kind} {part}, 0.0")
        if len(zeros) == 2:
            both = out.fresh()
            out.lines.append(f"  {both} = and i1 {zeros[0]}, {zeros[1]}")
            zeros = [both]
        out.leave_if(zeros[0], site)

    out.loop(out.index(n), check)


def _lu_solve(out: Emitter, site: int | None, x: Buffer, lu: Buffer, perm: Buffer, b: Buffer, trans: bool, n: int, k: int,
              ldlu: int, ldb: int, ldx: int) -> None:
    """A[perm] = L U: X = U^-1 L^-1 B[perm]. Transposed, A^T = U^T L^T P, so X[perm] = L^-T U^-T B."""
    if not trans:
        _permute_rows(out, x, b, perm, n, k, ldx, ldb, gather=True)
        _solve(out, x, lu, True, False, True, n, k, ldlu, ldx)
        _solve(out, x, lu, False, False, False, n, k, ldlu, ldx)
        return
    work = Buffer("solved", _buffer(x).dtype, (n, k), "heap")
    out.storage.alloc(work)
    _permute_rows(out, work, b, None, n, k, k, ldb, gather=True)
    _solve(out, work, lu, False, True, False, n, k, ldlu, k)
    _solve(out, work, lu, True, True, True, n, k, ldlu, k)
    _permute_rows(out, x, work, perm, n, k, ldx, k, gather=False)


def _permute_rows(out: Emitter, dst: Buffer, src: Buffer, perm: Buffer | None, n: int, k: int, ld_dst: int, ld_src: int,
                  gather: bool) -> None:
    """dst[i] = src[perm[i]] for each row i, or dst[perm[i]] = src[i]; perm None is the identity."""
    dtype, to, start = _buffer(dst).dtype, out.address(dst), out.address(src)
    order, columns = out.address(perm) if perm is not None else None, out.index(k)
    rows = (out.index(ld_dst), out.index(ld_src))

    def row(i: str) -> None:
        other = i
        if order is not None:
            other = out.fresh()
            out.lines.append(f"  {other} = load i64, ptr {_at(out, order, 'i64', i)}")
        there, here = (i, other) if gather else (other, i)

        def element(j: str) -> None:
            value = out.load_at(_offset(out, start, dtype, here, j, rows[1]), dtype)
            out.store_at(_offset(out, to, dtype, there, j, rows[0]), value, dtype)

        out.loop(columns, element)

    out.loop(out.index(n), row)


ROWS: dict[str, Callable[..., None]] = {
        "gemm": _gemm, "syrk": _syrk, "gemv": _gemv, "ger": _ger, "dot": _dot, "cholesky": _cholesky, "lu": _lu,
        "lu_solve": _lu_solve, "triangular": _triangular}


def emit(out: Emitter, s: Lib) -> None:
    """Write the call of one `Lib` statement with the emitter `out`."""
    if s.name not in ROWS:
        raise IRError(f"loop IR: there is no library routine {s.name!r}")
    ROWS[s.name](out, s.site, *s.args)

