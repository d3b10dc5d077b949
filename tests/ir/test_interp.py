"""The evaluator: control, run-time lengths, errors with their place, and the work that it counts."""
from __future__ import annotations

import numpy as np
import pytest
import tracegrad.ir.ops  # noqa: F401
from tracegrad.ir.build import Builder, const, function
from tracegrad.ir.errors import BoundsError, DTypeError, Frame, IRError, ShapeError
from tracegrad.ir.interp import Counter, Machine, run
from tracegrad.ir.text.printer import parse
from tracegrad.ir.types import F64, INDEX, Type


def single(f, *args, **options):
    (result,) = run(f, *args, **options)
    return result


def test_results_are_arrays_of_the_declared_dtype():
    f = parse("func @f(%x: f32, %y: f32[3]) -> (f32, f32[3], f32[2]) {\n  %0 = add %x, 1.0_f32 : f32\n"
              "  %1 = add %y, %0 : f32[3]\n  return %0, %1, f32[2]{1.0, 2.0}\n}")
    a, b, c = run(f, np.float32(2), np.arange(3, dtype=np.float32))
    assert all(type(r) is np.ndarray and r.dtype == np.float32 for r in (a, b, c))
    assert a.shape == () and a == 3 and b.tolist() == [3, 4, 5] and c.tolist() == [1, 2]


def test_arguments_must_fit():
    f = parse("func @f(%x: f64[3]) -> f64[3] {\n  return %x\n}")
    with pytest.raises(ShapeError, match="rank 2"):
        run(f, np.ones((3, 1)))
    with pytest.raises(ShapeError, match="axis 0 has length 4, not 3"):
        run(f, np.ones(4))
    with pytest.raises(DTypeError, match="float32"):
        run(f, np.ones(3, np.float32))
    with pytest.raises(IRError, match="takes 1 arguments, not 2"):
        run(f, np.ones(3), 1)
    assert single(f, [1, 2, 3]).dtype == np.float64
    assert single(f, np.arange(3.0).astype(">f8")).tolist() == [0, 1, 2]


def test_symbolic_dimensions():
    f = parse("func @f(%x: f64[%n], %n: index) -> (f64[%n], index) {\n  %0 = broadcast 1.0, %n : f64[%n]\n"
              "  %1 = add %x, %0 : f64[%n]\n  return %1, %n\n}")
    for n in (0, 1, 5):
        a, m = run(f, np.zeros(n), n)
        assert a.shape == (n,) and (a == 1).all() and m == n
    with pytest.raises(ShapeError, match="has length 3, not 4"):
        run(f, np.zeros(3), 4)


def test_loops():
    f = parse("""
    func @f(%n: index) -> (i64, index) {
      %a, %b = for %i = 0 to %n carry(%a0 = 0_i64, %b0 = 1_i64) : (i64, i64) {
        %0 = add %a0, %b0 : i64
        yield %b0, %0
      }
      %k = while carry(%k0 = 1) : index {
        %1 = lt %k0, %n : bool
        yield %1
      } do (%k1) {
        %2 = mul %k1, 2 : index
        yield %2
      }
      return %a, %k
    }
    """)
    assert [run(f, n) for n in (0, 1, 10, 90)] == [(0, 1), (1, 1), (55, 16), (2880067194370816120, 128)]


def test_map_stacks_its_yields():
    f = parse("""
    func @f(%x: f64[%n], %n: index) -> (f64[%n, %n], index[%n]) {
      %a, %b = map %i = 0 to %n : (f64[%n, %n], index[%n]) {
        %0 = slice %x[%i] : f64
        %1 = mul %x, %0 : f64[%n]
        yield %1, %i
      }
      return %a, %b
    }
    """)
    for n in (0, 1, 4):
        x = np.arange(n) + 1.0
        a, b = run(f, x, n)
        assert np.array_equal(a, np.outer(x, x)) and np.array_equal(b, np.arange(n)) and b.dtype == np.int64


def test_a_length_that_a_branch_decides():
    f = parse("""
    func @f(%x: f64[5], %c: bool) -> (index, f64[%k]) {
      %k, %z = if %c : (index, f64[%k]) {
        yield 5, %x
      } else {
        %0 = slice %x[1:+2:2] : f64[2]
        yield 2, %0
      }
      return %k, %z
    }
    """)
    x = np.arange(5.0)
    assert run(f, x, True)[1].tolist() == [0, 1, 2, 3, 4]
    assert run(f, x, False)[1].tolist() == [1, 3]


def located(build, params=(Type(F64, (3,)), Type(INDEX))):
    f = function("f", params)
    b = Builder()
    b.loc = (Frame(__file__, 3, "user"),)
    with b.at(f.body):
        f.body.yields = build(b, *f.params)
    return f


def test_failed_checks_raise_at_the_users_line():
    f = located(lambda b, x, i: (b("slice", x, b("wrap", i, b.index(3), axis=0), spec="i"),))
    assert single(f, np.arange(3.0), -1) == 2
    with pytest.raises(BoundsError, match="index 3 is out of bounds for axis 0 with size 3") as caught:
        run(f, np.arange(3.0), 3)
    assert isinstance(caught.value, IndexError) and f'"{__file__}", line 3' in str(caught.value)

    f = located(lambda b, x, i: b.emit("check", b("lt", i, b.index(2)), i, error="ValueError", message="{0} is too much"))
    run(f, np.arange(3.0), 1)
    with pytest.raises(ValueError, match="7 is too much") as caught:
        run(f, np.arange(3.0), 7)
    assert "line 3" in caught.value.__notes__[0]


def test_print(capsys):
    f = located(lambda b, x, i: b.emit("print", i, format="i = {0}\n"))
    run(f, np.arange(3.0), 7)
    assert capsys.readouterr().out == "i = 7\n"


WRITES = """
func @f(%x: f64[%n], %n: index) -> f64[%n] {
  %y = for %i = 0 to %n carry(%a = %x) : f64[%n] {
    %v = slice %a[%i] : f64
    %c = lt %v, 0.5 : bool
    %z = if %c : f64[%n] {
      %w = mul %v, 2.0 : f64
      %u = update %a[%i], %w : f64[%n]
      yield %u
    } else {
      yield %a
    }
    yield %z
  }
  return %y
}
"""


def test_a_write_in_a_loop_costs_what_it_writes():
    f = parse(WRITES)
    for n in (10, 1000):
        counter, x = Counter(), np.linspace(0, 0.4, n)
        kept = x.copy()
        assert np.array_equal(single(f, x, n, counter=counter), x * 2)
        assert np.array_equal(x, kept)
        assert counter.elements["update"] == counter.ops["update"] == n and counter.bytes["update"] == 8 * n
        assert counter.copies == 1              # the argument belongs to the caller


def test_an_old_version_that_is_read_later_is_not_overwritten():
    f = parse("""
    func @f(%x: f64[3]) -> (f64[3], f64[3], f64, f64[2]) {
      %0 = mul %x, 1.0 : f64[3]
      %view = slice %0[1:+2:1] : f64[2]
      %1 = update %0[1], 9.0 : f64[3]
      %2 = update %1[0], 8.0 : f64[3]
      %3 = update_add %2[0], 1.0 : f64[3]
      %4 = slice %0[1] : f64
      return %2, %3, %4, %view
    }
    """)
    a, b, c, d = run(f, np.arange(3.0))
    assert a.tolist() == [8, 9, 2] and b.tolist() == [9, 9, 2] and c == 1 and d.tolist() == [1, 2]


def test_constants_are_not_overwritten():
    f = function("f", [])
    b, c = Builder(), const(np.zeros(3))
    live = const(np.zeros(3), frozen=False)
    with b.at(f.body):
        f.body.yields = tuple(b("update", v, const(1.0), b.index(0), spec="i") for v in (c, live))
    machine = Machine(f)
    for _ in range(2):
        assert [r.tolist() for r in machine()] == [[1, 0, 0]] * 2
    assert not c.data.any() and not live.data.any()


def test_both_operands_of_a_write_may_be_one_array():
    f = parse("func @f(%x: f64[3]) -> f64[3] {\n  %0 = mul %x, 1.0 : f64[3]\n"
              "  %1 = slice %0[2:+3:-1] : f64[3]\n  %2 = update %0[0:+3:1], %1 : f64[3]\n  return %2\n}")
    assert single(f, np.arange(3.0)).tolist() == [2, 1, 0]


def test_calls_nest():
    f = parse("""
    func @g(%x: f64[2]) -> f64[2] {
      %0 = update_add %x[0], 1.0 : f64[2]
      return %0
    }
    func @f(%x: f64[2], %n: index) -> f64[2] {
      %y = for %i = 0 to %n carry(%a = %x) : f64[2] {
        %0 = call @g(%a) : f64[2]
        yield %0
      }
      return %y
    }
    """)
    counter, x = Counter(), np.zeros(2)
    assert single(f, x, 50, counter=counter).tolist() == [50, 0] and not x.any()
    assert counter.copies == 1 and counter.written == 50
