"""What kernels cost, by counting: executed loads and stores, statements, temporaries; never seconds."""
from __future__ import annotations

import math

from nest_check import at, build, for_, put, zeros
from tracegrad.ir.types import F64
from tracegrad.lowering.build.loop_builder import lower
from tracegrad.lowering.loopir.grammar import Alloc, Copy, Fill, For, If, Let, Load, Store, walk


def traffic(body) -> int:
    """Loads and stores that statements of static trip counts execute."""
    total = 0
    for s in body:
        if isinstance(s, (Load, Store)):
            total += 1
        elif isinstance(s, For):
            total += s.trip * traffic(s.body)
        elif isinstance(s, If):
            total += max(traffic(s.then), traffic(s.other))
        elif isinstance(s, (Copy, Fill)):
            total += math.prod((s.dst if isinstance(s, Copy) else s.buffer).dims)
    return total


def sweep(n, steps):
    """`steps` passes of x[i] += x[i - 1], in place."""
    def body(b, x):
        def pass_(t, a):
            def cell(i, a):
                k = b.iop("add", i, 1)
                return put(b, a, b("add", at(b, a, k), at(b, a, i)), k)
            return for_(b, n - 1, [a], cell)
        return for_(b, steps, [x], pass_)
    return lower(build([("f64", n)], body, inout={0: 0}))


def test_an_element_written_in_a_loop_costs_one_element():
    small, large = sweep(100, 50), sweep(100_000, 50)
    assert traffic(small.body) == 50 * 99 * 3
    assert traffic(large.body) == 50 * 99_999 * 3
    assert not [s for s in walk(large.body) if isinstance(s, (Alloc, Copy, Fill))]


def test_code_does_not_grow_with_the_trip_count():
    assert len(list(walk(sweep(100, 10).body))) == len(list(walk(sweep(100, 10_000_000).body)))


def test_rotation_moves_no_elements():
    def body(b, x):
        def step(t, before, now):
            v = b("sub", b("mul", now, b.const(1.5)), before)
            inner = b("slice", v, *map(b.index, (1, 998, 1)), spec="s")
            return now, b("update", zeros(b, 1000), inner, *map(b.index, (1, 998, 1)), spec="s")
        return for_(b, 100, [x, x], step)[1]
    kernel = lower(build([("f64", 1000)], body))
    assert traffic(kernel.body) <= 100 * (1000 + 3 * 998) + 3 * 1000


def test_fused_statistics_read_the_matrix_once_each():
    def body(b, x):
        n, m = x.type.dims
        mean = b("mul", b.reduce(x, "sum", (1,)), b.const(1.0 / m))
        wide = b("sub", x, b.broadcast(b.reshape(mean, (n, 1)), (n, m)))
        return b.reduce(b("mul", wide, wide), "sum", (1,))
    kernel = lower(build([("f64", 1000, 500)], body))
    assert traffic(kernel.body) == 1000 * (2 * 500 + 1)
    assert not [s for s in walk(kernel.body) if isinstance(s, Alloc)]


def test_elementwise_gradient_needs_no_temporary():
    def body(b, x, y):
        e = b("tanh", b("mul", x, y))
        d = b("sub", b.const(1.0), b("mul", e, e))
        return b.reduce(e, "sum", (0, 1)), b("mul", d, y), b("mul", d, x)
    kernel = lower(build([("f64", 300, 400), ("f64", 300, 400)], body))
    assert traffic(kernel.body) == 300 * 400 * 4 + 1
    assert not [s for s in walk(kernel.body) if isinstance(s, Alloc)]
    assert F64


def calls_of(body, fn) -> list[list]:
    """The statement lists that compute `fn`."""
    return [block for block in blocks(body) if any(isinstance(s, Let) and s.op == fn for s in block)]


def blocks(body):
    yield body
    for s in body:
        if isinstance(s, For):
            yield from blocks(s.body)


def test_a_costly_function_of_a_product_has_a_loop_of_its_own():
    """Beside the loop of the product it would be computed for one element at a time."""
    def body(b, a, x):
        y = b("dot", a, x, contract=((1,), (0,)), batch=((), ()))
        return b("tanh", y), b("neg", y)
    kernel = lower(build([("f64", 16, 16), ("f64", 16)], body))
    (loop,) = calls_of(kernel.body, "tanh")
    assert not any(isinstance(s, For) for s in loop)
    (loop,) = calls_of(kernel.body, "neg")
    assert any(isinstance(s, For) for s in loop)


def test_a_short_loop_does_not_join_that_of_a_costly_function():
    """y = tanh(x) is vectorised, and so is each row of a y; a long row is read once, with its tanh beside it."""
    def body(b, a, x):
        y = b("tanh", x)
        return y, b("dot", a, y, contract=((0,), (0,)), batch=((), ()))
    for m, apart in ((16, True), (1000, False)):
        kernel = lower(build([("f64", 16, m), ("f64", 16)], body))
        (loop,) = calls_of(kernel.body, "tanh")
        assert apart is not any(isinstance(s, For) for s in loop)
