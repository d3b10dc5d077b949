"""Hold a function's derivatives against differences in both modes, its compiled value against Python's, and look for NaN.

    tracegrad check examples/logistic.py:loss --args "f64[100,3], f64[100], f64[3]" --order 2

Arrays are filled with numbers between 1/4 and 1 (whole numbers: 1 to 4) that --seed chooses. Each line says what was compared;
the exit code is 1 where one of them does not hold. Differences are of the fourth order along random directions, as
tg.check_grads takes them. The last line names the first operation that makes a NaN or an infinity, in the value or in the
gradient, if any does.
"""
from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import TracegradError
from ..jitted import functions
from ..jitted.api import Jitted
from ..operators.check import check_grads
from ..operators.transforms import vjp
from ..options import config
from ..tracer import pytrees
from . import operators
from .arguments import drawn
from .compare import difference_of
from .load import UsageError, running

HELP = "check derivatives against differences, values against Python, and look for NaN"


class ValueMismatch(TracegradError):
    """The compiled function returns something else than the function itself."""


def configure(parser: argparse.ArgumentParser) -> None:
    operators.configure_call(parser)
    operators.configure_values(parser)
    parser.add_argument("--order", type=int, default=1, metavar="N", help="the highest derivative that is checked (default 1)")


def run(options: argparse.Namespace) -> int:
    if options.order < 1:
        raise UsageError(f"--order {options.order} is no order", "write 1, 2 or 3")
    function, args, kwargs = operators.target_of(options, drawn(options.seed))
    if kwargs:
        raise UsageError("check takes positional arguments only", "write the arguments without their names")
    checks: list[tuple[str, Callable[[], None]]] = []
    if _differentiable(args):
        checks += [(f"{title} derivatives against differences, order {order}", _slopes(function, args, mode, order))
                   for order in range(1, options.order + 1) for title, mode in (("forward", "fwd"), ("reverse", "rev"))]
    checks.append(("no NaN or infinity is made", lambda: _finite(function, args)))
    with running(options.target):
        held = [_held("value: compiled against Python", lambda: _value(function, args), ValueMismatch)]    # a refusal ends it
        held += [_held(title, check) for title, check in checks]
    return int(not all(held))


def _held(title: str, check: Callable[[], None], failures: type[TracegradError] = TracegradError) -> bool:
    """Prints one line of the report."""
    try:
        check()
    except failures as error:
        print(f"FAILS  {title}: {str(error).strip()}")
        return False
    print(f"holds  {title}")
    return True


def _differentiable(args: tuple) -> bool:
    return any(np.issubdtype(np.result_type(leaf), np.inexact) for leaf in pytrees.leaves_of(args) if _numeric(leaf))


def _numeric(leaf: Any) -> bool:
    return isinstance(leaf, (int, float, complex, np.ndarray, np.generic))


def _value(function: Any, args: tuple) -> None:
    if isinstance(function, Jitted) and function.derives:
        return                                        # a derivative has no Python of its own
    plain = function.root if isinstance(function, Jitted) else function
    found, expected = functions.jit(function)(*copy.deepcopy(args)), plain(*copy.deepcopy(args))
    difference = difference_of(found, expected)
    if difference:
        raise ValueMismatch(difference)


def _slopes(function: Any, args: tuple, mode: str, order: int) -> Callable[[], None]:
    return lambda: check_grads(function, copy.deepcopy(args), order=order, modes=(mode,))


def _finite(function: Any, args: tuple) -> None:
    with config(check_numerics=True):
        if not _differentiable(args):
            functions.jit(function)(*copy.deepcopy(args))
            return
        value, pull = vjp(function, *copy.deepcopy(args))
        pull(pytrees.map(lambda leaf: np.ones_like(leaf) if _numeric(leaf) else leaf, value))
