"""Compile a function, or its gradient, for C programs: object file, header, example, CMake and pkg-config files, loader.

    tracegrad export examples/logistic.py:loss --args "f64[100,3], f64[100], f64[3]" --of grad --argnums 2 -o build/

Arrays of the example are filled with numbers between 1/4 and 1 (whole numbers: 1 to 4) that --seed chooses; write lists of
numbers where only certain values make sense. For this machine a shared library is made, too, where there is a C compiler or
the ziglang wheel.
"""
from __future__ import annotations

import argparse

from ..aot.export import OF, export
from ..jitted.api import Jitted
from ..lowering.aot.targets import TARGETS
from . import operators
from .arguments import drawn
from .load import UsageError, as_usage, running

HELP = "compile a function for C programs, without Python"


def configure(parser: argparse.ArgumentParser) -> None:
    operators.configure_call(parser)
    operators.configure_values(parser)
    parser.add_argument("--of", default="value", choices=tuple(OF), help="the function itself, or a derivative of it")
    parser.add_argument("--argnums", default="0", metavar="N,…", help="positions to differentiate with respect to")
    parser.add_argument("--target", dest="machine", default="host", choices=TARGETS, help="the machine (default: this one)")
    parser.add_argument("--name", help="of the C function (default: the function's)")
    parser.add_argument("--blas", default="loops", metavar="NAME", help="a library with CBLAS for products of matrices, as "
                        "openblas; without it they are loops")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to write to; made where it is missing")


def run(options: argparse.Namespace) -> int:
    function, args, kwargs = operators.target_of(options, drawn(options.seed))
    if isinstance(function, Jitted) and function.derives and options.of != "value":
        raise UsageError(f"{options.target} is a derivative already", "leave out --of")
    clash = sorted(kwargs.keys() & {"directory", "target", "of", "argnums", "name", "blas", "freeze", "quantise"})
    if clash:
        raise UsageError(f"the argument {clash[0]} cannot be given by its name here", "give it by its position")
    with running(options.target), as_usage():
        made = export(function, *args, directory=options.output, target=options.machine, of=options.of,
                      argnums=operators.argnums_of(options), name=options.name, blas=options.blas, **kwargs)
    for file in made.files:
        print(f"{file}  {file.stat().st_size:,} bytes")
    if made.note:
        print(f"note: {made.note}")
    return 0
