"""A report as one HTML file, which needs nothing beside itself."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files

from ..explain import KINDS, Note
from ..lowering.llvm.annotated import Place, place
from .costs import Loop
from .flow import ARGUMENTS, RESULTS, Edge
from .model import Report, Source, name_of, shown_bytes, shown_time
from .stages import Stage

_MARKS = {"parallel": "∥ threads", "copy": "copy", "unrolled": "unrolled", "no derivative": "no slope"}
_STEP, _REACH, _LETTER = 22, 14, 7.3           # of the graph: height of a line, width of an arc for each line, of a letter
_ARROW = ('<defs><marker id="arrow" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" orient="auto">'
          '<path d="M0 0L6 3L0 6Z"/></marker></defs>')


class _Keys:
    """A short name for each line of a file."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, int], str] = {}

    def of(self, where: Place) -> str:
        return " ".join(self._names.setdefault(line, f"l{len(self._names)}") for line in dict.fromkeys(where))

    def attribute(self, where: Place) -> str:
        return f' data-k="{self.of(where)}"' if where else ""


def page_of(report: Report) -> str:
    """The text of the page."""
    keys = _Keys()
    folder = files(__package__)
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    panels = [*((s.name, s.title, _listing(s, keys)) for s in report.stages), ("nests", "Nests", _nests(report, keys)),
              ("flow", "Data flow", _graph(report, keys)), ("notes", "Decisions", _notes(report.notes, keys))]
    tabs = "".join(f'<button role="tab" aria-controls="{name}" aria-selected="false" title="key {k}">{escape(title)}</button>'
                   for k, (name, title, _) in enumerate(panels, 1))
    bodies = "".join(f'<div class="panel" role="tabpanel" id="{name}" hidden>{body}</div>' for name, _, body in panels)
    facts = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in report.facts.items())
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(report.title)}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<style>{style}</style></head><body><header><h1>{escape(report.title)}</h1><dl>{facts}</dl>"
            '<button id="theme" title="light or dark">◐</button></header><main><section class="side" id="source">'
            f'<div class="bar"><b>Source</b><span class="hint">point, click, ↑ ↓, 1–{len(panels)}, Esc</span></div>'
            f'<div class="scroll">{_sources(report, keys)}</div></section><section class="side">'
            f'<div class="bar" role="tablist">{tabs}</div><div class="scroll">{bodies}</div></section></main>'
            f"<script>{script}</script></body></html>\n")


# --- the source ---------------------------------------------------------------------------------------------------------


def _by_line(amounts: Mapping[Place, float]) -> dict[tuple[str, int], float]:
    """Amounts by the innermost line."""
    found: dict[tuple[str, int], float] = defaultdict(float)
    for where, amount in amounts.items():
        if where:
            found[where[-1]] += amount
    return found


def _sources(report: Report, keys: _Keys) -> str:
    time, guess = _by_line(report.costs.seconds), _by_line(report.costs.estimate)
    kept = _by_line(report.kept)
    marks: dict[tuple[str, int], list[str]] = {}
    for note in report.notes:
        if note.loc and note.kind in _MARKS:
            found = marks.setdefault(note.loc[-1][:2], [])
            found += [_MARKS[note.kind]] * (_MARKS[note.kind] not in found)
    head = ('<tr><th>line</th><th title="measured, of one call">time</th><th title="share of the estimated work">est.</th>'
            '<th title="bytes kept for the derivative">kept</th><th></th><th class="code">{}</th></tr>')
    total = sum(time.values()) or 1.0, sum(guess.values()) or 1.0

    def line(source: Source, number: int, text: str) -> str:
        where = source.file, number
        share, part = time.get(where, 0.0) / total[0], guess.get(where, 0.0) / total[1]
        held = kept.get(where)
        return (f'<tr tabindex="-1"{keys.attribute((where,))}><td class="n">{number}</td>'
                f'<td class="cost" style="--part:{share:.1%}">{shown_time(time[where]) if share > 0.0005 else ""}</td>'
                f'<td>{f"{part:.0%}" if part > 0.005 else ""}</td>'
                f'<td>{"" if held is None else shown_bytes(int(held)) if held else "grows"}</td>'
                f'<td class="marks">{escape(", ".join(marks.get(where, ())))}</td>'
                f'<td class="code">{escape(text) or " "}</td></tr>')

    return "".join(f"<table>{head.format(escape(name_of(s.file)))}"
                   + "".join(line(s, s.first + k, text) for k, text in enumerate(s.lines)) + "</table>" for s in report.sources)


# --- the panels ---------------------------------------------------------------------------------------------------------


def _listing(stage: Stage, keys: _Keys) -> str:
    return "".join(f'<span class="row"{keys.attribute(row.place)}>{escape(row.text) or " "}</span>' for row in stage.rows)


def _nests(report: Report, keys: _Keys) -> str:
    """The loops, each with the lines that are fused in it."""
    said: dict[tuple[str, int], list[str]] = {}
    for note in report.notes:
        if note.kind in ("parallel", "serial") and note.loc:
            said.setdefault(note.loc[-1][:2], []).append(f"{note.kind}: {note.text.partition(': ')[2]}")

    def row(loop: Loop) -> str:
        numbers = ", ".join(str(n) for n in sorted({where[-1][1] for where in loop.lines}))
        why = "; ".join(said.get(loop.place[-1], ())) if loop.place and not loop.depth else ""
        fused = " (fused)" if len({where[-1] for where in loop.lines}) > 1 else ""
        spent = shown_time(loop.seconds) if loop.row else "with the loop around it"
        return (f'<tr{keys.attribute(tuple(dict.fromkeys(where[-1] for where in loop.lines)) or loop.place)}>'
                f'<td class="code">{"  " * loop.depth}{escape(loop.name)}</td>'
                f"<td>{spent}</td><td>{loop.iterations or ''}</td><td>{loop.estimate:.3g}</td>"
                f'<td>{numbers}{fused}</td><td class="text">{escape(why)}</td></tr>')

    head = ('<tr><th class="code">loop</th><th>time of a call</th><th>iterations</th><th title="additions">est. work</th>'
            "<th>lines in it</th><th class=code>threads</th></tr>")
    return f"<table>{head}{''.join(map(row, report.costs.loops))}</table>"


def _notes(notes: list[Note], keys: _Keys) -> str:
    parts = []
    for kind, title in KINDS.items():
        found = [note for note in notes if note.kind == kind]
        if found:
            parts.append(f"<h2>{escape(title)}</h2>" + "".join(_note(note, keys) for note in found))
    return f'<div class="notes">{"".join(parts) or "<p>nothing to say</p>"}</div>'


def _note(note: Note, keys: _Keys) -> str:
    where = f" <code>{escape(name_of(note.loc[-1].file))}:{note.loc[-1].line}</code>" if note.loc else ""
    return f"<p{keys.attribute(place(note.loc))}>{escape(note.text)}{where}</p>"


# --- the graph ----------------------------------------------------------------------------------------------------------


def _graph(report: Report, keys: _Keys) -> str:
    """Lines in their order, and an arc from each to those that use what it made: on the right what goes on, on the left,
    dashed, what an iteration hands to the next."""
    edges = _merged(report.flow)
    ends = {end[-1] for edge in edges for end in (edge.maker, edge.user) if end not in (ARGUMENTS, RESULTS)}
    order: list[tuple[str, int]] = [("", 0), *sorted(ends), ("", -1)]
    at = {where: (k + 1) * _STEP for k, where in enumerate(order)}
    texts = {(s.file, s.first + k): text.strip() for s in report.sources for k, text in enumerate(s.lines)}
    shown = {where: {("", 0): "arguments", ("", -1): "result"}.get(where) or f"{where[1]}: {texts.get(where, '')}"[:60]
             for where in order}
    height, left = (len(order) + 1) * _STEP, 40 + 8 * len(order) ** 0.5
    right = left + 16 + _LETTER * max(map(len, shown.values()))

    def node(where: tuple[str, int]) -> str:
        y = at[where]
        return (f'<g class="node"{keys.attribute((where,)) if where[0] else ""}><rect x="{left:.0f}" y="{y - 14}" '
                f'width="{right - left:.0f}" height="20"/><text x="{left + 6:.0f}" y="{y}">{escape(shown[where])}</text></g>')

    def arc(edge: Edge) -> str:
        top, bottom = at[_end(edge.maker)], at[_end(edge.user)]
        x, reach = (left, -1.0) if edge.carried else (right, 1.0)
        far = x + reach * min(20.0 + _REACH * (abs(bottom - top) / _STEP) ** 0.75, 36.0 if edge.carried else 400.0)
        ends = tuple(dict.fromkeys(end[-1] for end in (edge.maker, edge.user) if end not in (ARGUMENTS, RESULTS)))
        return (f'<path class="{"carried" if edge.carried else ""}" marker-end="url(#arrow)"{keys.attribute(ends)} '
                f'd="M{x:.0f} {top - 4} C{far:.0f} {top - 4} {far:.0f} {bottom - 4} {x:.0f} {bottom - 4}">'
                f"<title>{escape(edge.what)}</title></path>")

    return (f'<svg width="{right + 420:.0f}" height="{height}" role="img" aria-label="which lines use what other lines made">'
            f'{_ARROW}{"".join(map(arc, edges))}{"".join(map(node, order))}</svg>')


def _end(where: Place) -> tuple[str, int]:
    return ("", 0) if where == ARGUMENTS else where[-1]


def _merged(edges: Iterable[Edge]) -> list[Edge]:
    """One edge for each pair of innermost lines."""
    found: dict[tuple[tuple[str, int], tuple[str, int], bool], Edge] = {}
    for edge in edges:
        found.setdefault((_end(edge.maker), _end(edge.user), edge.carried), edge)
    return [edge for (maker, user, carried), edge in found.items() if maker != user or carried]
