"""`%%tg`: run a cell, compile the functions that it defines, show a stage of their way to machine code.

    %%tg --args "f64[1000], 0.5" --of grad --stage loops
    def energy(x, leak):
        …

    %tg energy --args "x, 0.5" --stage report        of a function that is there already; x is a variable of the notebook
"""
from __future__ import annotations

import argparse
import re
import shlex
import types
from collections.abc import Callable
from html import escape
from typing import Any, NoReturn

from ..cli import operators
from ..cli.arguments import Parser, drawn, ones, parse_args
from ..cli.load import FileError, UsageError, running
from ..ir.errors import TracegradError
from ..jitted.api import Jitted
from ..programs.lowered import STAGES
from ..report.model import report_of
from ..report.page import page_of

_WHOLE = "side", "report"          # what shows more than one stage
_SECONDS = 0.5                     # that a report measures
_OUTPUT = re.compile(r"_+\d*")      # names that IPython gives to what cells return
_FRAME = '<iframe srcdoc="{}" style="width:100%;height:640px;border:1px solid rgba(128,128,128,.4)"></iframe>'


class MagicError(Exception):
    """What a cell shows instead of a traceback: the message alone."""

    def _render_traceback_(self) -> list[str]:           # IPython asks errors for that
        return str(self).split("\n")


class _Shown(MagicError):
    """The cell itself has failed and has shown why; the notebook shall stop here, too."""

    def _render_traceback_(self) -> list[str]:
        return []


class _Parser(Parser):
    """Raises UsageError where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, "see %tg --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise _Helped


class _Helped(Exception):
    """The help has been printed."""


def _stage(text: str) -> str:
    if text in _WHOLE or text in STAGES or text.startswith("after:"):
        return text
    raise argparse.ArgumentTypeError(f"there is no stage {text!r}, only {', '.join((*_WHOLE, *STAGES))} and after:PASS")


def parser() -> argparse.ArgumentParser:
    """The options of the magic."""
    made = _Parser(prog="%%tg", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("names", nargs="*", metavar="NAME", help="functions to show (all that the cell defines)")
    operators.configure_args(made)
    operators.configure_derivative(made)
    made.add_argument("--stage", default="side", type=_stage, metavar="STAGE",
                      help="side (source, IR and assembly side by side), report, or one of " + ", ".join(STAGES)
                      + ", or after:PASS")
    made.add_argument("--no-margin", action="store_true", help="leave out the source lines")
    operators.configure_values(made)
    return made


def of(shell: Any) -> Callable[[str, str | None], None]:
    """The magic of a shell."""
    from IPython.core.magic import no_var_expand

    @no_var_expand                                       # braces are dicts; a variable is named as it is
    def tg(line: str, cell: str | None = None) -> None:
        try:
            _run(shell, line, cell)
        except UsageError as error:
            raise MagicError(f"UsageError: {error.what}" + f" ({error.remedy})" * bool(error.remedy)) from None
        except TracegradError as error:
            raise MagicError(f"{type(error).__name__}: " * (not isinstance(error, FileError)) + str(error)) from None
        except _Helped:
            pass

    tg.__doc__ = parser().format_help()
    return tg


def _run(shell: Any, line: str, cell: str | None) -> None:
    options = _options(line)
    if cell is None and not options.names:
        raise UsageError("%tg shows a function that is there already", "name it: %tg NAME; or write %%tg above a cell")
    before = {id(x): x for x in shell.user_ns.values()}              # held, so that no new object has an old one's id
    if cell is not None and not shell.run_cell(cell).success:
        raise _Shown
    functions = _functions(shell.user_ns, before, options.names)
    for name, function in functions.items():
        if len(functions) > 1:
            print(f"# {name}")
        _show(shell, options, name, function)


def _options(line: str) -> argparse.Namespace:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{line.strip()!r} cannot be read: {error}") from None
    return parser().parse_args(words)


def _functions(names: dict[str, Any], before: dict[int, Any], wanted: list[str]) -> dict[str, Callable]:
    """The functions that are named, or those that the cell made: the compiled ones if there are any, as the others are their
    parts."""
    for name in wanted:
        if name not in names:
            raise UsageError(f"there is no {name!r} in this notebook")
        if not callable(names[name]):
            raise UsageError(f"{name!r} is a {type(names[name]).__name__}, not a function")
    if wanted:
        return {name: names[name] for name in wanted}
    made = {name: x for name, x in names.items()
            if id(x) not in before and isinstance(x, (types.FunctionType, Jitted)) and not _OUTPUT.fullmatch(name)
            and getattr(x, "__module__", None) == names.get("__name__")}
    compiled: dict[str, Callable] = {name: x for name, x in made.items() if isinstance(x, Jitted)}
    if not made:
        raise UsageError("the cell defines no function", "write a def in it, or name a function: %%tg NAME")
    return compiled or dict(made)


def _show(shell: Any, options: argparse.Namespace, name: str, function: Callable) -> None:
    """Display one function at the stage that is asked for."""
    fill = drawn(options.seed) if options.stage == "report" else ones
    args, kwargs = parse_args(options.args or "", fill, shell.user_ns)
    operators.expect_fit(name, function.root if isinstance(function, Jitted) else function, args, kwargs)
    with operators.budgeted(options), running(name):
        if options.stage == "report":
            _display(_report(options, function, args, kwargs))
            return
        for title, lowered in operators.programs(options, operators.Target(function, args, kwargs)):
            if title:
                print(f"# {title}")
            if options.stage == "side":
                _display(lowered)
            else:
                print(lowered.text(options.stage, margin=not options.no_margin).rstrip("\n"))


def _display(*shown: Any) -> None:
    from IPython.display import display
    display(*shown)


class _Page:
    """A page in a frame; where there is no HTML, what it says in a line."""

    def __init__(self, page: str, line: str):
        self.page, self.line = page, line

    def _repr_html_(self) -> str:
        return _FRAME.format(escape(self.page))

    def __repr__(self) -> str:
        return self.line


def _report(options: argparse.Namespace, function: Callable, args: tuple, kwargs: dict[str, Any]) -> _Page:
    if options.of in ("jvp", "vjp"):
        raise UsageError(f"report knows no {options.of}", "use --of grad or --of value_and_grad")
    report = report_of(operators.derived(options, function), args, kwargs, _SECONDS)
    facts = ", ".join(f"{name} {value}" for name, value in report.facts.items())
    return _Page(page_of(report), f"{report.title}: {facts}; `tracegrad report` writes the page to a file")
