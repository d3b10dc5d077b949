"""Random numbers that a function without source draws while it is traced, where nobody sees it do so.

Such a function gets boxes of the generators that it names (sourceless.py). Those that it finds inside of objects and
containers, or that a method of an object draws from, are the generators themselves: what is drawn would be part of the program,
the same at each call. So the generators that it can reach are asked for their state before and after.

    class Model:                                  exec("def f(model): return model.draw()")
        def draw(self): return np.random.rand()   refused: the state of np.random has changed
"""
from __future__ import annotations

import itertools
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ...ir.errors import UnsupportedError
from ...ir.ops import random
from .. import attributes, pytrees, tracing
from ..values import captured_values

_DEPTH = 4                            # how deep objects and containers are looked into
_MOST = 1000                          # of these


class _Watched(NamedTuple):
    generator: Any
    state: Any
    image: bytes                      # of the state, for comparison


Watch = dict[int, _Watched]           # by id of the generator


def shared() -> Watch:
    """A watch on the generators behind the functions of `numpy.random` and `random`."""
    watch: Watch = {}
    note(np.random.get_state.__self__, watch)                                       # type: ignore[attr-defined]
    if "random" in sys.modules:
        note(sys.modules["random"].random.__self__, watch)
    return watch


def note(x: Any, watch: Watch) -> None:
    """Watch a generator."""
    if random.kind_of(x) is not None and id(x) not in watch:
        state = _state(x)
        watch[id(x)] = _Watched(x, state, pickle.dumps(state))


def expect_none(watch: Watch, what: str) -> None:
    """UnsupportedError where numbers have been drawn, which are put back."""
    drawn = [x for x in watch.values() if pickle.dumps(_state(x.generator)) != x.image]
    for x in drawn:
        _restore(x.generator, x.state)
    if drawn:
        raise UnsupportedError(f"{what} draws random numbers by a method or function that it finds in an object, which "
                               "compiled code would do once, while it is traced, and never again",
                               "draw them by a function or generator that has a global name, or pass the generator in "
                               "as an argument", tracing.locate())


def led_to(x: Any) -> Iterator[Any]:
    """x and the containers, generators and other objects that it holds, at some depth."""
    todo: list[tuple[Any, int]] = [(x, _DEPTH)]
    seen: set[int] = set()
    while todo and len(seen) < _MOST:
        here, depth = todo.pop()
        if id(here) in seen or isinstance(here, (*captured_values.ATOMS, np.ndarray, types.ModuleType)):
            continue
        if attributes.of_package(type(here).__module__):                   # a box
            continue
        seen.add(id(here))
        yield here
        if depth and random.kind_of(here) is None:
            parts: Any = (here if isinstance(here, (list, tuple, set, frozenset)) else here.values() if isinstance(here, dict)
                          else pytrees.attributes(here).values())
            todo += [(part, depth - 1) for part in itertools.islice(list(parts), _MOST)]


def _state(generator: Any) -> Any:
    kind = random.kind_of(generator)
    return (generator.getstate() if kind == "Random" else generator.get_state(legacy=False) if kind == "RandomState"
            else generator.bit_generator.state)


def _restore(generator: Any, state: Any) -> None:
    kind = random.kind_of(generator)
    if kind == "Random":
        generator.setstate(state)
    elif kind == "RandomState":
        generator.set_state(state)
    else:
        generator.bit_generator.state = state
