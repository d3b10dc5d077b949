"""Random numbers: ops that draw from a generator of NumPy or of the standard library, in program order.

    draw g, d…, p… {dist, kind, dtype, rank}      -> dtype[d…]    numbers of one distribution, in C order; each parameter p has
                                                                 the result's dimensions or rank 0
    random_call g…, x…, d… {kind, method, form, result, rank}
                                                  -> result       what a method of a generator returns that is no distribution
                                                                 of single numbers; `result` "none": its effect alone

A generator is an i64: the address of the Python object (a numpy.random.Generator or RandomState, or a random.Random; `kind`
says which), which whoever calls the program holds meanwhile, or which `random_call` has made. The meaning of a draw is that
object's own method, so the numbers and the state that it leaves are NumPy's, or Python's. Draws have an effect: none is
removed, repeated or moved over another.

The parameters have no derivative here. Where a distribution is a function of standard draws and parameters, the tracer writes
that function; where only its distribution function F is smooth in a parameter a, a draw x moves along a level of it:
dx/da = -(dF/da) / (dF/dx) (implicit reparameterisation: Figurnov, Mohamed, Mnih 2018; see special_draws).
"""
from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import Block, Op, Value
from ..opdef import OpDef
from ..types import F64, I64, Array, DType, Type, known_dtype
from .common import array_type, expect_at_least, expect_choice, expect_count, expect_index, fail, same_dims

KINDS = ("Generator", "RandomState", "Random")
_HOME = {"Generator": "numpy.random._generator", "RandomState": "numpy.random.mtrand", "Random": "random"}


# --- generators ------------------------------------------------------------------------------------------------------------

def kind_of(x: Any) -> str | None:
    """Which kind of generator an object is; None for anything else. (Their modules are not imported to tell.)"""
    return kind_made_by(type(x))


def kind_made_by(cls: type) -> str | None:
    """The same of the objects of a class."""
    home = _HOME.get(cls.__name__)
    return cls.__name__ if home is not None and cls is getattr(sys.modules.get(home), cls.__name__, None) else None


def class_of(kind: str) -> type:
    return getattr(sys.modules["random"] if kind == "Random" else np.random, kind)


def handle_of(generator: Any) -> int:
    """What stands for a generator in a program."""
    return id(generator)


def generator_at(handle: Array | int) -> Any:
    return ctypes.cast(int(handle), ctypes.py_object).value


_MADE: dict[int, object] = {}        # the generators that programs have made and not dropped yet


# --- draw ------------------------------------------------------------------------------------------------------------------

def _infer_draw(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    rank, dist = attrs["rank"], attrs["dist"]
    expect_at_least("draw", operands, 1 + rank)
    _expect_handle("draw", operands[0])
    expect_choice("draw", "kind", attrs["kind"], KINDS)
    dims = tuple([expect_index("draw", d) for d in operands[1:1 + rank]])
    wanted = PARAMETERS.get(dist)
    if wanted is None:
        fail(f"draw: there is no distribution {dist!r}")
    expect_count(f"draw of {dist}", operands[1 + rank:], len(wanted))
    for p, takes in zip(operands[1 + rank:], wanted):
        t = array_type("draw", p)
        if t.dtype is not takes or (t.dims and not same_dims(t.dims, dims)):
            fail(f"draw of {dist}: a parameter {t!r} for {takes!r} and dimensions {list(dims)!r}")
    return [Type(attrs["dtype"], dims)]


def _expect_handle(name: str, v: Value) -> None:
    if v.type != _HANDLE:
        fail(f"{name} takes a generator, an i64 scalar, not {v.type!r}")


_HANDLE = Type(I64)
LINKED = frozenset({"standard_gamma", "normal_or_gamma"})      # whose derivative by a parameter an op behind has (gamma_draw)
_F, _I = F64, I64

# distribution -> the dtypes of its parameters
PARAMETERS = {
    "random": (), "standard_normal": (), "standard_exponential": (), "standard_exponential_inv": (), "standard_cauchy": (),
    "standard_gamma": (_F,), "normal_or_gamma": (_F,), "exponential_or_zero": (_F,), "beta": (_F, _F),
    "laplace": (_F, _F), "gumbel": (_F, _F), "logistic": (_F, _F), "rayleigh": (_F,), "vonmises": (_F, _F), "wald": (_F, _F),
    "noncentral_chisquare": (_F, _F), "noncentral_f": (_F, _F, _F), "poisson": (_F,), "geometric": (_F,), "zipf": (_F,),
    "logseries": (_F,), "binomial": (_I, _F), "negative_binomial": (_F, _F), "hypergeometric": (_I, _I, _I),
    "integers": (_I, _I),
    "bits": (_I,), "gauss": (), "gammavariate": (_F,), "vonmisesvariate": (_F, _F),      # of random.Random alone
}


def _evaluate_draw(op: Op, handle: Array, *operands: Array) -> tuple[Array, ...]:
    rank, dtype = op.attrs["rank"], op.attrs["dtype"].np
    shape, params = tuple(map(int, operands[:rank])), operands[rank:]
    found = draw(generator_at(handle), op.attrs["dist"], dtype, shape if rank else None, params)
    return (np.asarray(found, dtype)[()] if not rank else np.asarray(found, dtype),)


def draw(generator: Any, dist: str, dtype: np.dtype, shape: tuple | None, params: Sequence[Array]) -> Array:
    """Numbers of a distribution by NumPy's method: one where `shape` is None, else an array."""
    if kind_of(generator) == "Random":
        return _PYTHON[dist](generator, *params)
    own = _OWN.get(dist)
    if own is not None:
        return own(generator, dtype, shape, *params)
    single = {"dtype": np.float32} if dtype == np.float32 else {}
    return getattr(generator, dist)(*params, size=shape, **single)


def _one_by_one(draw_one: Callable) -> Callable:
    """A distribution that NumPy has no method for, element by element."""
    def run(generator: Any, dtype: np.dtype, shape: Any, a: Any) -> Any:
        if shape is None:
            return draw_one(generator, float(a))
        out = np.empty(shape, dtype)
        each = np.broadcast_to(a, shape)
        for at in np.ndindex(*shape):
            out[at] = draw_one(generator, float(each[at]))
        return out

    return run


def _random(generator: Any, dtype: DType, shape: Any) -> Any:
    return generator.random(shape, dtype=np.float32) if dtype == np.float32 else generator.random(shape)


def _inverted(generator: Any, dtype: DType, shape: Any) -> Any:
    return generator.standard_exponential(shape, dtype=dtype, method="inv")


def _integers(generator: Any, dtype: np.dtype, shape: Any, low: Array, high: Array) -> Array:
    """Both ends included."""
    if kind_of(generator) == "Generator":
        return generator.integers(low, high, shape, dtype=dtype, endpoint=True)
    if np.ndim(low) or np.ndim(high):
        return generator.randint(low, np.asarray(high, object) + 1, shape, dtype=dtype)
    return generator.randint(int(low), int(high) + 1, shape, dtype=dtype)


_OWN: dict[str, Callable] = {
    "random": _random, "standard_exponential_inv": _inverted, "integers": _integers,
    "normal_or_gamma": _one_by_one(lambda g, a: g.standard_normal() if a < 0 else g.standard_gamma(a)),
    "exponential_or_zero": _one_by_one(lambda g, a: 0.0 if a == 0 else g.standard_exponential()),
}


# What a random.Random draws: single numbers.
_PYTHON: dict[str, Callable] = {
    "random": lambda g: g.random(), "bits": lambda g, k: g.getrandbits(int(k)), "gauss": lambda g: g.gauss(0.0, 1.0),
    "gammavariate": lambda g, a: g.gammavariate(float(a), 1.0),
    "vonmisesvariate": lambda g, mu, kappa: g.vonmisesvariate(float(mu), float(kappa)),
}


# --- random_call -----------------------------------------------------------------------------------------------------------

def _infer_call(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_choice("random_call", "kind", attrs["kind"], KINDS)
    rank, result = attrs["rank"], attrs["result"]
    expect_at_least("random_call", operands, rank)
    if attrs["method"] not in _NEW:
        expect_at_least("random_call", operands, 1)
        _expect_handle("random_call", operands[0])
    dims = tuple([expect_index("random_call", d) for d in operands[len(operands) - rank:]]) if rank else ()
    return [] if result == "none" else [Type(known_dtype(result), dims)]


def _evaluate_call(op: Op, *operands: Any) -> Any:
    rank, result = op.attrs["rank"], op.attrs["result"]
    found = run_call(op.attrs["kind"], op.attrs["method"], op.attrs["form"], operands[:len(operands) - rank],
                     tuple(map(int, operands[len(operands) - rank:])))
    if result == "none":
        return ()
    found = np.asarray(found, known_dtype(result).np)
    return (found if rank else found[()],)


def run_call(kind: str, method: str, form: str, operands: Sequence[Array], dims: tuple[int, ...]) -> Any:
    """What the op `random_call` does. `form` is JSON: [[argument…], [[keyword, argument]…]], where an argument is
    ["x", k] for operand k behind the generator, ["d", n] for the first n dimensions of the result, ["t", name] for a dtype or
    ["c", literal]."""
    made = method in _NEW
    given = operands if made else operands[1:]
    read: dict[str, Callable] = {"x": lambda k: given[k], "d": lambda n: dims[:n], "t": np.dtype, "c": lambda value: value}
    args, kwargs = json.loads(form)
    args = [read[how](what) for how, what in args]
    kwargs = {name: read[how](what) for name, (how, what) in kwargs}
    if made:
        return _hold(_NEW[method](*args, **kwargs))
    generator = generator_at(operands[0])
    own = _METHODS.get(method)
    return own(generator, *args, **kwargs) if own else getattr(generator, method)(*args, **kwargs)


def _new(bits: str, seed: Any) -> Any:
    seed = _seed(seed)
    return np.random.default_rng(seed) if not bits else np.random.Generator(getattr(np.random, bits)(seed))


def _random_state(bits: str, seed: Any) -> Any:
    seed = _seed(seed)
    return np.random.RandomState(getattr(np.random, bits)(seed) if bits else seed)


def _seed(seed: Any) -> Any:
    """A number of the program as Python's: NumPy tells them apart from arrays of one."""
    return seed if seed is None or isinstance(seed, (int, list, tuple)) or np.ndim(seed) else int(seed)


_NEW: dict[str, Callable] = {"new": _new, "random_state": _random_state, "python": lambda seed: class_of("Random")(_seed(seed))}


def _hold(generator: Any) -> int:
    _MADE[id(generator)] = generator
    return id(generator)


def _drop(generator: Any) -> None:
    _MADE.pop(id(generator), None)


def _spawn(generator: Any) -> int:
    return _hold(generator.spawn(1)[0])


def _moved(method: str) -> Callable:
    """Where a method that changes the order of an array takes each of its elements from: the positions along `axis`."""
    def run(generator: Any, shape: Any, axis: int) -> Any:
        along = 0 if axis is None else axis
        if method == "permuted":
            return _permuted(generator, shape, axis)
        lengths = [n if k == along else min(n, 1) for k, n in enumerate(shape)]
        places = np.arange(shape[along]).reshape([-1 if k == along else 1 for k in range(len(shape))])
        places = np.array(np.broadcast_to(places, lengths))
        extra = {} if along == 0 else {"axis": along}
        if method == "shuffle":
            generator.shuffle(places, **extra)
        else:
            places = generator.permutation(places, **extra)
        return places.reshape(-1) if places.size else np.arange(shape[along])

    return run


def _permuted(generator: Any, shape: Any, axis: int) -> Any:
    if axis is None:
        return generator.permuted(np.arange(int(np.prod(shape))).reshape(shape))
    places = np.arange(shape[axis]).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return generator.permuted(np.array(np.broadcast_to(places, shape)), axis=axis)


def _seeded(generator: Any, seed: Any) -> None:
    generator.seed(_seed(seed))


def _between(generator: Any, low: Any, high: Any, size: Any, kind: Any) -> Any:
    return _integers(generator, kind, size, low, high)


def _weighted(generator: Any, weights: Array, sums: bool, size: tuple[int]) -> Any:
    """Positions by random.choices, whose weights are sums already where `sums` says so."""
    given = weights.tolist()
    return generator.choices(range(len(given)), **{"cum_weights" if sums else "weights": given}, k=size[0])


_METHODS: dict[str, Callable] = {
    "sample": lambda generator, n, size: generator.sample(range(int(n)), size[0]), "weighted": _weighted,
    "choices": lambda generator, n, size: generator.choices(range(int(n)), k=size[0]),
    "integers_between": _between, "drop": _drop, "spawn": _spawn, "seed": _seeded,
    **{method: _moved(method) for method in ("shuffle", "permutation", "permuted")},
}

OpDef("draw", _infer_draw, _evaluate_draw, effect=True, draws=True, doc="Numbers drawn from a generator.")
OpDef("random_call", _infer_call, _evaluate_call, effect=True, draws=True, doc="What a method of a generator returns.")
