"""The site: `pip install -e ".[docs]" && sphinx-build -W -b html docs docs/_build/html`. All its code runs in the build.

Pages are Markdown that reads well as it stands. While they are built, each ```python block becomes a cell that is executed, and
what it prints stands below it; the tests run the same blocks (tests/docs/test_docs_examples.py).
"""
from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "tracegrad"
author = "The tracegrad developers"
copyright = f"2026, {author}"                    # the name that Sphinx reads
release = version = _PROJECT["version"]

extensions = [
    "myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.doctest", "sphinx_copybutton",
    "sphinx_design", "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "pages", "gallery/*.ipynb", "gallery/*.py"]
default_role = "code"                            # `x` in docstrings

# --- pages ------------------------------------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

_HEADER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""
_AS_TEXT = {"contributing"}                      # pages whose Python blocks are parts of files, not programs


def _cells(app, name: str, source: list[str]) -> None:
    """Python blocks of a page become cells that are executed."""
    if name in _AS_TEXT or not re.search(r"^```python$", source[0], re.M) or name.startswith("gallery"):
        return
    source[0] = _HEADER + re.sub(r"^```python$", "```{code-cell} python", source[0], flags=re.M)


_OUTSIDE = re.compile(r"\]\(\.\./((?:\.\./)?)([^)#\s]+)((?:#[^)\s]*)?)\)")


def _links(app, name: str, source: list[str]) -> None:
    """Links to files of the project, which lie outside of the site, lead to the repository; to the gallery, to its page."""
    depth = name.count("/")

    def outside(match: re.Match) -> str:
        up = 1 + bool(match[1])
        if match[2] == "examples/gallery":
            return f"]({'../' * depth}gallery/index.rst)"
        return f"]({_PROJECT['urls']['Homepage']}/blob/main/{match[2]}{match[3]})" if up > depth else match[0]

    source[0] = _OUTSIDE.sub(outside, source[0])


_COLUMNS = re.compile(r"(\S.*?) {2,}(\S.*)")      # name   what it is
_FIELD = re.compile(r"(?:^|(?<=[.;] ))(Parameters|Results?|Errors): ")


def _plain(text: str) -> str:
    """A star is a star, but for code in backticks."""
    parts = text.split("`")
    return "`".join(part if k % 2 else part.replace("*", "\\*") for k, part in enumerate(parts))


def _columns(lines: list[str]) -> list[str]:
    """Names and what they are: a list of definitions."""
    made: list[str] = []
    for line in lines:
        found = _COLUMNS.fullmatch(line)
        made += [_plain(found[1]), f"    {_plain(found[2])}"] if found else [f"    {_plain(line.strip())}"]
    return made


def _fields(lines: list[str]) -> list[str]:
    """Parameters: …; Result: …; Errors: … as a list of fields."""
    parts = _FIELD.split(" ".join(line.strip() for line in lines))[1:]
    return [f":{name}: {_plain(text.strip())}" for name, text in zip(parts[::2], parts[1::2])]


def _paragraph(lines: list[str]) -> list[str]:
    if lines[0].startswith(">>>"):
        return lines
    if lines[0].startswith(" "):
        return ["::", "", *lines]
    if _COLUMNS.fullmatch(lines[0]):
        return _columns(lines)
    return _fields(lines) if _FIELD.match(lines[0]) else [_plain(line) for line in lines]


def _docstring(app, what: str, name: str, found: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text; from their layout the markup of Sphinx is made."""
    made: list[str] = []
    for text, paragraph in itertools.groupby(lines, key=lambda line: bool(line.strip())):
        made += _paragraph(list(paragraph)) if text else [""]
    lines[:] = made


def setup(app) -> None:
    app.connect("source-read", _links)
    app.connect("source-read", _cells)
    app.connect("autodoc-process-docstring", _docstring, priority=100)


# --- the interface ----------------------------------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# --- the gallery ------------------------------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples" / "gallery"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"/\w+\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
}

# --- looks ------------------------------------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "tracegrad"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 6,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": [],
}
