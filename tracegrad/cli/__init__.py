"""The `tracegrad` command: one sub-command a module. Exit codes: 0 done, 1 the user's program failed, 2 wrong usage."""
from __future__ import annotations

import argparse
import os
import sys

from ..ir.errors import TracegradError
from . import cache, explain, show
from .load import UsageError

COMMANDS = {"ir": show, "explain": explain, "cache": cache}


def main(argv: list[str] | None = None) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="tracegrad", description="Look inside what tracegrad makes of a function.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        module.configure(commands.add_parser(name, help=module.HELP, description=module.__doc__,
                                             formatter_class=argparse.RawDescriptionHelpFormatter))
    options = parser.parse_args(argv)
    try:
        code = COMMANDS[options.command].run(options)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"tracegrad {options.command}: {error}", file=sys.stderr)
        return 2
    except TracegradError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:                          # `tracegrad ir … | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
