"""Print one stage of a function's way to machine code.

    tracegrad ir examples/logistic.py:loss --args "f64[100,3], f64[100], f64[3]" --stage vjp

Arguments are written as in a call, with types for values: f64[100,3] stands for an array of that dtype and shape, f64 for
a NumPy scalar, and float, int and complex for Python numbers; tuples, lists, dicts, numbers and strings stand for
themselves. A Python int that decides a shape or an unrolled loop needs its value.

Stages, in the order of the work: traced, optimized (the IR before and after the passes), jvp, vjp (its derivatives), loops
(the loop nests), llvm (LLVM's IR, optimised), asm (the host's assembly); after:licm and its like show what one pass made. The
lines of the source that each part comes from stand in the margin of the IR and of the loops.
"""
from __future__ import annotations

import argparse
import sys
import traceback

from ..api import Jitted
from ..functions import jit
from ..ir.errors import TracegradError
from ..lowered import STAGES
from ..tracer.syntax.source import is_user_file
from .load import FileError, load, parse_args

HELP = "print the IR, the loops or the machine code of a function"


def _stage(text: str) -> str:
    if text not in STAGES and not text.startswith("after:"):
        raise argparse.ArgumentTypeError(f"there is no stage {text!r}, only {', '.join(STAGES)} and after:PASS")
    return text


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="FILE.py:FUNCTION")
    parser.add_argument(
        "--args", default="", metavar="TYPES", help="the arguments, for example \"f64[100,3], f64, mode='soft'\""
    )
    parser.add_argument("--stage", default="optimized", type=_stage, metavar="STAGE",
                        help="one of " + ", ".join(STAGES) + ", or after:PASS")
    parser.add_argument("--color", default="auto", choices=("auto", "always", "never"))
    parser.add_argument("--no-margin", action="store_true", help="leave out the source lines")


def run(options: argparse.Namespace) -> int:
    args, kwargs = parse_args(options.args)
    function = load(options.target)
    jitted = function if isinstance(function, Jitted) else jit(function)
    color = options.color == "always" or (options.color == "auto" and sys.stdout.isatty())
    try:
        text = jitted.lower(*args, **kwargs).text(options.stage, margin=not options.no_margin, color=color)
    except TracegradError:
        raise
    except Exception as error:                       # what the user's own code raised while it was traced
        where = [frame for frame in traceback.extract_tb(error.__traceback__) if is_user_file(frame.filename)]
        line = f" ({where[-1].filename}, line {where[-1].lineno}: {where[-1].line})" if where else ""
        raise FileError(f"{options.target} raised {type(error).__name__}: {error}{line}") from None
    print(text.rstrip("\n"))
    return 0
