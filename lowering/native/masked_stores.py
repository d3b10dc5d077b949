"""Stores of one lane of a vector, which LLVM's x86 back end makes too wide.

The loop vectoriser runs a short loop whole, with a mask for the iterations that are too many: 9 elements are 8 and 1. Where the
elements are narrowed before they are stored (float64 to uint8, int64 to int32), LLVM up to 22 makes of the store of one lane
one of the wide element, which overwrites what lies behind the narrow one, and so the end of the array
(llvm/llvm-project#179489). So such a store is written as that of one element:

    call void @llvm.masked.store.v8i8.p0(<8 x i8> %v, ptr align 1 %p, <8 x i1> <i1 true, i1 false, …>)
 -> %x = extractelement <8 x i8> %v, i64 0
    store i8 %x, ptr %p
"""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_NAME = re.compile(r"llvm\.masked\.store\.v\d+i(8|16|32)\.")
_CALL = re.compile(r"""^(?P<space>\s+)(?:tail\s)?call\ void\ @llvm\.masked\.store\.v\d+i(?:8|16|32)\.[\w.]+\(
    <(?P<lanes>\d+)\ x\ (?P<kind>i\d+)>\ (?P<value>.+?),\ ptr\ (?:align\ \d+\ )?(?P<at>.+?),\ (?:i32\ (?:immarg\ )?\d+,\ )?
    <\d+\ x\ i1>\ <(?P<mask>i1\ (?:true|false)(?:,\ i1\ (?:true|false))*)>\)(?:\ \#\d+)?(?P<notes>(?:,\ !.*)?)$""", re.M | re.X)


def mended(module: Any) -> str | None:
    """The text of a module without stores of one lane; None where it has none that might be among them."""
    if not any(_NAME.match(f.name) for f in module.functions if f.is_declaration):
        return None
    count = iter(range(1 << 62))
    return _CALL.sub(lambda found: _scalar(found, lambda: f"%one.lane.{next(count)}"), str(module))


def _scalar(call: re.Match, fresh: Callable[[], str]) -> str:
    lanes = [lane == "i1 true" for lane in call["mask"].split(", ")]
    if sum(lanes) != 1:
        return call[0]
    k, kind, at, element = lanes.index(True), call["kind"], call["at"], fresh()
    lines = [f"{element} = extractelement <{call['lanes']} x {kind}> {call['value']}, i64 {k}"]
    if k:
        at = fresh()
        lines.append(f"{at} = getelementptr inbounds {kind}, ptr {call['at']}, i64 {k}")
    lines.append(f"store {kind} {element}, ptr {at}, align 1{call['notes']}")
    return "".join(call["space"] + line for line in lines)
