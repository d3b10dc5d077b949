"""Sections of kernels: the same values with every run of loops in a function of its own, in modules of their own."""
import numpy as np
import pytest
from tracegrad.ir.thresholds import sizes
from tracegrad.ir.types import F64, INDEX
from tracegrad.lowering.llvm import sections
from tracegrad.lowering.llvm.sections import Section
from tracegrad.lowering.loopir.grammar import Alloc, For, Imm, Kernel, Pop, Push, Scalar, Set, Swap, Var, walk

import tracegrad as tg

EVERY = {"sectioned": 0, "section": 1, "llvm_part": 1, "llvm_thread": 0}


def sums(x, y):
    """Variables from one loop to the next, and scalars."""
    s, t = 0.0, 1.0
    for i in range(len(x)):
        s += x[i] * y[i]
    m = s / len(x)
    for i in range(len(x)):
        t = max(t, np.abs(x[i] - m))
    for i in range(len(x)):
        s += t * x[i] ** 2
    return s + t


def rows(x, y):
    """Temporaries that share slots, in a loop that carries arrays."""
    a = np.outer(x, y)
    for k in range(3):
        b = np.sin(a) + a.sum(axis=0)
        c = np.cumsum(b, axis=1) / 9.0
        a = np.where(c > 0.1 * k, c - b.mean(), b)
    return (a * a).sum()


def exchanged(x, y):
    """Memory that changes its owner."""
    a, b = x.copy(), y.copy()
    for _ in range(5):
        for i in range(1, len(a) - 1):
            b[i] = 0.5 * (a[i - 1] + a[i + 1]) + 0.1 * b[i]
        a, b = b, a
    return (a * y).sum() - b.max()


def taped(x, y):
    """A loop of unknown length, whose derivative has tapes."""
    v, n = x.copy(), 0
    while v.sum() < 40.0 and n < 30:
        v = v + 0.1 * v * v + 0.3 * y
        n += 1
    return (v * v).sum() + n


def paused(x, y):
    """Numbers on tapes in loops of unknown length, between whole arrays on others; one loop stands in another."""
    v, total = x.copy(), 0.0
    while v.sum() < 60.0:
        s, k = v[0], 0
        while s * s < 30.0 + k:
            s = s + np.sin(s) * y[k % 20] + 0.7
            k += 1
        w = v * 1.2 + 0.1 * s
        for i in range(1, len(v)):
            w[i] = w[i] + 0.01 * w[i - 1] * v[i]
        total += (w * y).sum() + k
        v = w + 0.2
    return total + (v * v).sum()


def searched(x, y):
    best, where = -np.inf, 0
    for i in range(len(x)):
        if x[i] > best:
            best, where = x[i], i
    flags = np.zeros(len(x), bool)
    for i in range(len(x)):
        flags[i] = y[i] > y[where]
    small = (x * flags).astype(np.float16) * np.float16(3)
    return best * flags.sum() + float(small.sum()) + y[where]


def complexes(x, y):
    z = x + 1j * y
    w = np.zeros(len(z), complex)
    for i in range(len(z)):
        for j in range(len(z)):
            w[i] += z[j] * np.exp(-2j * np.pi * i * j / len(z))
    return (np.abs(w) ** 2).sum() + (w * z).sum().real


PROGRAMS = [sums, rows, exchanged, taped, paused, searched, complexes]
X, Y = np.linspace(0.3, 1.7, 20), np.cos(np.arange(20.0)) + 0.2


def fresh(make, f):
    """Without what other tests have compiled."""
    made = make(f)
    made.cache_clear()
    return made


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("setting", [EVERY, {**EVERY, "shared": 0, "slot": 0, "registers": 0}], ids=["every", "slots"])
def test_values_and_gradients(f, setting):
    with sizes.at(sectioned=1 << 40, **{k: v for k, v in setting.items() if k in ("shared", "slot", "registers")}):
        want = fresh(lambda f: tg.value_and_grad(f, argnums=(0, 1)), f)(X, Y)
    with sizes.at(**setting):
        got = fresh(lambda f: tg.value_and_grad(f, argnums=(0, 1)), f)(X, Y)
    np.testing.assert_allclose(got[0], f(X, Y), rtol=1e-12)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-13)
    for g, w in zip(got[1], want[1], strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("f", [sums, rows], ids=lambda f: f.__name__)
def test_loops_for_threads_in_sections(f):
    with sizes.at(**EVERY, parallel=0, grain=0):
        value, grads = fresh(lambda f: tg.value_and_grad(f, argnums=(0, 1)), f)(X, Y)
    want = tg.value_and_grad(f, argnums=(0, 1))(X, Y)
    np.testing.assert_allclose(value, want[0], rtol=1e-12)
    np.testing.assert_allclose(grads, want[1], rtol=1e-11)


def test_a_check_in_a_section_says_what_it_says_elsewhere():
    def f(x, k):
        s = 0.0
        for i in range(len(x)):
            s += x[i]
        for i in range(len(x)):
            s += x[k[i]]
        return s

    with sizes.at(**EVERY):
        compiled = fresh(tg.jit, f)
        assert compiled(np.arange(4.0), np.array([3, 2, 1, 0])) == 12.0
        with pytest.raises(IndexError, match="index 7 is out of bounds for axis 0 with size 4") as caught:
            compiled(np.arange(4.0), np.array([3, 7, 1, 0]))
    assert "s += x[k[i]]" in str(caught.value) or "test_sections" in str(caught.value)


def test_arguments_that_are_written_and_results_of_several_arrays():
    def f(a, b):
        for i in range(len(a)):
            a[i] = a[i] * 2.0 + b[i]
        c = a + b
        for i in range(1, len(a)):
            b[i] = b[i - 1] + a[i]
        return c, b.sum()

    a, b = X.copy(), Y.copy()
    want = f(a, b), a, b
    with sizes.at(**EVERY):
        a2, b2 = X.copy(), Y.copy()
        got = fresh(tg.jit, f)(a2, b2), a2, b2
    np.testing.assert_allclose(got[0][0], want[0][0])
    np.testing.assert_allclose(got[0][1], want[0][1])
    np.testing.assert_allclose(got[1:], want[1:])


def test_what_is_cut(monkeypatch):
    """Exchanged memory stays outside; a small kernel is not cut. What a section makes on a tape is used by others."""
    seen, cut = [], sections.cut

    def noted(kernel):
        seen.append((kernel, cut(kernel)))
        return seen[-1][1]

    monkeypatch.setattr(sections, "cut", noted)
    with tg.config(cache=False), sizes.at(**EVERY, slot=0):
        for f in (exchanged, taped, paused):
            fresh(tg.grad, f)(X, Y)
    made = [s for _, lists in seen for parts in lists.values() for s in parts if isinstance(s, Section)]
    assert len(made) > 5 and any(s.given for s in made) and any(type(s) is Swap for k, _ in seen for s in walk(k.body))
    assert not any(isinstance(t, sections._OUTSIDE) for s in made for t in walk(s.statements))
    assert {type(t) for s in made for t in walk(s.statements)} >= {Push, Pop, Alloc} and any(s.lying for s in made)
    seen.clear()
    with tg.config(cache=False):
        fresh(tg.grad, sums)(X, Y)
    assert [lists for _, lists in seen] == [{}]


def test_long_straight_code_is_looked_at_once(monkeypatch):
    """Thousands of statements without loops, as small matrices that are written out have."""
    asked, looped = [], sections._looped
    monkeypatch.setattr(sections, "_looped", lambda s: asked.append(s) or looped(s))
    v = [Var(F64, "v"), Var(F64, "w")]
    body = [Set(v[k % 2], Imm(float(k), F64)) for k in range(3000)]
    loop = For(Scalar(INDEX), 100, [Set(v[0], Imm(1.0, F64)) for _ in range(500)])
    lists = sections.cut(Kernel("k", [], [*body, loop, *body]))
    assert sum(isinstance(s, Section) for parts in lists.values() for s in parts) == 1
    assert len(asked) < 40_000
