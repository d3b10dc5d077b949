"""Write one HTML page on a call: source, IR, loops and assembly, linked line by line, with what each line costs.

    tracegrad report examples/logistic.py:loss --args "f64[1000,3], f64[1000], f64[3]" -o report.html
    tracegrad report examples/logistic.py:loss --args "f64[1000,3], f64[1000], f64[3]" --of grad --argnums 2 -o report.html

The call is compiled with clocks around its longer loops and run for a moment; what a loop takes is shared among its lines by
estimated costs. Arrays are filled as in `tracegrad bench`. The page says where the time goes, which lines are fused into one
loop, what is copied, what the derivative keeps, which loops threads share, and why the others are not. It needs no network.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from ..report.model import report_of
from ..report.page import page_of
from . import operators
from .arguments import drawn
from .load import UsageError, running

HELP = "write a page that links source, IR, loops and assembly, with times"


def configure(parser: argparse.ArgumentParser) -> None:
    operators.configure(parser)
    operators.configure_values(parser)
    parser.add_argument("-o", "--output", default="report.html", metavar="FILE", help="the page (default report.html)")
    parser.add_argument("--seconds", type=float, default=0.5, metavar="S", help="how long to measure (default 0.5)")


def run(options: argparse.Namespace) -> int:
    if options.of in ("jvp", "vjp"):
        raise UsageError(f"report knows no {options.of}", "use --of grad or --of value_and_grad")
    if not options.seconds > 0.0:
        raise UsageError(f"--seconds {options.seconds} is no time", "write a number above 0")
    target = Path(options.output)
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", "make it, or write the page somewhere else")
    if target.is_dir():
        raise UsageError(f"{target} is a folder", "name the file to write to, as in -o report.html")
    function, args, kwargs = operators.target_of(options, drawn(options.seed))
    with operators.budgeted(options), running(options.target):
        report = report_of(operators.derived(options, function), args, kwargs, options.seconds)
    try:
        target.write_text(page_of(report), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}", "write the page somewhere else") from None
    print(f"{target}: {report.title}, " + ", ".join(f"{name} {value}" for name, value in report.facts.items()))
    return 0
