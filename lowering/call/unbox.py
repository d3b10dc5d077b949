"""The first half of a native entry: check each argument against its layout and find the address that the kernel gets.

Checks run no Python code, so that nothing can change under them, with two exceptions: reading the attributes of an arbitrary
object, and asking Python (python_checks.py). An entry that does so counts itself as running first, and owns what it gets.
"""
from __future__ import annotations

from collections.abc import Callable
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.ops import random
from ..native import c_layouts, dict_entries, length_code
from ..native.entry_writer import RUNNING, Writer
from . import python_checks
from .calling_convention import (
    AbsentIn,
    ArrayIn,
    DictIn,
    HeldIn,
    In,
    KeptIn,
    Node,
    PartsIn,
    Place,
    SameIn,
    ScalarIn,
    Signature,
    StaticIn,
    TypeIn,
    UnreadIn,
    WeakIn,
    in_table,
    is_sequence,
    python_class,
    tables_of,
)

if TYPE_CHECKING:
    from ...ir.types import Array

_AT = c_layouts.OFFSETS
_INT64 = range(-(1 << 63), 1 << 63)


class Unpacker:
    """pointers[param]: the register with the kernel's address for a parameter; objects[param]: with the object itself.

    held: objects reached through something mutable, which another thread may drop while the kernel runs.
    loose: (parameter, array, whether the kernel can read it where it is) of those that may have any layout.
    """

    def __init__(self, writer: Writer, signature: Signature):
        self.w, self.signature = writer, signature
        self.pointers: dict[int, str] = {}
        self.objects: dict[int, str] = {}
        self.held: list[str] = []
        self.loose: list[tuple[int, str, str]] = []
        self.owned = python_checks.owned(signature.arguments)
        self._lengths: dict[str, tuple[str, str]] = {}      # run-time length -> (its value, its address)

    @property
    def lengths(self) -> dict[str, str]:
        """The register of each run-time length."""
        return {name: value for name, (value, _) in self._lengths.items()}

    def unpack(self) -> None:
        w, arguments = self.w, self.signature.arguments
        if self.owned:
            w.count(RUNNING, 1)
        self._form()
        for k, layout in enumerate((*arguments.positional, *(layout for _, layout in arguments.keywords))):
            self._check(layout, w.field("%args", 8 * k), False)
        for table, names in tables_of(arguments.given).values():
            self._entries(table, names)
        for what, layout in arguments.given:
            if type(what) is not Place:
                self._check(layout, w.link("object", what), False)
            elif not in_table(what, layout):
                self._part(what.kind, w.link("object", what.holder), type(what.holder), what.key, layout)
        for name, param in arguments.lengths:
            self.pointers[param] = self._lengths[name][1]
        for guard in arguments.guards:
            w.require(length_code.holds(w, guard, self.lengths))
        if self.signature.writes:
            self._overlap()

    def _form(self) -> None:
        """The options in force, the number of positional arguments and the names of the others."""
        w, arguments = self.w, self.signature.arguments
        count = w.value(f"and i64 %nargsf, {c_layouts.VECTORCALL_OFFSET_BIT - 1}")
        options = w.field(w.link("api", "options"), 0, "i64")
        right = w.all_of([w.value(f"icmp eq i64 {count}, {len(arguments.positional)}"),
                          w.value(f"icmp eq i64 {options}, {self.signature.options}")])
        if not arguments.keywords:
            w.require(w.all_of([right, w.value("icmp eq ptr %kwnames, null")]))
            return
        w.require(w.all_of([right, w.value("icmp ne ptr %kwnames, null")]))
        self._size("%kwnames", len(arguments.keywords))
        w.require(w.all_of([
            w.value(f"icmp eq ptr {w.field('%kwnames', _AT['tuple.items'] + 8 * k)}, {w.link('object', name)}")
            for k, (name, _) in enumerate(arguments.keywords)]))

    def _check(self, layout: In, x: str, mutable: bool) -> None:
        _CHECKS[type(layout)](self, layout, x, mutable)

    def _type(self, x: str, cls: type) -> None:
        w = self.w
        w.require(w.value(f"icmp eq ptr {w.field(x, _AT['type'])}, {w.link('object', cls)}"))

    def _size(self, x: str, size: int) -> None:
        w = self.w
        w.require(w.value(f"icmp eq i64 {w.field(x, _AT['size'], 'i64')}, {size}"))

    def _bind(self, param: int, x: str, pointer: str, mutable: bool) -> None:
        self.objects[param], self.pointers[param] = x, pointer
        if mutable:
            self.held.append(x)

    def _array(self, layout: ArrayIn, x: str, mutable: bool) -> None:
        w = self.w
        self._type(x, np.ndarray)
        need = c_layouts.C_CONTIGUOUS | c_layouts.ALIGNED | \
            (c_layouts.WRITEABLE if layout.param in self.signature.writes else 0)
        flags = w.value(f"and i32 {w.field(x, _AT['ndarray.flags'], 'i32')}, {need}")
        descr = w.field(x, _AT["ndarray.descr"])             # not compared itself: unpickled arrays have dtypes of their own
        known = [w.value(f"icmp eq i32 {w.field(descr, _AT['descr.type_num'], 'i32')}, {layout.dtype.np.num}"),
                 w.value(f"icmp eq i32 {w.field(x, _AT['ndarray.nd'], 'i32')}, {len(layout.dims)}")]
        plain = [w.value(f"icmp ne i8 {w.field(descr, _AT['descr.byteorder'], 'i8')}, {c_layouts.SWAPPED}"),
                 w.value(f"icmp eq i32 {flags}, {need}")]
        if layout.any and not self.signature.writes:
            self.loose.append((layout.param, x, w.all_of(plain)))
            w.require(w.all_of(known))
        else:
            w.require(w.all_of(known + plain))
        if layout.dims:
            dims = w.field(x, _AT["ndarray.dims"])
            same = [c for k, d in enumerate(layout.dims) if (c := self._length(dims, k, d))]
            if same:
                w.require(w.all_of(same))
        self._bind(layout.param, x, w.field(x, _AT["ndarray.data"]), mutable)

    def _held(self, layout: HeldIn, x: str, mutable: bool) -> None:
        w = self.w
        self._type(x, layout.cls)
        descr = w.field(x, _AT["ndarray.descr"])
        same = [w.value(f"icmp eq i32 {w.field(x, _AT['ndarray.nd'], 'i32')}, {len(layout.shape)}")]
        if layout.kind.kind in "biufc" and layout.kind.isnative:
            same += [w.value(f"icmp eq i32 {w.field(descr, _AT['descr.type_num'], 'i32')}, {layout.kind.num}"),
                     w.value(f"icmp ne i8 {w.field(descr, _AT['descr.byteorder'], 'i8')}, {c_layouts.SWAPPED}")]
        else:
            same.append(w.value(f"icmp eq ptr {descr}, {w.link('object', layout.kind)}"))
        if layout.param is not None:
            flags = w.value(f"and i32 {w.field(x, _AT['ndarray.flags'], 'i32')}, {c_layouts.ALIGNED}")
            same.append(w.value(f"icmp ne i32 {flags}, 0"))
        w.require(w.all_of(same))
        same = []
        for field, numbers in (("dims", layout.shape), ("strides", layout.strides)):
            start = w.field(x, _AT[f"ndarray.{field}"]) if numbers else ""
            same += [w.value(f"icmp eq i64 {w.field(start, 8 * k, 'i64')}, {n}") for k, n in enumerate(numbers)]
        if same:
            w.require(w.all_of(same))
        data = w.field(x, _AT["ndarray.data"])
        if not python_checks.native(layout):
            self._by_python(python_checks.content(layout), x)
        elif layout.kept is not None and layout.kept.size:
            self._same_elements(layout.kept, data)
        if layout.param is not None:
            self._bind(layout.param, x, w.at(data, layout.start), mutable)

    def _same_elements(self, kept: np.ndarray, data: str) -> None:
        """The memory of a contiguous array has the bytes of `kept`."""
        w = self.w
        order = w.call("memcmp", "i32", f"ptr {data}", f"ptr {w.link('address', kept.ctypes.data)}", f"i64 {kept.nbytes}")
        w.require(w.value(f"icmp eq i32 {order}, 0"))

    def _unread(self, layout: UnreadIn, x: str, mutable: bool) -> None:
        pass

    def _counted(self, layout: DictIn, x: str, mutable: bool) -> None:
        self._type(x, dict)
        self._size(x, layout.size)

    # Where captured objects are found

    def _part(self, kind: str, holder: str, cls: type, key: Any, layout: In) -> None:
        """Check what a holder of a class has at a place."""
        if kind == "asked":
            self._by_python(python_checks.question(key, layout), holder)
            return
        x = _PARTS[kind](self, holder, cls, key, type(layout) is AbsentIn)
        if x is not None:
            self._check(layout, x, True)

    def _cell(self, holder: str, cls: type, key: Any, absent: bool) -> str | None:
        return self._present(self.w.field(holder, _AT["cell.contents"]), absent)

    def _present(self, found: str, absent: bool, otherwise: str = "%other") -> str | None:
        self.w.require(self.w.value(f"icmp {'eq' if absent else 'ne'} ptr {found}, null"), otherwise)
        return None if absent else found

    def _item(self, holder: str, cls: type, key: Any, absent: bool) -> str | None:
        w = self.w
        if cls is list or cls is tuple:
            size = w.field(holder, _AT["size"], "i64")
            w.require(w.value(f"icmp uge i64 {size}, {key + 1 if key >= 0 else -key}"))
            items = w.field(holder, _AT["list.items"]) if cls is list else w.at(holder, _AT["tuple.items"])
            if key >= 0:
                return w.field(items, 8 * key)
            end = w.value(f"getelementptr ptr, ptr {items}, i64 {size}")
            return w.field(end, 8 * key)
        found = w.call("PyDict_GetItemWithError", "ptr", f"ptr {holder}", f"ptr {w.link('object', key)}")
        return self._present(found, absent)

    def _member(self, holder: str, cls: type, key: Any, absent: bool) -> None:
        w = self.w
        found = w.call("PySet_Contains", "i32", f"ptr {holder}", f"ptr {w.link('object', key)}")
        w.require(w.value(f"icmp eq i32 {found}, {int(not absent)}"))

    def _by_python(self, check: Callable[[Any], bool] | None, x: str) -> None:
        """Ask Python about x, or leave the call to it."""
        w, slot = self.w, self.w.new_slot()
        if check is None:
            w.require("false")
            return
        array = w.alloca("ptr")
        w(f"store ptr {x}, ptr {array}")
        found = w.call("PyObject_Vectorcall", "ptr", f"ptr {w.link('object', check)}", f"ptr {array}", "i64 1", "ptr null")
        w.require(w.value(f"icmp ne ptr {found}, null"), "%unreadable")
        w(f"store ptr {found}, ptr {slot}")
        w.require(w.value(f"icmp eq ptr {found}, {w.link('object', True)}"))

    def _field(self, holder: str, cls: type, key: str, absent: bool) -> str:
        """A member of a function or bound method; null stands for None."""
        found = self.w.field(holder, _AT[_FIELDS[key]])
        none = self.w.link("object", None)
        return self.w.value(f"select i1 {self.w.value(f'icmp eq ptr {found}, null')}, ptr {none}, ptr {found}")

    def _attribute(self, holder: str, cls: type, key: str, absent: bool) -> str | None:
        if not absent:
            return self._value_of(holder, key)
        w = self.w
        found = w.call("PyObject_GetAttr", "ptr", f"ptr {holder}", f"ptr {w.link('object', key)}")
        w(f"store ptr {found}, ptr {w.new_slot()}")
        self._present(found, True)
        w.call("PyErr_Clear", "void")
        return None

    def _value_of(self, x: str, name: str) -> str:
        """An attribute's value, which is owned until the call ends."""
        w = self.w
        found = w.call("PyObject_GetAttr", "ptr", f"ptr {x}", f"ptr {w.link('object', name)}")
        w.require(w.value(f"icmp ne ptr {found}, null"), "%unreadable")
        w(f"store ptr {found}, ptr {w.new_slot()}")
        return found

    def _entries(self, table: dict, names: list) -> None:
        """Names of a module. A change of any entry gives its dict another version (until CPython 3.12): while it is the one at
        which all of them have been found as they should be, nothing is looked up."""
        w, holder = self.w, self.w.link("object", table)
        if not c_layouts.VERSIONED:
            self._names(holder, names)
            return
        seen, look, done = w.cell(), w.block(), w.block()
        now = w.field(holder, _AT["dict.version"], "i64")
        same = w.value(f"icmp eq i64 {now}, {w.value(f'load i64, ptr {seen}')}")
        w(f"br i1 {same}, label {done}, label {look}")
        w.begin(look)
        self._names(holder, names)
        w(f"store i64 {now}, ptr {seen}")
        w(f"br label {done}")
        w.begin(done)

    def _names(self, holder: str, names: list) -> None:
        w = self.w
        for name, layout in names:
            if type(layout) is AbsentIn or not c_layouts.ENTRIES:
                self._part("item", holder, dict, name, layout)
                continue
            w.helpers[dict_entries.TEXT] = None
            given = ", ".join(["ptr " + x for x in (holder, w.link("object", name), w.cell(),
                                                    w.link("api", "PyDict_GetItemWithError"))])
            found = w.value(f"call ptr @{dict_entries.LOOKUP}({given})")
            self._present(found, False)
            self._check(layout, found, True)

    def _length(self, dims: str, axis: int, expected: int | str) -> str | None:
        """The condition that the length is right; None for the first sight of a run-time length."""
        w = self.w
        address = w.at(dims, 8 * axis)
        length = w.value(f"load i64, ptr {address}")
        if isinstance(expected, str):
            if expected not in self._lengths:
                # A copy: the dims of an array in a list may go away with the array.
                cell = w.alloca("i64")
                w(f"store i64 {length}, ptr {cell}")
                self._lengths[expected] = (length, cell)
                return None
            expected = self._lengths[expected][0]
        return w.value(f"icmp eq i64 {length}, {expected}")

    def _scalar(self, layout: ScalarIn, x: str, mutable: bool) -> None:
        w = self.w
        self._type(x, layout.dtype.np.type if layout.kind == "numpy" else python_class(layout.kind))
        if layout.kind in random.KINDS:
            cell = w.alloca("i64")
            w(f"store i64 {w.value(f'ptrtoint ptr {x} to i64')}, ptr {cell}")
            self._bind(layout.param, x, cell, mutable)
            return
        if layout.kind != "int":
            self._bind(layout.param, x, w.at(x, _AT["value"]), mutable)
            return
        cell = w.alloca("i64")
        w(f"store i64 {self._integer(x)}, ptr {cell}")
        self._bind(layout.param, x, cell, mutable)

    def _integer(self, x: str) -> str:
        """The value of an exact Python int, where it fits 64 bits."""
        w, overflow = self.w, self.w.alloca("i32", 4)
        number = w.call("PyLong_AsLongLongAndOverflow", "i64", f"ptr {x}", f"ptr {overflow}")
        w.require(w.value(f"icmp eq i32 {w.value(f'load i32, ptr {overflow}')}, 0"))
        return number

    def _same(self, layout: SameIn, x: str, mutable: bool) -> None:
        self.w.require(self.w.value(f"icmp eq ptr {x}, {self.objects[layout.first]}"))
        if layout.param is not None:
            self.objects[layout.param], self.pointers[layout.param] = x, self.pointers[layout.first]

    def _static(self, layout: StaticIn, x: str, mutable: bool) -> None:
        self._object(layout.value, x)

    def _object(self, value: Any, x: str) -> None:
        """x is the value itself, or an equal str, bytes or number: comparing these runs no Python code."""
        w = self.w
        same = w.value(f"icmp eq ptr {x}, {w.link('object', value)}")
        equal = _EQUAL.get(type(value)) or (Unpacker._equal_bytes if _plain_number(value) else None)
        if equal is None:
            w.require(same)
            return
        look, done = w.block(), w.block()
        w(f"br i1 {same}, label {done}, label {look}")
        w.begin(look)
        self._type(x, type(value))
        w(f"br i1 {equal(self, value, x)}, label {done}, label %other")
        w.begin(done)

    def _equal_text(self, value: str, x: str) -> str:
        w = self.w
        return w.value(f"icmp eq i32 {w.call('PyUnicode_Compare', 'i32', f'ptr {x}', 'ptr ' + w.link('object', value))}, 0")

    def _equal_object(self, value: bytes | int, x: str) -> str:
        w = self.w
        found = w.call("PyObject_RichCompareBool", "i32", f"ptr {x}", f"ptr {w.link('object', value)}", "i32 2")    # Py_EQ
        return w.value(f"icmp eq i32 {found}, 1")

    def _equal_int(self, value: int, x: str) -> str:
        if value not in _INT64:
            return self._equal_object(value, x)
        return self.w.value(f"icmp eq i64 {self._integer(x)}, {value}")

    def _equal_bytes(self, value: Array, x: str) -> str:
        """A number by the bytes of its value: 0.0 is not -0.0, and NaN is NaN."""
        w, size = self.w, np.dtype(type(value)).itemsize
        other = w.link("object", value)
        part = f"i{8 * min(size, 8)}"
        pairs = [[w.field(y, _AT["value"] + at, part) for y in (x, other)] for at in range(0, size, 8)]
        return w.all_of([w.value(f"icmp eq {part} {a}, {b}") for a, b in pairs])

    def _weak(self, layout: WeakIn, x: str, mutable: bool) -> None:
        self.w.require(self.w.value(f"icmp eq ptr {x}, {self.w.link('weak', layout)}"))

    def _typed(self, layout: TypeIn, x: str, mutable: bool) -> None:
        self._type(x, layout.type)

    def _kept(self, layout: KeptIn, x: str, mutable: bool) -> None:
        """A list with the same objects; other containers are compared in Python."""
        w = self.w
        if not python_checks.native(layout):
            self._by_python(python_checks.content(layout), x)
            return
        self._type(x, list)
        self._size(x, len(layout.items))
        kept = w.at(w.link("object", layout.items), _AT["tuple.items"])
        order = w.call("memcmp", "i32", f"ptr {w.field(x, _AT['list.items'])}", f"ptr {kept}", f"i64 {8 * len(layout.items)}")
        w.require(w.value(f"icmp eq i32 {order}, 0"))

    def _parts(self, layout: PartsIn, x: str, mutable: bool) -> None:
        self._check(layout.whole, x, mutable)
        whole: Any = layout.whole
        cls = whole.type if isinstance(whole, (TypeIn, KeptIn)) else type(getattr(whole, "value", None))
        for kind, key, part in layout.parts:
            self._part(kind, x, cls, key, part)

    def _node(self, layout: Node, x: str, mutable: bool) -> None:
        self._type(x, layout.type)
        if layout.type is dict:
            self._dict(layout, x)
        elif is_sequence(layout.type):
            self._sequence(layout, x, mutable)
        else:
            self._object_attributes(layout, x)

    def _sequence(self, layout: Node, x: str, mutable: bool) -> None:
        w = self.w
        self._size(x, len(layout.children))
        inline = layout.type is not list
        items, start = (x, _AT["tuple.items"]) if inline else (w.field(x, _AT["list.items"]), 0)
        for k, child in enumerate(layout.children):
            self._check(child, w.field(items, start + 8 * k), mutable or not inline)

    def _dict(self, layout: Node, x: str) -> None:
        """In insertion order and by identity of the keys first, so that no key's __eq__ or __hash__ runs."""
        w = self.w
        self._size(x, len(layout.children))
        if not layout.children:
            return
        position, key, item = w.alloca("i64"), w.alloca("ptr"), w.alloca("ptr")
        w(f"store i64 0, ptr {position}")
        for name, child in zip(layout.keys, layout.children, strict=True):
            more = w.call("PyDict_Next", "i32", f"ptr {x}", f"ptr {position}", f"ptr {key}", f"ptr {item}")
            w.require(w.value(f"icmp ne i32 {more}, 0"))
            self._object(name, w.value(f"load ptr, ptr {key}"))
            self._check(child, w.value(f"load ptr, ptr {item}"), True)

    def _object_attributes(self, layout: Node, x: str) -> None:
        for key, child in zip(layout.keys, layout.children, strict=True):
            self._check(child, self._value_of(x, key), False)

    def _overlap(self) -> None:
        """Memory that the kernel writes belongs to one argument only; anything else is for Python to sort out."""
        w, writes = self.w, self.signature.writes
        arrays = {p: leaf for p, leaf in self.signature.inputs().items() if isinstance(leaf, (ArrayIn, HeldIn))}
        spans = {p: self._span(p, leaf) for p, leaf in arrays.items()}
        pairs = sorted({(min(a, b), max(a, b)) for a in writes for b in arrays if a != b})
        apart = [self._apart(spans[a], spans[b]) for a, b in pairs]
        for array in self.signature.captured:
            start = array.ctypes.data
            fixed = w.link("address", start), w.link("address", start + array.nbytes)
            apart += [self._apart(spans[a], fixed) for a in writes]
        if apart:
            w.require(w.all_of(apart))

    def _span(self, param: int, leaf: ArrayIn | HeldIn) -> tuple[str, str]:
        w, start, size = self.w, self.pointers[param], leaf.dtype.size
        for d in leaf.dims:
            if isinstance(d, int):
                size *= d
        for d in leaf.dims:
            if isinstance(d, str):
                size = w.value(f"mul i64 {size}, {self._lengths[d][0]}")
        return start, w.value(f"getelementptr i8, ptr {start}, i64 {size}")

    def _apart(self, a: tuple[str, str], b: tuple[str, str]) -> str:
        w = self.w
        before, after = w.value(f"icmp ule ptr {a[1]}, {b[0]}"), w.value(f"icmp ule ptr {b[1]}, {a[0]}")
        return w.value(f"or i1 {before}, {after}")


def _plain_number(value: Callable | CodeType | ModuleType | None) -> bool:
    """Whether the bytes of a NumPy scalar's value lie in its object and say all."""
    return isinstance(value, np.generic) and value.dtype.kind in "biufc" and value.dtype.itemsize <= 16


_FIELDS = {"__code__": "function.code", "__defaults__": "function.defaults", "__kwdefaults__": "function.kwdefaults",
           "__func__": "method.function", "__self__": "method.self"}
_EQUAL: dict[type, Callable[[Unpacker, Any, str], str]] = {
          str: Unpacker._equal_text, bytes: Unpacker._equal_object, int: Unpacker._equal_int, float: Unpacker._equal_bytes,
          complex: Unpacker._equal_bytes}
_PARTS: dict[str, Callable[[Unpacker, str, type, Any, bool], str | None]] = {
          "cell": Unpacker._cell, "item": Unpacker._item, "attr": Unpacker._attribute, "field": Unpacker._field,
          "member": Unpacker._member}
_CHECKS: dict[type, Callable[[Unpacker, Any, str, bool], None]] = {
           ArrayIn: Unpacker._array, HeldIn: Unpacker._held, UnreadIn: Unpacker._unread, DictIn: Unpacker._counted,
           ScalarIn: Unpacker._scalar,
           SameIn: Unpacker._same, StaticIn: Unpacker._static, Node: Unpacker._node, WeakIn: Unpacker._weak,
           TypeIn: Unpacker._typed, KeptIn: Unpacker._kept, PartsIn: Unpacker._parts}
