"""A long module in parts that are compiled at once, and their object files as one piece of data.

The functions of a kernel's sections (llvm/sections.py) are compiled apart from one another, and the functions that only one of
them calls go with it; small ones that several call are in each part that does. How a module is cut depends on its text alone:
a machine with more cores compiles the same code, sooner.

    define … @kernel.f(…)           part 0        with declarations of the sections of the others
    define … @kernel.f.section0(…)  part 1
    define … @kernel.f.section3(…)  part 1
    declare …, constants, metadata  all parts
"""
from __future__ import annotations

import re
import struct
from collections.abc import Iterable

from ...ir.thresholds import sizes

_FUNCTION = re.compile(r"^define .*?^\}$\n?", re.M | re.S)
_NAME = re.compile(r"@([\w.]+)")
_SECTION = re.compile(r"(.+)\.section\d+")
_MOST = 4                                     # parts of a module
_MAGIC = b"tracegrad objects\0"


def parts(text: str) -> list[str]:
    """The modules that a long one is compiled as."""
    lines = text.count("\n")
    number = min(lines // max(sizes.llvm_part, 1), _MOST)
    functions = {_name(found[0]): found[0] for found in _FUNCTION.finditer(text)} if number > 1 else {}
    owners = {name: found[1] for name in functions if (found := _SECTION.fullmatch(name)) and found[1] in functions}
    units = list(owners)
    if not units:
        return [text]
    root = owners[units[0]]
    belongs = {unit: _reached(unit, functions, {*units, root}) for unit in [root, *units]}
    bins: list[list[str]] = [[] for _ in range(number)]
    weights = [0] * number
    for unit in [root, *sorted(units, key=lambda u: (-_lines(belongs[u], functions), u))]:
        lightest = weights.index(min(weights))
        bins[lightest].append(unit)
        weights[lightest] += _lines(belongs[unit], functions)
    common = _FUNCTION.sub("", text)
    foreign = {unit: _declaration(functions[unit]) for unit in units}
    return [_part(common, own, belongs, functions, foreign) for own in bins if own]


def _part(common: str, own: list[str], belongs: dict[str, list[str]], functions: dict[str, str],
          foreign: dict[str, str]) -> str:
    names = dict.fromkeys(name for unit in own for name in belongs[unit])
    text = "".join(functions[name] for name in names)
    called = {name for name in _NAME.findall(text) if name in foreign} - set(names)
    return "".join(f"{foreign[name]}\n" for name in sorted(called)) + text + common


def _name(function: str) -> str:
    found = _NAME.search(function)
    assert found is not None
    return found[1]


def _reached(unit: str, functions: dict[str, str], units: Iterable[str]) -> list[str]:
    """A unit and the functions that it calls, which are no units."""
    found, waiting = [unit], [unit]
    while waiting:
        for name in dict.fromkeys(_NAME.findall(functions[waiting.pop()])):
            if name in functions and name not in units and name not in found:
                found.append(name)
                waiting.append(name)
    return found


def _lines(names: list[str], functions: dict[str, str]) -> int:
    return sum(functions[name].count("\n") for name in names)


def _declaration(function: str) -> str:
    return function.partition("\n")[0].removesuffix(" {").replace("define dso_local", "declare", 1)


# --- their object files -----------------------------------------------------------------------------------------------


def bundle(objects: list[bytes]) -> bytes:
    """Object files as one; a single one stays what it is."""
    if len(objects) == 1:
        return objects[0]
    return b"".join([_MAGIC, struct.pack("<I", len(objects)), *(struct.pack("<Q", len(x)) + x for x in objects)])


def members(data: bytes) -> list[bytes]:
    """The object files of a bundle. ValueError where it is damaged."""
    if not data.startswith(_MAGIC):
        return [data]
    at, found = len(_MAGIC) + 4, []
    try:
        count, = struct.unpack_from("<I", data, len(_MAGIC))
        for _ in range(count):
            size, = struct.unpack_from("<Q", data, at)
            found.append(data[at + 8:at + 8 + size])
            at += 8 + size
    except struct.error:
        raise ValueError("it ends too early") from None
    if at != len(data) or not found:
        raise ValueError("its parts do not fit")
    return found
