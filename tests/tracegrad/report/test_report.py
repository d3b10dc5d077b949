"""The report of a call: what it gathers, and the page that it becomes."""
import html.parser
import json
import shutil
import subprocess

import numpy as np
import pytest

import tracegrad as tg
from tracegrad.cli import main
from tracegrad.report.flow import ARGUMENTS, RESULTS
from tracegrad.report.model import report_of
from tracegrad.report.page import page_of


def helper(v):
    return v * v


def simulate(x0, k):
    x = x0.copy()
    v = np.zeros_like(x)
    e = 0.0
    for _ in range(200):
        v += -0.01 * k * x
        x += 0.01 * v
        e += np.sum(helper(v))
    return e


FIRST = simulate.__code__.co_firstlineno
ARGS = (np.linspace(0.0, 1.0, 50), 0.5)


def line(place):
    return place[-1][1] - FIRST


def report(f=simulate, args=ARGS):
    return report_of(f if hasattr(f, "lower") else tg.jit(f), args, {}, 0.02)


def test_what_is_gathered():
    found = report()
    assert [stage.name for stage in found.stages] == ["traced", "optimized", "loops", "llvm", "asm"]
    for stage in found.stages:
        assert {line(row.place) for row in stage.rows if row.place} >= {5, 6}, stage.name
    squares = [row for row in found.stages[0].rows if row.place and len(row.place) == 2]
    assert squares and squares[0].place[0][1] - FIRST == 7                # the line of the call and that of the helper
    assert found.sources[0].first <= helper.__code__.co_firstlineno
    assert found.sources[0].lines[-1] == "    return e"
    assert not found.kept and found.costs.total > 0.0
    assert sum(found.costs.seconds.values()) == pytest.approx(found.costs.total)


def test_what_the_derivative_keeps():
    found = report(tg.grad(simulate))
    assert sum(found.kept.values()) == 200 * 50 * 8
    assert found.facts["kept for the derivative"] == "78.1 kB"
    assert page_of(found).count("<td>78.1 kB</td>") == 1 and "grows" not in page_of(found)


def test_data_flow():
    edges = {(line(e.maker) if e.maker else "in", "out" if e.user == RESULTS else line(e.user), e.carried)
             for e in report().flow}
    assert {("in", 5, False), (5, 6, False), (6, 5, True), (5, 5, True), (6, 6, True), (7, "out", False)} <= edges
    assert (7, 5, True) not in edges and ARGUMENTS == ()


def test_arguments_are_not_changed():
    def shift(x):
        x += 1.0
        return np.sum(x)

    x = np.zeros(10)
    report(shift, (x,))
    assert not x.any()


def test_branches_loops_and_captures():
    table = np.arange(5.0)

    def f(x, n):
        out = []
        for i in range(n):
            if x[i] > 0.0:
                out.append(x[i] + table[i % 5])
        return np.array(out)

    found = report(f, (np.linspace(-1.0, 1.0, 40), 40))
    assert page_of(found).count("<svg") == 1 and found.costs.loops


class _Balanced(html.parser.HTMLParser):
    VOID = {"meta", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.ids = [], []

    def handle_starttag(self, tag, attributes):
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_stands_alone():
    page = page_of(report(tg.grad(simulate)))
    parser = _Balanced()
    parser.feed(page)
    assert parser.open == [] and len(set(parser.ids)) == len(parser.ids)
    assert "http" not in page.replace("http-equiv", "") and " src=" not in page


def test_text_of_the_user_is_text():
    def f(x):
        return np.where(x < 1.0, x, ("</script><b>" in "a" and x) or 2.0 * x)

    page = page_of(report(f, (np.ones(3),)))
    assert "</script><b>" not in page.replace("</script></body>", "") and "&lt;/script&gt;" in page


def test_the_command(tmp_path, capsys):
    (tmp_path / "program.py").write_text("import numpy as np\n\ndef f(x):\n    return np.sum(np.sin(x) ** 2)\n")
    target = tmp_path / "page.html"
    command = ["report", f"{tmp_path}/program.py:f", "--args", "f64[100]", "--of", "grad", "--seconds", "0.02", "-o"]
    assert main([*command, str(target)]) == 0
    assert "a call" in capsys.readouterr().out and "np.sin(x)" in target.read_text()
    assert main([*command, str(tmp_path / "missing" / "page.html")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert main(["report", f"{tmp_path}/program.py:f", "--args", "f64[100]", "--seconds", "0"]) == 2


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ACTIONS = """<script>
const said = {};
const key = (name) => document.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true}));
const shown = () => panels.filter((panel) => !panel.hidden).map((panel) => panel.id);
said.first = shown();
key("3"); said.third = shown();
said.selected = tabs.filter((tab) => tab.getAttribute("aria-selected") === "true").map((tab) => tab.textContent);
key("ArrowDown"); key("ArrowDown");
said.line = document.activeElement.querySelector("td.n").textContent;
const row = document.querySelector("#loops .row[data-k]");
row.dispatchEvent(new MouseEvent("click", {bubbles: true}));
said.pinned = [...document.querySelectorAll("tr.pinned td.n")].map((cell) => cell.textContent);
said.everywhere = panels.filter((panel) => panel.querySelector(".pinned")).length;
row.dispatchEvent(new MouseEvent("pointerover", {bubbles: true}));
said.lit = document.querySelectorAll("tr.lit").length;
key("Escape"); said.after = document.querySelectorAll(".pinned").length;
document.querySelector("#theme").click(); said.theme = document.documentElement.dataset.theme;
said.wide = document.documentElement.scrollWidth > innerWidth;
document.body.innerHTML = "<pre id=said>" + JSON.stringify(said) + "</pre>";
</script>"""


@pytest.mark.sweep(6)
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [500, 1400])
def test_in_a_browser(width, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(page_of(report(tg.grad(simulate))).replace("</body>", ACTIONS + "</body>"))
    done = subprocess.run([BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},900",
                           f"--user-data-dir={tmp_path}/profile", "--dump-dom", page.as_uri()],
                          capture_output=True, text=True, timeout=120)
    said = json.loads(done.stdout.split('<pre id="said">')[1].split("</pre>")[0])
    assert said["first"] == ["traced"] and said["third"] == ["loops"] and said["selected"] == ["Loops"]
    assert said["line"] and said["pinned"] and said["everywhere"] >= 4 and said["lit"] >= 1
    assert said["after"] == 0 and said["theme"] == "dark" and not said["wide"]
