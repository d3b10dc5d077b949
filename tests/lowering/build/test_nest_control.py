"""Control ops: carried buffers, branches, stacked rows, swaps; where copies are made and where not."""
from __future__ import annotations

import numpy as np
import pytest
from nest_check import at, build, check, execute, for_, if_, map_, put, run, while_, zeros
from tracegrad.ir import interp
from tracegrad.ir.types import BOOL, F64, INDEX
from tracegrad.lowering.loopir.grammar import Copy, For, Swap, walk

RNG = np.random.default_rng(1)


def rand(*shape):
    return RNG.standard_normal(shape)


def statements(kernel, kind):
    return [s for s in walk(kernel.body) if isinstance(s, kind)]


def test_scalar_recurrence():
    def body(b, leak, drive):
        def step(i, s, e):
            s2 = b("tanh", b("add", b("mul", leak, s), at(b, drive, i)))
            return s2, b("add", e, b("mul", s2, s2))
        return for_(b, 40, [b.const(0.0), b.const(0.0)], step)[1]
    check(build(["f64", ("f64", 40)], body), 0.5, rand(40))


def test_carried_array_written_in_place():
    def body(b, x):
        y = put(b, x, b.const(9.0), 0)
        def step(i, a):
            v = b("mul", at(b, a, i), b.const(0.5))
            return put(b, a, b("add", v, b.const(1.0)), b.iop("add", i, 1))
        return for_(b, 29, [y], step)
    kernel = check(build([("f64", 30)], body), rand(30))
    assert len(statements(kernel, Copy)) == 1          # the argument into the result, once
    loop = statements(kernel, For)[-1]
    assert not [s for s in walk(loop.body) if isinstance(s, (Copy, For))]


def test_overwritten_argument_without_a_copy():
    def body(b, grid):
        def row(i, g):
            def cell(j, g):
                r, c = b.iop("add", i, 1), b.iop("add", j, 1)
                around = b("add", at(b, g, i, c), at(b, g, r, j))
                return put(b, g, b("mul", around, b.const(0.5)), r, c)
            return for_(b, 6, [g], cell)
        return for_(b, 5, [grid], row)
    kernel = check(build([("f64", 8, 9)], body, inout={0: 0}), rand(8, 9))
    assert not statements(kernel, Copy) and not kernel.notes


@pytest.mark.parametrize("shape", [(2, 3), (12, 11)])
def test_three_arrays_in_rotation(shape):
    n, m = shape

    def body(b, start):
        def step(i, before, now):
            after = zeros(b, n, m)
            v = b("sub", b("mul", now, b.const(1.5)), b("mul", before, b.const(0.25)))
            inner = b("slice", v, *map(b.index, (0, n - 1, 1)), spec="s:")
            return now, b("update", after, inner, *map(b.index, (1, n - 1, 1)), spec="s:")
        return for_(b, 5, [start, start], step)[1]
    kernel = check(build([("f64", *shape)], body), rand(*shape))
    if n > 10:
        loop = next(s for s in kernel.body if isinstance(s, For) and statements_in(s, Swap))
        assert not statements_in(loop, Copy)


def statements_in(stmt, kind):
    return [s for s in walk(stmt.body) if isinstance(s, kind)]


@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize("order", [(1, 0), (1, 2, 0), (0, 0), (2, 1, 0), (1, 1, 0), (0, 2, 2)])
def test_carries_that_change_places(n, order):
    def body(b, *arrays):
        def step(i, *carried):
            fresh = b("add", b("mul", carried[0], b.const(0.5)), b.const(1.0))
            pool = [fresh, *carried]
            return [pool[k] for k in order]
        return for_(b, 4, list(arrays[:len(order)]), step)
    check(build([("f64", n)] * 3, body), rand(n), rand(n), rand(n))


@pytest.mark.parametrize("n", [3, 40])
def test_swap_of_two_carries(n):
    f = build([("f64", n)] * 2, lambda b, x, y: for_(b, 3, [x, y], lambda i, a, c: (c, a)))
    check(f, rand(n), rand(n), exact=True)


@pytest.mark.parametrize("trip", [0, 1, 4])
def test_trip_count_at_run_time(trip):
    def body(b, x, n):
        return for_(b, n, [x], lambda i, a: b("mul", a, b.const(2.0)))
    check(build([("f64", 30), "index"], body), rand(30), trip)


def test_elementwise_carry_is_updated_in_place():
    def body(b, p, v, a):
        def step(i, p, v):
            v = b("add", v, b("mul", a, b.const(0.1)))
            return b("add", p, b("mul", v, b.const(0.1))), v
        return for_(b, 5, [b("add", p, b.const(0.0)), b("mul", v, b.const(1.0))], step)
    kernel = check(build([("f64", 50)] * 3, body), rand(50), rand(50), rand(50))
    assert not statements(kernel, Copy) and not statements(kernel, Swap)


def test_carry_read_in_another_order():
    def body(b, x):
        def step(i, a):
            flipped = run(b, a, 49, 50, -1)
            return b("add", flipped, b("mul", a, b.const(0.5)))
        return for_(b, 3, [x], step)
    check(build([("f64", 50)], body), rand(50))


def test_matrix_vector_carry():
    def body(b, w, h):
        def step(i, h):
            return b("tanh", b("dot", h, w, contract=((0,), (0,)), batch=((), ())))
        return for_(b, 4, [h], step)
    check(build([("f64", 20, 20), ("f64", 20)], body), rand(20, 20) * 0.3, rand(20))


def test_while_with_an_array():
    def body(b, x):
        def cond(k, a):
            return b("and", b("lt", at(b, a, 0), b.const(100.0)), b("lt", k, b.index(50)))
        return while_(b, [b.index(0), x], cond, lambda k, a: (b.iop("add", k, 1), b("mul", a, b.const(1.5))))
    check(build([("f64", 30)], body), np.abs(rand(30)) + 1)
    check(build([("f64", 30)], body), np.abs(rand(30)) + 1000)


@pytest.mark.parametrize("c", [0, 1])
def test_branches(c):
    def body(b, c, x):
        y = b("exp", x)
        r = if_(b, c, lambda: (put(b, y, b.const(1.0), 3), b.const(2.0)), lambda: (y, b("mul", at(b, y, 1), b.const(3.0))))
        s = if_(b, c, lambda: (x, x), lambda: (b("mul", x, x), r[0]))
        return (*r, *s)
    check(build(["bool", ("f64", 30)], body), c, rand(30))
    check(build(["bool", ("f64", 5)], body), c, rand(5))


@pytest.mark.parametrize("c", [0, 1])
def test_update_in_a_branch_of_a_loop_copies_nothing(c):
    def body(b, x):
        def step(i, a):
            odd = b("eq", b("mod", i, b.index(2)), b.index(c))
            return if_(b, odd, lambda: put(b, a, b("mul", at(b, a, i), b.const(2.0)), i), lambda: a)
        return for_(b, 30, [b("mul", x, b.const(3.0))], step)
    kernel = check(build([("f64", 30)], body), rand(30))
    assert not statements(kernel, Copy)


def test_branch_keeps_what_the_other_needs():
    def body(b, c, x):
        y = b("mul", x, b.const(2.0))
        r = if_(b, c, lambda: put(b, y, b.const(1.0), 3), lambda: y)
        return r[0], b.reduce(b("mul", y, r[0]), "sum", (0,))
    for c in (0, 1):
        check(build(["bool", ("f64", 30)], body), c, rand(30))


def test_map_rows_are_computed_in_place():
    def body(b, x):
        def row(i):
            r = b("slice", x, i, spec="i:")
            z = zeros(b, 20)
            z = b("update", z, b("mul", r, b.const(2.0)), spec=":")
            return z, b.reduce(r, "sum", (0,)), r, b("exp", r), b.cast(i, F64)
        return map_(b, 10, row)
    check(build([("f64", 10, 20)], body), rand(10, 20))


def test_map_of_as_many_rows_as_run_time_says():
    def body(b, n, x):
        return map_(b, b("cast", n, dtype=INDEX), lambda i: (b("add", x, b("cast", i, dtype=F64)), b.cast(i, F64)))
    f = build(["i64", ("f64", 30, 4)], body)
    for n in (0, 1, 5):
        check(f, n, rand(30, 4))


@pytest.mark.parametrize("length", [3, 200])
def test_map_rows_that_are_filled(length):
    """Rows of equal elements are written, too: with a constant, a number from outside, one of the row itself."""
    def body(b, x):
        one = at(b, x, b.index(1))
        return map_(b, 10, lambda i: [b.broadcast(v, (length,)) for v in (b.const(0.0), one, at(b, x, i))])
    check(build([("f64", 10)], body), rand(10))


def test_nested_map():
    def body(b, x):
        def row(i):
            return map_(b, 20, lambda j: b("mul", at(b, x, i, j), b.const(2.0)))[0]
        return map_(b, 10, row)
    check(build([("f64", 10, 20)], body), rand(10, 20))


def test_old_row_saved_before_it_is_overwritten():
    def body(b, a):
        def step(k, a):
            row = b("slice", a, k, spec="i:")
            other = b("slice", a, b.iop("add", k, 1), spec="i:")
            a = b("update", a, other, k, spec="i:")
            return b("update", a, row, b.iop("add", k, 1), spec="i:")
        return for_(b, 9, [a], step)
    kernel = check(build([("f64", 10, 20)], body, inout={0: 0}), rand(10, 20), exact=True)
    assert not kernel.notes


def test_run_time_slices():
    def body(b, x):
        def step(k, out, s):
            head = run(b, x, 0, k)
            total = b.reduce(b("mul", head, head), "sum", (0,))
            out = b("update", out, head, b.index(0), k, b.index(1), spec="s")
            return put(b, out, total, k), b("add", s, total)
        return for_(b, 20, [zeros(b, 20), b.const(0.0)], step)
    check(build([("f64", 20)], body), rand(20))


def test_elimination_row():
    def body(b, a):
        def col(k, a):
            def row(t, a):
                i = b.iop("add", t, b.iop("add", k, 1))
                factor = b("div", at(b, a, i, k), at(b, a, k, k))
                n = b.iop("sub", b.index(12), k)
                top = b("slice", a, k, k, n, b.index(1), spec="is")
                own = b("slice", a, i, k, n, b.index(1), spec="is")
                return b("update", a, b("sub", own, b("mul", factor, top)), i, k, n, b.index(1), spec="is")
            return for_(b, b.iop("sub", b.iop("sub", b.index(12), k), 1), [a], row)
        return for_(b, 11, [a], col)
    kernel = check(build([("f64", 12, 12)], body, inout={0: 0}), rand(12, 12) + 12 * np.eye(12))
    assert not kernel.notes and len(kernel.params) == 1
    assert not [s for s in walk(kernel.body) if type(s).__name__ == "Alloc"]


def test_prefix_correlations():
    def body(b, x):
        def step(t, out):
            k = b.iop("add", t, 1)
            v = b("dot", run(b, out, 0, k), run(b, run(b, x, 0, k), b.iop("sub", k, 1), k, -1),
                  contract=((0,), (0,)), batch=((), ()))
            return put(b, out, b("tanh", v), k)
        return for_(b, 19, [put(b, zeros(b, 20), at(b, x, 0), 0)], step)
    check(build([("f64", 20)], body), rand(20))


def test_loop_with_symbolic_argument_length():
    from tracegrad.ir.build import Builder, function
    from tracegrad.ir.types import INDEX_SCALAR, Type
    f = function("f", [INDEX_SCALAR], ["n"])
    from tracegrad.ir.core import Value
    n = f.params[0]
    f.body.params = (n, Value(Type(F64, (n,)), "x", f.body, 1))
    b = Builder()
    with b.at(f.body):
        x = f.params[1]
        y = for_(b, n, [x], lambda i, a: put(b, a, b("mul", at(b, a, i), b.cast(i, F64)), i))[0]
        f.body.yields = (y, b("mul", y, y), b.reduce(y, "sum", (0,)))
    for size in (0, 1, 17):
        x = rand(size)
        want = interp.run(f, size, x)
        got, _, _ = execute(f, size, x)
        for g, w in zip(got, want):
            np.testing.assert_allclose(g, w)


def test_wrap_in_a_loop_reports_the_position():
    from loop_run import Failed
    f = build([("f64", 5), "index"], lambda b, x, n: for_(
        b, n, [b.const(0.0)], lambda i, s: b("add", s, at(b, x, b("wrap", i, b.index(5), axis=0)))))
    check(f, rand(5), 5)
    with pytest.raises(Failed) as failed:
        execute(f, rand(5), 7)
    assert failed.value.words[:2] == [5, 5]


def test_wrap_of_an_array():
    from loop_run import Failed
    f = build([("f64", 5), ("index", 40)], lambda b, x, i: b("gather", x, b("wrap", i, b.index(5), axis=0), axes=(0,), at=0))
    i = RNG.integers(-5, 5, 40)
    check(f, rand(5), i)
    i[17] = -6
    with pytest.raises(Failed) as failed:
        execute(f, rand(5), i)
    assert failed.value.words[:2] == [-6, 5]


def test_check_stops_before_what_it_guards():
    from loop_run import Failed
    def body(b, x, n):
        y = b("exp", x)
        b.emit("check", b("lt", n, b.index(10)), n, error="ValueError", message="too many: {0}")
        return b("add", y, b.cast(n, F64)), b.cast(b("gt", n, b.index(3)), BOOL)
    f = build([("f64", 30), "index"], body)
    check(f, rand(30), 5)
    with pytest.raises(Failed):
        execute(f, rand(30), 12)
    assert INDEX


def test_carried_array_of_changing_length():
    from tracegrad.ir.build import make_op
    from tracegrad.ir.core import Block
    from tracegrad.ir.opdef import OPS
    from tracegrad.ir.types import INDEX_SCALAR, Type

    def body(b, x):
        params = Block([INDEX_SCALAR, INDEX_SCALAR])
        n = params.params[1]
        params.params += (type(x)(Type(F64, (n,)), "a", params, 2),)
        a = params.params[2]
        with b.at(params):
            tail = b("slice", a, b.index(0), b.iop("sub", n, 2), b.index(1), spec="s")
            grown = b("mul", tail, b.const(1.5))
            params.yields = (b.iop("sub", n, 2), b("update", grown, at(b, a, 1), b.index(0), spec="i"))
        op = make_op(OPS["for"], (b.index(4), b.index(40), x), {}, (params,))
        b.block.ops.append(op)
        return (*op.results, b.reduce(op.results[1], "sum", (0,)))
    check(build([("f64", 40)], body), rand(40))


@pytest.mark.parametrize("c", [0, 1])
def test_branches_of_different_lengths(c):
    def body(b, c, x):
        def side(k, factor):
            return b.index(k), b("mul", run(b, x, 0, k), b.const(factor))
        n, y = if_(b, c, lambda: side(7, 2.0), lambda: side(30, -1.0))
        return n, y, b.reduce(y, "sum", (0,))
    check(build(["bool", ("f64", 40)], body), c, rand(40))


@pytest.mark.parametrize("shape", [(), (3,), (0,)], ids=str)
@pytest.mark.parametrize("depth", [0, 1, 4, 9])
def test_an_entry_of_a_stack_is_exchanged(shape, depth):
    """Below its last entry a stack holds zeros: what is exchanged there finds them, and what is pushed stays on top."""
    def body(b, k, x, y):
        stack = b("stack_new", dtype=F64)
        for scale in (1.0, 2.0):
            stack = b("push", stack, b("mul", x, b.broadcast(b.const(scale), x.type.dims)))
        stack, old = b.emit("exchange", stack, b("cast", k, dtype=INDEX), y)
        stack = b("push", stack, old)
        found = []
        for _ in range(7):
            stack, top = b.emit("pop", stack, *map(b.index, shape))
            found.append(b.reshape(top, (1, *shape)))
        return b("concat", *found, axis=0)

    check(build(["i64", ("f64", *shape), ("f64", *shape)], body), depth, rand(*shape), rand(*shape))
