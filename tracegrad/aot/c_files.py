"""The texts that stand beside an exported object: header, example, CMake and pkg-config."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..lowering.call.entry import ERROR_WORDS
from .plan import Item, Plan

_WRITTEN = 4096                       # elements of an example's array that are written out; longer ones repeat them
_COMPILERS = {
    "x86_64-linux-gnu": "x86_64-linux-gnu-gcc", "aarch64-linux-gnu": "aarch64-linux-gnu-gcc",
    "armv7-linux-gnueabihf": "arm-linux-gnueabihf-gcc", "riscv64-linux-gnu": "riscv64-linux-gnu-gcc"}


def linking(name: str, target: str, libraries: tuple[str, ...]) -> str:
    """What to run for an object of another machine."""
    command = f"{_COMPILERS[target]} {name}_example.c {name}.o {_flags(libraries)} -o {name}_example"
    return f"the object is not linked; run: {command}"


def texts(plan: Plan, values: tuple, target: str, needs: tuple[str, ...], libraries: tuple[str, ...]) -> dict[str, str]:
    """{file name: text}. values: the example arguments; needs: the symbols that the libraries provide."""
    return {f"{plan.name}.h": _header(plan, target, needs, libraries), f"{plan.name}_example.c": _example(plan, values),
            "CMakeLists.txt": _cmake(plan.name, libraries), f"{plan.name}.pc": _pkg_config(plan.name, libraries)}


def _flags(libraries: tuple[str, ...]) -> str:
    return " ".join([f"-l{library}" for library in libraries])


# --- the header --------------------------------------------------------------------------------------------------------


def _declared(item: Item, result: bool) -> str:
    if item.by_value and not result:
        return f"{item.c_type} {item.name}"
    return f"{'' if result or item.written else 'const '}{item.c_type} *{item.name}"


def _safe(text: str) -> str:
    """Text inside of a C comment."""
    return text.replace("*/", "* /")


def _header(plan: Plan, target: str, needs: tuple[str, ...], libraries: tuple[str, ...]) -> str:
    name = plan.name
    rows = [f" *   {i.name:<12} {_safe(i.described)}{_use(i)}" for i in plan.inputs]
    rows += [f" *   {r.name:<12} {_safe(r.described)}; written, memory of the caller: {r.numbers * _size(r)} bytes"
             for r in plan.results]
    rows += [f" * Part of the object: {_safe(text)}" for text in plan.held]
    codes = [f" *   {k:>4}   {_safe(c.text)}" for k, c in enumerate(plan.checks, 1)]
    params = ",\n    ".join([*(_declared(i, False) for i in plan.inputs), *(_declared(r, True) for r in plan.results),
                             "int64_t *error"])
    return "\n".join([
        f"/* {name}: compiled by tracegrad for {target}. No Python is needed to run it.",
        " *", *rows,
        f" *   {'error':<12} null, or room for {ERROR_WORDS} int64_t: what a failed check reports",
        " *",
        " * Arrays lie in C order (row-major: the last index runs fastest), without gaps, aligned as their C type is.",
        " * All memory belongs to the caller; nothing stays allocated after the call, and nothing is kept between calls, so",
        " * several threads may call at once. Results must not overlap each other or the arguments.",
        " *",
        " * Returns 0 where all went well, else (the results are then undefined):",
        " *     -1   there is not enough memory", *codes,
        " * error[0] is then that number less 1, and error[1] … are the values that {0}, {} … of the message stand for:",
        " * integers as they are, floating numbers by the bits of a double.",
        " *",
        f" * Link with {_flags(libraries)}. It calls: {', '.join(needs) or 'nothing'}.",
        " */",
        f"#ifndef {name.upper()}_H", f"#define {name.upper()}_H", "#include <stdint.h>",
        "#ifdef __cplusplus", 'extern "C" {', "#endif", "",
        f"int {name}(\n    {params});", "",
        "/* The text of a return code; \"\" where there is none. It lives as long as the program. */",
        f"const char *{name}_message(int code);", "",
        "#ifdef __cplusplus", "}", "#endif", "#endif", ""])


def _use(item: Item) -> str:
    return "" if item.by_value else "; overwritten, of the caller" if item.written else "; read only, of the caller"


def _size(item: Item) -> int:
    return item.dtype.size // (2 if item.dtype.complex else 1)


# --- the example -------------------------------------------------------------------------------------------------------


def _example(plan: Plan, values: tuple) -> str:
    arrays, fills, passed = [], [], []
    for item, value in zip(plan.inputs, values, strict=True):
        numbers = _numbers(item, value)
        if item.by_value:
            passed.append(_literal(numbers[0]))
            continue
        written = numbers[:_WRITTEN]
        rows = [", ".join(map(_literal, written[k:k + 8])) for k in range(0, len(written), 8)] or ["0"]
        arrays.append(f"static {item.c_type} {item.name}[{max(item.numbers, 1)}] = {{\n    " + ",\n    ".join(rows) + "};")
        if item.numbers > _WRITTEN:
            fills += [f"    /* the example's first {_WRITTEN} numbers, again and again */",
                      f"    for (size_t i = {_WRITTEN}; i < {item.numbers}; i++) {item.name}[i] = {item.name}[i - {_WRITTEN}];"]
        passed.append(item.name)
    arrays += [f"static {r.c_type} {r.name}[{max(r.numbers, 1)}];" for r in plan.results]
    call = ", ".join([*passed, *(r.name for r in plan.results), "error"])
    shown = [line for r in (*(i for i in plan.inputs if i.written), *plan.results) for line in _printed(r)]
    return "\n".join([
        f"/* Calls {plan.name} with the arguments that it was exported for, and prints the results. */",
        "#include <math.h>", "#include <stdio.h>", f'#include "{plan.name}.h"', "", *arrays, "",
        "int main(void)", "{", *fills, f"    int64_t error[{ERROR_WORDS}];", f"    int code = {plan.name}({call});",
        "    if (code) {", f'        fprintf(stderr, "error %d: %s\\n", code, {plan.name}_message(code));', "        return 1;",
        "    }", *shown, "    return 0;", "}", ""])


def _numbers(item: Item, value: Any) -> list:
    array = np.ascontiguousarray(value, item.dtype.np)
    plain = {"f16": "u2", "bool": "u1"}.get(item.dtype.name)
    array = array.view(plain) if plain else array.view(array.real.dtype)
    return array.ravel()[:_WRITTEN].tolist()


def _literal(x: float) -> str:
    if isinstance(x, float):
        return ("-" if x < 0 else "") + "INFINITY" if math.isinf(x) else "NAN" if math.isnan(x) else repr(x)
    return "(-9223372036854775807 - 1)" if x == -2**63 else f"{x}u" if x > 2**63 - 1 else str(x)


def _printed(r: Item) -> list[str]:
    form, cast = ("%.17g", "(double)") if r.c_type in ("double", "float") else ("%lld", "(long long)")
    return [f"    for (int i = 0; i < {r.numbers}; i++) printf(\"{r.name}[%d] {form}\\n\", i, {cast}{r.name}[i]);"]


# --- building ----------------------------------------------------------------------------------------------------------


def _cmake(name: str, libraries: tuple[str, ...]) -> str:
    return f"""cmake_minimum_required(VERSION 3.12)
project({name} C)
# In a larger project: add_subdirectory(this folder), then target_link_libraries(app PRIVATE {name}).
add_library({name} INTERFACE)
target_sources({name} INTERFACE ${{CMAKE_CURRENT_SOURCE_DIR}}/{name}.o)
target_include_directories({name} INTERFACE ${{CMAKE_CURRENT_SOURCE_DIR}})
target_link_libraries({name} INTERFACE {' '.join(libraries)})
if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
  add_executable({name}_example {name}_example.c)
  target_link_libraries({name}_example PRIVATE {name})
endif()
"""


def _pkg_config(name: str, libraries: tuple[str, ...]) -> str:
    return f"""folder=${{pcfiledir}}

Name: {name}
Description: a function compiled by tracegrad
Version: 1
Cflags: -I${{folder}}
Libs: ${{folder}}/{name}.o {_flags(libraries)}
"""
