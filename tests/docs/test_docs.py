"""The documents are true: links lead somewhere, every module has its place in the tour, the code in them runs."""
import pathlib
import re
import shlex

import numpy as np
import pytest

import tracegrad as tg
from tracegrad.cli import main

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES]
TOUR = ROOT / "docs" / "architecture.md"
FOLDERS = ("ir", "tracer", "autodiff", "lowering", "tracegrad")
NO_DUTY = {"__init__.py"}                       # says what its folder is for


# README stands on PyPI, too, where links have to be whole: what they name in the repository is here.
REPOSITORY = re.compile(r"^https://(github\.com/tracegrad/tracegrad/(blob|tree)|raw\.githubusercontent\.com/tracegrad/tracegrad)/main/")

LINK = re.compile(r"(?:\]\(|^\[[^\]]+\]: )([^)\s]+)", re.M)


def links(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
    found = [REPOSITORY.sub("", target) for target in LINK.findall(text)]
    return [target for target in found if "://" not in target]


def test_links_of_the_readme_are_whole_and_named():
    text = (ROOT / "README.md").read_text()
    assert [target for target in LINK.findall(text) if not REPOSITORY.match(target)] == []
    named = set(re.findall(r"^\[([^\]]+)\]: ", text, re.M))
    assert set(re.findall(r"\]\[([^\]]+)\]", text)) == named


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in links(document):
        path = (document.parent / target.partition("#")[0]).resolve()
        assert path.exists() and ROOT in (path, *path.parents), target


def test_the_tour_passes_every_module():
    linked = {str((TOUR.parent / target).resolve().relative_to(ROOT)) for target in links(TOUR)}
    modules = {str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")
               if path.name not in NO_DUTY}
    assert sorted(modules - linked) == [], "modules that docs/architecture.md does not mention"


def test_the_tour_shows_no_code():
    assert {part.split("\n", 1)[0] for part in TOUR.read_text().split("```")[1::2]} == {""}      # diagrams only


def code_of(document, language):
    """The fenced blocks of a language, in order."""
    parts = document.read_text().split("```")
    return [part.split("\n", 1)[1] for part in parts[1::2] if part.split("\n", 1)[0] == language]


def test_the_first_example_of_the_readme(tmp_path):
    """It runs as it stands (from a file, as functions need source), and its derivative is right."""
    path = tmp_path / "readme_example.py"
    path.write_text(code_of(ROOT / "README.md", "python")[0])
    space = {"__name__": "readme_example"}
    exec(compile(path.read_text(), path, "exec"), space)
    energy, drive = space["energy"], space["drive"]
    assert space["value"] == pytest.approx(energy(0.5, drive), rel=1e-12)
    h = 1e-6
    assert space["d_leak"] == pytest.approx((energy(0.5 + h, drive) - energy(0.5 - h, drive)) / (2 * h), rel=1e-6)
    bump = np.zeros_like(drive)
    bump[7] = h
    assert space["d_drive"][7] == pytest.approx((energy(0.5, drive + bump) - energy(0.5, drive - bump)) / (2 * h), rel=1e-6)


def test_the_commands_of_the_readme(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    commands = [
        line for block in code_of(ROOT / "README.md", "") for line in block.splitlines() if line.startswith("tracegrad ")
    ]
    assert commands
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0
        assert capsys.readouterr().out


def test_the_names_that_the_readme_mentions_exist():
    names = set(re.findall(r"\btg\.(\w+)", (ROOT / "README.md").read_text()))
    assert names and all(hasattr(tg, name) for name in names)


def test_every_public_name_has_a_docstring():
    for name in tg.__all__:
        assert (getattr(tg, name).__doc__ or "").strip(), name
