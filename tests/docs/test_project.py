"""The project's own files agree with each other: versions, floors of dependencies, links between pages of the root."""
import json
import math
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_lowest_versions_that_are_tested_are_those_that_are_asked_for():
    asked = dict(re.fullmatch(r"(\w+)>=([\d.]+)", line).groups() for line in PROJECT["dependencies"])
    lines = [line for line in (ROOT / ".ci" / "lowest.txt").read_text().splitlines() if line and line[0] != "#"]
    tested = dict(line.split("==") for line in lines)
    assert asked.keys() == tested.keys()
    for name, floor in asked.items():
        assert re.fullmatch(re.escape(floor) + r"(\.0)*", tested[name]), f"{name}: asks for {floor}, tests {tested[name]}"


def test_one_version():
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.M).group(1) == PROJECT["version"]


def test_the_changelog_has_the_form_of_keep_a_changelog():
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^##+ .*$", text, re.M)
    assert headings[0] == "## [Unreleased]"
    kinds = {"### Added", "### Changed", "### Deprecated", "### Removed", "### Fixed", "### Security"}
    assert all(h in kinds or re.fullmatch(r"## \[(Unreleased|\d+\.\d+\.\d+)\]( - \d{4}-\d\d-\d\d)?", h) for h in headings)


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda p: p.name)
def test_links_between_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), f"{page.name} links to {target}"


def test_python_versions_are_the_same_everywhere():
    """The classifiers, the floor, and the matrix of the workflow, which may also run a newer one."""
    named = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    floor = PROJECT["requires-python"].removeprefix(">=")
    matrix = set(re.findall(r'"(3\.\d+)"', (ROOT / ".github" / "workflows" / "test.yml").read_text()))
    assert floor == min(named, key=lambda v: int(v.partition(".")[2])) and named <= matrix


def test_the_table_of_readme_is_what_the_benchmark_wrote():
    """Geometric means over docs/benchmarks.json, and how many programs each is over."""
    rows = [row["times"] for row in json.loads((ROOT / "docs" / "benchmarks.json").read_text())["rows"]]

    def mean(peer, own):
        ratios = [row[peer] / row[own] for row in rows if peer in row and own in row]
        return math.exp(sum(map(math.log, ratios)) / len(ratios)), len(ratios)

    text = (ROOT / "README.md").read_text()
    row = re.search(r"^\| value \|(.*)\|$", text, re.M)[1]
    values = re.findall(r"([\d.]+) \((\d+)", row)
    for peer, (shown, count) in zip(("numpy", "numba", "jax"), values, strict=True):
        found, programs = mean(peer, "value")
        assert abs(found - float(shown)) <= 0.06 and programs == int(count), f"{peer}: {found:.2f} over {programs}"
    assert abs(mean("jax gradient", "gradient")[0] - float(re.search(r"no gradient \| ([\d.]+) \|$", text, re.M)[1])) <= 0.06
    assert abs(mean("gradient", "primal")[0] - float(re.search(r"cost ([\d.]+) times the value", text)[1])) <= 0.06
