"""Structured arrays: compiled == evaluator == NumPy, what the caller's array holds afterwards, and derivatives."""
import copy

import numpy as np
import pytest

import tracegrad as tg

PARTICLE = np.dtype([("x", "f8"), ("v", "f8", (2,)), ("id", "i8")])
NESTED = np.dtype([("pos", [("a", "f4"), ("b", "f8", (2, 2))]), ("m", "f8"), ("k", "i4", (3,))], align=True)


def made(n, dtype=PARTICLE, seed=0):
    rng, p = np.random.default_rng(seed), np.zeros(n, dtype)

    def fill(part):
        for name in part.dtype.names:
            if part[name].dtype.names:
                fill(part[name])
            else:
                part[name] = 3 * rng.normal(size=part[name].shape)

    fill(p)
    return p


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype and a.shape == b.shape
    if a.dtype.names:
        return all(same(np.asarray(a[name]), np.asarray(b[name])) for name in a.dtype.names)
    return np.allclose(a, b)


def fields(p):
    return p["x"].sum(), p["v"].sum(axis=0), p["id"] + 1, p[["x", "id"]], len(p), p.shape


def advance(p):
    for i in range(len(p)):
        p[i]["x"] += 0.1 * p[i]["v"][0]
        p["v"][i, 1] *= 0.5
    return p


def loop(p):
    s = 0.0
    for k, r in enumerate(p):
        r["v"][0] += k
        s += r["x"] * r["v"][1] + r["id"]
    return s


def stored(p):
    q = p.copy()
    q[1] = (1.0, (2.0, 3.0), 4)
    q[0] = p[2]
    q["id"][q["x"] > 0] = 7
    q[["x", "id"]][2:] = (0.5, 3)
    return q, q[p["x"] > 0], q[np.array([2, 0])], q[1:], q[-1]


def swapped(p):
    p[0], p[1] = p[1], p[0]                  # both are views: NumPy's result is not a swap
    return p


def created(p):
    q = np.zeros(len(p), dtype=PARTICLE)
    for i in range(len(p)):
        q[i] = (i * 0.5, (i, p[i]["x"]), i)
    return q, np.array([(1.0, (2.0, 3.0), 4), (p[0]["x"], p[1]["v"], 5)], dtype=PARTICLE), np.empty_like(q).shape


def largest(p):
    best = p[0].copy()
    for i in range(1, len(p)):
        if p[i]["x"] > best["x"]:
            best = p[i].copy()
    return best


def nested(p):
    p["pos"]["b"][1] += 1
    p["m"][:] = p["pos"]["a"]
    p[0]["pos"]["a"] = 3
    return p["pos"]["b"].sum(), p["pos"], p[1]["k"]


def attributes(p):
    p.x = p.x * 2
    p.id += 1
    s = 0.0
    for r in p:
        s += r.x * r.v[0]
    return p, s


def plane(p):
    p[1, 2]["x"] = 9.0
    p[0]["v"][:, 1] = 5.0
    return p["v"][1], p[0], p[..., 1], p[:, None]["x"], p.size


def one(r):
    return r["x"] * 2 + r["v"].sum() + r["id"]


CASES = [(fields, made(4)), (fields, made(0)), (advance, made(4)), (advance, made(8)[::2]), (loop, made(4)), (stored, made(4)),
         (swapped, made(3)), (created, made(3)), (largest, made(5)), (nested, made(3, NESTED)),
         (attributes, made(3).view(np.recarray)), (plane, made(6).reshape(2, 3)), (one, made(3)[1]), (advance, made(1))]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f, p", CASES, ids=[f"{f.__name__}{k}" for k, (f, _) in enumerate(CASES)])
def test_as_numpy(f, p):
    a, b, c = copy.deepcopy(p), copy.deepcopy(p), copy.deepcopy(p)
    want = f(a)
    assert same(want, tg.jit(f)(b)) and same(want, tg.jit(f).interpret(c))
    assert same(a, b) and same(a, c)


def test_the_array_that_is_returned_is_the_callers():
    p, view = made(4), made(8)[::2]
    assert tg.jit(advance)(p) is p
    assert np.shares_memory(tg.jit(advance)(view), view)


def test_one_array_twice():
    def f(p, q):
        p["x"][0] = 5.0
        return q["x"][0]

    p = made(3)
    assert tg.jit(f)(p, p) == 5.0 == p["x"][0]
    assert tg.jit(f)(p, made(3, seed=1)) != 5.0


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f, p", [(loop, made(3)), (one, made(3)[1]), (created, made(3)), (largest, made(4)),
                                  (stored, made(4))],
                         ids=lambda x: getattr(x, "__name__", ""))
def test_derivatives(f, p):
    tg.check_grads(lambda p: f(p.copy()), (p,), order=2 if f is loop else 1)


def test_a_gradient_is_a_structured_array():
    p = made(4)
    found = tg.grad(lambda p, m: 0.5 * m * np.sum(p["v"] ** 2) + np.sin(p["x"]).sum())(p, 2.0)
    assert found.dtype == PARTICLE and np.allclose(found["v"], 2 * p["v"]) and np.allclose(found["x"], np.cos(p["x"]))
    assert not found["id"].any()
    assert np.allclose(tg.vmap(lambda r: r["x"] * r["v"].sum())(p), p["x"] * p["v"].sum(1))


@pytest.mark.parametrize("f, message", [
    (lambda p: p + 1, "np.add of a structured array"), (lambda p: p["nope"], "no field of name nope"),
    (lambda p: np.array(p, float), "a conversion to float64 of a structured array"),
    (lambda p: np.sort(p), "np.sort of a structured array"), (lambda p: p[9]["x"], "out of bounds")])
def test_refusals(f, message):
    with pytest.raises(tg.TracegradError, match=message):
        tg.jit(f)(made(4))


def set_record(r, s):
    r["x"], r["v"][1] = np.sum(s["x"]) + 1.0, r["x"]
    s["v"] = r["v"] * 2
    return r


@pytest.mark.parametrize("take", [lambda p: (p[0], p[1]), lambda p: (p[1], p[1]), lambda p: (p[0].copy(), p[2]),
                                  lambda p: (p[2], p[2:3].view(np.recarray)[0])])
def test_a_record_that_is_an_argument_is_written(take):
    p, q, z = made(3), made(3), made(3)
    a, b, c = take(p), take(q), take(z)
    want, got, run = set_record(*a), tg.jit(set_record)(*b), tg.jit(set_record).interpret(*c)
    assert want == got == run and type(got) is type(want) and np.array_equal(p, q) and np.array_equal(p, z)
    assert a[0] == b[0] == c[0]


def test_a_record_and_its_array_share_memory():
    p = made(3)
    with pytest.raises(tg.TracegradError, match="pass a copy of one of them"):
        tg.jit(set_record)(p[0], p)
    assert np.array_equal(p, made(3))


PERSON = np.dtype([("name", "U5"), ("x", float), (("a title", "k"), "i4"), ("born", "M8[D]"),
                   ("inner", [("t", "S3"), ("w", float)])])


def people(n):
    p = np.zeros(n, PERSON)
    p["name"], p["born"], p["inner"]["t"] = "Ada", np.datetime64("1815-12-10"), b"abc"
    p["x"], p["k"], p["inner"]["w"] = np.arange(n) + 0.5, range(n), 2.0
    return p


def numbers_of_people(p):
    total = 0.0
    for k in range(len(p)):
        p[k]["x"] += 1.0
        p["inner"]["w"][k] *= 3.0
        total += p[k]["x"] * p[k]["a title"] + p[k]["inner"]["w"]
    for person in p:
        total -= person["x"]
    best = p[0]
    for k in range(1, len(p)):
        if p[k]["x"] > best["x"]:
            best = p[k]
    return total, best["x"], p[["x", "k"]]["k"], p[p["x"] > 2.0]["k"], len(p[0]), p[1:], p["inner"], p[1], p


def test_fields_of_text_stay_in_their_array():
    a, b, c = people(4), people(4), people(4)
    want, got, run = numbers_of_people(a), tg.jit(numbers_of_people)(b), tg.jit(numbers_of_people).interpret(c)
    assert got[-1] is b and all(np.array_equal(x, y) and np.array_equal(x, z) for x, y, z in zip(want, got, run))
    assert np.array_equal(a, b)
    assert all(np.shares_memory(np.asarray(got[k]), b) for k in (-4, -3, -2))


@pytest.mark.parametrize("f", [lambda p: p["name"], lambda p: p[0]["born"], lambda p: p.copy(), lambda p: p[0].item(),
                               lambda p: p["inner"]["t"][0]])
def test_a_field_of_text_is_named(f):
    with pytest.raises(tg.DTypeError, match=r"the field \['(name|born|t)'\] of a structured array has dtype"):
        tg.jit(f)(people(3))


def _assign(p):
    p[0] = p[1]


def _name(p):
    p["name"] = "Bob"


@pytest.mark.parametrize("f", [_assign, _name, lambda p: p[1].copy(), lambda p: np.zeros_like(p)])
def test_what_would_lose_a_text_is_refused(f):
    p = people(3)
    with pytest.raises(tg.DTypeError, match=r"has dtype|cannot be compiled"):
        tg.jit(f)(p)
    assert np.array_equal(p, people(3))


def test_fields_are_attributes_as_numba_has_them():
    def f(p):
        for k in range(len(p)):
            p[k].x += p[k].v[1] * p.id[k]
        p.v[:] = 2.0
        return p.x.sum()

    p, q = made(3), made(3).view(np.recarray)
    assert tg.jit(f)(p) == f(q) and np.array_equal(p, q)
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        tg.jit(lambda p: p.nope)(p)
    with pytest.raises(tg.UnsupportedError, match=r".mean of a structured array"):
        tg.jit(lambda p: p.mean)(np.zeros(3, [("mean", float)]))


def test_truth():
    x = np.zeros(2, [("a", float)])
    truth = tg.jit(lambda x: 1 if x else 2)
    with pytest.raises(ValueError, match="ambiguous"):
        truth(x)
    with pytest.raises(tg.UnsupportedError, match="truth value of a structured array"):
        truth(x[:1])
