"""Global names that a function gives their first value: tables and modules that are made when they are needed."""
import sys

import numpy as np
import pytest

import tracegrad as tg

TABLE = HYPOT = LAST = None
READY, COUNT, LOADS = False, 0, []


@pytest.fixture(autouse=True)
def anew():
    space = globals()
    space.update(TABLE=None, HYPOT=None, LAST=None, READY=False, COUNT=0)
    LOADS.clear()


def loaded():
    LOADS.append(1)
    return np.linspace(0, 1, 5) ** 2


def from_table(x, k):
    global TABLE
    if TABLE is None:
        TABLE = loaded()
    return x * TABLE[k]


def from_module(x):
    global HYPOT
    if HYPOT is None:
        from math import hypot as HYPOT
    return HYPOT(x, 2.0)


def by_flag(x):
    global READY
    if not READY:
        READY = True
    return x * 2 if READY else x


def test_the_first_call_binds_the_name():
    f = tg.jit(from_table)
    assert f(2.0, 3) == 1.125 and type(TABLE) is np.ndarray
    assert tg.grad(from_table)(2.0, 2) == 0.25
    assert f(2.0, 3) == 1.125 and LOADS == [1]
    assert tg.jit(from_module)(1.5) == 2.5 and tg.grad(from_module)(1.5) == pytest.approx(0.6)
    assert tg.jit(by_flag)(1.0) == 2.0 and READY is True


def test_another_value_is_seen():
    f = tg.jit(from_table)
    f(2.0, 3)
    sys.modules[__name__].TABLE = np.full(5, 7.0)
    assert f(2.0, 3) == 14.0
    sys.modules[__name__].TABLE = None
    assert f(2.0, 3) == 1.125 and len(LOADS) == 2


def counted(x):
    global COUNT
    COUNT = COUNT + 1
    return x


def counted_in_place(x):
    global COUNT
    COUNT += 1
    return x


def kept(x):
    global LAST
    LAST = [x]
    return x


def kept_number(x):
    global LAST
    LAST = x
    return x


def on_a_condition(x):
    global LAST
    if x > 0:
        LAST = 3.0
    return x


def in_a_loop(x):
    global LAST
    while x > 2:
        LAST = 3.0
        x -= 1
    return x


class Holder:
    def __init__(self, x):
        self.x = x


def in_an_object(x):
    global LAST
    held = Holder(x)
    LAST = held
    return x


def in_a_function(x):
    global LAST

    def double():
        return 2 * x

    LAST = double
    return x


def changed_later(x):
    global LAST
    held = [1.0]
    LAST = held
    held.append(x)
    return x


@pytest.mark.parametrize(("f", "why"), [
    (in_a_loop, "under a condition"), (in_an_object, "to what only run time knows"),
    (in_a_function, "to what only run time knows"), (changed_later, "cannot be compiled|exists outside"),
    (counted, "COUNT` cannot be compiled: it would have another value afterwards"),
    (counted_in_place, "may read global names, not bind them"),
    (kept, "to what only run time knows"), (kept_number, "to what only run time knows"),
    (on_a_condition, "under a condition that only run time knows")])
def test_other_stores_are_refused(f, why):
    with pytest.raises(tg.UnsupportedError, match=why):
        tg.jit(f)(1.0)
    assert LAST is None and COUNT == 0


def filled(x):
    global TABLE
    if TABLE is None:
        table = {}
        for k in range(4):
            table[k] = k * 2
        TABLE = table
    return x * TABLE[3]


def test_a_table_that_a_loop_fills():
    assert tg.jit(filled)(2.0) == 12.0 and TABLE == {0: 0, 1: 2, 2: 4, 3: 6}


MODE = "safe"


class mode:
    def __init__(self, name):
        self.name, self.before = name, MODE

    def __enter__(self):
        set_mode(self.name)

    def __exit__(self, *error):
        set_mode(self.before)


def set_mode(name):
    global MODE
    MODE = name


def scaled(x):
    return x * 2 if MODE == "safe" else x * 3


def for_a_while(x):
    with mode("fast"):
        y = scaled(x)
    for k in range(3):
        with mode("fast" if k == 1 else "safe"):
            y += scaled(x)
    if x > 0:
        with mode("fast"):
            y += scaled(x)
    return y + scaled(x)


def for_good(x):
    if x > 0:
        set_mode("fast")
    y = scaled(x)
    set_mode("safe")
    return y


def as_an_attribute(x):
    with mode("fast"):
        y = x if HERE.MODE == "fast" else -x
    return y + (x if HERE.MODE == "safe" else 5 * x)


HERE = sys.modules[__name__]


def test_an_attribute_of_a_module_that_has_another_value_for_a_while():
    assert tg.jit(as_an_attribute)(1.5) == as_an_attribute(1.5) == 3.0


def test_a_name_that_has_another_value_for_a_while(monkeypatch):
    f = tg.jit(for_a_while)
    for x in (1.5, -1.5):
        assert f(x) == for_a_while(x) and MODE == "safe"
    monkeypatch.setitem(globals(), "MODE", "fast")
    assert f(1.5) == for_a_while(1.5) and MODE == "fast"
    monkeypatch.setitem(globals(), "MODE", "safe")
    assert f(1.5) == for_a_while(1.5)


@pytest.mark.parametrize("f", [lambda x: set_mode("fast") or scaled(x), for_good])
def test_a_name_that_keeps_another_value_is_refused(f):
    with pytest.raises(tg.UnsupportedError, match=r"MODE.*another value afterwards"):
        tg.jit(f)(1.0)
    assert MODE == "safe"


INSIDE = False


class inside:
    def __enter__(self):
        global INSIDE
        INSIDE = True

    def __exit__(self, *error):
        global INSIDE
        INSIDE = False


def flagged(x):
    return x * 2 if INSIDE else x * 3


def under_a_flag(x):
    with inside():
        y = flagged(x)
    for _ in range(int(x)):
        with inside():
            y += flagged(x)
    return y + flagged(x)


def test_a_flag_that_is_set_for_a_while():
    f = tg.jit(under_a_flag)
    for x in (2.5, 0.5):
        assert f(x) == under_a_flag(x) and INSIDE is False
    with pytest.raises(tg.UnsupportedError, match="only run time knows"):
        tg.jit(lambda x: inside().__enter__() or kept_number(x))(1.0)
    assert INSIDE is False
