"""random.Random in traced code, and the functions of the module `random`, which are methods of its own generator.

    primitives    random, getrandbits: draws (ir/ops/random.py). gauss keeps the second number of each pair in the object, and
                  gammavariate and vonmisesvariate reject by their parameters, so that a derivative through their lines would be
                  wrong: they are draws too, and a gamma number moves along its quantile, as NumPy's.
    all others    CPython's own lines, traced: the stream is that of the running version, and derivatives follow where a
                  distribution is a function of standard draws and parameters. betavariate has derivatives by both gamma draws.
"""
from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from ....ir.errors import ArgumentTypeError, UnsupportedError
from ....ir.types import F64, I64
from ... import tracing
from ...syntax import source
from ...values import boxes, random_generators, shapes
from ...values.boxes import Box, ScalarBox
from ...values.promotion import fail
from ...values.random_generators import METHODS, GeneratorBox
from .distributions import Source, check
from .methods import DIMS, emitted, made, seeded

_MOST = 63                  # bits that an integer of compiled code holds beside its sign


def _draw(box: GeneratorBox, dist: str, *params: Any) -> ScalarBox:
    return ScalarBox(Source(box, ()).draw(dist, *params).value, "float")


def _number(x: Any, name: str) -> Any:
    found = boxes.lift(x)
    if found.dtype_ir.complex or (isinstance(found, boxes.ArrayBox) and found.dims):
        fail(ArgumentTypeError, f"{name} of random.Random must be a real number, not {found!r}")
    return tracing.current().builder.expr(boxes.to_value(found, F64))


def _getrandbits(box: GeneratorBox, k: Any) -> ScalarBox:
    count = boxes.lift(k)
    if count.dtype_ir.kind not in "iux":
        fail(ArgumentTypeError, f"the number of bits is of dtype {count.dtype_ir.np}", "convert it with int()")
    value = boxes.to_value(count, I64)
    bits = tracing.current().builder.expr(value)
    check((bits >= 0).value, "number of bits must be non-negative")
    check((bits <= _MOST).value, f"more than {_MOST} bits are wider than compiled code holds of Python's ints", "OverflowError")
    return ScalarBox(Source(box, (), I64).draw("bits", value).value, "int")


def _gauss(box: GeneratorBox, mu: Any = 0.0, sigma: Any = 1.0) -> Any:
    return mu + _draw(box, "gauss") * sigma


def _gammavariate(box: GeneratorBox, alpha: Any, beta: Any) -> Any:
    shape, scale = _number(alpha, "alpha"), _number(beta, "beta")
    check(((shape > 0) & (scale > 0)).value, "gammavariate: alpha and beta must be > 0.0")
    drawn = shape.gamma_draw(Source(box, ()).draw("gammavariate", shape))
    return ScalarBox((drawn * scale).value, "float")


def _vonmisesvariate(box: GeneratorBox, mu: Any, kappa: Any) -> Any:
    return _draw(box, "vonmisesvariate", _number(mu, "mu"), _number(kappa, "kappa"))


def _positions(method: str) -> Callable:
    """Where `sample` and `choices` take k of n elements from."""
    def handle(box: GeneratorBox, n: Any, k: Any) -> Box:
        given = [boxes.to_value(boxes.lift(n), I64), DIMS]
        return boxes.array(emitted(box, method, given, result=I64, dims=shapes.shape_of(k)))

    return handle


def _weighted(box: GeneratorBox, weights: Any, sums: bool, k: Any) -> Box:
    """Where `choices` takes k elements from, by their weights or the sums of these."""
    given = [boxes.to_value(boxes.as_array(weights), F64), sums, DIMS]
    return boxes.array(emitted(box, "weighted", given, result=I64, dims=shapes.shape_of(k)))


def _sample(self: Any, population: Any, k: int, *, counts: Any = None) -> list:
    if counts is not None:
        raise UnsupportedError("random.sample with counts cannot be compiled", "repeat the elements in a list")
    return [population[i] for i in self.sampled(len(population), k)]


def _choices(self: Any, population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1) -> list:
    if cum_weights is not None:
        return [population[i] for i in self.weighted(cum_weights, True, k)]
    if weights is not None:
        return [population[i] for i in self.weighted(weights, False, k)]
    return [population[i] for i in self.chosen(len(population), k)]


# What keeps lists and sets of its own in CPython's lines; traced as it is written here.
_PROGRAMS: dict[str, Any] = {"sample": _sample, "choices": _choices}
source.OPENED.update(f.__code__ for f in _PROGRAMS.values())


def _refused(name: str) -> Callable:
    def refuse(box: GeneratorBox, *args: Any, **kwargs: Any) -> None:
        fail(UnsupportedError, f"random.Random.{name} cannot be compiled",
             "use it before the compiled function, and pass the generator in")

    return refuse


def _own(box: GeneratorBox, name: str) -> MethodType | None:
    """CPython's own lines of a method, for a traced generator."""
    found = _PROGRAMS.get(name) or getattr(sys.modules["random"].Random, name, None)
    if not isinstance(found, FunctionType) or name.startswith("__"):
        return None
    source.OPENED.add(found.__code__)
    return MethodType(found, box)


def function(f: Any) -> Callable | None:
    """What traced code calls in place of the class random.Random; None for anything else."""
    module = sys.modules.get("random")
    return _made if module is not None and f is module.Random else None


def _made(x: Any = None) -> GeneratorBox:
    return made("python", "Random", x)


random_generators.OWN["Random"] = _own
METHODS |= {
    ("Random", "random"): lambda box: _draw(box, "random"), ("Random", "getrandbits"): _getrandbits,
    ("Random", "gauss"): _gauss, ("Random", "gammavariate"): _gammavariate, ("Random", "vonmisesvariate"): _vonmisesvariate,
    ("Random", "seed"): lambda box, a=None, version=2: seeded(box, a),
    ("Random", "sampled"): _positions("sample"), ("Random", "chosen"): _positions("choices"),
    ("Random", "weighted"): _weighted,
    **{("Random", name): _refused(name) for name in ("getstate", "setstate", "randbytes")},
}
