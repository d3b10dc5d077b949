"""Arrays of any layout go to the kernel through machine code: values, ownership, and what is left to Python."""
import gc
import sys

import numpy as np
import pytest

import tracegrad as tg


def layouts(x):
    """The same elements, otherwise in memory."""
    raw = np.empty(x.nbytes + 1, "u1")
    unaligned = raw[1:].view(x.dtype).reshape(x.shape)
    unaligned[...] = x
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    read_only = np.asfortranarray(x)
    read_only.flags.writeable = False
    return {"fortran": np.asfortranarray(x), "strided": wide[..., ::2], "reversed": x[..., ::-1].copy()[..., ::-1],
            "swapped": x.astype(x.dtype.newbyteorder(">")), "unaligned": unaligned, "read-only": read_only,
            "broadcast": np.broadcast_to(x[:1], x.shape)}


def is_native(f, *args):
    """Whether a call does not enter Python."""
    f(*args)
    seen = []
    sys.setprofile(lambda frame, event, what: seen.append(frame.f_code.co_name) if event == "call" else None)
    try:
        f(*args)
    finally:
        sys.setprofile(None)
    return not seen


@pytest.mark.parametrize("dtype", ["f8", "f4", "c16", "i4", "u1", "?"])
def test_values(dtype):
    x = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
    f = tg.jit(lambda x, y: (x * y, x.T, y[0]))
    f(x, x.copy())
    made = len(f.specializations)
    for name, y in layouts(x).items():
        for args in ((x, y), (y, x)):
            for got, wanted in zip(f(*args), (args[0] * args[1], args[0].T, args[1][0]), strict=True):
                np.testing.assert_array_equal(got, wanted, err_msg=name)
        assert is_native(f, x, y), name
    assert len(f.specializations) == made


def test_gradients_and_the_same_array_twice():
    x = np.random.default_rng(0).normal(size=(3, 4))
    g = tg.grad(lambda x, y: np.sum(np.sin(x) * y), argnums=(0, 1))
    wanted = g(x, x)
    for y in layouts(x).values():
        expected = (np.cos(x) * y, np.sin(x)) if np.array_equal(x, y) else (np.cos(y) * y, np.sin(y))
        for got, right in zip(g(y, y), wanted if np.array_equal(x, y) else expected, strict=True):
            np.testing.assert_array_equal(got, right)
        assert is_native(g, y, y)


def test_containers_empty_arrays_and_rank_0():
    f = tg.jit(lambda p: (p["a"][0] + p["b"], p["c"]))
    b = np.arange(8.0)[::2]
    got, c = f({"a": [b], "b": b, "c": 3})
    np.testing.assert_array_equal(got, b + b)
    assert is_native(f, {"a": [b], "b": b, "c": 3}) and c == 3
    h = tg.jit(lambda x: x * 2)
    for empty in (np.empty((0, 3))[:, ::-1], np.asfortranarray(np.empty((2, 0)))):
        assert h(empty).shape == empty.shape and is_native(h, empty)
    swapped = np.array(2.5, ">f8")
    assert h(swapped) == 5.0 and is_native(h, swapped)


def test_an_argument_that_is_returned_is_itself():
    f = tg.jit(lambda x: (x, x + 1))
    x = np.asfortranarray(np.ones((2, 3)))
    assert f(x)[0] is x and is_native(f, x)


@pytest.mark.sweep(2, days=True)
def test_copies_are_freed():
    f = tg.jit(lambda x, y: np.sum(x) + np.sum(y))
    x = np.arange(20.0)[::2]
    f(x, x[:5].copy())
    gc.collect()
    before = sys.getrefcount(x), sys.getrefcount(np.dtype("f8"))
    for _ in range(100):
        f(x, x[:5])
    assert (sys.getrefcount(x), sys.getrefcount(np.dtype("f8"))) == before


def test_a_failed_check_frees_them_too():
    f = tg.jit(lambda x, k: x[k])
    x = np.arange(20.0)[::2]
    f(x, 1)
    before = sys.getrefcount(x)
    for _ in range(10):
        with pytest.raises(IndexError):
            f(x, 99)
    assert sys.getrefcount(x) == before


def test_what_is_written_goes_through_python():
    def shift(x, y):
        x += y

    f = tg.jit(shift)
    x, y = np.zeros(8)[::2], np.arange(4.0)
    for _ in range(2):
        f(x, y)
    np.testing.assert_array_equal(x, 2 * y)
    z = np.arange(8.0)
    f(z[::2], z[1::2])                                     # interleaved in one memory
    np.testing.assert_array_equal(z, [1, 1, 5, 3, 9, 5, 13, 7])


def test_layouts_that_decide_have_programs_of_their_own():
    def fill(x):
        x[0] = 1.0
        y = x.reshape(-1)
        y[5] = 2.0
        return np.sum(x * x)

    g = tg.grad(fill)
    x = np.ones((3, 4))
    flat = [[0.0] * 4, [2.0, 0.0, 2.0, 2.0], [2.0] * 4]                      # a view of x
    for _ in range(2):
        np.testing.assert_array_equal(g(x), flat)
        np.testing.assert_array_equal(g(np.asfortranarray(x)), [[0.0] * 4, [2.0] * 4, [2.0] * 4])      # a copy


def test_run_time_lengths():
    f = tg.jit(lambda x: np.sum(x * x))
    for n in range(3, 12):
        x = np.arange(2.0 * n)[::2]
        assert f(x) == np.sum(x * x)
