"""Callables whose calls run in machine code: the chain of entries of one function.

A `Dispatcher` has a C-level vector call. Its object carries the address of the trampoline (call/entry.py) and that of the
first entry; an entry that a call does not fit goes on to the next, the last to `miss`, which is Python:

    f(x)  ->  trampoline  ->  entry of the newest specialisation  ->  …  ->  f.miss(x)

On an interpreter whose objects are not as expected (`capi.NATIVE`), the class's ordinary `__call__` does the same in
Python. A specialisation that is removed while a call runs in it (the GIL may be released there) is kept until the call has
ended. Exceptions leave without frames of this package: their tracebacks go from the caller's line to the user's functions.
"""
from __future__ import annotations

import ctypes
import types
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..native import c_layouts, perf_map
from ..native.compile_fast import compile_glue
from ..native.entry_writer import TABLE
from ..native.locks import Lock
from .calling_convention import Arguments
from .entry import GUARD, MISS, TRAMPOLINE, trampoline
from .entry_variant import link
from .specialisation import ClosedError, Specialisation

if TYPE_CHECKING:
    pass

_VECTORCALL, _HEAD, _BOUND = (c_layouts.OFFSETS["callable." + name] for name in ("vectorcall", "head", "bound"))
_LOCK = Lock(2)
_removed: list[Specialisation] = []    # taken out of their chains, but with a call still running when last seen


class _Member(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int), ("offset", ctypes.c_ssize_t), ("flags", ctypes.c_int),
                ("doc", ctypes.c_char_p)]


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("function", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("basicsize", ctypes.c_int), ("itemsize", ctypes.c_int), ("flags", ctypes.c_uint),
                ("slots", ctypes.POINTER(_Slot))]


_members = (_Member * 4)(_Member(b"__vectorcalloffset__", 19, _VECTORCALL, 1, None),                # T_PYSSIZET, READONLY
                         _Member(b"_vectorcall", 18, _VECTORCALL, 0, None), _Member(b"_bound", 18, _BOUND, 0, None), _Member())
_slots = (_Slot * 2)(_Slot(72, ctypes.addressof(_members)), _Slot())                                # Py_tp_members
_spec = _Spec(b"tracegrad.lowering.call.dispatch.NativeCallable", _BOUND + 8, 0, 1 << 10 | 1 << 18, _slots)  # BASETYPE, DEFAULT


def _native_base() -> type:
    """A type with room for the addresses, and with the first declared as its instances' vector call."""
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(("PyType_FromSpec", ctypes.pythonapi))
    return make(ctypes.addressof(_spec))


NativeCallable: type = _native_base() if c_layouts.NATIVE else object


def _enable(cls: type) -> None:
    """Let the interpreter use the vector call of the class's instances. It would not by itself, as the class has `__call__`."""
    flags = ctypes.c_uint64.from_address(id(cls) + c_layouts.TYPE_FLAGS)
    if c_layouts.NATIVE and flags.value == cls.__flags__:
        flags.value |= c_layouts.HAVE_VECTORCALL


def _forward(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    """What machine code calls when no entry takes a call. It leaves this function's own frame out of the traceback."""
    try:
        return self.miss(*args, **kwargs)
    except Exception as error:
        raise error.with_traceback(_users(error.__traceback__))  # noqa: B904  (the same error, with its own cause)


_OWN = __name__.partition(".")[0]


def _users(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback without the frames of this package."""
    kept, rest = [], None
    while traceback is not None:                          # no recursion: it can be as deep as Python's stack
        if traceback.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in (_OWN, "contextlib"):
            kept.append(traceback)
        traceback = traceback.tb_next
    for x in reversed(kept):
        rest = types.TracebackType(rest, x.tb_frame, x.tb_lasti, x.tb_lineno)
    return rest


class _Trampoline:
    """The permanent code, made when it is first needed."""

    def __init__(self) -> None:
        entry = trampoline()
        self._code = compile_glue(entry.text)
        perf_map.note_helpers(self._code, TRAMPOLINE)
        link(self._code.address(TABLE), entry.links, miss=id(_forward))
        self.call, self.miss, self.guard = (self._code.address(name) for name in (TRAMPOLINE, MISS, GUARD))


_trampoline: _Trampoline | None = None


def the_trampoline() -> _Trampoline:
    global _trampoline
    with _LOCK:
        if _trampoline is None:
            _trampoline = _Trampoline()
        return _trampoline


class Dispatcher(NativeCallable):
    """A callable that runs the specialisation which fits a call, and `miss` where there is none.

    A subclass defines `miss(*args, **kwargs)`: compile, install, and run this call by `Specialisation.invoke`.
    """

    def __init__(self) -> None:
        self._chain: tuple[Specialisation, ...] = ()
        self._rechain(())

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__call__ is Dispatcher.__call__:
            _enable(cls)

    def miss(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for specialisation in self._chain:
            leaves = specialisation.match(args, kwargs)
            if leaves is not None:
                with suppress(ClosedError):        # another thread has just evicted it
                    return specialisation.invoke(leaves)
        return self.miss(*args, **kwargs)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, dict]) -> Any:
        return self

    def __reduce__(self) -> tuple:
        """Like a function: pickled by its qualified name, which the object itself has."""
        return self.__qualname__

    @property
    def specialisations(self) -> tuple[Specialisation, ...]:
        """Those that calls can reach, in the order in which they are tried."""
        return self._chain

    def install(self, specialisation: Specialisation) -> None:
        """Put a specialisation in front of the others, and these in the order of their last use: a step costs 7 ns. Those for
        many lengths come last, behind what was made for single ones."""
        with _LOCK:
            others = sorted(self._chain, key=lambda s: s.last_used, reverse=True)
            self._rechain(tuple(sorted((specialisation, *others), key=lambda s: bool(s.signature.arguments.lengths))))
        reap()

    def remove(self, specialisation: Specialisation) -> None:
        """Take a specialisation out of the chain and free its code as soon as no call is running in it."""
        with _LOCK:
            if specialisation in self._chain:
                self._rechain(tuple(s for s in self._chain if s is not specialisation))
            for form in specialisation.forms:
                if form.entry:                         # a call may still be on its way through its checks
                    form.set_next(the_trampoline().miss)
            _removed.append(specialisation)
        reap()

    def add_form(self, specialisation: Specialisation, arguments: Arguments) -> None:
        """Let calls of another form reach an installed specialisation: keywords instead of positions, another order."""
        with _LOCK:
            if specialisation in self._chain and specialisation.add_form(arguments):
                self._rechain(self._chain)

    def _rechain(self, chain: tuple[Specialisation, ...]) -> None:
        """Link from the end, so that the chain is whole at every moment."""
        if c_layouts.NATIVE:
            permanent = the_trampoline()
            following = permanent.miss
            for form in reversed([form for specialisation in chain for form in specialisation.forms if form.entry]):
                form.set_next(following)
                following = form.entry
            ctypes.c_uint64.from_address(id(self) + _HEAD).value = following
            ctypes.c_uint64.from_address(id(self) + _VECTORCALL).value = permanent.call
        self._chain = chain


_enable(Dispatcher)


def set_options(number: int) -> None:
    """From now on only specialisations made for these options (`Signature.options`) take calls from native code.

    A number that none has, such as -1, sends every call to `miss`.
    """
    c_layouts.OPTIONS.value = number


def reap() -> int:
    """Free removed code that nothing runs in any more; how many are still running."""
    with _LOCK:
        _removed[:] = [s for s in _removed if not s.close()]
        return len(_removed)
