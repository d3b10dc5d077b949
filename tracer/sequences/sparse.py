"""SciPy's CSR and CSC matrices in traced code: the arrays `data`, `indices` and `indptr`, and what is computed with them.

    A @ x        for i in rows: for k in indptr[i] … indptr[i+1]: out[i] += data[k] * x[indices[k]]       CSC: by columns
    A.T          the same arrays, as the other format

An argument that is such a matrix is a container of three arrays, so that a gradient with respect to it is a matrix of the same
pattern. SciPy is not imported: its classes are known by name, and come with the matrices.
"""
from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, cast

import numpy as np

from ...ir.errors import ShapeError, UnsupportedError
from ...ir.types import Array
from .. import pytrees, tracing
from ..calling import calls
from ..syntax import source
from ..values import boxes, shapes
from ..values.boxes import FUNCTIONS, HOOKS, ArrayBox, Box, ScalarBox
from ..values.promotion import fail
from . import sparse_patterns

_SCALARS: tuple[type, ...] = (int, float, complex, np.generic, ScalarBox)
_DENSE = "work with A.data, A.indices and A.indptr, or with a dense array"


class Sparse:
    """A matrix whose arrays are traced. `cls` is SciPy's class, `shape` a pair of ints."""

    __slots__ = ("cls", "data", "indices", "indptr", "shape")
    __array_ufunc__ = None
    __hash__ = None         # type: ignore[assignment]      # how Python says that there is none

    def __init__(self, cls: type, shape: tuple[int, ...], data: Array, indices: Array, indptr: Array):
        self.cls, self.shape, self.data, self.indices, self.indptr = cls, shape, data, indices, indptr

    @property
    def format(self) -> str:
        return self.cls.__name__[:3]

    @property
    def matrix(self) -> bool:
        """Whether `*` is the matrix product and a sum a matrix."""
        return self.cls.__name__.endswith("matrix")

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    ndim = 2

    @property
    def nnz(self) -> Any:
        return boxes.count(self.data.dims[0]) if isinstance(self.data, ArrayBox) else len(self.data)

    size = nnz

    def getnnz(self) -> Any:
        return self.nnz

    def _with(self, data: Any) -> Sparse:
        return Sparse(self.cls, self.shape, data, self.indices, self.indptr)

    @property
    def T(self) -> Sparse:
        other = {"csr": "csc", "csc": "csr"}[self.format] + self.cls.__name__[3:]
        return Sparse(getattr(sys.modules["scipy.sparse"], other), self.shape[::-1], self.data, self.indices, self.indptr)

    def transpose(self) -> Sparse:
        return self.T

    def copy(self) -> Sparse:
        return self._with(boxes.array(boxes.to_value(self.data)))

    def astype(self, dtype: Any) -> Sparse:
        return self._with(self.data.astype(dtype))

    def power(self, n: Any) -> Sparse:
        return self._with(self.data ** n)

    def conj(self) -> Sparse:
        return self._with(np.conj(self.data))

    def __neg__(self) -> Sparse:
        return self._with(-self.data)

    def __abs__(self) -> Any:
        return self._with(abs(self.data))

    # --- products -----------------------------------------------------------------------------------------------------

    def __matmul__(self, x: ArrayBox) -> ArrayBox:
        if pytrees.kind_of(x) is pytrees.SPARSE:
            fail(UnsupportedError, "a product of two sparse matrices cannot be compiled: its pattern is known only at run time",
                 "multiply a vector by one after the other, or compute the product outside")
        x = boxes.as_array(x)
        if len(x.dims) not in (1, 2):
            fail(ShapeError, f"a sparse matrix multiplies arrays of one or two axes, not {len(x.dims)}")
        shapes.require_equal(self.shape[1], x.dims[0], "dimension mismatch: {0} columns times {1} rows")
        dims = (self.shape[0], *map(boxes.count, x.dims[1:]))
        out = FUNCTIONS[np.zeros](dims, np.result_type(self.data.dtype, x.dtype))
        rows = _by_rows if self.format == "csr" else _by_columns
        calls.call(source.rewritten(rows), self.data, self.indices, self.indptr, x, out)
        return out

    def __rmatmul__(self, x: Any) -> Any:
        x = boxes.as_array(x)
        return self.T @ x if len(x.dims) == 1 else (self.T @ x.T).T

    dot = __matmul__

    def __mul__(self, x: Any) -> Any:
        scalar = isinstance(x, _SCALARS) or (isinstance(x, Box) and not x.dims)
        if scalar:
            return self._with(self.data * x)
        if self.matrix:
            return self @ x
        return _refuse("multiplication by elements")

    def __rmul__(self, x: int) -> Sparse:
        return self.__mul__(x) if isinstance(x, _SCALARS) or not self.matrix \
            else self.__rmatmul__(x)

    def multiply(self, x: Any) -> Any:
        return self._with(self.data * x) if isinstance(x, _SCALARS) \
            else _refuse("multiplication by elements")

    def __truediv__(self, x: Any) -> Sparse:
        """SciPy divides in double precision."""
        if not isinstance(x, _SCALARS):
            return _refuse("division by elements")
        data = self.data if self.data.dtype.kind == "c" else self.data.astype(np.float64)
        one: Any = 1.0
        return self._with(data * (one / x))

    def _same_pattern(self, other: Any, operation: str) -> Any:
        """The arrays of another matrix of the same pattern, which is so where its index arrays are the same objects."""
        alike = isinstance(other, Sparse) and (other.format, other.shape) == (self.format, self.shape)
        if not alike or other.indices is not self.indices or other.indptr is not self.indptr:
            _refuse(f"{operation} of matrices of different patterns")
        return other.data

    def __add__(self, other: Any) -> Any:
        return self._with(self.data + self._same_pattern(other, "a sum"))

    def __sub__(self, other: Any) -> Any:
        return self._with(self.data - self._same_pattern(other, "a difference"))

    # --- as dense arrays ----------------------------------------------------------------------------------------------

    def toarray(self) -> Any:
        out = FUNCTIONS[np.zeros](self.shape, self.data.dtype)
        fill = _fill_rows if self.format == "csr" else _fill_columns
        calls.call(source.rewritten(fill), self.data, self.indices, self.indptr, out)
        return out

    def diagonal(self) -> Any:
        return FUNCTIONS[np.diagonal](self.toarray())

    def sum(self, axis: int | None = None) -> Any:
        if axis is None:
            return np.sum(self.data)
        ones = np.ones(self.shape[axis % 2], self.data.dtype)
        found = self.T @ ones if axis % 2 == 0 else self @ ones
        return found if not self.matrix else found[None] if axis % 2 == 0 else found[:, None]

    def mean(self, axis: int | None = None) -> Any:
        count = self.shape[0] * self.shape[1] if axis is None else self.shape[axis % 2]
        return self.sum(axis) / count

    def _same_format(self, name: str) -> Any:
        return self if name == self.format else _refuse(f"to{name}() of a {self.format} matrix")

    def tocsr(self) -> Any:
        return self._same_format("csr")

    def tocsc(self) -> Any:
        return self._same_format("csc")

    def __getitem__(self, key: Any) -> Any:
        return _refuse("indexing")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(self.cls, name):
            raise AttributeError(f"'{self.cls.__name__}' object has no attribute '{name}'")
        return _refuse(f".{name}")


def _refuse(what: str) -> NoReturn:
    fail(UnsupportedError, f"{what} of a sparse matrix cannot be compiled", _DENSE)


# --- what is computed, rewritten like a user's function ------------------------------------------------------------------

def _by_rows(data: Any, indices: Any, indptr: ArrayBox, x: Any, out: Any) -> None:
    for i in range(out.shape[0]):
        for k in range(indptr[i], indptr[i + 1]):
            out[i] += data[k] * x[indices[k]]


def _by_columns(data: Any, indices: ArrayBox, indptr: ArrayBox, x: Any, out: ArrayBox) -> None:
    for j in range(x.shape[0]):
        for k in range(indptr[j], indptr[j + 1]):
            out[indices[k]] += data[k] * x[j]


def _fill_rows(data: Any, indices: Any, indptr: ArrayBox, out: Any) -> None:
    for i in range(out.shape[0]):
        for k in range(indptr[i], indptr[i + 1]):
            out[i, indices[k]] += data[k]


def _fill_columns(data: Any, indices: Any, indptr: ArrayBox, out: Any) -> None:
    for j in range(out.shape[1]):
        for k in range(indptr[j], indptr[j + 1]):
            out[indices[k], j] += data[k]


# --- matrices from outside -----------------------------------------------------------------------------------------------

def lifted(x: Any) -> Any:
    """A matrix of SciPy as a traced one: over its own memory, as an array that the function captured."""
    if isinstance(x, Sparse) or pytrees.kind_of(x) is not pytrees.SPARSE:
        return x
    return Sparse(type(x), x.shape, *map(boxes.lift, (x.data, x.indices, x.indptr)))


def redirect(f: Callable | type) -> Any:
    """What to call instead of a method of a matrix from outside or of a constructor; None for anything else."""
    owner = getattr(f, "__self__", None)
    if owner is not None and not isinstance(owner, type) and pytrees.kind_of(owner) is pytrees.SPARSE:
        return None if isinstance(owner, Sparse) else getattr(lifted(owner), f.__name__)
    if isinstance(f, type) and pytrees.is_sparse_class(f):
        return lambda *args, **kwargs: _made(f, *args, **kwargs)
    if isinstance(f, type) and f.__name__ in _BY_PLACE and f.__module__.startswith("scipy.sparse"):
        return lambda *args, **kwargs: _not_by_place(f, *args, **kwargs)
    if getattr(f, "__name__", "") == "issparse" and (f.__module__ or "").startswith("scipy."):
        return lambda x: pytrees.kind_of(x) is pytrees.SPARSE
    module = getattr(f, "__module__", None) or ""
    if isinstance(f, types.FunctionType) and module.startswith("scipy.sparse.") and ".linalg" not in module:
        return _function(f)
    return None


_BY_PLACE = {"coo_array": "csr_array", "coo_matrix": "csr_matrix", "lil_array": "csr_array", "lil_matrix": "csr_matrix"}


def _not_by_place(cls: type, *args: Any, **kwargs: Any) -> Any:
    if any(isinstance(leaf, Box) for leaf in pytrees.leaves_of((args, kwargs))):
        fail(UnsupportedError, f"scipy.sparse.{cls.__name__} of traced values cannot be compiled",
             f"write {_BY_PLACE[cls.__name__]}((data, (row, column)), shape=(rows, columns))")
    return cls(*args, **kwargs)


def _function(f: types.FunctionType) -> Callable:
    """A function that builds matrices: their pattern is to be known before the values."""
    def call(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, Box) for leaf in pytrees.leaves_of((args, kwargs))):
            if f.__name__ in sparse_patterns.BUILT:
                return _built(f, *args, **kwargs)
            fail(UnsupportedError, f"scipy.sparse.{f.__name__} of traced values cannot be compiled",
                 "write csr_array((data, indices, indptr), shape=(rows, columns)) with the pattern of the result")
        return calls.as_it_stands(f, args, kwargs)

    return call


def _built(f: Callable, values: Any, *args: Any, **kwargs: Any) -> Sparse:
    """A matrix whose first argument are its values, and whose other arguments are known: SciPy says where each value goes."""
    leaves, tree = pytrees.flatten(values)
    arrays = [boxes.as_array(leaf) for leaf in leaves]
    if any(type(d) is not int for a in arrays for d in a.dims):
        if tracing.current().general:
            raise tracing.NeedLengths("where the values of a sparse matrix go")
        fail(UnsupportedError, f"scipy.sparse.{f.__name__} of values whose number only run time knows cannot be compiled",
             "write csr_array((data, indices, indptr), shape=(rows, columns)) with the pattern of the result")
    name, where = sparse_patterns.of(f, tree, [cast("tuple[int, ...]", a.dims) for a in arrays], args, kwargs)
    data = FUNCTIONS[np.concatenate]([a.reshape(-1) for a in arrays])[where.positions]
    kind = np.result_type(*[a.dtype for a in arrays])
    if kwargs.get("dtype") is not None:
        kind = np.dtype(kwargs["dtype"])
    elif "dtype" not in kwargs and f.__name__.startswith("diags") and kind.kind in "biu":      # SciPy's, as long as it warns
        kind = np.dtype(np.float64)
    return Sparse(getattr(sys.modules["scipy.sparse"], name), where.shape, data.astype(kind),
                  boxes.as_array(where.indices), boxes.as_array(where.indptr))


def _made(cls: Any, arg: Any, shape: Any = None, dtype: Any = None, copy: bool = False) -> Any:
    """cls((data, indices, indptr), shape=…), and cls((data, (row, column)), shape=…)"""
    arg = lifted(arg)
    if isinstance(arg, Sparse) and arg.format == cls.__name__[:3]:
        return arg
    if isinstance(arg, tuple) and len(arg) == 3 and shape is not None:
        data, indices, indptr = map(boxes.as_array, arg)
        return Sparse(cls, tuple(shape), data if dtype is None else data.astype(dtype), indices, indptr)
    if any(isinstance(leaf, Box) for leaf in pytrees.leaves_of(arg)):
        if isinstance(arg, tuple) and len(arg) == 2 and isinstance(arg[1], (tuple, list)) and shape is not None:
            row, column = arg[1]
            return _at_places(cls, arg[0], row, column, tuple(shape), dtype)
        fail(UnsupportedError, f"{cls.__name__} of traced values cannot be compiled, unless its pattern and shape are given",
             f"write {cls.__name__}((data, indices, indptr), shape=(rows, columns)), or ((data, (row, column)), shape=…)")
    return cls(arg, shape=shape, dtype=dtype, copy=copy)


def _at_places(cls: Any, data: Any, row: Any, column: Any, shape: tuple, dtype: Any) -> Sparse:
    """A matrix of elements at places. Elements of one place stay beside each other, where SciPy adds them up: every product and
    sum is the same, `data` is longer."""
    data, row, column = map(boxes.as_array, (data, row, column))
    places = (row, column) if cls.__name__[:3] == "csr" else (column, row)
    sizes = shape if cls.__name__[:3] == "csr" else shape[::-1]
    parts = calls.call(source.rewritten(_sorted_by_place), data if dtype is None else data.astype(dtype), *places, *sizes)
    return Sparse(cls, shape, *parts)


def _sorted_by_place(data: Any, major: Any, minor: Any, rows: Any, columns: Any) -> Any:
    """(data, indices, indptr)"""
    if data.shape != major.shape or data.shape != minor.shape:
        raise ValueError("all index and data arrays must have the same length")
    if np.any((major < 0) | (minor < 0) | (major >= rows) | (minor >= columns)):
        raise ValueError("an index is negative or exceeds the matrix dimension")
    key = major.astype(np.int64) * columns + minor
    order = np.argsort(key, kind="stable")
    starts = np.searchsorted(major[order], np.arange(rows + 1))
    return data[order], minor[order].astype(np.int32), starts.astype(np.int32)


def _join(meta: tuple[type, tuple[int, ...]], children: Sequence) -> Any:
    cls, shape = meta
    if all(isinstance(c, np.ndarray) for c in children):
        return cls(tuple(children), shape=shape)
    return Sparse(cls, shape, *children)


pytrees.SPARSE.join = _join
calls.REDIRECTS.append(redirect)
HOOKS["sparse"] = lifted
pytrees.learn(Sparse, pytrees.SPARSE)
