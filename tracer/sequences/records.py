"""Structured arrays in traced code: a container of one array for each field.

    p["v"][i, 1]        p = Records(dtype, {"x": f64[n], "v": f64[n, 2]}):    p.fields["v"][i, 1]
    p[i]["x"] = 2.0     p[i] = Records of p.fields["x"][i, ...] and so on, views of rank 0, through which it writes

An argument that is a structured array comes as views of its fields, into which what was written to them goes back. A result is
put together from its fields by NumPy; where these are the fields of one array from outside, it is that array.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...ir.errors import DTypeError, ShapeError, UnsupportedError
from ...ir.types import BOOL, Array, DType
from .. import pytrees
from ..calling import calls
from ..control import iteration
from ..pytrees import Unread
from ..values import boxes
from ..values.boxes import FUNCTIONS, REDIRECT, ArrayBox, Box, ScalarBox
from ..values.promotion import fail

if TYPE_CHECKING:
    from ...ir.core import Op, Value

_FIELDS = "work with its fields: p['x'], p['y']"


class Records(np.lib.mixins.NDArrayOperatorsMixin):
    """`fields`: a box or other Records for each name of `dtype`; `cls` NumPy's class; `one`: an element of such an array."""

    __slots__ = ("cls", "dtype", "fields", "one")
    shown = "structured array"

    def __init__(self, dtype: np.dtype, cls: type, one: bool, fields: Iterable | list[Box]):
        for name, value in zip(self.__slots__, (cls, dtype, dict(zip(_names(dtype), fields)), one)):
            object.__setattr__(self, name, value)

    def __tracegrad_fields__(self) -> tuple[list[Box], tuple[np.dtype, type, bool]]:
        return list(self.fields.values()), (self.dtype, self.cls, self.one)

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def dims(self) -> tuple:
        name, held = next(((name, x) for name, x in self.fields.items() if not isinstance(x, Unread)), ("", None))
        if held is None:
            _refuse("none of whose fields holds numbers, the shape")
        return held.dims[:len(held.dims) - len(self.dtype[name].shape)]

    @property
    def shape(self) -> tuple:
        return tuple(map(boxes.count, self.dims))

    @property
    def ndim(self) -> int:
        return len(self.dims)

    @property
    def size(self) -> Any:
        found = 1
        for n in self.shape:
            found = found * n
        return found

    def __len__(self) -> int:
        if self.one:
            return len(self.fields)
        if not self.dims:
            raise TypeError("len() of unsized object")
        return next(x for x in self.fields.values() if not isinstance(x, Unread)).__len__()

    def __bool__(self) -> bool:
        """Several have no truth value, as other arrays; that of one would be whether any of its bytes is not 0."""
        if self.one or math.prod(n if type(n) is int else 1 for n in self.dims) == 1:
            _refuse("the truth value")
        raise ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()")

    def __iter__(self) -> Any:
        return iter([self[name] for name in self.fields] if self.one else Items(self))

    def __getattr__(self, name: str) -> Any:
        """recarray and record: fields are attributes, too; for Numba those of every structured array are."""
        if _is_attribute(self, name):
            return self[name]
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'{self.cls.__module__}.{self.cls.__name__}' object has no attribute '{name}'")
        return _refuse(f".{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if not _is_attribute(self, name):
            fail(UnsupportedError, f"assigning .{name} of a structured array cannot be compiled", _FIELDS)
        self[name] = value

    def _with(self, change: Callable, **other: Any) -> Records:
        """change(field, its dtype) for each field: another view of it."""
        fields = [held if isinstance(held, Unread) else change(held, self.dtype[name]) for name, held in self.fields.items()]
        return Records(self.dtype, other.get("cls", self.cls), other.get("one", self.one), fields)

    # --- parts --------------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return _read(self._field(key), self.one)
        if isinstance(key, list) and key and all(isinstance(name, str) for name in key):
            return Records(self.dtype[key], self.cls, self.one, [self._field(name) for name in key])
        if self.one:
            if type(key) is int:
                return self[_names(self.dtype)[key]]
            return self if key == () else _refuse("this index of one record")
        dots, key = key is Ellipsis or (isinstance(key, tuple) and any(k is Ellipsis for k in key)), _full(key, self.ndim)
        found = self._with(lambda held, _: held[(*key, ...)])
        return found if found.dims or dots else Records(self.dtype, self.cls, True, found.fields.values())

    def _field(self, name: str) -> Box:
        """The field of a name or, as NumPy has it, of a title."""
        titled: Any = () if self.dtype.fields is None else self.dtype.fields.get(name, ())
        if name not in self.fields and len(titled) == 3:
            name = next(x for x in self.fields if (self.dtype.fields or {})[x] == titled)
        if name not in self.fields:
            raise ValueError(f"no field of name {name}")
        return self.fields[name]

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, str):
            _write(self._field(key), value)
        elif self.one and type(key) is int:
            _write(self._field(_names(self.dtype)[key]), value)
        elif isinstance(key, list) and key and isinstance(key[0], str):
            self[key][...] = value
        else:
            for held, column in zip(self.fields.values(), _columns(value, self.dtype)):
                if isinstance(held, Unread) or key is Ellipsis or key == ():
                    _write(held, column)
                else:
                    held[(*_full(key, self.ndim), ...)] = column

    # --- methods ------------------------------------------------------------------------------------------------------

    def copy(self, order: str = "C") -> Records:
        for held in self.fields.values():
            if isinstance(held, Unread):
                _unread(held)
        return self._with(lambda held, _: held.copy() if isinstance(held, Records) else boxes.array(boxes.to_value(held)))

    __copy__ = copy

    def __deepcopy__(self, memo: dict[Op, bool]) -> Records:
        return self.copy()

    def reshape(self, *shape: Any, order: str = "C") -> Records:
        shape = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return self._with(lambda held, dtype: held.reshape((*shape, *dtype.shape)))

    def ravel(self, order: str = "C") -> Records:
        return self.reshape(-1)

    def flatten(self, order: str = "C") -> Records:
        return self.ravel().copy()

    def fill(self, value: Any) -> None:
        self[...] = value

    def item(self, *at: Any) -> Any:
        held = self[at] if at else self
        return tuple([x.item() if isinstance(x, (Records, Box)) and not x.dims else x for x in held])

    def view(self, cls: Any = None) -> Records:
        if cls is np.recarray or cls is np.ndarray:
            record = np.dtype((np.record, self.dtype)) if cls is np.recarray else self.dtype
            return Records(record, cls, self.one, self.fields.values())
        return self if cls is None or cls == self.dtype else _refuse("this view")

    # --- as an operand ------------------------------------------------------------------------------------------------

    def __tracegrad_box__(self) -> Any:
        return _refuse("arithmetic")

    def __array_ufunc__(self, ufunc: Callable, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return _refuse(f"np.{ufunc.__name__}")

    def __array_function__(self, function: Callable, kinds: Any, args: Sequence[Value], kwargs: Any) -> Any:
        return _refuse(f"np.{function.__name__}")


def _is_attribute(held: Records, name: str) -> bool:
    """Whether a field is meant by an attribute."""
    other = name.startswith("__") or (hasattr(np.ndarray, name) and not issubclass(held.dtype.type, np.record))
    return name in held.fields and not other


def _names(dtype: np.dtype) -> tuple[str, ...]:
    """The names of the fields."""
    return dtype.names or ()


def _parts(dtype: np.dtype) -> list[np.dtype]:
    """The dtypes of the fields."""
    return [dtype[name] for name in _names(dtype)]


def _offsets(dtype: np.dtype) -> list[int]:
    """Where the fields lie in a record, in bytes."""
    return [dtype.fields[name][1] for name in _names(dtype)] if dtype.fields is not None else []


def _refuse(what: str) -> NoReturn:
    fail(UnsupportedError, f"{what} of a structured array cannot be compiled", _FIELDS)


def _full(key: int | slice | ArrayBox, rank: int) -> tuple:
    """An index of the records as one that ends before the axes that fields have of their own: without an ellipsis."""
    key = key if isinstance(key, tuple) else (key,)
    taken = sum(_axes(k) for k in key)
    if taken > rank:
        fail(ShapeError, f"too many indices for array: array is {rank}-dimensional, but {taken} were indexed")
    dots = next((n for n, k in enumerate(key) if k is Ellipsis), len(key))
    return (*key[:dots], *(slice(None),) * (rank - taken), *key[dots + 1:])


def _axes(k: Any) -> int:
    """How many axes one entry of an index takes."""
    if k is None or k is Ellipsis:
        return 0
    mask = k.dtype_ir is BOOL if isinstance(k, ArrayBox) else isinstance(k, np.ndarray) and k.dtype == bool
    return len(k.shape) if mask else 1


def _unread(held: Unread) -> NoReturn:
    fail(DTypeError, f"the field [{held.name!r}] of a structured array has dtype {held.dtype}, which cannot be compiled: it "
         "can neither be read nor written nor copied", "encode it as integers before the call")


def _read(held: ArrayBox | Box | Unread, one: bool) -> Box:
    """A field of an array, which is an array, or of one record: a number where the field is one."""
    if isinstance(held, Unread):
        _unread(held)
    if isinstance(held, Records):
        return Records(held.dtype, held.cls, one, held.fields.values())
    return held[()] if one and isinstance(held, ArrayBox) and not held.dims else held


def _write(held: Any, value: Any) -> None:
    if isinstance(held, Unread):
        _unread(held)
    if isinstance(held, ScalarBox) or (not isinstance(held, (Box, Records))):
        fail(UnsupportedError, "a record that is an argument cannot be written to",
             "pass the array and the position of the record")
    held[...] = value


def _columns(value: Any, dtype: np.dtype) -> list:
    """For each field what is assigned to it: fields meet by position; a number goes to all of them."""
    count = len(_names(dtype))
    if isinstance(value, list):
        value = array(value, dtype)
    if isinstance(value, tuple):
        if len(value) != count:
            raise ValueError(f"could not assign tuple of length {len(value)} to structure with {count} fields.")
        return list(value)
    if pytrees.kind_of(value) is pytrees.RECORDS:
        parts = pytrees.RECORDS.split(value)[0]
        if len(parts) != count:
            raise ValueError(f"cannot assign structures of {len(parts)} fields to one of {count}")
        return [x.copy() if isinstance(x, Records) else boxes.array(x.read()) if isinstance(x, ArrayBox) else x for x in parts]
    return [value] * count


class Items(iteration.Source):
    """Records as what a loop runs over."""

    __slots__ = ("held",)

    def __init__(self, held: Records):
        if held.one or not held.dims:
            raise TypeError("iteration over a 0-d array")
        self.held, self.trip = held, held.dims[0]

    def at(self, k: Any) -> Any:
        return self.held[boxes.count(k)]


# --- making ----------------------------------------------------------------------------------------------------------

def structured(dtype: np.dtype | type | None) -> np.dtype | None:
    """The dtype that is meant, where it has fields."""
    if isinstance(dtype, (np.dtype, list, dict)) or (isinstance(dtype, str) and "," in dtype):
        found = np.dtype(dtype)
        return found if found.names else None
    return None


def _made(dtype: np.dtype, make: Callable, shape: tuple, cls: type = np.ndarray) -> Records:
    """Records of make(shape, dtype) for each field."""
    fields = [_made(part.base, make, (*shape, *part.shape)) if part.base.names else make((*shape, *part.shape), part.base)
              for part in _parts(dtype)]
    return Records(dtype, cls, False, fields)


def _creating(make: Callable) -> Callable:
    def creator(shape: int | ScalarBox | tuple[int, ...], dtype: np.dtype | type | None = None, *more: Any,
                **options: Any) -> Any:
        found = structured(dtype)
        if found is None:
            return make(shape, dtype, *more, **options)
        return _made(found, make, tuple(shape) if isinstance(shape, (tuple, list)) else (shape,))
    return creator


def array(rows: Any, dtype: np.dtype) -> Records:
    """np.array of tuples, or of lists of them."""
    if isinstance(rows, Records) or pytrees.kind_of(rows) is pytrees.RECORDS:
        rows = rows if isinstance(rows, Records) else _join(*reversed(pytrees.RECORDS.split(rows)))
        out = _made(dtype, FUNCTIONS[np.zeros], rows.shape)
        out[...] = rows
        return out
    shape, inner = [], rows
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    out = _made(dtype, FUNCTIONS[np.zeros], tuple(shape))
    _fill(out, rows)
    return out


def _fill(out: Records, rows: Any) -> None:
    if not isinstance(rows, list):
        out[...] = rows
        return
    for k, row in enumerate(rows):
        _fill(out[(k, ...)], row)


def _array(make: Callable) -> Callable:
    def creator(object: list[float | ScalarBox] | np.ndarray | Box, dtype: Any = None, **options: Any) -> Any:
        found = structured(dtype)
        return make(object, *(() if dtype is None else (dtype,)), **options) if found is None else array(object, found)
    return creator


for _function in (np.zeros, np.empty, np.ones):
    REDIRECT[_function] = _creating(REDIRECT[_function])
for _function in (np.array, np.asarray):
    REDIRECT[_function] = _array(REDIRECT[_function])


# --- functions of records --------------------------------------------------------------------------------------------

def _like(function: Callable) -> Callable:
    def make(x: Any, dtype: DType | None = None, **options: Any) -> Any:
        return REDIRECT[function](x.shape, dtype or x.dtype, **options)
    return make


def _array_of(x: Any, dtype: Any = None, *, copy: bool = True, **options: Any) -> Any:
    if dtype is not None and np.dtype(dtype) != x.dtype:
        wanted = structured(np.dtype(dtype))
        return array(x, wanted) if wanted is not None else _refuse(f"a conversion to {np.dtype(dtype).name}")
    return x.copy() if copy else x


_OF_RECORDS: dict[Any, Callable] = {
    len: lambda x: len(x.fields) if x.one else boxes.count(x.dims[0]), np.copy: lambda x, *a, **k: x.copy(),
    np.shape: lambda x: x.shape, np.size: lambda x: x.size, np.ndim: lambda x: x.ndim,
    np.zeros_like: _like(np.zeros), np.empty_like: _like(np.empty), np.ones_like: _like(np.ones),
    np.array: _array_of, np.asarray: lambda x, dtype=None: _array_of(x, dtype, copy=False),
    np.ravel: lambda x: x.ravel(), np.reshape: lambda x, shape: x.reshape(shape),
}


def _spread(f: Callable, args: Any, kwargs: Any) -> Any:
    """A call with records among its arguments; NotImplemented where it is handed on as it is."""
    try:
        known = _OF_RECORDS.get(f) if args and isinstance(args[0], Records) else None
    except TypeError:
        return NotImplemented
    if known is not None:
        return known(*args, **kwargs)
    if isinstance(f, np.ufunc) or (f in FUNCTIONS and not isinstance(f, type)):
        return _refuse(f"np.{f.__name__}")
    return NotImplemented


# --- putting together ------------------------------------------------------------------------------------------------

_NUMBERS = (np.ndarray, np.generic, bool, int, float, complex)


def _is_result(children: Sequence) -> bool:
    """Whether these are numbers, besides fields that are not read."""
    return all(isinstance(c, (*_NUMBERS, Unread)) for c in children) and any(isinstance(c, _NUMBERS) for c in children)


def _join(meta: tuple[np.dtype, type, bool], children: Sequence) -> Array | Records:
    if not all(isinstance(c, _NUMBERS) for c in children) and not _is_result(children):
        return Records(*meta, [_field(c, meta[0][k], children) for k, c in enumerate(children)])
    dtype, cls, one = meta
    if _fields_of_one(dtype, children):
        found = _whole(dtype, cls, children)
        return found[()] if one else found
    return _assembled(dtype, cls, one, children)


def _field(c: Box, part: np.dtype, children: Sequence[Box]) -> Box:
    """A box for a number that stands for the derivative of what has none."""
    if not isinstance(c, (bool, int, float)):
        return c
    name = next(x for x in children if isinstance(x, Box))
    return FUNCTIONS[np.zeros]((*map(boxes.count, name.dims), *part.shape), part.base)


def _assembled(dtype: np.dtype, cls: type, one: bool, children: Sequence) -> Array:
    """A new array with these fields."""
    parts = _parts(dtype)
    shape = next((np.shape(c)[:np.ndim(c) - len(p.shape)] for c, p in zip(children, parts)
                  if isinstance(c, (np.ndarray, np.generic))), ())
    out = np.zeros(shape, dtype)
    for name, c in zip(_names(dtype), children):
        if isinstance(c, Unread):
            raise DTypeError(f"a structured array is returned whose field [{name!r}] has dtype {c.dtype}, which cannot be "
                             "compiled", "return the fields that hold numbers, or the array that is an argument")
        out[name] = c
    if one and not shape:
        return out[()]
    return out.view(cls) if cls is not np.ndarray else out


def _address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]


def _fields_of_one(dtype: np.dtype, children: Sequence) -> bool:
    """Whether the arrays are views that lie in the memory of one array as its fields do."""
    if not all(isinstance(c, Unread) or (isinstance(c, np.ndarray) and c.base is not None) for c in children):
        return False
    parts = _parts(dtype)
    places = {(id(_owner(c)), _address(c) - offset, c.shape[:c.ndim - len(part.shape)], c.strides[:c.ndim - len(part.shape)])
              for c, part, offset in zip(children, parts, _offsets(dtype)) if not isinstance(c, Unread)}
    return len(places) == 1 and all(isinstance(c, Unread) or c.dtype == part.base for c, part in zip(children, parts))


def _owner(x: np.ndarray) -> np.ndarray:
    while isinstance(x.base, (np.ndarray, _Memory)):
        x = x.base if isinstance(x.base, np.ndarray) else x.base.owner
    return x


class _Memory:
    """Memory of an array as another array of `shape`, `strides` and `dtype`."""

    def __init__(self, owner: Any, address: int, shape: Any, strides: Any, dtype: np.dtype):
        self.owner = owner
        self.__array_interface__ = {"version": 3, "data": (address, False), "shape": shape, "strides": strides,
                                    "typestr": f"|V{dtype.itemsize}"}


def _whole(dtype: np.dtype, cls: type, children: Sequence[np.ndarray]) -> np.ndarray:
    """The array that has these fields: itself, where it owns its memory."""
    first, part, offset = next(x for x in zip(children, _parts(dtype), _offsets(dtype)) if not isinstance(x[0], Unread))
    rank = first.ndim - len(part.shape)
    shape, strides, address, owner = first.shape[:rank], first.strides[:rank], _address(first) - offset, _owner(first)
    if type(owner) is cls and (owner.dtype, owner.shape, owner.strides, _address(owner)) == (dtype, shape, strides, address):
        return owner
    return np.asarray(_Memory(owner, address, shape, strides, dtype)).view(dtype).view(cls)


pytrees.RECORDS.join = _join
pytrees.learn(Records, pytrees.RECORDS)
calls.SPREAD[Records] = _spread
iteration.SOURCES[Records] = Items
