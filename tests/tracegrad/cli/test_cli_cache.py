"""`tracegrad cache`, `ir --of`, `explain`, the log, `tg.cache`: what is shown is what is there, and what a call compiles."""
import json
import logging
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from disk import folder, module  # noqa: F401

import tracegrad as tg
from tracegrad import log
from tracegrad.cli import main

PROGRAM = """
import numpy as np
import tracegrad as tg

TABLE = np.arange(500.0)


@tg.jit
def double(x):
    return x * 2.0


@tg.grad
def slope(a, b):
    return np.sum(np.sin(a) * b * TABLE)


def loop(x, y):
    s = 0.0
    for k in range(x.size):
        s = s * x[k] + np.sin(y[k])
    return s
"""


@pytest.fixture
def filled(folder, tmp_path):  # noqa: F811
    made = module(tmp_path, PROGRAM)
    made.double(np.ones(4))
    made.slope(np.ones(500), 2.0)
    module(tmp_path, PROGRAM).slope(np.ones(500), 2.0)
    return made


@pytest.fixture
def run(capsys):
    def command(*argv):
        code = main(list(argv))
        out, err = capsys.readouterr()
        return code, out, err
    return command


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_entries(filled, folder, tmp_path):  # noqa: F811
    first, second = sorted(tg.cache.entries(), key=lambda e: e.function)
    assert (first.function, first.of, first.types, first.captures, first.hits) == ("double", "jit", "x: f64[4]", [], 0)
    assert (second.function, second.of, second.hits) == ("slope", "grad", 1)
    assert second.types == "a: f64[500], b: float" and "TABLE" in second.captures
    assert first.file == str(tmp_path / "program.py") and first.line == 8 and first.compile_ms > 0
    assert time.time() - first.used < 100 and first.bytes > 500 and first.options == {}
    assert tg.cache.path() == str(folder)
    stats = tg.cache.stats()
    assert (stats.calls, stats.functions, stats.hits) == (2, 2, 1) and stats.codes >= 4 and stats.bytes < stats.limit
    assert tg.cache.verify() == []


@pytest.mark.parametrize("stage, contains", [("traced", "func @slope"), ("optimized", "func @slope"), ("loops", "kernel slope"),
                                             ("llvm", "@kernel.slope"), ("asm", ".text")])
def test_every_stage_of_an_entry(filled, stage, contains):
    entry = next(e for e in tg.cache.entries() if e.of == "grad")
    assert contains in entry.text(stage)


def test_the_stages_are_those_of_the_call(filled):
    entry, = (e for e in tg.cache.entries() if e.of == "grad")
    for stage in ("optimized", "llvm", "asm"):
        assert entry.text(stage) == filled.slope.lower(np.ones(500), 2.0).text(stage)


def test_prune_and_clear(filled, folder):  # noqa: F811
    assert tg.cache.prune("1GB") == 0
    assert tg.cache.prune(0) > 2 and tg.cache.entries() == []
    filled.double(np.ones(5))
    assert tg.cache.entries() and tg.cache.clear() and not list(folder.iterdir())
    with pytest.raises(tg.ArgumentError, match="prune takes"):
        tg.cache.prune("many")
    with pytest.raises(tg.ArgumentError, match="no entries have a key"):
        tg.cache.find("00")


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 100, 128, 200])
def test_ls_fits_the_terminal(filled, run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = run("cache", "ls")
    rows = out.splitlines()
    assert code == 0 and len(rows) == 3 and max(map(len, rows)) <= width
    assert rows[0].startswith("KEY ") and re.match(r"[0-9a-f]{8}  ", rows[1])
    if width >= 128:
        assert "grad of slope" in out and "program.py:13" in out and "TABLE" in out and "a: f64[500], b: float" in out


def test_json(filled, run):
    found = json.loads(run("cache", "ls", "--json")[1])
    assert {e["function"] for e in found} == {"double", "slope"} and all("_content" not in e for e in found)
    assert json.loads(run("cache", "stats", "--json")[1])["calls"] == 2
    assert json.loads(run("cache", "verify", "--json")[1]) == []


def test_show_and_the_small_ones(filled, run, folder):  # noqa: F811
    key = next(e.key for e in tg.cache.entries() if e.of == "grad")
    code, out, _ = run("cache", "show", key[:10])
    assert code == 0 and "function   slope" in out and "types      a: f64[500], b: float" in out
    assert "kernel slope" in run("cache", "show", key, "--stage", "loops")[1]
    assert run("cache", "path")[1] == f"{folder}\n"
    assert "2 entries of 2 functions" in run("cache", "stats")[1]
    assert run("cache", "show", "zz") == (2, "", "tracegrad cache: no entries have a key that starts with 'zz'; "
                                                 "`tracegrad cache ls` shows the keys\n")
    code, out, err = run("cache", "prune", "--size", "lots")
    assert code == 2 and out == "" and "prune takes a number of bytes" in err
    assert run("cache", "prune", "--size", "0")[1].startswith("removed 0 damaged files and ")
    assert "nothing is kept" in run("cache", "ls")[1] and "removed 0 files" in run("cache", "clear")[1]


def test_verify_names_what_is_damaged_and_prune_removes_it(filled, run, folder):  # noqa: F811
    entry = next(e for e in tg.cache.entries() if e.of == "jit")
    call, code = folder / f"{entry.key}.call", folder / f"{entry._content.fields['code']}.code"
    code.unlink()
    assert run("cache", "verify")[:2] == (1, f"{call.name}: its machine code is missing\n1 damaged file in {folder}\n")
    call.write_bytes(call.read_bytes()[:-1])
    assert "its length is not what it says" in run("cache", "verify")[1]
    assert len(tg.cache.entries()) == 1
    assert run("cache", "prune")[1] == "removed 1 damaged files and 0 unused ones\n"
    assert run("cache", "verify")[0] == 0 and not call.exists()


def test_off(run, filled):
    with tg.config(cache=False):
        code, _, err = run("cache", "ls")
        assert code == 2 and "the disk cache is off" in err and tg.cache.path() is None and tg.cache.entries() == []


# --- ir --of, explain -------------------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path, monkeypatch):
    (tmp_path / "model.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return module(tmp_path, PROGRAM)


MADE = {"value": lambda f: tg.jit(f), "grad": lambda f: tg.grad(f, argnums=(0, 1)),
        "hessian": lambda f: tg.hessian(f, argnums=(0, 1)), "value_and_grad": lambda f: tg.value_and_grad(f, argnums=(0, 1))}


@pytest.mark.parametrize("of", MADE)
@pytest.mark.parametrize("stage", ["optimized", "loops", "asm"])
def test_ir_shows_what_the_call_compiles(program, run, of, stage):
    given = ("--of", of, "--argnums", "0,1", "--stage", stage, "--no-margin")
    code, out, err = run("ir", "model.py:loop", "--args", "f64[30], f64[30]", *given)
    expected = MADE[of](program.loop).lower(np.ones(30), np.ones(30)).text(stage)
    assert code == 0, err
    assert out.replace("model.py", "program.py").strip() == expected.strip()


@pytest.mark.parametrize("of, contains", [("jvp", ["func @loop_jvp", "%x_dot"]),
                                          ("vjp", ["# tg.vjp(", "# its pullback", "%cotangent: f64"])])
@pytest.mark.parametrize("stage", ["traced", "optimized", "loops", "llvm", "asm"])
def test_ir_of_the_operators_that_evaluate(program, run, of, contains, stage):
    code, out, err = run("ir", "model.py:loop", "--args", "f64[30], f64[30]", "--of", of, "--stage", stage)
    assert code == 0, err
    if stage == "optimized":
        assert all(text in out for text in contains)


def test_memory_budget(program, run):
    text = [run("ir", "model.py:loop", "--args", "f64[9000], f64[9000]", "--of", "grad", "--no-margin", *more)[1]
            for more in ((), ("--memory-budget", "20kB"))]
    assert text[0] and text[1] and text[0] != text[1]
    code, _, err = run("ir", "model.py:loop", "--args", "f64[9], f64[9]", "--of", "grad", "--memory-budget", "lots")
    assert code == 2 and "--memory-budget 'lots' is no size" in err


def test_hints(program, run):
    code, _, err = run("ir", "model.py:loop")
    assert code == 2 and "loop(x, y) needs arguments" in err and '--args "f64[100], f64[100]"' in err
    code, _, err = run("ir", "model.py:loop", "--args", "f64[9], f64[9]", "--of", "vjp", "--argnums", "1")
    assert code == 2 and "vjp differentiates by all arguments" in err
    code, _, err = run("ir", "model.py:loop", "--args", "f64[9], f64[9]", "--of", "grad", "--argnums", "first")
    assert code == 2 and "--argnums 'first' are no positions" in err
    code, _, err = run("ir", "model.py:loop", "--args", "x=f64[9], y=f64[9]", "--of", "vjp")
    assert code == 2 and "positional arguments only" in err


def test_explain(program, run):
    code, out, _ = run("explain", "model.py:loop", "--args", "f64[30], f64[30]", "--of", "grad")
    assert code == 0 and "loops and branches of the derivative" in out and "model.py" in out
    assert run("explain", "model.py:loop")[0] == 2


# --- the log ----------------------------------------------------------------------------------------------------------


def test_each_compilation_is_one_line(folder, tmp_path, caplog):  # noqa: F811
    caplog.set_level(logging.INFO, "tracegrad.compile")
    made = module(tmp_path, PROGRAM)
    made.double(np.ones(3))
    made.double(np.ones(3))
    made.double(np.ones(4))
    module(tmp_path, PROGRAM).double(np.ones(4))
    lines = [re.sub(r"[\d.]+ ms", "T", record.getMessage()) for record in caplog.records]
    assert lines == ["jit of double(x: f64[3]), compiled: first call, T",
                     "jit of double(x: f64[4]), compiled: other arguments: x is f64[4], was f64[3], T",
                     "jit of double(x: f64[4]), from disk: first call, T"]


def test_changed_captures_are_a_reason(tmp_path, caplog):
    caplog.set_level(logging.INFO, "tracegrad.compile")
    made = module(tmp_path, PROGRAM)
    made.slope(np.ones(500), 1.0)
    made.TABLE = np.arange(1.0)
    made.slope(np.ones(500), 1.0)
    assert "what it captures has changed" in caplog.records[-1].getMessage()


def test_the_environment_says_what_is_printed(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM + "double(1.0)\n")
    root = os.path.dirname(os.path.dirname(tg.__file__))
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": root, "TRACEGRAD_LOG": "compile"})
    assert re.fullmatch(r"tracegrad\.compile: jit of double\(x: float\), compiled: first call, [\d.]+ ms\n", done.stderr)
    with pytest.raises(tg.ArgumentError, match="set it to compile or cache"):
        log.configure("compile,everything")
