"""Branches and loops whose course only run time knows: the traced program equals Python."""
import numpy as np
import pytest
from trace_check import check, ops, run
from tracegrad.ir.errors import UnsupportedError
from tracegrad.tracer.staging import trace_function

X = np.array([0.5, -1.5, 2.5, 3.5, -0.25, 1.0, 7.0])


def if_else(x):
    if x > 0:
        y = x * 2
    else:
        y = x - 1
    return y


def if_without_else(x):
    y = x
    if x > 0:
        y = x * 2
    return y


def elif_chain(x):
    if x < -1:
        kind = 1
    elif x < 0:
        kind = 2
    elif x < 1:
        kind = 3
    else:
        kind = 4
    return kind


def returns_early(x):
    if x > 1:
        return x
    if x > 0:
        return x * 2.0
    x = x - 1
    if x < -2:
        return x * 3.0
    return -x


def nested(x):
    y = 0.0
    if x > 0:
        if x > 1:
            y = x * x
        else:
            y = x + 1
    elif x < -1:
        y = -x
    return y


def conditional_expression(x):
    return (x * 2 if x > 0 else -x) + (1.0 if x < 5 else 2.0)


def short_circuit(x):
    out = 0.0
    if (x > 0 and x < 2) or x == -1.5:
        out = 1.0
    return out, (x > 0 and x < 2), not x > 0


def chained(x):
    return 0 < x < 2, -2 <= x <= 0 <= 1


def assigns_name_in_condition(x):
    if (y := x * 2) > 1:
        return y
    return y - 1


def assigns_in_operands(x):
    z = y = 1.0
    a = (z := x + 1) if x > 0 else (y := x - 1)
    b = x > 1 or (z := z + 1) > 2 or (y := z * 2) > 0
    c = x < (y := a + 2) < (u := y + z) and (v := u * 2) > 0 and v < 9
    return a, b, c, z, y


def assigns_in_one_operand(x):
    if x > -2 and (z := x * 2) < 3:
        return z
    return 0.0 if x > -2 else 5.0


def assigns_an_array_in_an_operand(x):
    z = np.zeros(3)
    if x > 0 and (z := np.ones(3) * x).sum() > 2:
        z[0] = 1
    z[1] += x
    return z


def one_branch_and_flag(x):
    found = False
    if x > 0:
        where = x * 3
        found = True
    if found:
        return where
    return 0.0


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn",
                         [if_else, if_without_else, elif_chain, returns_early, nested, conditional_expression, short_circuit,
                                chained, assigns_name_in_condition, assigns_in_operands, assigns_in_one_operand,
                                assigns_an_array_in_an_operand, one_branch_and_flag], ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [-3.0, -1.5, -0.5, 0.0, 0.5, 1.5, 8.0])
def test_branch(fn, x):
    check(fn, np.float64(x))


def array_in_branch(x, c):
    y = x * 1.0
    if c > 0:
        y[0] = 5.0
        y[1:3] *= 2
    else:
        y = y + 1
    return y


def writes_argument_in_branch(x, c):
    if c > 0:
        x[0] = 1.0
    x[1] += 2.0


def tuples_in_branch(x, c):
    if c > 0:
        a, b = x[0], {"k": x[1], "n": [1.0, x[2]]}
    else:
        a, b = x[1], {"k": 2.0 * x[0], "n": [2.0, x[0]]}
    return a, b


def list_items_in_branch(x, c):
    items = [x[0], x[1], 3.0]
    if c > 0:
        items[0] = x[2]
        items[-1] = 4.0
    return items


class Particle:
    def __init__(self, x, v):
        self.x, self.v = x, v

    def bounce(self):
        if self.x < 0:
            self.x = -self.x
            self.v = -self.v


def attributes_in_branch(x, c):
    p = Particle(x[1], c)
    p.bounce()
    q = Particle(x[0], 1.0)
    q.bounce()
    return p.x, p.v, q.x, q.v


@pytest.mark.parametrize("fn", [array_in_branch, writes_argument_in_branch, tuples_in_branch, list_items_in_branch,
                                attributes_in_branch],
                         ids=lambda f: f.__name__)
@pytest.mark.parametrize("c", [-1.0, 1.0])
def test_branch_changes(fn, c):
    check(fn, X.copy(), np.float64(c))


# --- for --------------------------------------------------------------------------------------------------------------


def sum_range(x):
    s = 0
    for i in range(x.size):
        s += x[i]
    return s


def sum_items(x):
    s = 0
    for v in x:
        s = s + v
    return s


def backwards(x):
    s = 0.0
    for i in range(x.size - 1, -1, -2):
        s = s * 0.5 + x[i] * i
    return s


def nested_loops(x):
    out = np.zeros((x.size, x.size))
    for i in range(x.size):
        for j in range(i):
            out[i, j] = x[i] * x[j] + i - j
    return out


def with_enumerate(x):
    s = 0.0
    for i, v in enumerate(x, 2):
        s += i * v
    return s


def with_zip(x):
    s = 0.0
    for a, b, i in zip(x[:-1], x[1:], range(100)):
        s += a * b + i
    return s


def with_reversed(x):
    s = 0.0
    for v in reversed(x):
        s = s * 0.5 + v
    return s


def breaks(x):
    s = 0.0
    for v in x:
        if v > 3:
            break
        s += v
    return s


def continues(x):
    s = 0.0
    for v in x:
        if v < 0:
            continue
        if v > 3:
            s -= 1
            continue
        s += v
    return s


def breaks_else(x):
    s = 0.0
    for v in x:
        if v > 100:
            s = -1.0
            break
        s += v
    else:
        s *= 2
    return s


def returns_inside(x):
    for i in range(x.size):
        if x[i] > 3:
            return i, x[i]
    return -1, 0.0


def returns_from_inner(x):
    for i in range(x.size):
        for j in range(x.size):
            if x[i] + x[j] > 9:
                return x[i] * 100 + x[j]
    return -1.0


def search_with_flag(x):
    found = False
    for i in range(x.size):
        if x[i] > 3:
            found = True
            where = i
            break
    if found:
        return where
    return -1


def last_value_after(x):
    for v in x:
        last = v * 2
    return last, v


def counter_after(x):
    for i in range(x.size):              # noqa: B007
        pass
    return i


def previous_is_none(x):
    previous, s = None, 0.0
    for v in x:
        if previous is not None:
            s += abs(v - previous)
        previous = v
    return s


def array_carried(x):
    y = x.copy()
    for _ in range(6):
        y = 0.5 * (y + np.roll(y, 1))
    return y


def swap(x):
    a, b = x.copy(), x * 2
    for _ in range(7):
        b[1:] += 0.5 * a[:-1]
        a, b = b, a
    return a, b


def several_widen(x):
    a, b, c = 0, 1, 2
    for v in x:
        a, b, c = b, c, a + v
    return c


def appended(x):
    out = []
    for v in x:
        out.append(v * 2)
    return np.array(out)


def dictionary_loop(x):
    d = {"a": x[0], "b": x[1]}
    for i in range(6):
        d["a"] = d["a"] * 0.5 + d["b"]
        d["b"] += i
    return d


def object_loop(x):
    p = Particle(0.5, 1.0)
    for _ in range(20):
        p.x += 0.1 * p.v
        p.v -= 0.1 * x[0]
        p.bounce()
    return p.x, p.v


def list_of_arrays(x):
    rows = [x * 1.0, x * 2.0]
    for i in range(6):
        rows[0][i] += rows[1][0]
        rows[1] = rows[1] * 0.5
    return rows


def names_needed_by_closure(x):
    total = 0.0

    def scaled(v):
        return v * (1 + total)

    for v in x:
        total = total + 0.1 * scaled(v)
    return total


def index_decides_list(x):
    weights = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    s = 0.0
    for i in range(x.size):
        s += weights[i] * x[i]
    return s


def index_decides_shape(x):
    s = 0.0
    for n in range(1, 7):
        s += np.sum(np.ones(n)) * x[n]
    return s


def shrinking(x):
    for _ in range(5):
        x = x[1:] - x[:-1]
    return x


def in_and_minmax(x):
    s = 0.0
    for i in range(x.size):
        if i in (1, 3, 5):
            s += max(x[i], 0.0)
        else:
            s += min(x[i], 1.0)
    return s


def two_dimensional(x):
    a = np.outer(x, x)
    s = 0.0
    for row in a:
        row[0] = 1.0
        for v in row:
            s += v
    return s, a


def empty_loop(x):
    s = 0
    for i in range(0):
        s += x[i]
    for v in x[:0]:
        s += v
    return s


def comprehension(x):
    rows = [v * i for i, v in enumerate(x) if i % 2 == 0]
    return sum(rows), [a + b for a in rows[:2] for b in (1, 2)], {i: 2 * v for i, v in enumerate(x[:2])}


FOR = [sum_range, sum_items, backwards, nested_loops, with_enumerate, with_zip, with_reversed, breaks, continues, breaks_else,
       returns_inside, returns_from_inner, search_with_flag, last_value_after, counter_after, previous_is_none, array_carried,
       swap,
       several_widen, appended, dictionary_loop, object_loop, list_of_arrays, names_needed_by_closure, index_decides_list,
       index_decides_shape, shrinking, in_and_minmax, two_dimensional, empty_loop, comprehension]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn", FOR, ids=lambda f: f.__name__)
def test_for(fn):
    check(fn, X.copy())


def trip_from_argument(x, n):
    s = 0.0
    for i in range(n):
        s += x[i % x.size]
    return s


def trip_from_data(x, n):
    s = 0.0
    for i in range(int(x[3]) + n):
        s += i
    return s


def zero_trip_keeps(x, n):
    y = x
    for _ in range(n):
        y = y * 2
    return y


def nested_traced_trip(x, n):
    s = 0
    for i in range(n):
        for j in range(i, n):
            s += i * j
    return s


def step_from_argument(x, n):
    s = 0
    for i in range(20, 0, -n - 1):
        s = s * 3 + i
    return s


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("fn", [trip_from_argument, trip_from_data, nested_traced_trip, step_from_argument],
                         ids=lambda f: f.__name__)
def test_traced_trip(fn, n):
    check(fn, X.copy(), n)


@pytest.mark.parametrize("n", [1, 5])
def test_traced_trip_of_arrays(n):
    check(zero_trip_keeps, X.copy(), n)


# --- while ------------------------------------------------------------------------------------------------------------


def newton(x):
    g = x
    while abs(g * g - x) > 1e-12:
        g = 0.5 * (g + x / g)
    return g


def while_index(x):
    i, s = 0, 0.0
    while i < x.size and x[i] < 5:
        s += x[i]
        i += 1
    return s, i


def while_true(x):
    i = 0
    while True:
        if x[i] > 2:
            break
        i += 1
    return i


def while_true_returns(x):
    i = 0
    while 1:
        for v in x:
            if v > 2:
                break
        i += 1
        if x[i] > 2:
            return x[i] * v, i


def while_true_in_a_branch(x):
    i = 0
    if x[0] > 0:
        while True:
            i += 1
            if x[i] < 0:
                return i
    return -i


def while_true_returns_or_breaks(x):
    i = 0
    while True:
        i += 1
        if x[i] > 2:
            if x[i] > 3:
                return i
            break
    return -i


def while_else(x):
    i = 0
    while i < 5:
        if x[i] > 100:
            break
        i += 1
    else:
        i = -1
    return i


def while_continue(x):
    i, s = 0, 0.0
    while i < x.size:
        i += 1
        if x[i - 1] < 0:
            continue
        s += x[i - 1]
    return s


def while_return(x):
    i = 0
    while i < x.size:
        if x[i] > 3:
            return x[i]
        i += 1
    return 0.0


def while_walrus(x):
    i = 0
    while (v := x[i]) < 3:
        i += 1
    return i, v


def while_walrus_and_break(x):
    s, i = 0.0, 0
    while i < x.size and (v := x[i]) < 3 and (u := v * 2) > -9:
        if u > 5:
            break
        s += u
        i += 1
    return s, v


def while_shapes(x):
    while x.size > 2:
        x = x[::2] * 2.0
    return x


def while_array(x):
    y = x.copy()
    while np.max(y) > 0.01:
        y *= 0.5
    return y


def any_and_all_of_generators(x):
    return any(v > 3 for v in x), all(v > 0 for v in x if v > 0.3), any(v > 9 for v in x), all(v < 9 for v in x)


WHILE = [while_index, while_true, while_true_returns, while_true_in_a_branch, while_true_returns_or_breaks,
         any_and_all_of_generators, while_else, while_continue, while_return, while_walrus, while_walrus_and_break,
         while_shapes, while_array]


@pytest.mark.parametrize("fn", WHILE, ids=lambda f: f.__name__)
def test_while(fn):
    check(fn, X.copy())


@pytest.mark.parametrize("x", [2.0, 9.0])
def test_newton(x):
    check(newton, x)


def test_a_name_that_an_operand_set_perhaps():
    def fn(x):
        if x > 0 and (z := x * 2) < 3:
            pass
        return z

    check(fn, 1.0)
    with pytest.raises(UnboundLocalError, match="'z'"):
        run(fn, -1.0)


# --- size -------------------------------------------------------------------------------------------------------------


def test_size_does_not_depend_on_the_trip_count():
    def run(x, n):
        s = 0.0
        for i in range(n):
            s += x[i % 7]
        return s

    def fixed(n):
        def run(x):
            s = 0.0
            for i in range(n):
                s += x[i % 7]
            return s
        return run

    assert ops(run, X, 10) == ops(run, X, 10_000_000)
    assert ops(fixed(10), X) == ops(fixed(10_000_000), X)


# --- one array under two names ----------------------------------------------------------------------------------------


def reads_either(x):
    a, b = x.copy(), x * 2
    if x[0] > 0:
        b = a
    return a + b


def copies_where_names_part(x):
    a, b = x.copy(), x * 2
    if x[0] > 0:
        b = a.copy()
    a[0] = 9
    b[1] = 8
    return a, b


def same_at_entry(x):
    a = b = x.copy()
    for i in range(6):
        a = a + 1
        a[0] = i
    return a, b


def same_and_written(x):
    a = b = x.copy()
    for i in range(6):
        a += 1
        b[i] = 0
    return a, b


def same_at_end(x):
    a, b = x.copy(), x * 2
    for i in range(6):
        c = a + b
        a = c
        b = c
        b[i] += 1
    return a, b


def row_of_matrix(x):
    m = np.outer(x, x)
    row, s = m[0], 0.0
    for i in range(1, 7):
        s += row[1]
        row = m[i]
    fixed = m[2]
    for i in range(7):
        fixed[i] = i
        m[i, 0] += fixed[1]
    return s, m


def best_of_fresh_ones(x):
    best, cost, now = x, np.inf, x.copy()
    for i in range(9):
        now = now * 0.9
        new = np.sum(now**2) + (i - 4) ** 2
        if new < cost:
            best, cost = now, new
    return best, cost


def items_trade(x):
    d = {"a": x.copy(), "b": x * 2}
    for _ in range(7):
        d["b"][1:] += 0.5 * d["a"][:-1]
        d["a"], d["b"] = d["b"], d["a"]
    return d


def trade_in_while(x):
    a, b, k = x.copy(), x * 2, 0
    while a[0] < 9:
        b[:] = a + 1
        a, b = b, a
        k += 1
    return a, b, k


def helper_writes(x):
    def add(v, i):
        v[i] += i

    for i in range(7):
        add(x, i)
    return x


@pytest.mark.parametrize("fn",
                         [reads_either, copies_where_names_part, same_at_entry, same_and_written, same_at_end, row_of_matrix,
                                best_of_fresh_ones, items_trade, trade_in_while, helper_writes], ids=lambda f: f.__name__)
def test_aliases(fn):
    check(fn, X.copy())


def trade(a, b):
    for _ in range(7):
        b[1:] += 0.5 * a[:-1]
        a, b = b, a
    return a


def trade_and_write(a, b):
    for _ in range(7):
        b[1:] += 0.5 * a[:-1]
        a, b = b, a
    a[0] = 5.0
    b[1] = 3.0
    return b


def trade_three(a, b):
    c, first = a * b, a
    for i in range(8):
        a[i % 5] += b[0]
        a, b, c = b, c, a
    return first, a, b, c


def trade_n_times(a, b, n):
    for _ in range(n):
        b[1:] += 0.5 * a[:-1]
        a, b = b, a
    return a


@pytest.mark.parametrize("fn", [trade, trade_and_write, trade_three], ids=lambda f: f.__name__)
def test_arguments_that_trade_names(fn):
    check(fn, X.copy(), X * 3)


@pytest.mark.parametrize("n", [0, 1, 6, 7])
def test_arguments_that_trade_names_n_times(n):
    check(trade_n_times, X.copy(), X * 3, n)


def write_one(x):
    a, b = x.copy(), x * 2
    if x[0] > 0:
        b = a
    a[0] = 9.0
    return b


def write_other(x):
    a, b = x.copy(), x * 2
    if x[0] > 0:
        b = a
    b[0] = 9.0
    return a


def same_in_next_iteration(x):
    a, b = x.copy(), x * 2
    for i in range(6):
        a[i] += 1
        b[0] += a[0]
        c = a + b
        a = c
        b = c
    return a, b


def row_written(x):
    m = np.outer(x, x)
    row = m[0]
    for i in range(1, 7):
        row[0] += 1
        row = m[i]
    return m


def best_of_one_written(x):
    best, cost, now = x, np.inf, x.copy()
    for i in range(9):
        now *= 0.9
        new = np.sum(now**2) + (i - 4) ** 2
        if new < cost:
            best, cost = now, new
    return best, cost


def items_the_same(x):
    d = {"a": x.copy(), "b": x * 2}
    for _ in range(7):
        d["b"][0] += 1
        d["a"][1] = d["b"][0]
        t = d["a"] + d["b"]
        d["a"] = t
        d["b"] = t
    return d


def bound_on_condition(x):
    b = x * 2
    for i in range(7):
        if x[i] > 0:
            q = b
        b[0] += i
    return q, b


@pytest.mark.parametrize("fn", [write_one, write_other, same_in_next_iteration, best_of_one_written, items_the_same,
                                bound_on_condition], ids=lambda f: f.__name__)
def test_a_write_reaches_another_name_where_it_is_the_same_array(fn):
    check(fn, X)
    check(fn, -X)


def test_a_write_reaches_a_view_of_run_time():
    check(row_written, X)
    check(row_written, -X)


def row_or_new(x):
    a = np.stack([x, x * 2])
    b = a[0]
    if x[0] > 0:
        b = x * 3
    a[0, 0] = 5.0
    return b + a[0]


def test_a_write_that_may_reach_a_view_or_not_is_refused():
    with pytest.raises(UnsupportedError, match="may have been overwritten through another name") as caught:
        trace_function.trace(row_or_new, (X,))
    assert "`b = a.copy()`" in str(caught.value)
    assert caught.value.loc[-1].function == "row_or_new"


def test_a_list_that_may_be_one_of_two():
    def fn(x):
        p, q = [x[0]], [x[1]]
        if x[0] > 0:
            r = p
        else:
            r = q
        r[0] = 5.0
        return p, q

    check(fn, X)
    check(fn, -X)


def test_an_argument_that_may_be_overwritten():
    def fn(x, y):
        if x[0] > 1:
            y = x
        y[0] = 5.0
        return y

    check(fn, X, X * 2)
    check(fn, X + 2, X * 2)
    assert trace_function.trace(fn, (X, X * 2), writes=False).writes == {}


# --- raising ----------------------------------------------------------------------------------------------------------


def raises_in_branch(x, c):
    if c > 0:
        raise ValueError(f"c is {c:.2f}, x[0] is {x[0]}")
    return x * 2


def raises_in_else(x, c):
    if c <= 0:
        y = x * 2
    else:
        raise ZeroDivisionError
    return y


def raises_in_loop(x, c):
    s = 0.0
    for i in range(x.size):
        if x[i] > 2 + c:
            raise IndexError(f"too big at {i}")
        s += x[i]
    return s


def asserts(x, c):
    assert c <= 0, f"c = {c}"
    assert x.size == 7
    return x


def nested_raise(x, c):
    if x[0] > 0:
        if c > 0:
            raise OverflowError("deep")
        s = 1
    else:
        s = 2
    return s


def unbound(x, c):
    if c <= 0:
        y = 1.0
    return y


@pytest.mark.parametrize("fn", [raises_in_branch, raises_in_else, asserts, nested_raise, unbound], ids=lambda f: f.__name__)
def test_raise(fn):
    check(fn, X.copy(), np.float64(-1.0))
    with pytest.raises(Exception) as expected:
        fn(X, np.float64(1.0))
    with pytest.raises(type(expected.value)) as caught:
        run(fn, X, np.float64(1.0))
    assert str(caught.value) == str(expected.value).split("\nassert ")[0]


def test_raise_in_loop():
    check(raises_in_loop, X.copy(), np.float64(9.0))
    with pytest.raises(IndexError, match=r"^too big at 2"):
        run(raises_in_loop, X, np.float64(0.0))


def test_raise_of_a_users_exception():
    class Unstable(Exception):
        def __init__(self, text):
            super().__init__(text)

    def fn(x):
        if x[0] > 0:
            raise Unstable("no")
        return x

    with pytest.raises(Unstable, match=r"^no"):
        run(fn, np.abs(X) + 1.0)

    def leaves(x):
        if x[0] > 0:
            raise KeyboardInterrupt
        return x

    with pytest.raises(UnsupportedError, match="`raise` of KeyboardInterrupt under a condition that is decided at run time"):
        trace_function.trace(leaves, (X,))


def test_a_function_that_always_raises():
    def fn(x):
        if x[0] > 0:
            raise ValueError("one")
        else:
            raise KeyError("other")

    with pytest.raises(ValueError, match="one"):
        run(fn, X)
    with pytest.raises(KeyError, match="other"):
        run(fn, -X)


def test_a_raise_that_is_reached_while_tracing():
    def fn(x, how):
        if x[0] < 0:
            raise ValueError("negative")
        if how != "soft":
            raise NotImplementedError(how)
        return x

    check(fn, X.copy(), "soft")
    with pytest.raises(NotImplementedError, match=r"^hard"):
        run(fn, X, "hard")
    with pytest.raises(ValueError, match=r"^negative"):
        run(fn, -X, "hard")


def test_print(capsys):
    def fn(x):
        print("start", x.size, [x[0], "a"], sep=", ")
        for i in range(6):
            if x[i] > 2:
                print(f"{i}: {x[i]:.3f} {{}}", end=";\n")
        print()
        return x

    run(fn, X)
    ours = capsys.readouterr().out
    fn(X)
    assert ours == capsys.readouterr().out


# --- what cannot be ---------------------------------------------------------------------------------------------------


def message_of(kind, fn, *args):
    with pytest.raises(kind) as caught:
        trace_function.trace(fn, args)
    return str(caught.value)


def test_types_that_do_not_settle():
    def fn(x, c):
        y = x
        while np.sum(y) < c:
            y = np.outer(y, y)
        return y

    text = message_of(UnsupportedError, fn, X, 100.0)
    start = fn.__code__.co_firstlineno
    assert "what a while loop carries does not settle: `y` is an array of float64 with shape (7,)" in text
    assert "an array of float64 with shape (7, 7)" in text
    assert f"line {start + 2}, in fn" in text and f"line {start + 3}" in text


def test_structures_that_differ():
    def fn(x):
        if x[0] > 0:
            return x
        return x, 1

    text = message_of(UnsupportedError, fn, X)
    assert "leave the value returned different" in text and "a tuple of 2" in text and "the elements of argument `x`" in text


def test_a_list_that_grows_without_bound():
    def fn(x):
        out = []
        while x[0] < 9:
            out.insert(0, {"x": str(x[0])})
            x = x + 1
        return out

    assert "list.insert changes a list in a loop whose number of iterations is known only at run time" in message_of(
        UnsupportedError, fn, X)

    def branch(x):                                           # whether there is an item, only run time knows
        out = {}
        if x[0] > 0:
            out["a"] = x[0]
        return out

    check(branch, X)
    check(branch, -X)


def test_recursion_that_only_traced_values_end():
    def halve(x):
        return x if x < 1 else halve(x / 2)

    check(halve, 9.0)

    def endless(x):
        return endless(x / 2) if x > 1 else endless(x + 1)

    assert "no path through it returns without calling it again" in message_of(UnsupportedError, endless, 9.0)

    def smaller(x):
        return x.sum() if x[0] > 1 else smaller(x[1:])

    check(smaller, X)                                        # the lengths end it

    def beyond(x, n):
        return x.sum() if n > x[0] else beyond(x[n:], n + 1)

    assert "it hands on an array of another shape" in message_of(UnsupportedError, lambda x: beyond(x, int(x[0])), X)


@pytest.mark.sweep(6, days=True)
def test_loops_too_long_to_unroll():
    def fn(x):
        names = ["a", len] * 10_000
        s = 0.0
        for i in range(20_000):
            if names[i] == "a":
                s += x[0]
        return s

    text = message_of(UnsupportedError, fn, X)
    assert "20,000 iterations would be unrolled, more than 10,000" in text


def test_results_of_lengths_known_only_at_run_time():
    def either(x):
        if x[0] > 0:
            return x[x > 0]
        return x[x < 0] * 2

    def returns_from_loop(x):
        for i in range(x.size):
            if x[i] > 3:
                return x[:i]
        return x

    def sliced(x, c):
        y = x[1:3]
        if c > 0:
            y = x[x > 0]
        return y.sum(), y

    for sign in (1.0, -1.0):
        check(either, X * sign)
        check(sliced, X, np.float64(sign))
    check(returns_from_loop, X)
    check(returns_from_loop, np.arange(100.0) / 20)
    check(returns_from_loop, -np.arange(100.0))


def test_lengths_that_a_loop_changes():
    def grows(x, c):
        y, n = x, 0
        while np.sum(np.abs(y)) < c:
            y = np.concatenate([y, y])
            n += 1
        return y, n

    def thins(x):
        while x.size > 1:
            x = x[x > x.min()]
        return x

    def thins_often(x):
        for _ in range(100):
            if x.size > 3:
                x = x[x < x.max()]
        return x.sum(), x

    def square(x, n):
        a = np.ones((1, 1))
        for _ in range(n):
            a = np.outer(np.concatenate([a[0], x[:1]]), np.concatenate([a[:, 0], x[:1]]))
        return a

    check(grows, X, 100.0)
    check(grows, X, 1.0)
    check(thins, X)
    check(thins_often, np.arange(50.0))
    check(square, X, 3)


def test_returns_of_different_structures():
    def fn(x):
        for v in x:
            if v > 3:
                return v
        return x, 1

    assert "the value returned" in message_of(UnsupportedError, fn, X)


def test_grids():
    def indexed(x):
        a = np.outer(x, x)
        for i, j in np.ndindex(a.shape):
            a[i, j] += i - j
        return a

    def enumerated(x):
        s = 0.0
        for (i, j), v in np.ndenumerate(np.outer(x, x)):
            s += v * i - j
        return s

    def crossed(x):
        from itertools import product

        s = 0.0
        for i, (j, v) in product(range(1, 6), zip(range(7), x)):
            s = 0.5 * s + i * v - j
        for i, v, w in product(range(7), x, x[:2]):
            s = 0.5 * s + i * v - w
        return s

    for fn in (indexed, enumerated, crossed):
        check(fn, X.copy())
    assert ops(indexed, X)["for"] == 1


def test_prange_of_a_traced_length():
    numba = pytest.importorskip("numba")

    def fn(x, n):
        s = 0.0
        for i in numba.prange(n):
            s += x[i] * i
        return s

    check(fn, X.copy(), 6)
    assert trace_function.trace(fn, (X, 6)).statics == ()
