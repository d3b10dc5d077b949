"""Compiled functions and lowered programs as HTML for a cell's output: no script, no network, the notebook's own colours."""
from __future__ import annotations

import hashlib
from html import escape

from ..jitted.api import Jitted
from ..lowering.build import loop_builder
from ..programs.compile import types_of
from ..programs.lowered import Lowered
from ..report.model import Source, name_of, sources_of
from ..report.page import Keys, rows_of
from ..report.stages import Row, stages_of

_SHOWN = "optimized", "asm"
_LONGEST = 2000                                       # rows of a listing that are shown
_HEAD = ("arguments", "origin", "compile ms", "calls", "code bytes")
_CELL = "text-align:left;padding:2px 10px;font-family:monospace"
_NUMBER = "text-align:right;padding:2px 10px;font-variant-numeric:tabular-nums"
_STYLE = """
#ID {display:flex;gap:8px;flex-wrap:wrap;font:12px/1.5 monospace}
#ID .side {flex:1 1 20em;min-width:0;border:1px solid rgba(128,128,128,.4);border-radius:4px}
#ID .side>b {display:block;padding:2px 8px;border-bottom:1px solid rgba(128,128,128,.4)}
#ID .side>div {overflow:auto;max-height:36em;padding:4px 0}
#ID .row {display:block;white-space:pre;padding:0 8px;min-width:max-content}
"""
_LIT = "{background:rgba(255,190,0,.35)}"


def jitted_html(jitted: Jitted) -> str:
    """The compiled forms of a function, newest first, as a table."""
    title = f"<b>{escape(jitted.named())}</b>"
    found = jitted.specializations
    if not found:
        return f"<div>{title}: not compiled yet; the first call compiles</div>"
    head = "".join(f'<th style="text-align:{"left" if k < 2 else "right"};padding:2px 10px">{name}</th>'
                   for k, name in enumerate(_HEAD))
    rows = "".join(f"<tr>{_texts(s.types, s.origin)}{_numbers(f'{s.compile_ms:.1f}', f'{s.hits:,}', f'{s.code_bytes:,}')}</tr>"
                   for s in found)
    return f"<div>{title}: compiled for<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"


def _texts(*texts: str) -> str:
    return "".join(f'<td style="{_CELL}">{escape(text)}</td>' for text in texts)


def _numbers(*numbers: str) -> str:
    return "".join(f'<td style="{_NUMBER}">{number}</td>' for number in numbers)


def lowered_html(lowered: Lowered) -> str:
    """Source, IR and assembly of a program side by side; pointing at a row marks those that belong to the same lines."""
    final = lowered.final()
    stages = stages_of(lowered.function, final, loop_builder.lower(final), _SHOWN)
    keys = Keys()
    sides = [_side("Source", "".join(_source(s, keys) for s in sources_of(stages)) or "it cannot be read"),
             *(_side(s.title, rows_of(_shortened(s.rows, s.name), keys)) for s in stages)]
    title = f"<b>{escape(lowered.function.name)}({escape(types_of(lowered.traced))})</b>"
    # The id follows from what is shown: the same program gives the same output, and another program another id.
    name = "tracegrad-" + hashlib.sha256("".join(sides).encode()).hexdigest()[:12]
    lit = "".join(f'#{name}:has([data-k~="{key}"]:hover) [data-k~="{key}"] {_LIT}\n' for key in keys.names())
    return f'<div>{title}<style>{_STYLE.replace("ID", name)}{lit}</style><div id="{name}">{"".join(sides)}</div></div>'


def _side(title: str, body: str) -> str:
    return f'<div class="side"><b>{escape(title)}</b><div>{body}</div></div>'


def _source(source: Source, keys: Keys) -> str:
    width = len(str(source.first + len(source.lines)))
    head = f'<span class="row"><i>{escape(name_of(source.file))}</i></span>'
    return head + rows_of([Row(f"{source.first + k:{width}} {text}", ((source.file, source.first + k),))
                           for k, text in enumerate(source.lines)], keys)


def _shortened(rows: list[Row], stage: str) -> list[Row]:
    more = len(rows) - _LONGEST
    return [*rows[:_LONGEST], Row(f'… {more:,} more rows: print(….text("{stage}"))')] if more > 0 else rows
