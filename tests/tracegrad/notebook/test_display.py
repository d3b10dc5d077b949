"""What compiled functions and lowered programs look like in a cell's output."""
import html.parser
import re
import subprocess
import sys

import numpy as np
import pytest

import tracegrad as tg


@tg.jit
def energy(x, mode="<b>soft</b>"):
    total = 0.0
    for i in range(x.shape[0]):
        total += np.sin(x[i])
    return total


class Parsed(html.parser.HTMLParser):
    """The texts of an output, by the element around them; raises where a tag is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1], data))

    def of(self, tag):
        return [text for found, text in self.texts if found == tag]


def test_a_function_shows_its_specialisations():
    f = tg.jit(energy.fn)
    assert "not compiled yet" in f._repr_html_()
    for _ in range(3):
        f(np.ones(3, np.float32))
    f(np.ones(3), "<script>alert(1)</script>")
    shown = f._repr_html_()
    assert "<script" not in shown and "<b>soft" not in shown
    cells = Parsed(shown).of("td")
    newest, older = f.specializations
    assert cells[0] == newest.types == "x: f64[3], mode: '<script>alert(1)</script>'"
    assert cells[5:9] == [older.types, older.origin, f"{older.compile_ms:.1f}", "3"]
    assert Parsed(tg.grad(energy)._repr_html_()).of("b") == ["grad(energy)"]


@pytest.mark.parametrize("make", [tg.jit, tg.grad, tg.value_and_grad, tg.hessian], ids=lambda make: make.__name__)
def test_a_lowered_program_shows_source_ir_and_assembly(make):
    f = make(energy.fn)
    lowered = f.lower(np.ones(5))
    shown = lowered._repr_html_()
    parsed = Parsed(shown)
    assert [text for text in parsed.of("b") if "(" not in text] == ["Source", "IR", "Assembly"]
    rows = parsed.of("span")
    assert any(text.endswith("        total += np.sin(x[i])") for text in rows)
    assert any(text.split() in (["retq"], ["ret"]) for text in rows)
    assert any(row.strip() and row.strip() in lowered.text("optimized") for row in rows[8:])
    line = energy.fn.__code__.co_firstlineno + 4
    key = re.search(rf'data-k="(l\d+)">{line} ', shown)[1]
    assert len(re.findall(rf'class="row" data-k="[^"]*\b{key}\b', shown)) >= 3, "the line is linked in each of the three"
    assert f'[data-k~="{key}"]:hover' in shown
    assert shown == f.lower(np.ones(5))._repr_html_(), "an output that changes each time clutters a notebook's history"


def test_source_that_cannot_be_read_and_constants():
    made = {}
    exec("def g(x):\n    return x * 2.0", {}, made)
    assert "it cannot be read" in tg.jit(made["g"]).lower(1.0)._repr_html_()
    assert "Assembly" in tg.jit(lambda: 3.0).lower()._repr_html_()


@pytest.mark.sweep(2, days=True)
def test_importing_tracegrad_imports_nothing_for_notebooks():
    code = ("import sys, tracegrad; sys.exit(any(m in sys.modules for m in "
            "('IPython', 'tracegrad.notebook', 'tracegrad.report.page', 'tracegrad.lowering.llvm.annotated')))")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
