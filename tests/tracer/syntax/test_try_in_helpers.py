"""A `try` around helpers that branch and loop: what their names hold is not in doubt where the body goes on."""
import math

import numpy as np
import pytest

import tracegrad as tg


def secant(function, start, *args):
    p0, p1 = 1.0 * start, 1.1 * start
    q0, q1 = function(p0, *args), function(p1, *args)
    for _ in range(20):
        if q1 != q0:
            p = p1 - q1 * (p1 - p0) / (q1 - q0)
        else:
            p = p1
        if abs(q1) < 1e-9:
            return p
        p0, q0, p1 = p1, q1, p
        q1 = function(p1, *args)
    raise ValueError("no root")


def root_or_fallback(a):
    try:
        return secant(lambda t, a: 1.0 / t - a, 1.0, a)
    except Exception:
        return -a


def branch(a, n):
    try:
        for _ in range(n):
            if a != 3.0:
                p = 1.0 / a
            else:
                p = a
            a = p + 1.0
    except ZeroDivisionError:
        a = -1.0
    return a


def with_statement(a, n):
    try:
        for _ in range(n):
            with np.errstate(all="ignore"):
                p = 1.0 / a
            a = p + 1.0
    except ZeroDivisionError:
        a = -1.0
    return a


def match_statement(a, n):
    try:
        for i in range(n):
            match i % 3:
                case 0:
                    p = 1.0 / a
                case 1:
                    p = a
                case _:
                    p = math.sqrt(a)
            a = p + 1.0
    except (ZeroDivisionError, ValueError):
        a = -1.0
    return a


def nested_branches(a, n):
    out = 0.0
    for _ in range(3):
        try:
            for _ in range(n):
                if a > 0.3:
                    if a > 0.6:
                        p = 1.0 / (a - 1.0)
                    else:
                        p = a * 2
                else:
                    q = a + 0.1
                    p = 1.0 / q
                a = p * 0.5
            out += a
        except ZeroDivisionError:
            out -= 100.0
            a = 0.2
    return out


def endless(a, n):
    k = 0
    try:
        while True:
            if a > 2:
                s = math.log(a - 2)
            else:
                s = math.log(a)
            a = s + 1.5
            k += 1
            if k > n:
                break
    except ValueError:
        return -k * 1.0
    return a


def condition_reads_what_both_arms_assign(a, n):
    step = 1.0
    try:
        for _ in range(n):
            t = 1.0 / a
            if abs(step) < t * t:
                step = t
            else:
                step = -t / 2
            a += step
    except ZeroDivisionError:
        return step
    return a * step


def no_name_of_the_other_arm(a, n):
    """Where the body was left early, `p` is what it was before."""
    p = 7.0
    try:
        for _ in range(n):
            if a > 0:
                p = 1.0 / (a - 1.0)
            a -= 0.5
    except ZeroDivisionError:
        return p
    return p * a


def of_one_kind_or_the_other(a, n):
    """Both arms bind e and no statement after them reads it, so what it held in the first is nothing in the second."""
    if n == 1:
        e = 1.0 / (1.0 + a / 2.0)
        found = (e + a - e * a / 2.0) / 2.0
    else:
        d = 1.0 / (4.0 / a + 1.0)
        if a != 4.0:
            e = 1.0 / (4.0 / a - 1.0)
        else:
            e = h = a
        found = (1.0 + h) / (d + e ** 2) * (1.0 + e) ** 2
    return found


def arms_apart(a, n):
    try:
        return of_one_kind_or_the_other(a, n) - a
    except (ZeroDivisionError, UnboundLocalError):
        return -a


def one_after_the_other(a, n):
    try:
        if n > 1:
            e = 1.0 / (a - 1.0) + a
            total = e * e
        else:
            total = a
        if a > 0.0:
            e = 1.0 / (a - 2.0)
            total += e
        return total
    except ZeroDivisionError:
        return -a


def known_before(a, n):
    """a has a value before the branch, which both arms replace; one of them may be left."""
    try:
        if n > 1:
            a = a - 1.0
        else:
            a = 2.0 - 1.0 / a
        return a * a
    finally:
        a = 0.0


def at_most(a, high):
    q = 1.0 / (a - 2.0)
    if high is not None and q > high:
        q = high
    return q


def a_bound_or_none(a, n):
    high = a if n > 2 else 1.0 / (a + 3.0) if n > 1 else None
    try:
        return at_most(a, high)
    except ZeroDivisionError:
        return -a


CASES = [(known_before, 0.5, 1), (known_before, 0.5, 2),
         *[(a_bound_or_none, a, n) for a in (2.5, 2.0, -1.0) for n in (1, 2, 3)],
         *[(arms_apart, a, n) for a, n in ((1 / 3, 1), (1 / 3, 2), (4.0, 2), (0.0, 2), (-2.0, 1), (-4.0, 2))],
         *[(one_after_the_other, a, n) for a, n in ((1.0, 1), (1.0, 2), (2.0, 2), (-0.5, 2))],
         (branch, 0.5, 20), (branch, -1.0, 20), (with_statement, 0.5, 9), (with_statement, -1.0, 9), (match_statement, 0.5, 9),
         (match_statement, 0.0, 9), (nested_branches, 0.5, 4), (nested_branches, 1.0, 4), (nested_branches, -0.1, 4),
         (endless, 1.3, 5), (endless, 2.5, 5), (no_name_of_the_other_arm, 0.7, 3), (no_name_of_the_other_arm, 1.5, 3),
         (condition_reads_what_both_arms_assign, 0.7, 5), (condition_reads_what_both_arms_assign, 0.0, 5)]


@pytest.mark.parametrize(("f", "a", "n"), CASES)
def test_values_as_pythons_and_both_modes(f, a, n):
    compiled = tg.jit(f)
    assert compiled(a, n) == compiled.interpret(a, n) == pytest.approx(f(a, n), rel=1e-15)
    slope = tg.jvp(lambda a: f(a, n), (a,), (1.0,))[1]
    assert tg.grad(f)(a, n) == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize(("f", "a", "n"), [(branch, 0.5, 20), (match_statement, 0.5, 9), (nested_branches, 0.5, 4)])
def test_slopes(f, a, n):
    tg.check_grads(tg.jit(lambda a: f(a, n)), (a,), order=2)


def test_a_root_finder_with_a_fallback():
    assert tg.jit(root_or_fallback)(0.5) == pytest.approx(2.0)
    assert tg.grad(root_or_fallback)(0.5) == pytest.approx(-4.0)


def test_what_the_tracer_cannot_do_is_no_exception_of_the_users():
    """`except Exception` does not take the tracer's own words for an error of Python."""
    from tracegrad.tracer.regions import exceptions
    assert not exceptions._is_users(TypeError("unsupported operand type(s) for +: 'MaybeUndefined' and 'float'"))
    assert not exceptions._is_users(TypeError("'ArrayBox' object is not callable"))
    assert exceptions._is_users(TypeError("unsupported operand type(s) for +: 'int' and 'str'"))
