"""The `tracegrad` command: one sub-command a module."""
from __future__ import annotations

import argparse
import sys

from ..ir.errors import TracegradError
from . import show

COMMANDS = {"ir": show}


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 on success, 1 on an error of the user's program, 2 on wrong usage."""
    parser = argparse.ArgumentParser(prog="tracegrad", description="Look inside what tracegrad makes of a function.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        module.configure(commands.add_parser(name, help=module.HELP, description=module.__doc__,
                                             formatter_class=argparse.RawDescriptionHelpFormatter))
    options = parser.parse_args(argv)
    try:
        return COMMANDS[options.command].run(options)
    except TracegradError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
