"""Kernels by name in `perf`: the lines of /tmp/perf-PID.map, and that `perf` itself, where it may run, shows them."""
import itertools
import pathlib
import re
import subprocess
import sys

import pytest
from tracegrad.lowering.native import elf, perf_map

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="perf maps are Linux's")
PROGRAM = """
import os
import numpy as np
import tracegrad as tg

@tg.jit
def loss(w, x):
    return np.sum(np.tanh(x @ w))

@tg.jit
def wide(x):
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        out[i] = np.exp(x[i])
    return out

x = np.ones((4, 3))
loss(np.ones(3), x)
tg.grad(loss)(np.ones(3), x)
wide(np.ones(200_000))
entry = next(iter(wide.specialisations))
print(os.getpid(), hex(entry.code.address(entry.symbol)))
"""


@pytest.fixture
def folder(tmp_path):
    made = []
    yield lambda pid: made.append(pathlib.Path(f"/tmp/perf-{pid}.map")) or made[-1]
    for path in made:
        path.unlink(missing_ok=True)


def ran(tmp_path, monkeypatch, **variables):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    monkeypatch.setenv("TRACEGRAD_CACHE_DIR", str(tmp_path / "cache"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True).stdout.split()
    return out[0], int(out[1], 16)


@pytest.mark.sweep(6, days=True)
def test_each_kernel_has_a_line_also_when_it_comes_from_the_disk(tmp_path, monkeypatch, folder):
    for _ in range(2):
        pid, address = ran(tmp_path, monkeypatch, TRACEGRAD_PERF="1")
        lines = folder(pid).read_text().splitlines()
        found = {}
        for line in lines:
            start, size, name = re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) (\S+)", line).groups()
            assert int(size, 16) > 0
            found[name] = int(start, 16), int(size, 16)
        kernels = {name for name in found if name.endswith("]")}
        wide, = (name for name in kernels if name.startswith("tracegrad:wide[x:f64["))
        assert kernels - {wide} == {"tracegrad:loss[w:f64[3],x:f64[4,3]]", "tracegrad:grad(loss)[w:f64[3],x:f64[4,3]]"}
        assert found[wide][0] == address
        assert {"tracegrad:tg.call", "tracegrad:tg.entry"} < set(found) and any("vecmath.exp" in name for name in found)
        spans = sorted(found.values())
        assert all(a + n <= b for (a, n), (b, _) in itertools.pairwise(spans)), "machine functions overlap"


@pytest.mark.sweep(6, days=True)
def test_no_map_unless_it_is_wanted(tmp_path, monkeypatch, folder):
    for value in ("", "0"):
        pid, _ = ran(tmp_path, monkeypatch, TRACEGRAD_PERF=value)
        assert not folder(pid).exists()


def test_a_map_follows_a_fork_and_no_link(monkeypatch, tmp_path):
    monkeypatch.setattr(perf_map, "_lines", {})
    own, victim = tmp_path / "own", tmp_path / "victim"
    monkeypatch.setattr(perf_map, "path", lambda: str(own))
    perf_map._write(["1 1 tracegrad:f\n"])
    monkeypatch.setattr(perf_map.os, "getpid", lambda: -1)
    own.unlink()
    perf_map._write(["2 1 tracegrad:g\n"])
    assert own.read_text() == "1 1 tracegrad:f\n2 1 tracegrad:g\n"
    victim.write_text("")
    own.unlink()
    own.symlink_to(victim)
    perf_map._write(["3 1 tracegrad:h\n"])
    assert victim.read_text() == ""


def test_the_functions_of_an_object():
    from tracegrad.lowering.native.engine import compile_module
    code = compile_module("define i64 @two() {\n  ret i64 2\n}\ndefine i64 @one() {\n  ret i64 1\n}\n")
    if not elf.is_elf(code.object):
        pytest.skip("objects are not ELF here")
    names = {f.name: f for f in elf.functions(code.object)}
    assert set(names) == {"one", "two"} and all(f.size > 0 for f in names.values())
    assert code.address("one") - code.address("two") == names["one"].at - names["two"].at
