"""Print one stage of a function's way to machine code.

    tracegrad ir examples/logistic.py:loss --args "f64[100,3], f64[100], f64[3]" --stage vjp

Arguments are a Python expression in which f64[100,3] stands for an array of that dtype and shape, f64 for a NumPy scalar,
and float, int and complex for Python numbers; tuples, lists, dicts, numbers and strings stand for themselves.
"""
from __future__ import annotations

import argparse
import importlib.util
import pathlib
import sys

import numpy as np

from ..api import Jitted, jit
from ..ir.errors import ArgumentError
from ..ir.types import DTYPES
from ..lowered import STAGES

HELP = "print the IR, the loops or the machine code of a function"


class ArraySpec:
    """A dtype's name in --args: `f64[2,3]` is an array of ones; the bare name becomes a scalar."""

    def __init__(self, dtype: np.dtype):
        self.dtype = dtype

    def __getitem__(self, shape):
        return np.ones(shape, self.dtype)


def parse_args(text: str) -> tuple:
    """The example arguments that `text` describes. Raises ArgumentError where it is no such expression."""
    names = {name: ArraySpec(d.np) for name, d in DTYPES.items() if name != "index"}
    scalars = {"float": 1.0, "int": 2, "complex": 1.0 + 0.5j, "none": None}
    try:
        value = eval(f"({text},)", {"__builtins__": {}}, names | scalars)
    except Exception as error:
        raise ArgumentError(f"--args {text!r} cannot be read: {error}.",
                            'write types such as "f64[100,3], i64[5], float", or Python literals') from None
    return tuple(map(_scalars, value))


def _scalars(x):
    if isinstance(x, ArraySpec):
        return x.dtype.type(1)
    if isinstance(x, (tuple, list)):
        return type(x)(map(_scalars, x))
    if isinstance(x, dict):
        return {key: _scalars(v) for key, v in x.items()}
    return x


def load(target: str):
    """The function of FILE.py:NAME (NAME may be dotted), importing the file under its own name, not as __main__."""
    file, _, name = target.rpartition(":")
    path = pathlib.Path(file)
    if not file or not path.is_file():
        raise ArgumentError(f"There is no file {file or target!r}.", "name a function as FILE.py:FUNCTION")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = sorted(k for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == path.stem)
            raise ArgumentError(f"{file} has no {name!r}.", "use one of " + ", ".join(public) if public else "")
        found = getattr(found, part)
    return found


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="FILE.py:FUNCTION")
    parser.add_argument("--args", default="", help='types of the arguments, for example "f64[100,3], f64"')
    parser.add_argument("--stage", default="optimized", choices=STAGES)
    parser.add_argument("--color", default="auto", choices=("auto", "always", "never"))
    parser.add_argument("--no-margin", action="store_true", help="leave out the user's source lines")


def run(options: argparse.Namespace) -> int:
    function = load(options.target)
    jitted = function if isinstance(function, Jitted) else jit(function)
    color = options.color == "always" or (options.color == "auto" and sys.stdout.isatty())
    args = parse_args(options.args) if options.args.strip() else ()
    print(jitted.lower(*args).text(options.stage, margin=not options.no_margin, color=color))
    return 0
