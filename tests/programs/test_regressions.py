"""Defects that random programs and programs by hand have shown: one small program each, and what was wrong with it.

Compiled and evaluated must equal Python in values, dtypes, overwritten arguments and the class of an error; gradients must
equal differences.
"""
import numpy as np
import pytest
from tracegrad.ir.verify import verify
from tracegrad.tracer.staging import trace_function

import tracegrad as tg


@pytest.fixture(params=[False, True], ids=["compiled", "evaluator"])
def same(request):
    """same(f, *args): the compiled or evaluated function gives what Python gives, errors included."""

    def check(f, *args):
        ours, theirs = ([a.copy() if isinstance(a, np.ndarray) else a for a in args] for _ in range(2))
        compiled = tg.jit(f)
        run = compiled.interpret if request.param else compiled
        try:
            expected = f(*theirs)
        except Exception as error:
            with pytest.raises(type(error)):
                run(*ours)
            return
        got = run(*ours)
        for a, b in zip([got, *ours], [expected, *theirs], strict=True):
            for x, y in zip(a, b, strict=True) if isinstance(b, tuple) else [(a, b)]:
                assert np.asarray(x).dtype == np.asarray(y).dtype
                np.testing.assert_allclose(x, y, rtol=1e-13)

    return check


def check_gradient(f, *args):
    tg.check_grads(f, args, order=2)


# --- names and items across branches ----------------------------------------------------------------------------------

def test_a_branch_does_not_see_what_the_other_assigned(same):
    # `k` is not read after the `if`, so it was not restored between the tracing of the two branches: the second saw 3.0
    def f(x):
        k = 1.0
        if x > 0:
            k = 3.0
            y = x * k
        else:
            y = x * k
        return y

    same(f, 2.0)
    same(f, -2.0)


def test_an_array_bound_anew_in_the_other_branch(same):
    # the same with a value computed in the first branch: it was used where it was not defined
    def f(x):
        a = np.cumsum(np.linspace(-1.0, 1.0, 3) * x)
        if x > 1:
            a = a[::-1] + a[::-1]
        else:
            k = np.argmax(a)
            if x > 0.5:
                return x * k
        return x

    same(f, 2.0)
    same(f, 0.7)
    same(f, 0.2)


def test_both_branches_bind_the_same_value(same):
    # what the branches agreed on was not taken over from them: the name kept what it held before the `if`
    def f(c, a):
        y = 1.0
        if c > 0:
            y = a
        else:
            y = a
        return y

    same(f, 1.0, 5.0)


def test_both_branches_set_an_item_to_the_same_value(same):
    def f(c, a):
        d = {"p": 1.0}
        if c > 0:
            d["p"] = a
        else:
            d["p"] = a
        return d["p"]

    same(f, 1.0, 5.0)


def test_early_returns_of_the_same_constant(same):
    # both returns are the number 0.0: "the name <value> is not associated with a value"
    def helper(p, q):
        s = 0.0
        if q > 1:
            return np.tanh(s)
        return np.tanh(p)

    def f(x):
        return helper(0.0, x) + x

    same(f, 0.5)
    same(f, 1.5)


def test_a_name_that_an_earlier_loop_left_behind(same):
    # the second loop carried the array that the first had made in its body: a value from another region, until it was dropped
    def f(x, n):
        s = 0.0
        for i in range(n):
            a = np.zeros(3)
            a[i % 3] = x
            s += a.sum()
        for i in range(n):
            a = np.ones(3)
            a[0] += x * i
            s += a.sum()
        return s

    verify(trace_function.trace(f, (2.0, 6)).function)
    same(f, 2.0, 6)
    same(f, 2.0, 0)
    check_gradient(lambda x: f(x, 6), 2.0)


# --- names that expressions assign ------------------------------------------------------------------------------------

@pytest.mark.sweep(2, days=True)
def test_a_condition_that_assigns_in_a_loop_in_a_loop(same):
    # the condition's function was known by its name, which it lost inside of another loop's body: the body read an unset name
    def f(x, n):
        s = 0.0
        for i in range(n):
            k = 0
            while (w := x[i] * 0.5 + s) < 1.5 and k < 3:
                k += 1
                s += np.sin(w)
        return s

    same(f, np.array([0.5, -1.5, 2.0, 0.1, 0.3, 0.2]), 6)
    same(f, np.array([0.5, -1.5]), 0)
    check_gradient(lambda x: f(x, 6), np.array([0.5, -1.5, 2.0, 0.1, 0.3, 0.2]))


@pytest.mark.sweep(2, days=True)
def test_an_operand_that_assigns_in_a_loop(same):
    # the name held what the operand had given when the loop's body was traced before: a value of another region
    def f(x, n):
        s = x[0]
        for i in range(n):
            if s * s > 3:
                s -= 1
            elif (w := np.tanh(x[i])) < 0.5 and (z := w * 2) > -0.2 and (s > 0 or (y := z + s) < 9):
                s += z
            elif s < 0 and (y := s * 2) > -5:
                s += y
        return s

    for sign in (1, -1, 3):
        same(f, sign * np.array([0.5, -1.5, 2.0, 0.1, 0.3, 0.2]), 6)
    same(f, np.array([0.5, -1.5]), 0)
    check_gradient(lambda x: f(x, 6), np.array([0.5, -1.5, 2.0, 0.1, 0.3, 0.2]))


# --- errors that only run time may reach ------------------------------------------------------------------------------

def test_an_index_out_of_range_in_a_branch_not_taken(same):
    # the error was raised while tracing, although no call came there
    def f(c, a):
        y = 1.0
        if c > 0:
            y = a[7]
        return y

    same(f, -1.0, np.ones(3))
    same(f, 1.0, np.ones(3))
    same(f, 1.0, np.ones(9))


def test_an_index_out_of_range_in_a_loop_without_iterations(same):
    def f(n, a):
        s = 0.0
        for _ in range(n):
            s += a[7]
        return s

    same(f, 0, np.ones(3))
    same(f, 2, np.ones(3))


def test_division_by_a_known_zero_in_a_branch_not_taken(same):
    def f(c, a):
        for i in range(3):
            if c > i:
                a[i] += 1 // i
        return a

    same(f, -1.0, np.zeros(3))
    same(f, 2.0, np.zeros(3))


def test_shapes_that_do_not_fit_in_a_branch_not_taken(same):
    def f(c, a):
        if c > 0:
            return a[:2] + np.ones(3)
        return a[:3]

    same(f, -1.0, np.ones(5))
    same(f, 1.0, np.ones(5))


def test_maximum_of_an_empty_array_in_a_branch_not_taken(same):
    def f(c, a):
        return a.max() if c > 0 else 0.0

    same(f, -1.0, np.ones(0))
    same(f, 1.0, np.ones(0))


# --- writes -----------------------------------------------------------------------------------------------------------

def test_augmented_write_by_an_index_array(same):
    # what `a[[0, 2]]` gathered was changed, and not written back
    def f(x):
        y = x.copy()
        y[[0, 2]] += np.array([1.0, 2.0])
        return y

    same(f, np.arange(4.0))
    check_gradient(f, np.arange(4.0))


@pytest.mark.sweep(2, days=True)
def test_augmented_write_by_a_mask(same):
    def f(x):
        y = np.abs(x)
        y[~(y > y.mean())] *= 0.1
        return y

    same(f, np.array([1.0, -2.0, 3.0, -0.5]))
    check_gradient(f, np.array([1.0, -2.0, 3.0, -0.5]))


def test_a_reshaped_view_of_an_argument_in_another_layout(same):
    # NumPy's reshape is a copy there, and what was written into it was not to be seen in the argument: it was
    def flat(m):
        m.reshape(-1)[0] = 5.0
        return m

    def turned(m):
        v = m.T.ravel()
        m[0] = 7.0
        return v

    def reads(m):
        m[0] = 2.0
        return m[:, None] * np.ravel(np.ones((1, 3)))

    def copied(m):                                    # in another order the argument stays, the view of its transpose does not
        b = np.ascontiguousarray(m)
        b -= 1.0
        return b

    def written(m):
        v = m.T.ravel()
        v[0] = 7.0
        return v

    def laid_as_the_argument(m):
        b = m * 2
        b[0].ravel()[0] = 9.0
        return np.asarray(b, order="C")

    m = np.arange(6.0).reshape(2, 3)
    for f in (flat, turned, copied, written, laid_as_the_argument):
        same(f, m)
        for lay in (np.asfortranarray, lambda x: np.repeat(x, 2, axis=0)[::2], lambda x: x[::-1].copy()[::-1]):
            mine, theirs = lay(m.copy()), lay(m.copy())
            np.testing.assert_array_equal(tg.jit(f)(mine), f(theirs))
            np.testing.assert_array_equal(mine, theirs)
    def spread(a):
        a.reshape(2, -1)[1, 0] = 9.0
        return a

    same(reads, m)
    even = np.arange(8.0)[::2]
    tg.jit(spread)(even)
    np.testing.assert_array_equal(even, [0, 2, 9, 6])
    np.testing.assert_array_equal(tg.jit(reads)(np.asfortranarray(m)), reads(m.copy()))
    np.testing.assert_array_equal(tg.jit(lambda m: m.reshape(-1))(m.T), m.T.reshape(-1))
    np.testing.assert_array_equal(tg.jit(lambda m: np.ascontiguousarray(m).ravel() + (m * 2).ravel())(m.T), 3 * m.T.reshape(-1))


def test_a_layout_that_nobody_tells_is_no_error():
    """A copy is written to where C order has a view, or the reverse: that is refused only where the other one is read later."""
    def flat(m):
        y = (m * 2.0).ravel()
        y[0] = 3.0
        return y * np.arange(6.0)

    def in_halves(m):
        y = m - np.mean(m, axis=0)
        z = y.reshape(2, -1)
        z[0] = z[0] * z[1]
        return z

    def argument(m):                                  # a derivative has its own argument
        y = m.ravel()
        y[:2] = 1.0
        return y ** 2

    def centred(m):
        m = np.ascontiguousarray(m)
        m -= np.mean(m, axis=0)
        return m ** 3

    def same_object(m):
        y = np.ascontiguousarray(m)
        y = y.copy() if y is m else y
        y -= 1.0
        return y * m

    def told(m):
        y = m * 2.0
        y.ravel()[:2][1:] = 9.0
        return y

    m = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for f in (flat, in_halves):
        np.testing.assert_allclose(tg.jit(f)(m), f(m))
    for f in (flat, in_halves, argument, centred, same_object):
        np.testing.assert_allclose(tg.grad(lambda m: np.sum(f(m)))(m), tg.grad(lambda m: np.sum(f(m)))(m.copy("C")))   # noqa: B023
    for f in (argument, told):
        mine, theirs = m.copy("K"), m.copy("K")
        np.testing.assert_array_equal(tg.jit(f)(mine), f(theirs))
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(tg.grad(lambda m: np.sum(told(m)))(m), np.full((2, 3), 2.0))        # a copy is overwritten
    np.testing.assert_array_equal(tg.grad(lambda m: np.sum(told(m)))(m.copy("C")), [[2.0, 0.0, 2.0], [2.0, 2.0, 2.0]])


# --- lists ------------------------------------------------------------------------------------------------------------

def test_a_list_repeated_an_argument_of_times(same):
    # `[0.5] * n` was multiplied as an array is, and had one element
    def f(n, x):
        total = x
        for v in [0.5] * (n + 1):
            total = total * v
        return total

    same(f, 2, 3.0)


def test_methods_that_take_the_array_second_or_not_at_all(same):
    # a.compress(c) picked from c; a.view() asked for the path that the tracer's own views have
    def f(x, c, m):
        v = x.view()
        v[0] = 5.0
        w = x.view(np.float64)
        w[1] += v[0]
        return x.compress(c), m.compress([True, False], axis=0), m.compress(c[:2], 1), np.compress(c, v * 2), v

    same(f, np.arange(3.0), np.array([True, False, True]), np.arange(4.0).reshape(2, 2))
    same(f, np.arange(3.0), np.array([False, False, False]), np.arange(4.0).reshape(2, 2))


@pytest.mark.sweep(6, days=True)
def test_an_array_that_is_overwritten_and_returned_from_a_loop(same):
    # what a loop's iteration returns was kept apart from what the next one writes, although no iteration follows
    def f(x, n):
        total = np.zeros(3)
        for i in range(n):
            total[i % 3] += x[i]
            if total.sum() > 1:
                return total, i
        total *= -1
        return total, n

    def g(x, n):
        total, i = x.copy(), n
        while i:
            i -= 1
            if x[i] < 0:
                continue
            total *= 1.0 + x[i]
            if total.max() > 2:
                return total
        return total * 0.5

    for scale in (1.0, 0.1):
        same(f, scale * np.array([0.3, -1.2, 2.0, 0.7, -0.1]), 5)
        same(g, scale * np.array([0.3, -1.2, 2.0, 0.7, -0.1]), 5)
    same(f, np.ones(2), 0)
    check_gradient(lambda x: f(x, 5)[0], np.array([0.3, -1.2, 2.0, 0.7, -0.1]))
    check_gradient(lambda x: g(x, 5), np.array([0.3, -1.2, 2.0, 0.7, -0.1]))


def test_what_a_loop_returns_is_still_the_array_itself(same):
    # its other name sees a write
    def helper(y, n):
        for i in range(n):
            y[i] += 1
            if y[i] > 2:
                return y
        return y * 1

    def f(x, n):
        x = x + 0
        r = helper(x, n)
        r[0] = 100.0
        return x.sum()

    same(f, np.arange(3.0), 3)
    same(f, np.arange(3.0) - 9, 3)
    same(lambda x, n: helper(x + 0, n) * 2, np.arange(3.0), 3)


def test_a_list_beside_a_number(same):
    def f(n):
        return 1.0 if n == [2] else 2.0

    same(f, 2)


def test_items_of_a_starred_list_in_a_branch(same):
    # the list was taken for one from outside of the branch, whose items had been something before it
    def f(x, a):
        if x > 1:
            return a, x
        first, *rest = a
        rest[1] *= 2.0
        *most, last = rest
        held = {"parts": [0.0]}
        p, *held["parts"] = most
        held["parts"][0] += first
        return np.array([p, held["parts"][0], last]), x

    for x in (0.5, 2.0):
        same(f, x, np.array([0.5, 0.25, -1.0, 2.0]))
    check_gradient(lambda a: f(0.5, a)[0], np.array([0.5, 0.25, -1.0, 2.0]))


# --- gradients --------------------------------------------------------------------------------------------------------

@pytest.mark.sweep(2, days=True)
def test_gradient_of_a_masked_write_in_a_branch():
    # the lengths that the branch itself computes were lengths of what the forward `if` kept: it could not be lowered
    def f(s, x, a):
        y = a * 1.0
        if s > 0:
            pass
        else:
            w = y < x
            y[w] = np.sin(y[w])
        return y * y

    a = np.array([0.2, 0.7, 0.4, 2.0])
    check_gradient(f, 1.0, 0.5, a)
    check_gradient(f, -1.0, 0.5, a)


@pytest.mark.sweep(6, days=True)
def test_gradient_of_a_masked_write_in_a_loop_in_a_branch():
    def f(x, a):
        y = a * x
        if x > 2.0:
            y[0] = 0.0
        else:
            for k in range(1, 3):
                y[k] = x * y[k - 1]
                y[y > 0.3] *= 0.5
        return y * y

    check_gradient(f, 0.8, np.array([0.5, 0.2, 0.9]))
