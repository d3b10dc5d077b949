"""Derivatives of loops, branches and overwritten arrays: both modes, differences, second order, and what is kept."""
import numpy as np
import pytest
from derivatives import check, check_parts, sound
from smooth_ir import program
from tracegrad.autodiff.forward import jvp
from tracegrad.autodiff.reverse.reverse import Reverse, vjp
from tracegrad.ir.interp import Counter, run
from tracegrad.ir.text.printer import parse, print_function

import tracegrad as tg

PROGRAMS = {
    "leaky": ("""
func @leaky(%n: index, %leak: f64, %drive: f64[%n]) -> f64 {
  %s, %e = for %i = 0 to %n carry(%s0 = 0.0, %e0 = 0.0) : (f64, f64) {
    %1 = mul %leak, %s0 : f64
    %2 = slice %drive[%i] : f64
    %3 = add %1, %2 : f64
    %4 = tanh %3 : f64
    %5 = mul %4, %4 : f64
    %6 = add %e0, %5 : f64
    yield %4, %6
  }
  return %e
}""", [5, 0.5, np.linspace(-1, 1, 5)], ["s0"]),
    "no_iterations": ("""
func @f(%n: index, %x: f64, %y: f64) -> (f64, f64) {
  %s, %t = for %i = 0 to %n carry(%s0 = %x, %t0 = %y) : (f64, f64) {
    %1 = mul %s0, %t0 : f64
    %2 = exp %1 : f64
    yield %2, %s0
  }
  return %s, %t
}""", [0, 0.5, 0.7], None),
    "sweep": ("""
func @sweep(%grid: f64[5, 5], %sweeps: index) -> f64[5, 5] {
  %g = for %t = 0 to %sweeps carry(%g0 = %grid) : f64[5, 5] {
    %gi = for %i = 0 to 3 carry(%g1 = %g0) : f64[5, 5] {
      %gj = for %j = 0 to 3 carry(%g2 = %g1) : f64[5, 5] {
        %a = add %i, 1 : index
        %b = add %j, 1 : index
        %up = slice %g2[%i, %b] : f64
        %left = slice %g2[%a, %j] : f64
        %s = add %up, %left : f64
        %h = slice %g2[%a, %b] : f64
        %h2 = mul %h, %h : f64
        %m = mul 0.25, %s : f64
        %new = sub %m, %h2 : f64
        %g3 = update %g2[%a, %b], %new : f64[5, 5]
        yield %g3
      }
      yield %gj
    }
    yield %gi
  }
  return %g
}""", [np.linspace(-1, 1, 25).reshape(5, 5), 3], ["h"]),
    "prefix": ("""
func @prefix(%x: f64[6]) -> f64[6] {
  %z = broadcast 0.0, 6 : f64[6]
  %x0 = slice %x[0] : f64
  %out0 = update %z[0], %x0 : f64[6]
  %out = for %k0 = 0 to 5 carry(%o = %out0) : f64[6] {
    %k = add %k0, 1 : index
    %a = slice %o[0:+%k:1] : f64[%k]
    %b = slice %x[%k0:+%k:-1] : f64[%k]
    %d = dot %a, %b {contract=((0,), (0,)), batch=((), ())} : f64
    %xk = slice %x[%k] : f64
    %ax = abs %xk : f64
    %den = add 1.0, %ax : f64
    %q = div %d, %den : f64
    %o1 = update %o[%k], %q : f64[6]
    yield %o1
  }
  return %out
}""", [np.array([0.4, -0.7, 1.1, 0.3, -0.2, 0.9])], None),
    "elimination": ("""
func @elimination(%a: f64[4, 4]) -> f64[4, 4] {
  %u = for %k = 0 to 3 carry(%a0 = %a) : f64[4, 4] {
    %k1 = add %k, 1 : index
    %p = sub 3, %k : index
    %far = slice %a0[%p, %k] : f64
    %near = slice %a0[%k, %k] : f64
    %fa = abs %far : f64
    %na = abs %near : f64
    %c0 = gt %fa, %na : bool
    %c1 = gt %p, %k : bool
    %c = and %c0, %c1 : bool
    %a1 = if %c : f64[4, 4] {
      %r = slice %a0[%k, :] : f64[4]
      %q = slice %a0[%p, :] : f64[4]
      %s = update %a0[%k, :], %q : f64[4, 4]
      %t = update %s[%p, :], %r : f64[4, 4]
      yield %t
    } else {
      yield %a0
    }
    %m = sub 3, %k : index
    %w = sub 4, %k : index
    %a2 = for %i0 = 0 to %m carry(%b0 = %a1) : f64[4, 4] {
      %i = add %i0, %k1 : index
      %ik = slice %b0[%i, %k] : f64
      %kk = slice %b0[%k, %k] : f64
      %factor = div %ik, %kk : f64
      %row = slice %b0[%k, %k:+%w:1] : f64[%w]
      %old = slice %b0[%i, %k:+%w:1] : f64[%w]
      %sub = mul %factor, %row : f64[%w]
      %new = sub %old, %sub : f64[%w]
      %b1 = update %b0[%i, %k:+%w:1], %new : f64[4, 4]
      yield %b1
    }
    yield %a2
  }
  return %u
}""", [np.array([[0.5, 2, 1, 3], [1, 3, 0.3, 1], [2, 1, 4, 0.7], [3, 0.2, 1, 2]])], None),
    "newton": ("""
func @newton(%x: f64[4]) -> f64[4] {
  %z = broadcast 0.0, 4 : f64[4]
  %out = for %i = 0 to 4 carry(%o = %z) : f64[4] {
    %v = slice %x[%i] : f64
    %g = while carry(%g0 = %v) : f64 {
      %sq = mul %g0, %g0 : f64
      %d = sub %sq, %v : f64
      %ad = abs %d : f64
      %more = gt %ad, 0.001 : bool
      yield %more
    } do (%g1) {
      %r = div %v, %g1 : f64
      %s = add %g1, %r : f64
      %h = mul 0.5, %s : f64
      yield %h
    }
    %o1 = update %o[%i], %g : f64[4]
    yield %o1
  }
  return %out
}""", [np.array([1.5, 2.0, 5.0, 1.0])], None),
    "rotation": ("""
func @wave(%b: f64[3], %n: f64[3]) -> f64[3] {
  %x, %y = for %t = 0 to 4 carry(%before = %b, %now = %n) : (f64[3], f64[3]) {
    %s = sin %now : f64[3]
    %after = sub %s, %before : f64[3]
    yield %now, %after
  }
  return %y
}""", [np.array([0.1, 0.2, 0.3]), np.array([0.5, -0.4, 0.2])], ["now"]),
    "branch_keeps_run_time_length": ("""
func @f(%x: f64[4], %n: index) -> f64 {
  %s = for %i = 0 to 3 carry(%s0 = 0.1) : f64 {
    %c = lt %s0, 0.5 : bool
    %t = if %c : f64 {
      %m = add %i, 1 : index
      %p = slice %x[0:+%m:1] : f64[%m]
      %o = sort %p {axis=0} : f64[%m]
      %e = mul %o, %o : f64[%m]
      %q = scan %e {kind=sum, axis=0, reverse=false} : f64[%m]
      %w = mul %q, %q : f64[%m]
      %r = reduce %w {kind=sum, axes=(0,)} : f64
      %u = exp %r : f64
      yield %u
    } else {
      %h = mul %s0, %s0 : f64
      yield %h
    }
    yield %t
  }
  return %s
}""", [np.array([0.2, -0.3, 0.4, 0.1]), 2], None),
    "branches_outside_loops": ("""
func @f(%x: f64[4], %s: f64) -> (f64, f64[4]) {
  %c = lt %s, 0.5 : bool
  %t, %y = if %c : (f64, f64[4]) {
    %e = exp %x : f64[4]
    %r = reduce %e {kind=prod, axes=(0,)} : f64
    %y1 = update %x[2], %r : f64[4]
    yield %r, %y1
  } else {
    %u = sin %s : f64
    yield %u, %x
  }
  return %t, %y
}""", [np.array([0.2, -0.3, 0.4, 0.1]), 0.3], None),
    "triangle": ("""
func @f(%x: f64[5]) -> f64[5] {
  %y = for %i = 0 to 5 carry(%x0 = %x) : f64[5] {
    %z = for %j = 0 to %i carry(%x1 = %x0) : f64[5] {
      %p = slice %x1[%i] : f64
      %q = slice %x1[%j] : f64
      %d = sub %p, %q : f64
      %d2 = mul %d, %d : f64
      %r2 = add %d2, 0.5 : f64
      %r = sqrt %r2 : f64
      %push = div %d, %r : f64
      %x2 = update_add %x1[%i], %push : f64[5]
      %npush = neg %push : f64
      %x3 = update_add %x2[%j], %npush : f64[5]
      yield %x3
    }
    yield %z
  }
  return %y
}""", [np.array([0.2, -0.3, 0.4, 0.1, 0.9])], None),
    "map": ("""
func @f(%x: f64[3, 4], %k: f64) -> f64[3] {
  %y = map %i = 0 to 3 : f64[3] {
    %r = slice %x[%i, :] : f64[4]
    %e = tanh %r : f64[4]
    %m = mul %e, %r : f64[4]
    %s = reduce %m {kind=sum, axes=(0,)} : f64
    %t = mul %s, %k : f64
    %u = exp %t : f64
    yield %u
  }
  return %y
}""", [np.linspace(-1, 1, 12).reshape(3, 4), 0.4], None),
    "calls": ("""
func @inner(%a: f64[3], %n: i64, %k: f64) -> (f64[3], f64, i64) {
  %b = mul %a, %k : f64[3]
  %c = tanh %b : f64[3]
  %d = mul %c, %c : f64[3]
  %s = reduce %d {kind=sum, axes=(0,)} : f64
  %m = add %n, 1_i64 : i64
  return %c, %s, %m
}
func @outer(%a: f64[3], %k: f64) -> (f64[3], f64) {
  %b, %s, %m = call @inner(%a, 1_i64, %k) : (f64[3], f64, i64)
  %c, %t, %o = call @inner(%b, %m, %s) : (f64[3], f64, i64)
  %u = add %s, %t : f64
  %w = for %i = 0 to 2 carry(%w0 = %u) : f64 {
    %d, %v, %p = call @inner(%c, %o, %w0) : (f64[3], f64, i64)
    yield %v
  }
  return %c, %w
}""", [np.array([0.3, -0.4, 0.8]), 0.9], None),
    "write_to_captured_array": ("""
func @f(%x: f64[4], %k: f64) -> f64 {
  %s = for %i = 0 to 3 carry(%s0 = %k) : f64 {
    %v = tanh %s0 : f64
    %y = update %x[%i], %v : f64[4]
    %a = slice %y[0:+3:1] : f64[3]
    %b = slice %y[1:+3:1] : f64[3]
    %d = dot %a, %b {contract=((0,), (0,)), batch=((), ())} : f64
    yield %d
  }
  return %s
}""", [np.array([0.3, -0.4, 0.8, 0.5]), 0.9], None),
    "integers_beside": ("""
func @f(%x: f64[4]) -> (f64, i64) {
  %s, %n, %k = for %i = 0 to 4 carry(%s0 = 1.0, %n0 = 0_i64, %k0 = 0) : (f64, i64, index) {
    %v = slice %x[%i] : f64
    %c = gt %v, 0.0 : bool
    %n1 = add %n0, 1_i64 : i64
    %n2 = select %c, %n1, %n0 : i64
    %k1 = select %c, %i, %k0 : index
    %w = slice %x[%k1] : f64
    %nf = cast %n2 {dtype=f64} : f64
    %p = mul %w, %nf : f64
    %q = mul %s0, %p : f64
    %r = sin %q : f64
    %t = add %r, %s0 : f64
    yield %t, %n2, %k1
  }
  return %s, %n
}""", [np.array([0.3, -0.4, 0.8, 0.5])], None),
    "complex_carry": ("""
func @f(%c: c128) -> f64 {
  %z = for %i = 0 to 3 carry(%z0 = (0.1, 0.2)) : c128 {
    %z2 = mul %z0, %z0 : c128
    %z1 = add %z2, %c : c128
    yield %z1
  }
  %a = abs %z : f64
  return %a
}""", [0.3 - 0.5j], ["z0"]),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    text, args, kept = PROGRAMS[name]
    f = sound(parse(text))
    check(f, args)
    check_parts(f, args)
    if kept is not None:
        notes = Reverse(f, [k for k, a in enumerate(args) if np.asarray(a).dtype.kind in "fc"]).notes
        assert [v.name for _, v, _ in notes] == kept


@pytest.mark.sweep(7)
@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed):
    f, args = program(seed, depth=3, length=6)
    check(f, args, order=1, difference=False)
    check_parts(f, args)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("seed", range(20))
def test_random_programs_second_order(seed):
    f, args = program(seed + 500, depth=2, length=4)
    check(f, args, order=2, difference=False)


# --- cost -------------------------------------------------------------------------------------------------------------

def tape_elements(f, wrt, sizes):
    """Elements in the arrays that the forward program keeps, given the lengths by name."""
    total = 0
    derivative = Reverse(f, wrt)
    for op, value, how in derivative.notes:
        assert how in ("taped", "recomputed", "restored", "settled")
        if how != "taped":
            continue
        (kept,) = {derivative.kept[value]}
        total += int(np.prod([d if isinstance(d, int) else sizes[d.name] for d in kept.type.dims]))
        assert op.defn.name in ("for", "while", "if")
    return total


def test_overwritten_array_keeps_one_number_per_write():
    f = parse(PROGRAMS["sweep"][0])
    assert tape_elements(f, (0,), {"sweeps": 3}) == 3 * 3 * 3
    g = parse(PROGRAMS["prefix"][0])
    assert tape_elements(g, (0,), {}) == 0               # nothing overwrites what is read: it is in the final array


def test_adjoint_work_is_linear_in_the_work_done():
    """The backward program of n scalar writes writes O(n) elements, however large the array."""
    f = parse(PROGRAMS["sweep"][0])
    backward = vjp(f, (0,))
    counts = {}
    for sweeps in (1, 2, 3):
        counter = Counter()
        x = np.linspace(-1, 1, 25).reshape(5, 5)
        run(backward, x, sweeps, np.ones((5, 5)), counter=counter)
        counts[sweeps] = counter.elements["update"] + counter.elements["update_add"] + counter.elements["add"]
    assert counts[3] - counts[2] == counts[2] - counts[1]
    per_write = (counts[3] - counts[2]) / 9
    assert per_write < 20


def test_program_size_does_not_grow_with_nesting_of_calls():
    """A callee's derivative is made once, however often it is called."""
    f = parse("""
func @g(%a: f64) -> f64 {
  %b = sin %a : f64
  %c = exp %b : f64
  return %c
}
func @f(%a: f64) -> f64 {
  %1 = call @g(%a) : f64
  %2 = call @g(%1) : f64
  %3 = call @g(%2) : f64
  return %3
}""")
    assert len(vjp(f, (0,)).callees()) == 3          # forward, backward, the whole
    assert len(jvp(f, (0,)).callees()) == 2
    check(f, [0.3], order=3)


def test_changing_lengths():
    f = parse("""
func @f(%x: f64) -> f64 {
  %z = broadcast %x, 1 : f64[1]
  %m, %y = for %i = 0 to 3 carry(%n: index = 1, %a: f64[%n] = %z) : (index, f64[%m]) {
    %n1 = add %n, 1 : index
    %s = slice %a[0] : f64
    %t = sin %s : f64
    %b = broadcast %t, %n1 : f64[%n1]
    yield %n1, %b
  }
  %r = reduce %y {kind=sum, axes=(0,)} : f64
  return %r
}""")
    sound(f)
    check(f, [0.3], order=2)


# --- the text of a derivative ------------------------------------------------------------------------------------------------

def halving(x, least):
    for sweep in range(x.shape[0]):
        guess = x[sweep]
        while guess > least:
            guess = 0.5 * guess * np.cos(guess)
        x[sweep] += guess
    return x


def test_a_derivative_has_the_names_of_the_source():
    """What loops carry, its adjoint and its tape are called as the program calls it; the notes say so too."""
    text = tg.jit(halving).lower(np.linspace(1.0, 2.0, 40), 0.1).text("vjp")
    notes = [line for line in text.splitlines() if line.startswith("#")]
    assert any("%guess : f64, 8 bytes each time" in line for line in notes)
    assert any("tapes %trips : index[40], 320 bytes" in line for line in notes)
    for name in ("%guess_bar", "%guess_tape", "%trips", "%x_bar", "%out_bar", "= pop %"):
        assert name in text
    assert "%out_bar: f64[40])" in text.splitlines()[len(notes)]
    assert print_function(parse(text)) == print_function(parse(print_function(parse(text))))


def test_carries_of_a_loop_change_places():
    def program(a, n):
        v, w = np.sin(a), np.zeros(2)
        for _ in range(n):
            v, w = w, v
        return np.sum(v * v) + 3 * np.sum(w)

    a = np.array([0.5, 0.0])
    for n in range(4):
        np.testing.assert_allclose(tg.grad(program)(a, n), (3 if n % 2 else 2 * np.sin(a)) * np.cos(a))
