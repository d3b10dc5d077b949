"""The package is known by the content of its files; a process that may have imported others keeps nothing."""
import logging

import pytest
from tracegrad.lowering.cache import environment, files
from tracegrad.lowering.cache import folder as folders


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two files in place of tracegrad, imported a minute ago."""
    (tmp_path / "own" / "sub").mkdir(parents=True)
    for name in ("__init__.py", "sub/one.py"):
        (tmp_path / "own" / name).write_text("x = 1\n")
    monkeypatch.setattr(folders, "_locate", lambda: str(tmp_path / "cache"))
    monkeypatch.setattr(environment, "_ROOT", str(tmp_path / "own"))
    imported(monkeypatch)
    return tmp_path / "own"


def imported(monkeypatch):
    stats, _ = environment._stats()
    monkeypatch.setattr(environment, "_IMPORTED_FILES", stats)
    monkeypatch.setattr(environment, "_NEWEST", environment._IMPORTED - 60.0)


def digest():
    return environment.source_digest.__wrapped__()


def test_the_content_counts(package, monkeypatch):
    first = digest()
    assert first and digest() == first
    (package / "sub" / "one.py").write_text("x = 2\n")
    imported(monkeypatch)
    second = digest()
    assert second not in (None, first)
    (package / "sub" / "one.py").write_text("x = 1\n")
    imported(monkeypatch)
    assert digest() == first
    (package / "sub" / "two.py").write_text("")
    imported(monkeypatch)
    assert digest() not in (first, second, None)


def test_files_are_read_once(package, monkeypatch):
    first = digest()
    monkeypatch.setattr(environment, "_own_files", lambda: pytest.fail("read again"))
    assert digest() == first
    files.clear()
    with pytest.raises(pytest.fail.Exception):
        digest()


def test_a_change_since_the_import(package, caplog):
    (package / "sub" / "one.py").write_text("x = 3\n")
    assert digest() is None and "changed since it was imported" in caplog.text


def test_a_change_just_before_the_import(package, monkeypatch, caplog):
    monkeypatch.setattr(environment, "_NEWEST", environment._IMPORTED - 0.5)
    assert digest() is None and "changed just now" in caplog.text


def test_a_file_that_cannot_be_read(package, caplog):
    caplog.set_level(logging.WARNING, "tracegrad.cache")
    (package / "sub" / "one.py").unlink()
    (package / "sub" / "one.py").symlink_to("nowhere")
    assert digest() is None and "is kept on disk" in caplog.text


def test_versions():
    assert all(isinstance(text, str) for text in environment.versions()) and len(environment.versions()) == 7
