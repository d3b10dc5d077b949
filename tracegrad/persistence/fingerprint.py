"""One digest of everything that tracing a call can read.

Before anything is traced, nobody knows what a trace will read; so the digest covers what it could. It starts from the function
and the arguments that are part of the specialisation, and follows what these lead to:

    function    its code (with the lines that errors point at), the globals and the attributes of modules that its code names,
                its closure cells, defaults and attributes
    class       its name, its bases, and whatever stands in its body
    object      its class and its attributes
    container   its items in their order
    number, string, enum …    the value, with its type
    array       dtype, shape and strides: its elements are read at each call, or compared with those that the trace saw. Of a
                small one also the elements, since these may decide what is traced; of one that the trace has not used, a saved
                specialisation has a digest (calls.py), as code that is not traced may have read them
    library     functions, classes and modules of `purity.PURE`: their names

Whatever is met a second time is a reference to the first, so two graphs have equal digests only if they are equal, cycles
included. What is known by neither name nor content is `Unknown`. The order of the walk follows from what it finds, so the
number under which it meets an object names that object in another process, too: a saved specialisation refers to objects that
way.
"""
from __future__ import annotations

import builtins
import dis
import functools
import hashlib
import itertools
import opcode
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..captures.closures import KEY
from ..ir.core import Function
from ..ir.types import DType
from ..tracer import attributes
from ..tracer.syntax.source import is_generated, unwrap
from ..tracer.values.captured_arrays import SMALL
from .purity import IMPURE, REFLECTIVE, forbidden, is_pure, root_of

MOST, LONGEST = 10_000, 100_000    # objects of one walk, and values in all
_OWN = __name__.partition(".")[0]
_ATOMS = (type(None), bool, int, str, bytes, float, complex, type(Ellipsis), type(NotImplemented), range)
_BASES = (int, float, complex, str, bytes, tuple, list, dict)          # builtin types that users' classes may extend
# what a compiled function has besides what it was made with
_INTERNAL = frozenset({"_cache", "misses", "shapes", "revealed", "_statics", "_captures", "_programs", "c_functions", "_chain",
                       "_plans", "_lock", "answer", "_vectorcall", "_bound", "__wrapped__", "__doc__", "__name__",
                       "__qualname__", "__module__", "__annotations__", "__type_params__", "__vectorcalloffset__", "hash",
                       "count"})
_NO_MEANING = frozenset({"__module__", "__qualname__", "__dict__", "__weakref__", "__doc__", "__annotations__",
                         "__abstractmethods__",
                         "_abc_impl", "__static_attributes__", "__firstlineno__", "__parameters__", "__orig_bases__",
                         "__annotate__", "__annotate_func__", "__annotations_cache__"})
_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType,
                types.ClassMethodDescriptorType)


class Unknown(Exception):
    """Something is known by neither its name nor its content."""


class Fingerprint:
    """The walk.

    objects    what it has met, by number;  codes  {id of a code object: the number of a function among them that has it}
    described  the numbers of arrays whose elements the digest does not say
    """

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.codes: dict[int, int] = {}
        self.described: list[int] = []
        self._numbers: dict[int, int] = {}
        self._out: list[str] = []
        self._own = 0                                 # inside objects of tracegrad, where arrays are what they contain

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self._out).encode("utf-8", "surrogatepass")).hexdigest()[:40]

    def number(self, x: Any) -> int | None:
        """The number of an object that the walk has met."""
        return self._numbers.get(id(x))

    def put(self, *what: Any) -> None:
        """Plain values."""
        if len(self._out) >= LONGEST:
            raise Unknown(f"it leads to more than {LONGEST:,} values")
        self._out.append(repr(what))

    def first(self, x: Any, kind: str) -> bool:
        """Whether an object is met for the first time; writes its kind, or which one it is."""
        known = self._numbers.get(id(x))
        if known is not None:
            self.put("again", known)
            return False
        if len(self.objects) >= MOST:
            raise Unknown(f"it leads to more than {MOST:,} objects")
        self._numbers[id(x)] = len(self.objects)
        self.objects.append(x)
        self.put(kind)
        return True

    def add(self, x: Any, names: frozenset[str] = frozenset()) -> None:
        """Follow an object. `names`: those that the code which reads it has, for attributes of modules."""
        cls = type(x)
        if cls in _WALKS:
            _WALKS[cls](self, x)
        elif cls in _ATOMS:
            self.put(cls.__name__, x.hex() if cls is float else x)
        elif isinstance(x, types.ModuleType):
            self._module(x, names)
        elif isinstance(x, type):
            self._class(x)
        elif isinstance(x, (np.ndarray, np.generic, np.dtype)):
            self._numpy(x)
        elif root_of(cls.__module__) == _OWN:
            self._own_object(x)
        elif isinstance(x, functools._lru_cache_wrapper) or (root_of(cls.__module__) == "numba" and hasattr(x, "py_func")):
            if self.first(x, "wrapped"):
                self.put(cls.__name__)
                self.add(unwrap(x))
        elif _is_library_function(x):
            self.put("library", x.__module__, x.__name__)
        else:
            self._object(x)

    # --- functions -----------------------------------------------------------------------------------------------------

    def _function(self, f: types.FunctionType) -> None:
        if not self.first(f, "function"):
            return
        module = f.__globals__.get("__name__")        # its own __module__ may be that of a function that it wraps
        if is_pure(module):
            self.put(module, f.__qualname__, f.__code__.co_firstlineno)
            with_content = root_of(module) == _OWN
            self._own += with_content
            self._cells(f)
            for x in (f.__defaults__, f.__kwdefaults__) if with_content else ():
                self.add(x)
            self._own -= with_content
            return
        own, self._own = self._own, 0
        self._user_function(f)
        self._own = own

    def _user_function(self, f: types.FunctionType) -> None:
        self.codes.setdefault(id(f.__code__), self._numbers[id(f)])
        self.put(f.__qualname__, f.__module__)
        self._code(f.__code__)
        attributes, reads, imports = _names(f.__code__)
        if bad := (attributes | reads) & REFLECTIVE:
            raise Unknown(f"{f.__qualname__} reads {min(bad)}")
        if _makes_sets(f.__code__) or reads & {"set", "frozenset"}:
            raise Unknown(f"{f.__qualname__} makes a set, whose order is another in each process")
        if self.first(f.__globals__, "globals"):
            self.put(f.__globals__.get("__name__"))
        for name in sorted(reads):
            self.put(name)
            if name in f.__globals__:
                self.add(f.__globals__[name], attributes)
            elif name in IMPURE["builtins"]:
                raise Unknown(f"{f.__qualname__} calls {name}()")
            elif name in vars(builtins):
                self.add(vars(builtins)[name])
        for name in imports:
            if name not in sys.modules:
                raise Unknown(f"{f.__qualname__} imports {name}")
            self.add(sys.modules[name], attributes)
        self._cells(f, attributes)
        for x in (f.__defaults__, f.__kwdefaults__, {name: y for name, y in f.__dict__.items() if name != KEY}):
            self.add(x)

    def _cells(self, f: types.FunctionType, names: frozenset[str] = frozenset()) -> None:
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            if self.first(cell, "cell"):
                try:
                    found = cell.cell_contents
                except ValueError:
                    self.put(name, "empty")
                    continue
                self.put(name)
                self.add(found, names)

    def _code(self, code: types.CodeType) -> None:
        consts = []
        for c in code.co_consts:
            if isinstance(c, types.CodeType):
                self._code(c)
            consts.append("code" if isinstance(c, types.CodeType) else _constant(c))
        self.put(code.co_code, consts, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_argcount,
                 code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags, code.co_name, code.co_exceptiontable,
                 code.co_linetable, code.co_firstlineno, code.co_filename)

    def _method(self, x: types.MethodType) -> None:
        self.put("method")
        self.add(x.__func__)
        self.add(x.__self__)

    def _builtin(self, x: types.BuiltinFunctionType) -> None:
        owner = x.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            if not is_pure(x.__module__):
                raise Unknown(f"{x.__module__}.{x.__name__} depends on more than its arguments")
            self.put("builtin", x.__module__, x.__name__)
        else:
            self.put("bound", x.__name__)
            self.add(owner)

    def _partial(self, x: functools.partial) -> None:
        if self.first(x, "partial"):
            for part in (x.func, x.args, x.keywords):
                self.add(part)

    def _descriptor(self, x: staticmethod | classmethod | property) -> None:
        if self.first(x, type(x).__name__):
            for part in (x.fget, x.fset) if isinstance(x, property) else (x.__func__,):
                self.add(part)

    # --- modules and classes ---------------------------------------------------------------------------------------------

    def _module(self, x: types.ModuleType, names: frozenset[str]) -> None:
        self.put("module", x.__name__)
        if bad := forbidden(x, names):
            raise Unknown(f"{x.__name__}.{bad} depends on more than its arguments")
        if is_pure(x.__name__):
            return
        space = vars(x)
        if "__getattr__" in space or names & {"getattr", "attrgetter", "methodcaller"}:
            raise Unknown(f"attributes of the module {x.__name__} are computed")
        if self.first(space, "space"):
            self.put(x.__name__)
        for name in sorted(n for n in names if n in space):
            self.put(name)
            self.add(space[name], names)

    def _class(self, cls: type) -> None:
        if not self.first(cls, "class"):
            return
        self.put(cls.__module__, cls.__qualname__)
        if is_pure(cls.__module__):
            return
        if not cls.__flags__ & attributes.HEAP_TYPE:
            raise Unknown(f"the class {cls.__module__}.{cls.__qualname__} is not written in Python")
        if type(cls) is not type:
            self.add(type(cls))
        for base in cls.__bases__:
            self.add(base)
        made = "__dataclass_fields__" in vars(cls)
        for name, x in vars(cls).items():
            if name in _NO_MEANING:
                continue
            if made and isinstance(x, types.FunctionType) and is_generated(x):
                self._generated(name, x)
                continue
            self.put(name)
            if name == "__dataclass_params__":
                self.put(repr(x))
            elif name == "__dataclass_fields__":
                for field in x.values():
                    self.put(field.name, field.init, field.kw_only, field.compare)
                    self.add(field.default)
                    self.add(field.default_factory)
            else:
                self.add(x)

    def _generated(self, name: str, f: types.FunctionType) -> None:
        """A method that `dataclasses` has written: the fields, which are in the digest, say what it does."""
        self.codes.setdefault(id(f.__code__), len(self.objects))
        if self.first(f, "generated"):
            self.put(name, f.__code__.co_code)
            self.add(f.__defaults__)
            self.add(f.__kwdefaults__)

    # --- values ----------------------------------------------------------------------------------------------------------

    def _items(self, x: tuple | list) -> None:
        if type(x) is tuple and not x:
            self.put("()")
        elif self.first(x, f"{type(x).__name__} {len(x)}"):
            for y in x:
                self.add(y)

    def _dict(self, x: dict) -> None:
        if self.first(x, f"dict {len(x)}"):
            for key, y in x.items():
                self.add(key)
                self.add(y)

    def _set(self, x: set | frozenset) -> None:
        if self.first(x, type(x).__name__):
            self.put(sorted(map(_constant, x)))

    def _slice(self, x: slice) -> None:
        if self.first(x, "slice"):
            for part in (x.start, x.stop, x.step):
                self.add(part)

    def _range(self, x: range) -> None:
        if self.first(x, "range"):
            self.put(x)

    def _numpy(self, x: np.ndarray | np.generic | np.dtype) -> None:
        if isinstance(x, np.dtype):
            self.put("dtype", repr(x))
        elif isinstance(x, np.generic):
            if x.dtype.hasobject:
                raise Unknown("a NumPy scalar holds Python objects")
            self.put("scalar", repr(x.dtype), x.tobytes())
        elif type(x) not in (np.ndarray, np.memmap) or x.dtype.hasobject:
            raise Unknown(f"an array is a {type(x).__name__} of {x.dtype}")
        elif self.first(x, "array"):
            self.put(type(x).__name__, repr(x.dtype), x.shape, x.strides)
            if self._own or x.nbytes <= SMALL:
                self.put(content(x))
            else:
                self.described.append(self._numbers[id(x)])

    def _own_object(self, x: Any) -> None:
        """An object of this package: a compiled function, a custom rule, a structure."""
        if isinstance(x, DType):
            self.put("ir dtype", x.name)
            return
        if isinstance(x, Function):
            raise Unknown("it is made of a program, not of a function")
        if not self.first(x, f"own {type(x).__module__}.{type(x).__qualname__}"):
            return
        self._own += 1
        if isinstance(x, tuple):
            for y in x:
                self.add(y)
        else:
            found = attributes.slots(x) | getattr(x, "__dict__", {})
            if not found:
                raise Unknown(f"a {type(x).__qualname__} does not show what it holds")
            for name, y in found.items():
                if name not in _INTERNAL:
                    self.put(name)
                    self.add(y)
        self._own -= 1

    def _object(self, x: Any) -> None:
        cls = type(x)
        if isinstance(x, functools.cached_property):
            if self.first(x, "cached property"):
                self.add(x.func)
            return
        if isinstance(x, _DESCRIPTORS) or cls.__name__ == "_tuplegetter":
            if self.first(x, cls.__name__):
                self.put(getattr(x, "__name__", ""))
            return
        base: Any = _solid_base(cls)
        if base is not object and base is not types.SimpleNamespace and base not in _BASES:
            raise Unknown(f"a '{cls.__module__}.{cls.__qualname__}' is known neither by its name nor by its content")
        if not self.first(x, "object"):
            return
        self.add(cls)
        if base in _BASES:
            self.add(base(x))
        found = attributes.slots(x) | getattr(x, "__dict__", {})
        # the code of a library's class is not traced, so nobody sees which elements it reads
        library = is_pure(cls.__module__) and cls is not types.SimpleNamespace
        self._own += library
        for name, y in found.items():
            self.put(name)
            self.add(y)
        self._own -= library


_WALKS: dict[type, Callable[[Fingerprint, Any], None]] = {
    types.FunctionType: Fingerprint._function, types.MethodType: Fingerprint._method,
    types.BuiltinFunctionType: Fingerprint._builtin, functools.partial: Fingerprint._partial,
    staticmethod: Fingerprint._descriptor, classmethod: Fingerprint._descriptor, property: Fingerprint._descriptor,
    tuple: Fingerprint._items, list: Fingerprint._items, dict: Fingerprint._dict, set: Fingerprint._set,
    frozenset: Fingerprint._set, slice: Fingerprint._slice, range: Fingerprint._range,
}


def content(x: np.ndarray) -> str:
    """The digest of an array's elements."""
    return hashlib.sha256(x.tobytes()).hexdigest()


def _is_library_function(x: Any) -> bool:
    """A function of a library that is no Python function: a ufunc, a dispatcher of NumPy, a function that Cython made."""
    if isinstance(x, np.ufunc):
        return _public(x, np) or any(_public(x, sys.modules.get(name)) for name in ("scipy.special",))
    return type(x).__name__ in ("_ArrayFunctionDispatcher", "cython_function_or_method", "builtin_function_or_method") and (
        is_pure(getattr(x, "__module__", None)))


def _public(x: Any, module: types.ModuleType | None) -> bool:
    return getattr(module, x.__name__, None) is x


def _solid_base(cls: type) -> type:
    """The class that says what C data an instance has: `object` where it is all in attributes."""
    for base in cls.__mro__:
        if not base.__flags__ & attributes.HEAP_TYPE:
            return base
        new = vars(base).get("__new__")
        if isinstance(new, types.BuiltinFunctionType) and new.__self__ is base:
            return base                               # a type of C that was made at run time
    return object


def _constant(c: float | None) -> str:
    """A value of constants as text that tells unequal ones apart."""
    if isinstance(c, tuple):
        return f"({', '.join(map(_constant, c))})"
    if isinstance(c, frozenset):
        return f"{{{', '.join(sorted(map(_constant, c)))}}}"
    if type(c) not in _ATOMS:
        raise Unknown(f"a set holds a {type(c).__qualname__}")
    return f"{type(c).__name__} {c!r}"


@functools.lru_cache(4096)
def _names(code: types.CodeType) -> tuple[frozenset[str], frozenset[str], tuple[str, ...]]:
    """(names of attributes, names of globals, modules that it imports) of a code object and those within it."""
    attributes = set(code.co_names)
    reads: set[str] = set()
    imports: list[str] = []
    for at, argument in _arguments(code, _READS):
        reads.add(code.co_names[argument >> 1 if at == _LOAD_GLOBAL else argument])
    if _IMPORT in code.co_code[::2]:
        imports += _imports(code)
    if "getattr" in reads:
        attributes |= {c for c in code.co_consts if type(c) is str}
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            inner = _names(c)
            attributes |= inner[0]
            reads |= inner[1]
            imports += inner[2]
    return frozenset(attributes), frozenset(reads), tuple(imports)


@functools.lru_cache(4096)
def _makes_sets(code: types.CodeType) -> bool:
    """Whether a code object, or one within it, makes a set or goes through one: `x in {"a", "b"}` does neither."""
    if any(isinstance(c, types.CodeType) and _makes_sets(c) for c in code.co_consts):
        return True
    found = list(dis.get_instructions(code)) if _has_sets(code) else []
    return any(a.opname == "BUILD_SET" or (type(a.argval) is frozenset and b.opname != "CONTAINS_OP")
               for a, b in itertools.pairwise(found))


def _has_sets(code: types.CodeType) -> bool:
    return opcode.opmap["BUILD_SET"] in code.co_code[::2] or any(type(c) is frozenset for c in code.co_consts)


_LOAD_GLOBAL, _IMPORT = opcode.opmap["LOAD_GLOBAL"], opcode.opmap["IMPORT_NAME"]
_READS = frozenset(opcode.opmap[name] for name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
                   if name in opcode.opmap)


def _arguments(code: types.CodeType, wanted: frozenset[int]) -> Iterator[tuple[int, int]]:
    """(opcode, argument) of the instructions whose opcode is wanted."""
    raw, high = code.co_code, 0
    for k in range(0, len(raw), 2):
        op = raw[k]
        if op == opcode.EXTENDED_ARG:
            high = (high | raw[k + 1]) << 8
            continue
        if op in wanted:
            yield op, high | raw[k + 1]
        high = 0


def _imports(code: types.CodeType) -> Iterator[str]:
    level: Any = None
    before: list = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level = before[-2].argval if len(before) > 1 else None
            if level != 0:
                raise Unknown(f"{code.co_name} imports from its own package")
            yield instruction.argval
        before.append(instruction)



