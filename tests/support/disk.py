"""A disk cache for tests: a folder of its own, and modules made anew as another process would make them."""
from __future__ import annotations

import importlib
import linecache
import sys
import textwrap
import types

import pytest
from tracegrad.lowering.cache import environment

import tracegrad as tg


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The cache is on, in an empty folder. The source digest is given: tests run just after an edit, too."""
    monkeypatch.setattr(environment, "source_digest", lambda: "source")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    where = tmp_path / "cache"
    with tg.config(cache=str(where)):
        yield where


def module(tmp_path, source: str, name: str = "program") -> types.ModuleType:
    """A module from a file, made anew: its functions, classes and arrays are others than those of an earlier one."""
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(source))
    linecache.checkcache(str(path))
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    made = types.ModuleType(name)
    made.__file__ = str(path)
    sys.modules[name] = made
    exec(compile(path.read_text(), str(path), "exec"), made.__dict__)
    return made


def origin(f) -> str:
    """Where the newest form of a compiled function came from."""
    return f.specializations[0].origin
