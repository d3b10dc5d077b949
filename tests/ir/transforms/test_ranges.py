"""Range analysis: what is proved goes, what may fail stays and raises; no program changes its results or its errors."""
from __future__ import annotations

import re

import numpy as np
import pytest
import random_ir
from random_integers import program as integer_program
from test_passes import body, parsed, same_bits
from tracegrad.ir.analysis import induction
from tracegrad.ir.analysis.affine import AffineExpr, Constraints
from tracegrad.ir.interp import run
from tracegrad.ir.text.printer import parse, print_function
from tracegrad.ir.transforms.pipeline import dead_code, optimize, simplify
from tracegrad.ir.transforms.range_checks import ranges
from tracegrad.ir.verify import verify

import tracegrad as tg

CHECKS = ("wrap", "check", "select", "min", "max")


def counts(f, *names):
    found = [op.defn.name for g in f.callees() for op in g.body.walk()]
    return sum(found.count(name) for name in names or CHECKS)


# --- forms ------------------------------------------------------------------------------------------------------------

def test_proofs():
    facts = Constraints()
    n, i, q = facts.atom(0, 1 << 56), facts.atom(0, 1 << 56), facts.atom(0, 1 << 56)

    def form(const, **terms):
        return AffineExpr(const, {{"n": n, "i": i, "q": q}[k]: c for k, c in terms.items()})

    assert facts.nonneg(form(0, n=1)) and not facts.nonneg(form(-1, n=1))
    mark = facts.mark()
    assert facts.assume(form(-2, n=1, i=-1))                    # i <= n - 2
    assert facts.nonneg(form(-2, n=1)) and facts.nonneg(form(-2, n=1, i=-1)) and not facts.nonneg(form(-3, n=1, i=-1))
    assert facts.nonneg(form(-4, n=2, i=-1)) and not facts.assume(form(-1, n=-1))
    facts.undo(mark)
    assert not facts.nonneg(form(-2, n=1)) and not facts.nonneg(form(-2, n=1, i=-1)) and not facts.trail
    facts.assume(form(0, i=1, q=-2))                            # 2 q <= i,  i <= 2 q + 1
    facts.assume(form(1, i=-1, q=2))
    facts.assume(form(-1, n=1, i=-1))
    assert facts.nonneg(form(-1, n=1, q=-2)) and facts.nonneg(form(0, n=1, q=-1)) and facts.nonneg(form(-1, n=1, q=-1))
    assert not facts.nonneg(form(-2, n=1, q=-2))


def steps_of_a_proof(bounds, monkeypatch):
    """The steps of a search in vain over an atom with so many bounds, each of them by two more atoms."""
    facts, prove, steps = Constraints(), Constraints._prove, []
    n = facts.atom(0, 1 << 40)
    for _ in range(bounds):
        facts.assume(AffineExpr(0, {n: -1, facts.atom(0, 1 << 40): 1, facts.atom(0, 1 << 40): 1}))        # n <= i + j
    with monkeypatch.context() as patch:
        patch.setattr(Constraints, "_prove", lambda *args: steps.append(1) or prove(*args))
        assert not facts.nonneg(AffineExpr(1 << 20, {n: -1}))
    return len(steps)


def test_a_proof_does_not_take_longer_with_more_bounds(monkeypatch):
    # the fuel of a proof ended its depth, not its width: a program that subscripts an array 1,000 times tried 1,000 bounds
    # for each subscript
    assert steps_of_a_proof(1000, monkeypatch) == steps_of_a_proof(100, monkeypatch) < 100


def test_proofs_by_cases():
    facts = Constraints()
    a, b, m = (facts.atom(-9, 9) for _ in range(3))
    x, y, z = (AffineExpr(0, {t: 1}) for t in (a, b, m))
    m.cases = ([x.plus(y, -1)], x), ([y.plus(x, -1)], y)        # m = max(a, b)
    assert facts.nonneg(z.plus(x, -1)) and facts.nonneg(z.plus(y, -1)) and not facts.nonneg(x.plus(z, -1))
    assert facts.nonneg(z.times(2).plus(x, -1).plus(y, -1)) and not facts.nonneg(z.times(2).plus(x, -1).plus(y, -1).add(-1))


# --- programs of symbolic length: everything goes ---------------------------------------------------------------------

SURE = {
    "whole range": "%s = for %i = 0 to %n carry(%a = 0.0) : f64 {\n%1 = wrap %i, %n : index\n%2 = slice %x[%1] : f64\n"
                   "%3 = add %a, %2 : f64\nyield %3\n}\nreturn %s",
    "neighbours": """%t = sub %n, 2
                     %trip = max %t, 0
                     %s = for %i = 0 to %trip carry(%a = 0.0) : f64 {
                     %k = add %i, 1
                     %m = sub %k, 1
                     %q = add %k, 1
                     %1 = wrap %m, %n
                     %2 = wrap %k, %n
                     %3 = wrap %q, %n
                     %4 = slice %x[%1]
                     %5 = slice %x[%2]
                     %6 = slice %x[%3]
                     %7 = add %4, %5 : f64
                     %8 = add %6, %7 : f64
                     yield %8
                     }
                     return %s""",
    "backwards": """%s = for %i = 0 to %n carry(%a = 0.0) : f64 {
                    %l = sub %n, 1
                    %k = sub %l, %i
                    %1 = wrap %k, %n
                    %2 = slice %x[%1]
                    %q = sub %i, %n
                    %4 = wrap %q, %n
                    %5 = slice %x[%4]
                    %3 = add %2, %5 : f64
                    yield %3
                    }
                    return %s""",
    "every third": """%t = add %n, 2
                      %trip = floordiv %t, 3
                      %s = for %i = 0 to %trip carry(%a = 0.0) : f64 {
                      %k = mul %i, 3
                      %1 = wrap %k, %n
                      %2 = slice %x[%1]
                      %3 = add %a, %2 : f64
                      yield %3
                      }
                      return %s""",
    "triangle": """%s = for %i = 0 to %n carry(%a = 0.0) : f64 {
                   %u = add %i, 1
                   %d = sub %n, %u
                   %trip = max %d, 0
                   %b = for %j0 = 0 to %trip carry(%c = %a) : f64 {
                   %j = add %u, %j0
                   %1 = wrap %j, %n
                   %2 = slice %x[%1]
                   %3 = add %c, %2 : f64
                   yield %3
                   }
                   yield %b
                   }
                   return %s""",
    "prefix": """%s = for %i = 0 to %n carry(%a = 0.0) : f64 {
                 %neg = lt %i, 0
                 %far = add %i, %n
                 %w = select %neg, %far, %i
                 %m = min %w, %n
                 %e = max %m, 0
                 %1 = slice %x[0:+%e:1]
                 %2 = reduce %1 {kind=sum, axes=(0,)} : f64
                 %3 = add %a, %2 : f64
                 yield %3
                 }
                 return %s""",
    "rest": """%s = for %i = 0 to %n carry(%a = 0.0) : f64 {
               %b = add %i, 1
               %f = max %b, 0
               %d = sub %n, %f
               %e = max %d, 0
               %1 = slice %x[%f:+%e:1]
               %2 = reduce %1 {kind=sum, axes=(0,)} : f64
               %3 = add %a, %2 : f64
               yield %3
               }
               return %s""",
    "smallest of the rest": """%s = for %i = 0 to %n carry(%a = 0.0) : f64 {
                               %d = sub %n, %i
                               %1 = slice %x[%i:+%d:1]
                               %some = gt %d, 0
                               check %some {error=ValueError, message="empty"}
                               %2 = argreduce %1 {kind=argmin, axis=0}
                               %3 = add %2, %i
                               %4 = wrap %3, %n
                               %5 = slice %x[%4]
                               %6 = add %a, %5 : f64
                               yield %6
                               }
                               return %s""",
    "best so far": """%s, %k = for %i = 0 to %n carry(%a = 0.0, %b = 0) : (f64, index) {
                      %1 = wrap %b, %n
                      %2 = slice %x[%1]
                      %3 = slice %x[%i]
                      %4 = lt %2, %3
                      %5 = select %4, %i, %b
                      yield %3, %5
                      }
                      return %s, %k""",
    "filled up": """%y = broadcast 0.0, %n : f64[%n]
                    %s, %k = for %i = 0 to %n carry(%a = %y, %b = 0) : (f64[%n], index) {
                    %1 = slice %x[%i]
                    %2 = gt %1, 0.0
                    %c, %d = if %2 : (f64[%n], index) {
                    %3 = wrap %b, %n
                    %4 = update %a[%3], %1 : f64[%n]
                    %5 = add %b, 1
                    yield %4, %5
                    } else {
                    yield %a, %b
                    }
                    yield %c, %d
                    }
                    return %s, %k""",
    "while with a count": """%s, %k = while carry(%a = 0.0, %b = 0_i64) : (f64, i64) {
                             %m = cast %n {dtype=i64}
                             %0 = lt %b, %m
                             yield %0
                             } do (%c, %d) {
                             %i = cast %d {dtype=index}
                             %1 = wrap %i, %n
                             %2 = slice %x[%1]
                             %3 = add %c, %2 : f64
                             %4 = add %d, 1_i64 : i64
                             yield %3, %4
                             }
                             return %s, %k""",
    "while until found": """%s, %k = while carry(%a = false, %b = 0) : (bool, index) {
                            %0 = not %a
                            %1 = if %0 : bool {
                            %2 = lt %b, %n
                            yield %2
                            } else {
                            yield false
                            }
                            yield %1
                            } do (%c, %d) {
                            %5 = wrap %d, %n
                            %6 = slice %x[%5]
                            %3 = gt %6, 1.0
                            %4 = add %d, 1
                            yield %3, %4
                            }
                            return %s, %k""",
    "bisection": """%lo, %hi = while carry(%a = 0, %b = %n) : (index, index) {
                    %0 = lt %a, %b
                    yield %0
                    } do (%c, %d) {
                    %1 = add %c, %d
                    %2 = floordiv %1, 2
                    %3 = wrap %2, %n
                    %4 = slice %x[%3]
                    %5 = lt %4, 0.0
                    %6 = add %2, 1
                    %7 = select %5, %6, %c
                    %8 = select %5, %d, %2
                    yield %7, %8
                    }
                    return %lo""",
    "inside a branch": """%k = cast %p {dtype=index}
                          %0 = ge %k, 0
                          %1 = lt %k, %n
                          %2 = and %0, %1
                          %s = if %2 : f64 {
                          %3 = wrap %k, %n
                          %4 = slice %x[%3]
                          yield %4
                          } else {
                          yield 0.0
                          }
                          return %s""",
    "counted from the end": """%0 = gt %n, 3
                               %s = if %0 : f64 {
                               %1 = wrap -4, %n
                               %2 = slice %x[%1]
                               yield %2
                               } else {
                               yield 0.0
                               }
                               return %s""",
    "remainder": """%0 = gt %n, 0
                    %s = if %0 : f64 {
                    %k = cast %p {dtype=index}
                    %1 = mod %k, %n
                    %2 = wrap %1, %n
                    %3 = slice %x[%2]
                    yield %3
                    } else {
                    yield 0.0
                    }
                    return %s""",
    "sorted order": """%o = argsort %x {axis=0, kind="stable"} : index[%n]
                       %1 = wrap %o, %n : index[%n]
                       %2 = gather %x, %1 {axes=(0,), at=0} : f64[%n]
                       %3 = iota %n {dtype=index} : index[%n]
                       %4 = sub %3, %n : index[%n]
                       %5 = wrap %4, %n : index[%n]
                       %6 = gather %2, %5 {axes=(0,), at=0} : f64[%n]
                       return %6""",
    "true positions": """%0 = gt %x, 0.0 : bool[%n]
                         %1 = cast %0 {dtype=index} : index[%n]
                         %2 = reduce %1 {kind=sum, axes=(0,)}
                         %3 = nonzero %0, %2 : index[%2]
                         %4 = wrap %3, %n : index[%2]
                         %5 = gather %x, %4 {axes=(0,), at=0} : f64[%2]
                         return %5""",
    "neighbour of a search": """%0 = ge %n, 2
                                %s = if %0 : f64 {
                                %1 = searchsorted %x, 0.5 {side=left}
                                %l = sub %n, 1
                                %2 = min %1, %l
                                %3 = max %2, 1
                                %4 = wrap %3, %n
                                %5 = sub %3, 1
                                %6 = wrap %5, %n
                                %7 = slice %x[%4]
                                %8 = slice %x[%6]
                                %9 = add %7, %8 : f64
                                yield %9
                                } else {
                                yield 0.0
                                }
                                return %s""",
    "equal lengths": """%a = sub %n, 1
                        %b = max %a, 0
                        %s = for %i = 0 to %b carry(%c = 0.0) : f64 {
                        %1 = sub %n, %i
                        %2 = sub %1, 1
                        %3 = sub %b, %i
                        %4 = eq %2, %3
                        check %4 {error=ValueError, message="lengths"}
                        %5 = cast %3 {dtype=f64}
                        yield %5
                        }
                        return %s""",
    "checked before": """%k = cast %p {dtype=index}
                         %0 = wrap %k, %n
                         %1 = wrap %0, %n
                         %2 = slice %x[%1]
                         %3 = add %0, 1
                         %4 = le %3, %n
                         check %4 {error=ValueError, message="no"}
                         return %2""",
}
KEPT = {"smallest of the rest": 0, "neighbour of a search": 2, "best so far": 1, "bisection": 2, "checked before": 1,
        "neighbours": 1, "triangle": 0, "equal lengths": 1}


def typed(lines: str) -> str:
    """With the types that most ops have, bool of comparisons, f64 of reads, index of all others; and the axis of `wrap`."""
    lines = re.sub(r"(= wrap %?-?\w+, %?\w+)", r"\1 {axis=0}", lines)
    return "\n".join(_typed(row.strip()) for row in lines.strip().splitlines())


def _typed(row: str) -> str:
    if not re.match(r"%.* = ", row) or re.search(r" : [^ ]", row):
        return row
    name = re.search(r" = (\w+)", row)[1]
    if name in ("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"):
        return row + " : bool"
    if name == "slice":
        length = re.search(r":\+(%\w+):", row)
        return row + (f" : f64[{length[1]}]" if length else " : f64")
    dtype = re.search(r"dtype=(\w+)", row)
    return f"{row} : {dtype[1] if dtype else 'index'}"


@pytest.mark.parametrize("name", SURE)
def test_what_is_sure_goes(name):
    f = parsed("%x: f64[%n], %n: index, %p: i64", typed(SURE[name]))
    verify(f)
    g = optimize(f)
    assert counts(g) <= KEPT.get(name, 0), print_function(g)
    if name != "checked before":
        assert not counts(g, "wrap", "check")
    for n in (0, 1, 2, 5, 6):
        for p in (-7, -1, 0, 3, 6, 2**63 - 1, -2**63):
            same_outcome(f, g, (np.random.default_rng(n).standard_normal(n), n, p))


def outcome(f, args):
    try:
        return [np.asarray(a) for a in run(f, *args)]
    except Exception as error:
        return type(error), str(error)


def same_outcome(f, g, args):
    a, b = outcome(f, args), outcome(g, args)
    if isinstance(a, tuple) or isinstance(b, tuple):
        assert a == b, (a, b, print_function(f), print_function(g), args)
    else:
        assert all(x.dtype == y.dtype and x.shape == y.shape and same_bits(x, y) for x, y in zip(a, b, strict=True)), (
            a, b, print_function(f), print_function(g), args)


# --- what may fail stays ----------------------------------------------------------------------------------------------

UNSURE = {
    "one too far": (
        """%s = for %i = 0 to %n carry(%a = 0.0) : f64 {
        %k = add %i, 1
        %1 = wrap %k, %n
        %2 = slice %x[%1]
        yield %2
        }
        return %s""", "index 5 is out of bounds for axis 0 with size 5"),
    "another length": (
        """%k = cast %p {dtype=index}
        %t = max %k, 0
        %s = for %i = 0 to %t carry(%a = 0.0) : f64 {
        %1 = wrap %i, %n
        %2 = slice %x[%1]
        yield %2
        }
        return %s""", "index 5 is out of bounds for axis 0 with size 5"),
    "no lower bound": (
        """%k = cast %p {dtype=index}
        %0 = lt %k, %n
        %s = if %0 : f64 {
        %m = sub %k, 20
        %1 = wrap %m, %n
        %2 = slice %x[%1]
        yield %2
        } else {
        %3 = wrap %k, %n
        %4 = slice %x[%3]
        yield %4
        }
        return %s""", "index 9 is out of bounds for axis 0 with size 5"),
    "after the branch": (
        """%k = cast %p {dtype=index}
        %0 = lt %k, %n
        %a = if %0 : f64 {
        %1 = wrap %k, %n
        %2 = slice %x[%1]
        yield %2
        } else {
        yield 0.0
        }
        %3 = wrap %k, %n
        %4 = slice %x[%3]
        return %4, %a""", "index 9 is out of bounds for axis 0 with size 5"),
    "the count after the loop": (
        """%k = for %i = 0 to %n carry(%a = 0) : index {
        %1 = add %a, 1
        yield %1
        }
        %2 = wrap %k, %n
        %3 = slice %x[%2]
        return %3""", "index 5 is out of bounds for axis 0 with size 5"),
    "it grows too fast": (
        """%k = for %i = 0 to %n carry(%a = 0) : index {
        %0 = wrap %a, %n
        %1 = slice %x[%0]
        %2 = gt %1, -99.0
        %3 = add %a, 2
        %4 = select %2, %3, %a
        yield %4
        }
        return %k""", "index 6 is out of bounds for axis 0 with size 5"),
    "the sum wraps around": (
        """%k = cast %p {dtype=index}
        %0 = ge %k, 0
        %s = if %0 : f64 {
        %1 = add %k, 9223372036854775800
        %2 = wrap %1, %n
        %3 = slice %x[%2]
        yield %3
        } else {
        yield 0.0
        }
        return %s""", "index -9223372036854775807 is out of bounds for axis 0 with size 5"),
    "the product wraps around": (
        """%k = cast %p {dtype=index}
        %0 = ge %k, 0
        %1 = mul %k, 2305843009213693952
        %2 = ge %1, 0
        check %2, %1 {error=ValueError, message="negative: {0}"}
        return %1""", "negative: 2305843009213693952"),
    "empty": (
        """%0 = sub %n, 5
        %1 = slice %x[0:+%0:1]
        %2 = argreduce %1 {kind=argmax, axis=0}
        %3 = wrap %2, %0
        return %3""", "index 0 is out of bounds for axis 0 with size 0"),
}


@pytest.mark.parametrize("name", UNSURE)
def test_what_may_fail_stays(name):
    lines, message = UNSURE[name]
    f = parsed("%x: f64[%n], %n: index, %p: i64", typed(lines))
    verify(f)
    g = optimize(f)
    assert counts(g, "wrap", "check")
    x = np.arange(5.0)
    if name != "the product wraps around":
        with pytest.raises(IndexError, match=re.escape(message)):
            run(g, x, 5, 9)
    for p in (-9, -1, 0, 1, 2, 3, 4, 5, 9, 2**62, 2**63 - 1, -2**63):
        same_outcome(f, g, (x, 5, p))


AFTER_NOTHING = {
    "best so far": """
        %k = for %i = 0 to %n carry(%b = 0) : index {
        %1 = slice %x[%b]
        %2 = slice %x[%i]
        %3 = lt %1, %2
        %4 = select %3, %i, %b
        yield %4
        }
        %5 = wrap %k, %n
        return %5""",
    "elements of nothing": """
        %0 = iota %n {dtype=index} : index[%n]
        %1 = max %0, 5 : index[%n]
        %2 = wrap %1, %n : index[%n]
        %3 = wrap 4, %n
        return %3""",
    "no element": """
        %0 = argsort %x {axis=0, kind="stable"} : index[%n]
        %1 = min %0, 0 : index[%n]
        %2 = wrap %1, %n : index[%n]
        %3 = wrap 0, %n
        return %3""",
    "a loop that cannot run": """
        %k = while carry(%a = %n) : index {
        %1 = lt %n, 0
        yield %1
        } do (%b) {
        yield 0
        }
        %2 = wrap %k, 1
        return %2""",
}


@pytest.mark.parametrize("name", AFTER_NOTHING)
def test_what_holds_in_an_iteration_may_not_hold_without_one(name):
    f = parsed("%x: f64[%n], %n: index", typed(AFTER_NOTHING[name]))
    g = optimize(f)
    assert counts(g, "wrap")
    for n in range(8):
        same_outcome(f, g, (np.linspace(-1.0, 1.0, n), n))


# --- forms of loops ---------------------------------------------------------------------------------------------------

def test_a_steady_count_becomes_an_expression_of_the_counter():
    f = parsed("%x: f64, %n: index, %k: i32", typed("""%c = cast %k {dtype=i64}
        %s, %e = for %i = 0 to %n carry(%a = %x, %b = %c) : (f64, i64) {
        %0 = cast %b {dtype=f64}
        %1 = mul %a, %0 : f64
        %2 = add %b, -3_i64 : i64
        yield %1, %2
        }
        return %s, %e"""))
    g = optimize(f)
    lines = body(g)
    assert "%s = for %i = 0 to %n carry(%a = %x) : f64 {" in lines and "%0 = mul %i, -3 : index" in lines
    for n in (-2, 0, 1, 5):
        for k in (0, 7, -2**31):
            same_outcome(f, g, (2.0, n, k))


@pytest.mark.parametrize(("compare", "step"), [
    ("lt", 1), ("lt", 3), ("le", 1), ("le", 2), ("gt", -1), ("gt", -4), ("ge", -1), ("ge", -3)])
@pytest.mark.parametrize("dtype", ["index", "i64"])
def test_a_while_that_counts_becomes_a_for(dtype, compare, step):
    ints = "" if dtype == "index" else "_i64"
    f = parsed("%x: f64, %p: i32, %q: i32", typed(f"""%a = cast %p {{dtype={dtype}}}
        %b = cast %q {{dtype={dtype}}}
        %s, %e = while carry(%c = %x, %i = %a) : (f64, {dtype}) {{
        %0 = {compare} %i, %b
        yield %0
        }} do (%d, %j) {{
        %1 = cast %j {{dtype=f64}}
        %2 = sub %1, %d : f64
        %3 = add %j, {step}{ints} : {dtype}
        yield %2, %3
        }}
        return %s, %e"""))
    verify(f)
    g = optimize(f)
    assert counts(g, "for") == 1 and not counts(g, "while")
    for p in range(-4, 5):
        for q in range(-4, 5):
            same_outcome(f, g, (0.5, p, q))


KEPT_WHILE = {
    "it turns around": ("%i: index, %n: index", "lt %c, %n", "%2 = sub %d, 1"),
    "the bound moves": ("%i: index, %n: index", "lt %c, %m", "%2 = add %d, 1"),
    "it may wrap around": ("%i: i64, %n: i64", "le %c, %n", "%2 = add %d, 3_i64 : i64"),
    "it is asked for equality": ("%i: index, %n: index", "ne %c, %n", "%2 = add %d, 1"),
}


@pytest.mark.parametrize("name", KEPT_WHILE)
def test_a_while_that_may_not_end_stays(name):
    params, compare, step = KEPT_WHILE[name]
    dtype = "i64" if "i64" in step else "index"
    f = parsed(params, typed(f"""%s, %t = while carry(%c = %i, %m = %n) : ({dtype}, {dtype}) {{
        %0 = {compare}
        yield %0
        }} do (%d, %e) {{
        {step}
        %3 = add %e, %e : {dtype}
        yield %2, %3
        }}
        return %s, %t"""))
    assert counts(optimize(f), "while") == 1


def test_a_length_that_is_carried_stays_carried():
    f = parsed("%n: index", typed("""%y = broadcast 1.0, 1 : f64[1]
        %k, %a = for %i = 0 to %n carry(%m = 1, %b: f64[%m] = %y) : (index, f64[%k]) {
        %0 = add %m, 1
        %1 = broadcast 2.0, %0 : f64[%0]
        yield %0, %1
        }
        return %a"""))
    verify(f)
    g = optimize(f)
    for n in (0, 1, 4):
        same_outcome(f, g, (n,))


def test_deep_nests_take_little_time(monkeypatch):
    """Loops within loops that hand an integer through: each is looked into a bounded number of times."""
    depth = 14
    rows = [f"%r{k} = for %i{k} = 0 to %n carry(%s{k} = {'0' if not k else f'%s{k - 1}'}) : index {{" for k in range(depth)]
    rows += [f"%v = add %s{depth - 1}, 1", "%w = min %v, %n\nyield %w\n}"]
    rows += [f"yield %r{k}\n}}" for k in reversed(range(1, depth))]
    f = dead_code(simplify(parsed("%n: index", typed("\n".join(rows)) + "\nreturn %r0")))
    calls, prove = [], induction._prove
    monkeypatch.setattr(induction, "_prove", lambda *args: (calls.append(1), prove(*args)))
    ranges(f)
    assert len(calls) < 60 * depth


def test_no_work_without_checks():
    f = parse("func @f(%x: f64[%n], %n: index) -> f64[%n] {\n  %0 = mul %x, 2.0 : f64[%n]\n  return %0\n}")
    assert not ranges(f)


# --- as users write it ------------------------------------------------------------------------------------------------

def traced(fn, *args):
    return optimize(tg.jit(fn).lower(*args).function)


def stencil(a):
    for i in range(1, a.shape[0] - 1):
        for j in range(a.shape[1] - 2, 0, -1):
            a[i, j] = a[i - 1, j] + a[i + 1, j] - a[i, j - 1] * a[i, j + 1]
    return a


def back_substitution(a):
    x = np.zeros(a.shape[0])
    for i in range(a.shape[0] - 1, -1, -1):
        x[i] = (1.0 - a[i, i + 1:] @ x[i + 1:]) / a[i, i]
    return x


def pivots(a):
    for k in range(a.shape[0]):
        p = k + np.argmax(np.abs(a[k:, k]))
        a[k, :k] = a[p, :k] * 2
        a[p, k:] -= a[k, k:]
    return a


def from_the_end(a):
    total = 0.0
    for i in range(a.shape[0]):
        total += a[-i - 1, 0] * a[-1, -2]
    return total


def every_other(a):
    for i in range(0, a.shape[0], 2):
        for j in range(i, a.shape[1] - 1, 3):
            a[i, j + 1] += a[i, j]
    return a


def halves(a):
    m = a.shape[0] // 2
    for i in range(m):
        a[2 * i] += a[2 * i + 1] + a[i] + a[m + i]
    return a


def rotated(a):
    n = a.shape[0]
    for i in range(n):
        a[i] += a[(i + 1) % n] - a[(i - 1) % n]
    return a


def clipped(a):
    n = a.shape[0]
    for i in range(n):
        a[i] += a[max(i - 1, 0)] - a[min(i + 1, n - 1)]
    return a


def by_while(a):
    i = 0
    while i < a.shape[0] and a[i, 0] > -1e9:
        j = a.shape[1] - 1
        while j >= 0:
            a[i, j] += 1.0
            j -= 1
        i += 1
    return a


LOOPS = [stencil, back_substitution, pivots, from_the_end, every_other, halves, rotated, clipped, by_while]


@pytest.mark.parametrize("fn", LOOPS, ids=lambda fn: fn.__name__)
def test_loops_over_arrays_have_no_checks(fn):
    a = np.random.default_rng(0).standard_normal((6, 6))
    f = traced(fn, a.copy())
    assert not counts(f, "wrap", "check"), print_function(f)
    np.testing.assert_allclose(tg.jit(fn)(a.copy()), fn(a.copy()), rtol=1e-12, atol=1e-12)


def test_out_of_bounds_in_the_middle_of_a_loop():
    def fn(x, k):
        s = 0.0
        for i in range(x.size):
            s += x[i + k]
        return s

    x = np.arange(8.0)
    assert tg.jit(fn)(x, 0) == 28.0 and tg.jit(fn)(x, -8) == 28.0
    with pytest.raises(IndexError, match="index 8 is out of bounds for axis 0 with size 8"):
        tg.jit(fn)(x, 1)


# --- random programs --------------------------------------------------------------------------------------------------

@pytest.mark.sweep(4)
@pytest.mark.parametrize("seed", range(400))
def test_random_integer_programs(seed):
    f, samples = integer_program(seed)
    verify(f)
    g = dead_code(simplify(f))
    verify(g)
    if ranges(g):
        verify(g, "ranges")
        g = dead_code(simplify(g))
    for args in samples:
        same_outcome(f, g, args)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("seed", range(1000, 1100))
def test_random_programs(seed):
    f, args = random_ir.program(seed)
    same_outcome(f, optimize(f), args)
