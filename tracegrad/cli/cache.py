"""Look at the compiled code that is kept on disk, and clean it up.

    tracegrad cache ls                     what is kept, the last used first
    tracegrad cache show KEY --stage asm   one entry; a few letters of its key are enough
    tracegrad cache verify                 what is damaged; `prune` removes it
    tracegrad cache prune --size 64MB      remove the longest unused until so much is left
    tracegrad cache clear | path | stats

The folder is that of TRACEGRAD_CACHE_DIR, else the user's folder of caches.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import fields
from typing import Any

from .. import cache
from ..ir.text.color import colored
from .load import UsageError, as_usage

HELP = "list, show, check and remove compiled code that is kept on disk"
_GAP = "  "


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (_, text) in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text)
        if name in ("ls", "stats", "verify"):
            action.add_argument("--json", action="store_true", help="as JSON")
        if name == "show":
            action.add_argument("key", help="the key, or how it starts")
            action.add_argument("--stage", choices=cache.STAGES, help="print the program at this stage")
            action.add_argument("--color", default="auto", choices=("auto", "always", "never"))
        if name == "prune":
            action.add_argument("--size", default=None, help='bytes that may stay, such as "64MB"; else only damaged files go')


def run(options: argparse.Namespace) -> int:
    if cache.path() is None:
        raise UsageError("the disk cache is off", "unset TRACEGRAD_CACHE")
    with as_usage():
        return ACTIONS[options.action][0](options)


def size_of(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


# --- ls ---------------------------------------------------------------------------------------------------------------

# title, width at least (0: as wide as its longest text), what of an entry. Those with a width share what room the others leave.
_COLUMNS = (
    ("KEY", 0, lambda e: e.key[:8]),
    ("FUNCTION", 12, lambda e: e.function if e.of == "jit" else f"{e.of} of {e.function}"),
    ("FILE", 10, lambda e: f"{os.path.basename(e.file)}:{e.line}"),
    ("TYPES", 14, lambda e: ", ".join([e.types, *(f"{k}={v}" for k, v in e.options.items())])),
    ("CAPTURES", 8, lambda e: ", ".join(e.captures)),
    ("CPU", 6, lambda e: e.cpu),
    ("MS", 0, lambda e: f"{e.compile_ms:.0f}"),
    ("SIZE", 0, lambda e: size_of(e.bytes)),
    ("HITS", 0, lambda e: str(e.hits)),
    ("USED", 0, lambda e: cache.age(e.used)),
)
_NUMBERS = ("MS", "SIZE", "HITS", "USED")


def table(entries: list[cache.Entry], width: int) -> str:
    """The entries as lines of at most `width` characters."""
    rows = [[title for title, _, _ in _COLUMNS], *[[get(e) for _, _, get in _COLUMNS] for e in entries]]
    full = [max(len(row[k]) for row in rows) for k in range(len(_COLUMNS))]
    widths = [full[k] if not least else min(full[k], least) for k, (_, least, _) in enumerate(_COLUMNS)]
    room = width - sum(widths) - len(_GAP) * (len(_COLUMNS) - 1)
    for k in sorted((k for k, column in enumerate(_COLUMNS) if column[1]), key=lambda k: full[k]):
        more = max(0, min(full[k] - widths[k], room))
        widths[k], room = widths[k] + more, room - more
    while room < 0 and max(widths[1:]) > 3:                 # a narrow terminal: the key is needed whole
        k = widths.index(max(widths[1:]), 1)
        widths[k], room = widths[k] - 1, room + 1
    return "\n".join(_GAP.join(_cut(text, w, column[0] in _NUMBERS) for text, w, column in zip(row, widths, _COLUMNS)).rstrip()
                     for row in rows)


def _cut(text: str, width: int, right: bool) -> str:
    text = text if len(text) <= width else text[:max(width - 1, 0)] + "…"
    return text.rjust(width) if right else text.ljust(width)


def _plain(entry: cache.Entry) -> dict:
    return {f.name: getattr(entry, f.name) for f in fields(entry) if f.name[0] != "_"}


def _ls(options: Any) -> int:
    found = cache.entries()
    if options.json:
        print(json.dumps([_plain(entry) for entry in found], indent=1))
    elif not found:
        print(f"nothing is kept in {cache.path()}")
    else:
        print(table(found, shutil.get_terminal_size((128, 24)).columns))
    return 0


# --- the others -------------------------------------------------------------------------------------------------------


def _show(options: Any) -> int:
    entry = cache.find(options.key)
    if options.stage:
        text = entry.text(options.stage)
        color = options.color == "always" or (options.color == "auto" and sys.stdout.isatty())
        print((colored(text, options.stage) if color and options.stage in ("llvm", "asm") else text).rstrip("\n"))
        return 0
    for name, value in _plain(entry).items():
        if name == "used":
            value = f"{cache.age(value)} ago"
        elif isinstance(value, dict):
            value = ", ".join(f"{k}={v}" for k, v in value.items())
        elif isinstance(value, list):
            value = ", ".join(value)
        print(f"{name:11}{f'{value:.1f}' if isinstance(value, float) else value}".rstrip())
    print(f"{'stages':11}{', '.join(cache.STAGES)}  (--stage)")
    return 0


def _verify(options: Any) -> int:
    wrong = cache.verify()
    if options.json:
        print(json.dumps([{"file": name, "problem": why} for name, why in wrong], indent=1))
    else:
        for name, why in wrong:
            print(f"{name}: {why}")
        print(f"{len(wrong) or 'no'} damaged {'file' if len(wrong) == 1 else 'files'} in {cache.path()}")
    return 1 if wrong else 0


def _prune(options: Any) -> int:
    damaged = cache.drop([name for name, _ in cache.verify()])
    gone = cache.prune(options.size) if options.size is not None else 0
    print(f"removed {damaged} damaged files and {gone} unused ones")
    return 0


def _clear(options: Any) -> int:
    print(f"removed {cache.clear()} files")
    return 0


def _path(options: Any) -> int:
    print(cache.path())
    return 0


def _stats(options: Any) -> int:
    found = cache.stats()
    if options.json:
        print(json.dumps(found._asdict(), indent=1))
        return 0
    print(f"{found.calls} entries of {found.functions} functions, {found.codes} pieces of machine code\n"
          f"{size_of(found.bytes)} of at most {size_of(found.limit)}, {found.hits} hits\n{cache.path()}")
    return 0


ACTIONS = {
    "ls": (_ls, "list what is kept"), "show": (_show, "show one entry, or its program at a stage"),
    "verify": (_verify, "find damaged files"), "prune": (_prune, "remove damaged files, and the longest unused"),
    "clear": (_clear, "remove everything"), "path": (_path, "print the folder"), "stats": (_stats, "print how much is kept"),
}
