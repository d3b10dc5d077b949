"""Which names live: settled in nests of loops as elsewhere, in a time that grows with the depth, not with 2 ** depth."""
import ast
import textwrap

import pytest
from tracegrad.tracer.syntax.trees import liveness


def analysed(source):
    function = ast.parse(textwrap.dedent(source)).body[0]
    liveness.analyse(function)
    return function, [n for n in ast.walk(function) if isinstance(n, liveness.LOOPS)]


def nest(depth, header):
    lines = ["def f(x, a):"]
    for k in range(depth):
        lines.append("  " * (k + 1) + header.format(k=k))
    lines.append("  " * (depth + 1) + "x[0] = a = a + x[0]")
    lines.append("  return a")
    return "\n".join(lines)


@pytest.mark.parametrize("header", ["for i{k} in range(2):", "while a < {k}:", "for i{k} in (a,):"])
def test_a_deep_nest(header):
    _, loops = analysed(nest(40, header))
    assert len(loops) == 40 and all(s.state == ("a",) and s.mutated == ("x",) for s in loops)


def test_names_that_only_a_later_iteration_of_an_outer_loop_reads():
    _, (outer, middle, inner) = analysed("""
        def f(n):
            b = c = d = 0
            for i in range(n):
                e = c
                for j in range(n):
                    for k in range(n):
                        d = b
                        b = j + k
                    c = d + e
            return 0
    """)
    assert outer.state == ("b", "c", "d") and middle.state == ("b", "c", "d") and inner.state == ("b", "d")


def test_what_an_inner_loop_binds_before_it_reads_it_is_carried_by_none():
    _, loops = analysed("""
        def f(n):
            for i in range(n):
                for j in range(n):
                    t = i * j
                    while t > 0:
                        t = t - 1
                    print(t)
            return n
    """)
    assert [s.state for s in loops] == [(), (), ("t",)]
