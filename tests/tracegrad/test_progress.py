"""A long compilation shows itself on a terminal, and nowhere else."""
import io
import sys
import threading
import time

import numpy as np
import pytest

import tracegrad as tg
from tracegrad import progress


class Terminal(io.StringIO):
    def __init__(self, is_one=True):
        super().__init__()
        self.is_one = is_one

    def isatty(self):
        return self.is_one


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(progress, "AFTER", 0.02)
    monkeypatch.setattr(progress, "EVERY", 0.02)
    monkeypatch.delenv("TERM", raising=False)


def until(condition):
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_a_terminal_sees_a_long_one(monkeypatch, quick):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.shown("jit of f"):
        assert until(lambda: stream.getvalue().count("\r") > 1)
        with progress.shown("another"):                           # one line only
            time.sleep(0.05)
    assert until(lambda: stream.getvalue().endswith("\r\x1b[K"))
    assert stream.getvalue().startswith("\rtracegrad: compiling jit of f … 0 s") and "another" not in stream.getvalue()


def test_short_ones_and_files_see_nothing(monkeypatch, quick):
    monkeypatch.setattr(progress, "AFTER", 60.0)
    for stream in (Terminal(), Terminal(False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.shown("jit of f"):
            pass
        assert stream.getvalue() == ""
    monkeypatch.setattr(progress, "AFTER", 0.0)
    with progress.shown("jit of f"):
        time.sleep(0.05)
    assert stream.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", None)
    with progress.shown("jit of f"):
        pass


def test_a_dumb_terminal_gets_one_line(monkeypatch, quick):
    stream = Terminal()
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.shown("jit of f"):
        assert until(stream.getvalue)
        time.sleep(0.1)
    assert stream.getvalue() == "tracegrad: compiling jit of f …\n"


def test_an_error_ends_it(monkeypatch, quick):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(KeyError), progress.shown("jit of f"):
        raise KeyError
    assert until(lambda: not any(t.name == "tracegrad.progress" for t in threading.enumerate()))
    assert not progress._ONE.locked()


def test_compiling_calls_it(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "AFTER", 0.0)

    def f(x):
        time.sleep(0.1)                                          # while it is traced
        return x + 1

    tg.jit(f)(np.ones(3))
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    assert until(lambda: "compiling jit of test_compiling_calls_it.<locals>.f …" in stream.getvalue())
