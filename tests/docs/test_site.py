"""The site, as far as it can be tested without Sphinx: each page stands in one table of contents, docstrings become markup."""
import re
import runpy
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs"
MADE = {"gallery/index"}                         # written while the site is built
CONF = runpy.run_path(str(FOLDER / "conf.py"))
PAGES = {page.relative_to(FOLDER).with_suffix("").as_posix() for page in FOLDER.rglob("*.md")
         if page.relative_to(FOLDER).parts[0] not in CONF["exclude_patterns"]}


def entries(page):
    """The names of the pages in the tables of contents of a page."""
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```", (FOLDER / f"{page}.md").read_text(), re.M | re.S):
        for line in filter(None, (line for line in block.splitlines() if not line.startswith(":"))):
            name = re.sub(r"^.*<(.*)>$", r"\1", line)
            yield (FOLDER / page).parent.joinpath(name).resolve().relative_to(FOLDER).as_posix()


LISTED = Counter(entry for page in PAGES for entry in entries(page))


def test_each_page_has_one_place():
    assert {name: times for name, times in LISTED.items() if times > 1} == {}
    assert sorted(PAGES - {"index"} - set(LISTED)) == [], "pages that no table of contents leads to"
    assert sorted(set(LISTED) - PAGES - MADE) == [], "entries without a page"


def test_all_pages_are_reached_from_the_first():
    reached, ahead = set(), ["index"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        ahead += entries(page) if page in PAGES else []
    assert reached >= PAGES


@pytest.mark.parametrize("page", sorted(page for page in PAGES if any(True for _ in entries(page)) and page != "index"))
def test_an_overview_links_each_of_its_pages(page):
    text = (FOLDER / f"{page}.md").read_text()
    linked = {(FOLDER / page).parent.joinpath(name).resolve().relative_to(FOLDER).as_posix()
              for name in re.findall(r"\]\(([^)#\s]+)\.md\)", text)}
    assert set(entries(page)) <= linked


def marked_up(text):
    lines = text.splitlines()
    CONF["_docstring"](None, "function", "f", None, None, lines)
    return lines


def test_a_table_in_a_docstring_becomes_a_list_of_definitions():
    assert marked_up("x      a number, *not*\n       an array\ny, z   others") == [
        "x", "    a number, \\*not\\*", "    an array", "y, z", "    others"]


def test_what_goes_in_and_out_becomes_fields():
    assert marked_up("Parameters: `f`, a function;\nits `*args`. Result: a number.\nErrors: none.") == [
        ":Parameters: `f`, a function; its `*args`.", ":Result: a number.", ":Errors: none."]


def test_examples_stay_as_they_are():
    lines = ["Twice x * y.", "", ">>> f(*x)  # a  star", "2.0"]
    assert marked_up("\n".join(lines)) == ["Twice x \\* y.", *lines[1:]]


@pytest.mark.parametrize(("page", "link", "made"), [
    ("index", "../examples/gallery", "gallery/index.rst"), ("guide/a", "../../examples/gallery", "../gallery/index.rst"),
    ("guide/a", "../tutorial.md", "../tutorial.md"), ("index", "guide/a.md#b", "guide/a.md#b"),
    ("index", "../CHANGELOG.md", CONF["_PROJECT"]["urls"]["Homepage"] + "/blob/main/CHANGELOG.md"),
])
def test_links_out_of_the_site_lead_to_the_repository(page, link, made):
    source = [f"[text]({link})"]
    CONF["_links"](None, page, source)
    assert source == [f"[text]({made})"]
