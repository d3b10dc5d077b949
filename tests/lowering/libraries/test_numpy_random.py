"""Draws by NumPy's library, by functions of our own, and by asking Python: the same numbers."""
from __future__ import annotations

import numpy as np
import pytest
from tracegrad.lowering.libraries import numpy_random
from tracegrad.lowering.native import elf

import tracegrad as tg


def drawn(rng, n):
    out = np.empty(n)
    for k in range(n):
        out[k] = rng.normal() + rng.exponential(2.0) + rng.poisson(3.0) + rng.integers(0, 9) + rng.standard_t(3.0)
    return out, rng.standard_normal((2, n)), rng.random(3, dtype=np.float32)


MISSING = {"library": "_library", "tables": "_tables"}


@pytest.mark.parametrize("what", [None, *MISSING])
def test_the_ways_agree(what, monkeypatch):
    if what is not None:
        monkeypatch.setattr(numpy_random, MISSING[what], lambda: None)
    row = numpy_random.row_of("Generator", "standard_normal", "f64")
    assert (row is None) == (what == "library")
    a, b = np.random.default_rng(5), np.random.default_rng(5)
    for x, y in zip(tg.jit(drawn)(a, 200), drawn(b, 200)):
        assert np.array_equal(x, y)
    assert a.bit_generator.state == b.bit_generator.state


def test_errors_of_python_reach_the_caller(monkeypatch):
    monkeypatch.setattr(numpy_random, "_library", lambda: None)

    def f(rng, n):
        return rng.integers(0, n, size=3), rng.choice(3, n, replace=False)

    with pytest.raises(ValueError, match="larger sample") as found:
        tg.jit(f)(np.random.default_rng(5), 4)
    assert "rng.choice(3, n, replace=False)" in "".join(found.value.__notes__)


def test_where_generators_keep_their_state():
    for kind in ("Generator", "RandomState"):
        assert numpy_random.place_of(kind) % 8 == 0


def test_tables_of_the_ziggurats():
    """wi and ki of Marsaglia and Tsang's method: ki is the share of each step that lies in the next, of 2^52."""
    tables = numpy_random._tables()
    if tables is None:
        pytest.skip("this NumPy's objects have no tables")
    w, k = np.frombuffer(tables["wi_double"], "f8"), np.frombuffer(tables["ki_double"], "u8")
    assert np.all(np.diff(w[1:]) > 0) and np.all(k[2:].astype(float) <= 2.0**52)
    np.testing.assert_allclose(k[2:] / 2.0**52, w[1:-1] / w[2:], rtol=1e-12)


def test_contents_of_an_object():
    binary = next(o for o in numpy_random._objects() if elf.is_elf(o) and elf.contents(o, "ki_double"))
    assert len(elf.contents(binary, "ki_double")) == 2048 and elf.contents(binary, "no_such_symbol") is None
