"""The `tracegrad` command: one sub-command a module. Exit codes: 0 done, 1 the user's program failed, 2 wrong usage."""
from __future__ import annotations

import argparse
import os
import sys
from typing import Any, NoReturn

from ..ir.errors import TracegradError
from ..programs.lowered import STAGES
from ..version import found as version
from . import arguments, bench, cache, check, explain, export, report, show
from .load import FileError, UsageError

COMMANDS = {"ir": show, "explain": explain, "check": check, "bench": bench, "report": report, "export": export, "cache": cache}


class OneLineParser(arguments.Parser):
    """Says what is wrong with a command line in one line; sub-commands are parsers of the same class."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


class PrintCompletion(argparse.Action):
    """Prints what a shell reads to complete the command, made by the package shtab (https://docs.iterative.ai/shtab)."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: object, shell: object, option: str | None = None) -> None:
        try:
            import shtab
        except ImportError:
            parser.error("shell completion is made by the package shtab: pip install shtab")
        if shell not in shtab.SUPPORTED_SHELLS:
            parser.error(f"there is no completion for {shell!r}, only for {', '.join(shtab.SUPPORTED_SHELLS)}")
        _complete(parser, {"DIR": shtab.DIRECTORY, "FILE": shtab.FILE, "FILE.py:FUNCTION": shtab.FILE})
        print(shtab.complete(parser, shell))
        parser.exit(0)


def _complete(parser: argparse.ArgumentParser, known: dict[str, Any]) -> None:
    """Tells shtab how each argument of the parser and of its commands is completed: by its metavar, or by the stages."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete(command, known)
        elif str(action.metavar) in known:
            vars(action)["complete"] = known[str(action.metavar)]   # the attribute that shtab reads
        elif action.dest == "stage" and action.choices is None:     # after:PASS is one, too: no list for argparse
            action.choices = STAGES


_EXAMPLES = """examples:
    tracegrad ir examples/logistic.py:loss --args "f64[100,3], f64[100], f64[3]" --of grad --argnums 2
    tracegrad check examples/logistic.py:loss --args "f64[100,3], f64[100], f64[3]"
    tracegrad bench examples/logistic.py:loss --args "f64[100,3], f64[100], f64[3]"

exit codes: 0 done, 1 the program failed or a check did not hold, 2 wrong usage.
Shell completion needs `pip install shtab`: tracegrad --print-completion bash
"""


def parser_of_command() -> argparse.ArgumentParser:
    """The parser of the whole command line, each sub-command with its help text."""
    parser = OneLineParser(prog="tracegrad", description="Look inside what tracegrad makes of a function.",
                           epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"tracegrad {version()}")
    parser.add_argument("--print-completion", action=PrintCompletion, metavar="SHELL",
                        help="print the completion of bash, zsh, fish, tcsh or powershell")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        module.configure(commands.add_parser(name, help=module.HELP, description=module.__doc__,
                                             formatter_class=argparse.RawDescriptionHelpFormatter))
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; its exit code."""
    options = parser_of_command().parse_args(argv)
    try:
        code = COMMANDS[options.command].run(options)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"tracegrad {options.command}: {error.what}{f'; {error.remedy}' if error.remedy else ''}", file=sys.stderr)
        return 2
    except FileError as error:                       # says itself of what kind the error of the user's code is
        print(f"tracegrad {options.command}: {error}", file=sys.stderr)
        return 1
    except TracegradError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:                          # `tracegrad ir … | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
