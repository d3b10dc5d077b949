"""The version, which stands in one place: pyproject.toml."""
from __future__ import annotations

import importlib
import pathlib


def found() -> str:
    """Of the pyproject.toml beside a checkout; an installed package has a record of it."""
    beside = pathlib.Path(__file__).parents[1] / "pyproject.toml"
    if beside.is_file():
        project = importlib.import_module("tomllib").loads(beside.read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == "tracegrad":
            return project["version"]
    return importlib.import_module("importlib.metadata").version("tracegrad")
