"""Print one stage of a function's way to machine code.

    tracegrad ir examples/logistic.py:loss --args "f64[100,3], f64[100], f64[3]" --stage vjp

Arguments are written as in a call, with types for values: f64[100,3] stands for an array of that dtype and shape, f64 for
a NumPy scalar, and float, int and complex for Python numbers; tuples, lists, dicts, numbers and strings stand for
themselves. A Python int that decides a shape or an unrolled loop needs its value.

Stages, in the order of the work: traced, optimized (the IR before and after the passes), jvp, vjp (the derivatives of what is
shown, by all its arguments), schedule (where each array lives), loops (the loop nests), llvm (LLVM's IR, optimised), asm (the
host's assembly); after:licm and its like show what one pass made. The lines of the source that each part comes from stand in
the margin of the IR and of the loops.

What is shown is what a call compiles: of the function itself, or with --of of its derivative, as tg.grad and the others make
it.

    tracegrad ir examples/logistic.py:loss --args "f64[100,3], f64[100], f64[3]" --of grad --argnums 2 --stage asm
"""
from __future__ import annotations

import argparse
import sys

from ..programs.lowered import STAGES
from . import operators
from .load import running

HELP = "print the IR, the loops or the machine code of a function"


def _stage(text: str) -> str:
    if text not in STAGES and not text.startswith("after:"):
        raise argparse.ArgumentTypeError(f"there is no stage {text!r}, only {', '.join(STAGES)} and after:PASS")
    return text


def configure(parser: argparse.ArgumentParser) -> None:
    operators.configure(parser)
    parser.add_argument("--stage", default="optimized", type=_stage, metavar="STAGE",
                        help="one of " + ", ".join(STAGES) + ", or after:PASS")
    parser.add_argument("--color", default="auto", choices=("auto", "always", "never"))
    parser.add_argument("--no-margin", action="store_true", help="leave out the source lines")


def run(options: argparse.Namespace) -> int:
    target = operators.target_of(options)
    color = options.color == "always" or (options.color == "auto" and sys.stdout.isatty())
    with operators.budgeted(options), running(options.target):
        texts = [f"# {title}\n" * bool(title) + lowered.text(options.stage, margin=not options.no_margin, color=color)
                 for title, lowered in operators.programs(options, target)]
    for text in texts:
        print(text.rstrip("\n"))
    return 0
