"""Drawing from NumPy's generators: rows of `Lib` that call NumPy's own distributions, from machine code where that is possible.

    draw         target, kind, dist, generator, parameter…
                 one number of a distribution into the memory at `target`
    random_call  text, operands, target, rank, dimension…, operand…
                 a method of a generator, by Python: text is (kind, method, form, result) of the op `random_call`,
                 operands their dtypes, with ":rank" for an array (its address, then its dimensions); target is None where
                 nothing is returned

    Error: what the method raises, which `pending` keeps for the report.

NumPy's wheel has its distributions as a static library (numpy/random/lib/libnpyrandom.a), made for Numba's and Cython's users.
They take a bitgen_t: the state and the functions of a bit generator, which lies inside the Python object. Where it lies is
found out once, and checked, on real objects. What neither that library nor random_functions.py has (and all, where it is not
there) is asked of the Python object, number by number: the same stream, more slowly.
"""
from __future__ import annotations

import ctypes
import json
import os
import struct
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np

from ...ir.ops import random
from ...ir.types import known_dtype
from ..loopir.grammar import At, Buffer, Imm, Scalar
from ..native import engine, object_code
from ..native.c_layouts import function_address
from ..native.elf import contents, is_elf
from . import blas, mersenne_twister
from .random_functions import FUNCTIONS, TABLES, UNIFORM, ZIGGURAT

if TYPE_CHECKING:
    from ..llvm.emit import Emitter

# --- NumPy's library -------------------------------------------------------------------------------------------------------


def _members(path: str) -> Iterator[Any]:
    """The object files in a static library (the common format of `ar`)."""
    with open(path, "rb") as file:
        raw = file.read()
    at = 8
    while at + 60 <= len(raw) and raw.startswith(b"!<arch>\n"):
        name, size = raw[at:at + 16].strip(), int(raw[at + 48:at + 58])
        body = raw[at + 60:at + 60 + size]
        at += 60 + size + (size & 1)
        if name.startswith(b"#1/"):                                    # the name stands in front of the contents
            yield body[int(name[3:]):]
        elif name not in (b"/", b"//", b"/SYM64/"):
            yield body


@cache
def _objects() -> list[bytes]:
    folder = os.path.dirname(np.__file__)
    try:
        return [o for part in ("random/lib/libnpyrandom.a", "_core/lib/libnpymath.a") for o in
                _members(os.path.join(folder, part)) if not o.startswith(b"__.SYMDEF")]
    except OSError:
        return []


@cache
def _library() -> tuple[Any, Any] | None:
    """NumPy's distributions linked into this process, or None. It stays for as long as the process."""
    objects = _objects()
    if not objects:
        return None
    with object_code.LOCK:
        target = object_code.host()[0]
        jit = llvm.create_lljit_compiler(target.create_target_machine(jit=True, codemodel="small", reloc="pic"))
        builder = llvm.JITLibraryBuilder()
        for o in objects:
            builder.add_object_img(o)
        for name in {row.symbol for row in _ROWS.values() if row.symbol.startswith("random_")}:
            builder.export_symbol(name)
        try:
            return jit, builder.add_current_process().link(jit, "npyrandom")
        except RuntimeError:
            return None


def _address(name: str) -> int | None:
    library = _library()
    return library[1][name] if library is not None else None


@cache
def _tables() -> dict[str, ctypes.Array] | None:
    """The tables of NumPy's ziggurats, from the same objects; None where they are not found."""
    for binary in _objects() if ZIGGURAT else ():
        found = {name: contents(binary, name) for name in TABLES} if is_elf(binary) else {}
        whole = {name: raw for name, raw in found.items() if raw is not None and len(raw) == 2048}
        if found and len(whole) == len(found):
            return {name: ctypes.create_string_buffer(raw, 2048) for name, raw in whole.items()}
    return None


def _table_addresses(names: list[str]) -> list[int | None]:
    tables = _tables()
    return [ctypes.addressof(tables[name]) if tables is not None else None for name in names]


engine.PROVIDERS["npyrandom"] = lambda names: [_address(name) for name in names]
engine.PROVIDERS["clibrary"] = lambda names: [function_address(getattr(ctypes.CDLL(None), n)) for n in names]
engine.PROVIDERS["npytables"] = _table_addresses


# --- where a generator has its bitgen_t ------------------------------------------------------------------------------------

def _words(x: Any) -> tuple[int, ...]:
    count = type(x).__basicsize__ // 8
    return struct.unpack(f"{count}Q", ctypes.string_at(id(x), 8 * count))


@cache
def place_of(kind: str) -> int | None:
    """The offset of the bitgen_t inside an object; of a RandomState that of the structure which has its address and the second
    number of the last pair of normal ones. None where it is not found."""
    if kind == "Random":
        return mersenne_twister.place()
    found = set()
    for seed, bits in ((1, np.random.PCG64), (2, np.random.MT19937), (3, np.random.Philox)):
        generator = random.class_of(kind)(bits(seed))
        interface, words = generator._bit_generator.ctypes, _words(generator)
        functions = [ctypes.cast(getattr(interface, name), ctypes.c_void_p).value for name in
                     ("next_uint64", "next_uint32", "next_double")]
        bitgen = [8 * k for k in range(len(words) - 5) if list(words[k:k + 4]) == [interface.state_address, *functions]]
        if kind == "RandomState":
            generator.standard_normal()
            later, pair = _words(generator), generator.get_state(legacy=False)
            normal = [1, struct.unpack("Q", struct.pack("d", pair["gauss"]))[0]]
            bitgen = [8 * k for k in range(len(later) - 2) if later[k] - id(generator) in bitgen
                      and [later[k + 1] & 0xffffffff, later[k + 2]] == normal and pair["has_gauss"] == 1]
        found.add(bitgen[0] if len(bitgen) == 1 else None)
    return found.pop() if len(found) == 1 else None


# --- which distributions machine code draws --------------------------------------------------------------------------------

class _Row(NamedTuple):
    """symbol(bitgen, parameter…): `how` writes the call where it is another one."""

    symbol: str
    how: str = "call"


_ROWS: dict[tuple[str, str, str], _Row] = {}          # (kind, distribution, dtype)
_BOTH = {"random": _Row("uniform", "uniform"), "laplace": _Row("random_laplace"), "gumbel": _Row("random_gumbel"),
         "logistic": _Row("random_logistic")}
_INTEGERS = ("poisson", "geometric", "zipf", "logseries", "negative_binomial", "hypergeometric")
_FLOATS = ("standard_normal", "standard_exponential", "standard_gamma", "standard_cauchy", "beta", "rayleigh", "vonmises",
           "wald", "noncentral_chisquare", "noncentral_f")
for _kind in ("Generator", "RandomState"):
    for _dist, _row in _BOTH.items():
        _ROWS[_kind, _dist, "f64"] = _row
_ROWS |= {("Generator", dist, "f64"): _Row(f"random_{dist}") for dist in _FLOATS}
_ROWS |= {("Generator", dist, "i64"): _Row(f"random_{dist}") for dist in _INTEGERS}
_ROWS |= {("Generator", dist, "f32"): _Row(f"random_{dist}_f") for dist in
          ("standard_normal", "standard_exponential", "standard_gamma")}
_ROWS |= {
    ("Generator", "random", "f32"): _Row("random_standard_uniform_f"),
    ("Generator", "binomial", "i64"): _Row("random_binomial", "binomial"),
    ("Generator", "normal_or_gamma", "f64"): _Row("tracegrad.normal_or_gamma", "own"),
    ("Generator", "exponential_or_zero", "f64"): _Row("tracegrad.exponential_or_zero", "own"),
    ("RandomState", "standard_normal", "f64"): _Row("tracegrad.legacy_normal", "legacy"),
    ("RandomState", "standard_exponential", "f64"): _Row("tracegrad.legacy_exponential", "own"),
    ("RandomState", "poisson", "i64"): _Row("random_poisson"),
    ("Generator", "integers", "i64"): _Row("random_bounded_uint64", "lemire"),
    ("RandomState", "integers", "i64"): _Row("random_bounded_uint64", "masked"),
    ("Random", "random", "f64"): _Row("tracegrad.python_random", "own"),
    ("Random", "bits", "i64"): _Row("tracegrad.python_bits", "own"),
}

_ZIGGURATS = {"standard_normal": _Row("tracegrad.normal", "own"), "standard_exponential": _Row("tracegrad.exponential", "own")}
_TYPE = {"f64": "double", "f32": "float", "i64": "i64"}
_ZEROS = 136              # bytes of a binomial_t, which keeps what a draw has computed of its parameters


def row_of(kind: str, dist: str, dtype: str) -> _Row | None:
    """How machine code draws such a number; None where Python does."""
    row = _ROWS.get((kind, dist, dtype))
    if (kind, dtype) == ("Generator", "f64") and dist in _ZIGGURATS and _tables() is not None:
        row = _ZIGGURATS[dist]
    return row if row is not None and (kind == "Random" or _library() is not None) and place_of(kind) is not None else None


# --- the rows in machine code ----------------------------------------------------------------------------------------------

def _draw(out: Emitter, site: int, target: At, kind: str, dist: str, generator: Scalar, *params: Imm | Scalar) -> None:
    dtype = (target.buffer if isinstance(target, At) else target).dtype
    row = row_of(kind, dist, dtype.name)
    if row is None:
        _ask(out, site, target, kind, dist, generator, params)
        return
    bits = _bits(out, kind, generator, row.how == "legacy")
    result, at = _HOW[row.how](out, row, bits, params, _TYPE[dtype.name]), out.address(target)
    out.lines.append(f"  store {_TYPE[dtype.name]} {result}, ptr {at}, align {dtype.size}")


def _bits(out: Emitter, kind: str, generator: Scalar, legacy: bool) -> str:
    """The address of the bitgen_t in a generator; `legacy`: of the structure that leads to it."""
    place, bits = out.fresh(), out.fresh()
    out.lines += [f"  {place} = add i64 {out.reg(generator)}, {place_of(kind)}", f"  {bits} = inttoptr i64 {place} to ptr"]
    if kind == "RandomState" and not legacy:
        inner = out.fresh()
        out.lines.append(f"  {inner} = load ptr, ptr {bits}")
        return inner
    return bits


def _call(out: Emitter, row: _Row, bits: str, params: tuple, kind: str, more: tuple = ()) -> str:
    given = [("ptr", bits), *[(_TYPE[p.dtype.name], out.reg(p)) for p in params], *more]
    if kind == "float":
        given = [given[0], *[("float", _narrow(out, x)) for _, x in given[1:]]]
    symbol, result = f"npyrandom.{row.symbol}" if row.how not in ("own", "legacy") else row.symbol, out.fresh()
    if row.how in ("own", "legacy"):
        for part in _parts(row.symbol):
            out.declare(part)
    else:
        out.declare(f"declare {kind} @{symbol}({', '.join(t for t, _ in given)})")
    out.lines.append(f"  {result} = call {kind} @{symbol}({', '.join(f'{t} {x}' for t, x in given)})")
    return result


def _parts(symbol: str) -> tuple[str, ...]:
    """What is declared for a function of this package: each part once in a module."""
    if symbol in mersenne_twister.FUNCTIONS:
        return mersenne_twister.FUNCTIONS[symbol]
    declarations, own = FUNCTIONS[symbol].split("\ndefine", 1)
    return UNIFORM, *declarations.splitlines(), "define" + own


def _narrow(out: Emitter, x: str) -> str:
    narrow = out.fresh()
    out.lines.append(f"  {narrow} = fptrunc double {x} to float")
    return narrow


def _uniform(out: Emitter, row: Any, bits: Any, params: Any, kind: str) -> Any:
    out.declare(UNIFORM)
    result = out.fresh()
    out.lines.append(f"  {result} = call double @tracegrad.uniform(ptr {bits})")
    return result


def _bounded(masked: bool) -> Callable:
    """low + a number in [0, high - low], by Lemire's method or by masking."""
    def write(out: Emitter, row: Any, bits: Any, params: Any, kind: str) -> Any:
        low, high = (out.reg(p) for p in params)
        width, mask = out.fresh(), "0"
        out.lines.append(f"  {width} = sub i64 {high}, {low}")
        if masked:                                   # the least 2^k - 1 that is not smaller
            mask, bits_off, zero, shifted = (out.fresh() for _ in range(4))
            out.declare("declare i64 @llvm.ctlz.i64(i64, i1 immarg)")
            out.lines += [f"  {bits_off} = call i64 @llvm.ctlz.i64(i64 {width}, i1 false)",
                          f"  {zero} = icmp eq i64 {bits_off}, 64", f"  {shifted} = lshr i64 -1, {bits_off}",
                          f"  {mask} = select i1 {zero}, i64 0, i64 {shifted}"]
        more = (("i64", low), ("i64", width), ("i64", mask), ("i1 zeroext", "true" if masked else "false"))
        return _call(out, row, bits, (), kind, more)

    return write


def _binomial(out: Emitter, row: Any, bits: Any, params: Any, kind: str) -> Any:
    count, p = params
    kept = out.alloca(f"[{_ZEROS} x i8]", 8)
    out.entry.append(f"  call void @llvm.memset.p0.i64(ptr {kept}, i8 0, i64 {_ZEROS}, i1 false)")
    out.declare("declare void @llvm.memset.p0.i64(ptr nocapture, i8, i64, i1 immarg)")
    return _call(out, row, bits, (p, count), kind, (("ptr", kept),))


_HOW = {"call": _call, "own": _call, "legacy": _call, "uniform": _uniform, "lemire": _bounded(False),
        "masked": _bounded(True), "binomial": _binomial}


# --- asking Python ---------------------------------------------------------------------------------------------------------

class _Pending(threading.local):
    """What a method has raised in this thread, on its way to the report of the failed check."""

    error: BaseException | None = None


_PENDING = _Pending()


def pending() -> BaseException:
    error, _PENDING.error = _PENDING.error, None
    assert error is not None                       # a callback has just said so
    return error


def _guarded(function: Callable) -> Callable:
    """A C function that returns 1 where the Python one raises."""
    def run(*args: int) -> int:
        try:
            function(*args)
        except BaseException as error:
            _PENDING.error = error
            return 1
        return 0

    return run


def _text(address: int, size: int) -> str:
    return ctypes.string_at(address, size).decode()


def _drawn(text: int, size: int, words: int, target: int) -> None:
    dist, name, *kinds = _text(text, size).split(",")
    handle, *params = [engine.from_words(ctypes.string_at(words + 8 * k, 8), known_dtype(kind)) for k, kind in enumerate(kinds)]
    made = random.draw(random.generator_at(handle), dist, known_dtype(name).np, None, params)
    _write(target, np.asarray(made, known_dtype(name).np))


def _write(target: int, made: np.ndarray) -> None:
    if made.nbytes:
        ctypes.memmove(target, np.ascontiguousarray(made).ctypes.data, made.nbytes)


def _called(text: int, size: int, words: int, target: int) -> None:
    kind, method, form, result, rank, kinds = json.loads(_text(text, size))
    dims, at, operands = (ctypes.c_int64 * rank).from_address(words)[:] if rank else [], words + 8 * rank, []
    for name in kinds:
        name, _, axes = name.partition(":")
        d = known_dtype(name)
        if not axes:
            operands.append(engine.from_words(ctypes.string_at(at, 16 if d.complex else 8), d))
            at += 16 if d.complex else 8
            continue
        address, *lengths = (ctypes.c_int64 * (1 + int(axes))).from_address(at)
        count = int(np.prod(lengths, dtype=np.int64))
        operands.append(np.frombuffer(ctypes.string_at(address, count * d.size), d.np).reshape(lengths).copy())
        at += 8 * (1 + int(axes))
    made = random.run_call(kind, method, form, operands, tuple(dims))
    if result != "none":
        _write(target, np.asarray(made, known_dtype(result).np).reshape(dims))


_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_CALLBACKS = {"draw": _FUNCTION(_guarded(_drawn)), "call": _FUNCTION(_guarded(_called))}
engine.PROVIDERS["pyrandom"] = lambda names: [function_address(_CALLBACKS[name]) for name in names]


def _python(out: Emitter, site: int, name: str, text: str, words: list[str], target: str) -> None:
    """Call a callback, and leave the kernel where it raises."""
    room, raw = out.alloca(f"[{max(len(words), 1)} x i64]", 8), text.encode()
    for k, word in enumerate(words):
        place = out.fresh()
        out.lines += [f"  {place} = getelementptr inbounds i64, ptr {room}, i64 {k}", f"  store i64 {word}, ptr {place}"]
    escaped = "".join(f"\\{b:02x}" for b in raw)
    constant = out.add_global(f'private unnamed_addr constant [{len(raw)} x i8] c"{escaped}"')
    failed, bad = out.fresh(), out.fresh()
    out.declare(f"declare i32 @pyrandom.{name}(ptr, i64, ptr, ptr)")
    out.lines += [f"  {failed} = call i32 @pyrandom.{name}(ptr {constant}, i64 {len(raw)}, ptr {room}, ptr {target})",
                  f"  {bad} = icmp ne i32 {failed}, 0"]
    out.leave_if(bad, site)


def _ask(out: Emitter, site: int, target: At, kind: str, dist: str, generator: Scalar,
         params: tuple[Imm | Scalar, ...]) -> None:
    dtype = (target.buffer if isinstance(target, At) else target).dtype
    operands = (generator, *params)
    words = [word for p in operands for word in out.words(p)]
    text = ",".join([dist, dtype.name, *[p.dtype.name for p in operands]])
    _python(out, site, "draw", text, words, out.address(target))


def _random_call(out: Emitter, site: int, spec: tuple[str, ...], kinds: tuple[str, ...], target: Buffer | At | None, rank: int,
                 *rest: Any) -> None:
    words, left = [out.index(d) for d in rest[:rank]], list(rest[rank:])      # scalars, and arrays with their dimensions
    for kind in kinds:
        axes = kind.partition(":")[2]
        if not axes:
            words += out.words(left.pop(0))
            continue
        address = out.fresh()
        out.lines.append(f"  {address} = ptrtoint ptr {out.address(left.pop(0))} to i64")
        words += [address, *[out.index(left.pop(0)) for _ in range(int(axes))]]
    _python(out, site, "call", json.dumps([*spec, rank, kinds]), words, "null" if target is None else out.address(target))


blas.ROWS |= {"draw": _draw, "random_call": _random_call}
