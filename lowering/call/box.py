"""The second half of a native entry: allocate what the kernel fills, and make the structure that the function returns."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.types import DType
from ..memory.result_pool import LARGE
from ..native import c_layouts
from ..native.entry_writer import Writer, memory_type
from .calling_convention import ArgOut, ArrayOut, Node, ObjectOut, Out, ScalarOut, Signature, is_plain_namedtuple

_AT = c_layouts.OFFSETS
_CARRAY = c_layouts.C_CONTIGUOUS | c_layouts.ALIGNED | c_layouts.WRITEABLE


class Packer:
    """outputs[k]: the kernel's pointer for result k."""

    def __init__(self, writer: Writer, signature: Signature, objects: dict[int, str], lengths: dict[str, str]):
        self.w, self.signature, self.objects, self.lengths = writer, signature, objects, lengths
        self.outputs: dict[int, str] = {}
        self._made: dict = {}                  # output leaf -> (register, its slot or None once it has been used)
        self._nodes: dict[int, str] = {}       # a node that comes again is the same object
        self._late: list[ArrayOut] = []        # arrays that the kernel allocates
        self._loose: list[str] = []            # words with memory that no array has yet

    def allocate(self) -> None:
        """Memory for every result."""
        mark = len(self.w.lines)
        for k, leaf in sorted(self.signature.results().items()):
            if isinstance(leaf, ScalarOut):
                self.outputs[k] = self.w.alloca(memory_type(leaf.dtype), 16)
            elif leaf.known:
                self._made[leaf] = x, _ = self._allocated(leaf)
                self.outputs[k] = self.w.field(x, _AT["ndarray.data"])
            else:
                self._late.append(leaf)
                self.outputs[k] = cell = self.w.alloca(f"{{ ptr, [{len(leaf.dims)} x i64] }}")
                self._loose.append(cell)
        self.w.lines[mark:mark] = [f"  store ptr null, ptr {cell}" for cell in self._loose]

    def _allocated(self, leaf: ArrayOut) -> tuple[str, str]:
        """A new array. Only the call knows whether one of a run-time length is large."""
        w, numbers = self.w, [d for d in leaf.dims if isinstance(d, int)]
        known, dims = math.prod(numbers) * leaf.dtype.size, self._dims(leaf.dims)
        if len(numbers) == len(leaf.dims):
            return self._pooled(leaf, dims, str(known)) if known >= LARGE else self._array(leaf, dims)
        size = str(known)
        for d in leaf.dims:
            if isinstance(d, str):
                size = w.value(f"mul i64 {size}, {self.lengths[d]}")
        cell, slot, large, small, done = w.alloca("ptr"), w.new_slot(), w.block(), w.block(), w.block()
        w(f"br i1 {w.value(f'icmp uge i64 {size}, {LARGE}')}, label {large}, label {small}")
        for block, make in ((large, lambda: self._pooled(leaf, dims, size)), (small, lambda: self._array(leaf, dims))):
            w.begin(block)
            x, own = make()
            w.disown(own)
            w(f"store ptr {x}, ptr {slot}")
            w(f"store ptr {x}, ptr {cell}")
            w(f"br label {done}")
        w.begin(done)
        return w.value(f"load ptr, ptr {cell}"), slot

    def _dims(self, dims: tuple[int | str | None, ...]) -> str:
        """The address of an array's dimensions."""
        w = self.w
        numbers = tuple(d for d in dims if isinstance(d, int))
        if len(numbers) == len(dims):
            return w.dims(numbers)
        cell = w.alloca(f"[{len(dims)} x i64]")
        for k, d in enumerate(dims):
            w(f"store i64 {self.lengths[d] if isinstance(d, str) else d}, ptr {w.at(cell, 8 * k)}")
        return cell

    def _array(self, leaf: ArrayOut, dims: str, data: str = "null", flags: str = "0") -> tuple[str, str]:
        """A new array on the data, or on memory of its own (any flag would then mean Fortran order)."""
        w = self.w
        w.call("Py_IncRef", "void", f"ptr {w.link('object', leaf.dtype.np)}")       # the array takes this reference
        cls, descr = w.link("object", np.ndarray), w.link("object", leaf.dtype.np)
        x = w.call("PyArray_NewFromDescr", "ptr", f"ptr {cls}", f"ptr {descr}", f"i32 {len(leaf.dims)}", f"ptr {dims}",
                   "ptr null", f"ptr {data}", f"i32 {flags}", "ptr null")
        return x, w.own(x)

    def adopt(self) -> None:
        """Make arrays of the memory that the kernel allocated."""
        for leaf in self._late:
            self._made[leaf] = self._adopt(leaf)

    def _adopt(self, leaf: ArrayOut) -> tuple[str, str]:
        """NumPy's default handler releases with `free`. It rounds an empty array's size up: such a one gets NumPy's memory."""
        w, cell = self.w, self.outputs[leaf.result]
        dims = w.at(cell, 8)
        count = "1"
        for k in range(len(leaf.dims)):
            count = w.value(f"mul i64 {count}, {w.field(dims, 8 * k, 'i64')}")
        data = w.field(cell, 0)
        empty = w.value(f"icmp eq i64 {count}, 0")
        used = w.value(f"select i1 {empty}, ptr null, ptr {data}")
        x, slot = self._array(leaf, dims, used, w.value(f"select i1 {empty}, i32 0, i32 {_CARRAY}"))
        unused = w.value(f"select i1 {empty}, ptr {data}, ptr null")
        w.call("free", "void", f"ptr {unused}")
        w(f"store ptr null, ptr {cell}")
        ours, done = w.block(), w.block()
        w(f"br i1 {w.value(f'icmp eq ptr {used}, null')}, label {done}, label {ours}")
        w.begin(ours)
        self._owner(x, w.link("api", "default_handler"))
        w(f"br label {done}")
        w.begin(done)
        return x, slot

    def _owner(self, x: str, handler: str) -> None:
        """The array owns its data, and the handler knows how to free them."""
        w, flags = self.w, self.w.at(x, _AT["ndarray.flags"])
        old = w.value(f"load i32, ptr {flags}")
        w(f"store i32 {w.value(f'or i32 {old}, {c_layouts.OWNDATA}')}, ptr {flags}")
        w.call("Py_IncRef", "void", f"ptr {handler}")
        w(f"store ptr {handler}, ptr {w.at(x, _AT['ndarray.mem_handler'])}")

    def _pooled(self, leaf: ArrayOut, dims: str, size: str) -> tuple[str, str]:
        """An array on recycled memory. Until it has it, the memory stands where `abandon` frees it."""
        w, cell = self.w, self.w.alloca("ptr")
        self._loose.append(cell)
        data = w.value(f"call ptr {w.link('pool', 'allocate')}(i64 {size})")
        w(f"store ptr {data}, ptr {cell}")
        there, none = w.block(), w.block()
        w(f"br i1 {w.value(f'icmp eq ptr {data}, null')}, label {none}, label {there}")
        w.begin(none)
        w.call("PyErr_NoMemory", "ptr")
        w("br label %failed")
        w.begin(there)
        x, slot = self._array(leaf, dims, data, str(_CARRAY))
        self._owner(x, w.link("pool", "handler"))
        w(f"store ptr null, ptr {cell}")
        return x, slot

    def abandon(self) -> None:
        """On failure: free the memory that nobody has adopted."""
        for cell in self._loose:
            self.w.call("free", "void", f"ptr {self.w.field(cell, 0)}")

    def pack(self, out: Out) -> tuple[str, str]:
        """(a new reference, its slot)."""
        if not isinstance(out, Node):
            return self._leaf(out)
        if id(out) in self._nodes:
            return self._shared(self._nodes[id(out)])
        found = self._node(out)
        self._nodes[id(out)] = found[0]
        return found

    def _leaf(self, out: Out) -> tuple[str, str]:
        w = self.w
        if isinstance(out, ObjectOut):
            return self._shared(w.link("object", out.value))
        if isinstance(out, ArgOut):
            return self._shared(self.objects[out.param])
        if out not in self._made:
            assert isinstance(out, ScalarOut), out        # an array has been made before
            x = self._scalar(out)
            self._made[out] = (x, w.own(x))
        x, slot = self._made[out]
        if slot is None:
            return self._shared(x)
        self._made[out] = (x, None)
        return x, slot

    def _shared(self, x: str) -> tuple[str, str]:
        self.w.call("Py_IncRef", "void", f"ptr {x}")
        return x, self.w.own(x)

    def _scalar(self, out: ScalarOut) -> str:
        w, cell, d = self.w, self.outputs[out.result], out.dtype
        if out.kind == "numpy":
            return w.call("PyArray_Scalar", "ptr", f"ptr {cell}", f"ptr {w.link('object', d.np)}", "ptr null")
        if out.kind == "complex":
            real = self._number(cell, 0, d.real)
            imag = self._number(cell, d.size // 2, d.real) if d.complex else "0.0"
            return w.call("PyComplex_FromDoubles", "ptr", f"double {real}", f"double {imag}")
        if out.kind == "float":
            return w.call("PyFloat_FromDouble", "ptr", f"double {self._number(cell, 0, d)}")
        if out.kind == "bool":
            return w.call("PyBool_FromLong", "ptr", f"i64 {self._number(cell, 0, d)}")
        make = "PyLong_FromUnsignedLongLong" if d.kind == "u" else "PyLong_FromLongLong"
        return w.call(make, "ptr", f"i64 {self._number(cell, 0, d)}")

    def _number(self, cell: str, offset: int, dtype: DType) -> str:
        """The number in a register, widened to 64 bits."""
        memory = memory_type(dtype)
        x = self.w.field(cell, offset, memory)
        if memory in ("double", "i64"):
            return x
        if memory in ("half", "float"):
            return self.w.value(f"fpext {memory} {x} to double")
        return self.w.value(f"{'sext' if dtype.kind == 'i' else 'zext'} {memory} {x} to i64")

    def _node(self, out: Node) -> tuple[str, str]:
        children = [self.pack(child) for child in out.children]
        if out.type is dict:
            return self._dict(out.keys, children)
        if out.type in (tuple, list) or is_plain_namedtuple(out.type):
            return self._sequence(out.type, children)
        return self._called(out.make or out.type, children)

    def _sequence(self, cls: type, children: Any) -> tuple[str, str]:
        """The container takes over its children's references."""
        w, size = self.w, len(children)
        if cls is tuple or cls is list:
            x = w.call("PyTuple_New" if cls is tuple else "PyList_New", "ptr", f"i64 {size}")
        else:
            x = w.call("PyType_GenericAlloc", "ptr", f"ptr {w.link('object', cls)}", f"i64 {size}")
        slot = w.own(x)
        if cls is not list:
            items = w.at(x, _AT["tuple.items"])
        elif children:
            items = w.field(x, _AT["list.items"])
        for k, (child, owner) in enumerate(children):
            w(f"store ptr {child}, ptr {w.at(items, 8 * k)}")
            w.disown(owner)
        return x, slot

    def _dict(self, keys: tuple, children: Any) -> tuple[str, str]:
        w = self.w
        x = w.call("PyDict_New", "ptr")
        slot = w.own(x)
        for key, (child, owner) in zip(keys, children, strict=True):
            code = w.call("PyDict_SetItem", "i32", f"ptr {x}", f"ptr {w.link('object', key)}", f"ptr {child}")
            w.require(w.value(f"icmp eq i32 {code}, 0"), "%failed")
            w.drop(child, owner)
        return x, slot

    def _called(self, function: Any, children: Any) -> tuple[str, str]:
        w = self.w
        array = w.alloca(f"[{max(len(children), 1)} x ptr]")
        for k, (child, _) in enumerate(children):
            w(f"store ptr {child}, ptr {w.at(array, 8 * k)}")
        x = w.call("PyObject_Vectorcall", "ptr", f"ptr {w.link('object', function)}", f"ptr {array}", f"i64 {len(children)}",
                   "ptr null")
        slot = w.own(x)
        for child, owner in children:
            w.drop(child, owner)
        return x, slot
