"""Say what compiling a call decides that its writer may not expect: copies, unrolled loops, constants, missing derivatives.

    tracegrad explain examples/logistic.py:loss --args "f64[100,3], f64[100], f64[3]" --of grad
"""
from __future__ import annotations

import argparse

from ..explain import explain
from . import operators
from .load import UsageError, running

HELP = "say what compiling a function decides: copies, unrolled loops, constants"


def configure(parser: argparse.ArgumentParser) -> None:
    operators.configure(parser)


def run(options: argparse.Namespace) -> int:
    function, args, kwargs = operators.target_of(options)
    if options.of in ("jvp", "vjp"):
        raise UsageError(f"explain knows no {options.of}", "use --of grad, which says the same")
    with operators.budgeted(options), running(options.target):
        found = explain(operators.derived(options, function), *args, **kwargs)
    print(found)
    return 0
