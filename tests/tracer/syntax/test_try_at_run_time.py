"""`try` around what only run time knows to fail: values as Python's, derivatives against differences, in both modes."""
import math

import numpy as np
import pytest
from trace_check import ops
from tracegrad.ir.errors import LimitError, UnsupportedError

import tracegrad as tg

X = np.linspace(0.3, 2.0, 14)
B = np.arange(14) % 4 - 1.0                                     # zero at 1, 5, 9, 13


def compare(fn, *args, printed=lambda: ""):
    """Compiled and evaluated as Python, what is printed and written to arguments included; the same exception, if any."""
    def outcome(run):
        mine = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        try:
            found = run(*mine)
        except Exception as error:
            found = type(error).__mro__[-3].__name__, str(error).partition("\n")[0]
        return found, printed(), [a for a in mine if isinstance(a, np.ndarray)]

    want = outcome(fn)
    compiled = tg.jit(fn)
    for run in (compiled, compiled.interpret):
        got = outcome(run)
        assert type(got[0]) is type(want[0])
        np.testing.assert_equal(got, want)


def divides(a, b):
    try:
        return a / b
    except ZeroDivisionError:
        return 0.0


def modulo(a, b):
    try:
        return a % b + a // b
    except ZeroDivisionError:
        return -5


def writes_before_stay(x, a, b):
    x[0] = 1.0
    try:
        x[1] = 5.0
        y = a / b
        x[2] = y
    except ZeroDivisionError:
        x[3] = -1.0
    else:
        x[4] = 7.0
    finally:
        x[0] += 1
    return x


def names_before_stay(a, b, c):
    y, z = 0.0, 1.0
    try:
        if c > 0:
            y = 5.0
            z = a / b
        y = 7.0
    except ZeroDivisionError:
        pass
    return y + z


def in_a_loop(x, b):
    s, n, last = 0.0, 0, -1
    for i in range(x.size):
        try:
            q = float(x[i]) / float(b[i])
            if q > 1.5:
                raise ValueError("large")
            s += q
        except ZeroDivisionError:
            n += 1
            if n > 3:
                break
        except ValueError:
            s -= 1.0
            continue
        else:
            last = i
        finally:
            s += 0.25
        s += 1.0
    return s, n, last


def around_a_loop(x, b):
    s, k = 0.0, -1
    try:
        for i in range(x.size):
            k = i
            s += float(x[i]) / float(b[i])
            x[i] = s
    except ZeroDivisionError:
        s = -s
    return s, k


def returns_from_a_handler(x, b):
    for i in range(x.size):
        try:
            x[i] = 1.0 / float(b[i])
        except ZeroDivisionError:
            return i
    return -1


def around_a_while(a, b):
    a, b = float(a), float(b)
    try:
        while a / b < 10:
            b = b - 1.0
            a = a * 1.1
    except ZeroDivisionError:
        return a * 3
    return b * a


def scaled(a, b):
    if a > 0:
        return a / b
    return b / a


def in_a_helper(a, b):
    try:
        return scaled(a, b) * 2
    except (ZeroDivisionError, ValueError):
        return 100.0


def at_a_position(x, i):
    try:
        return x[i]
    except IndexError:
        return np.float64(-1.0)


def at_positions(x, i):
    try:
        y = x[i] * 2
    except LookupError as e:
        print(e)
        y = x * 0
    return y


def appends(x, b):
    out = []
    for i in range(x.size):
        try:
            out.append(float(x[i]) / float(b[i]))
        except ZeroDivisionError:
            out.append(-1.0)
    return np.array(out)


def nested(x, n):
    total = 0.0
    try:
        for k in range(x.size):
            try:
                total += x[k + n]
            except IndexError:
                total += 100.0
                total += 1.0 / float(x[k])
    except ZeroDivisionError:
        total = -total
    return float(total)


def by_class(a):
    try:
        if a > 1:
            raise ValueError("big")
        if a < -1:
            raise KeyError("small")
        r = 1 / a
    except (ValueError, KeyError) as e:
        r = 1.0 if isinstance(e, ValueError) else -1.0
    except ArithmeticError:
        r = 3.0
    return r


def bare(x):
    try:
        if x > 0:
            raise RuntimeError("positive")
        return x
    except:  # noqa: E722
        return -x


def raises_again(a):
    try:
        try:
            if a > 1:
                raise ValueError(f"too big: {a}")
            r = a
        except ValueError:
            r = 50.0
            raise
    except ValueError as e:
        print("caught", e, str(e), f"<{e}>")
        return r
    return r * 2


def raises_another(a):
    try:
        if a > 1:
            raise ValueError(f"too big: {a}")
        return a
    except ValueError as e:
        raise RuntimeError(f"wrapped {e}") from e


def goes_on_after_finally(x, a, b):
    try:
        x[0] = 3.0
        x[1] = a / b
    finally:
        x[2] = 9.0
    return x


class Own(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)
        self.a, self.b = a, b


def of_their_own(x):
    try:
        if x > 0:
            raise Own(1, 2)
        y = x
    except Own as e:
        y = e.a + e.b + x
    return y


def whole(x):
    try:
        return int(x)
    except (ValueError, OverflowError):
        return -7


def root(x):
    try:
        return math.sqrt(x) * x
    except ValueError:
        return x * x


def unset(a, b):
    try:
        y = a / b
    except ZeroDivisionError:
        b = 1.0
    return y


def key_under_a_condition(x):
    try:
        y = {}["k"] if x > 0 else 2.0
    except KeyError:
        y = x * 3
    return y


def assigned_either_way(x, b):
    total = 0.0
    for k in range(x.size):
        try:
            step = x[k] * (1 / int(b[k] * 10))
        except ZeroDivisionError:
            step = 0.5 * x[k]
        total += step ** 2
    return total


def assigned_by_parts(x, b):
    total = 0.0
    for k in range(x.size):
        try:
            try:
                ratio = x[k] * (1 / int(b[k] * 10))
            except ZeroDivisionError:
                ratio = more = -x[k]
            else:
                more = ratio + 1
            finally:
                last = k * 1.0
            if more > 2:
                raise KeyError("more")
            unit = more * 2
        except KeyError:
            unit, last = x[k], 3.0
        total += unit * more + last
    return total


def last_read_in_the_body(a, b):
    total = 0.0
    if a > 1:
        c = a * 0.7
    try:
        total += c
        if b > 1:
            c = b                                  # nobody reads this one
    finally:
        total += 0.25
    return total


def solved(a, y):
    try:
        step = np.linalg.solve(a, y)
    except np.linalg.LinAlgError:
        step = 1e-3 * y
    return step + 1


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("fn", "args"), [
    *((last_read_in_the_body, (a, b)) for a in (2.0, 0.5) for b in (2.0, 0.5)),
    *((solved, (np.eye(2) * s + s, np.ones(2))) for s in (1.0, 0.0)),
    *((f, (1.5, b)) for f in (divides, unset, around_a_while) for b in (4.0, 0.0)),
    *((modulo, (7, b)) for b in (2, 0, -3)),
    *((writes_before_stay, (X, 1.0, b)) for b in (4.0, 0.0)), *((goes_on_after_finally, (X, 1.0, b)) for b in (4.0, 0.0)),
    *((names_before_stay, (1.0, b, c)) for b in (0.0, 2.0) for c in (1.0, -1.0)),
    *((f, (x, b)) for f in (assigned_either_way, assigned_by_parts, in_a_loop, around_a_loop, returns_from_a_handler, appends)
      for x, b in ((X, B), (X, B + 0.1), (X[:0], B[:0]), (X[:1], B[1:2]), (X[::2], B[::2]), (X[:3], B[:3]))),
    (appends, (X, B * 0)), (in_a_helper, (1.0, 0.0)), (in_a_helper, (1.0, 2.0)), (in_a_helper, (0.0, 2.0)),
    *((at_a_position, (X[:5], i)) for i in (0, 4, 5, -5, -6)), (at_a_position, (X[:0], 0)),
    *((at_positions, (X[:5], np.array(i, dtype=int))) for i in ([1, 2, 0, 1, 1], [1, 7, 9, -8, 1])),
    *((nested, (x, n)) for x in (np.arange(5.0), np.arange(5.0) + 1, np.arange(20.0)) for n in (0, 1, 7)),
    *((f, (a,)) for f in (by_class, bare, raises_again, raises_another, of_their_own, root, key_under_a_condition, whole)
      for a in (0.5, 2.0, -2.0, 0.0)),
    (whole, (math.nan,)), (whole, (-math.inf,))], ids=lambda v: getattr(v, "__name__", ""))
def test_values(fn, args, capsys):
    compare(fn, *args, printed=lambda: capsys.readouterr().out)


def test_unhandled_iterations_keep_their_loop_counted():
    def fn(x):
        total = 0.0
        try:
            for i in range(x.shape[0]):
                total += x[i]
        except Exception:
            total = -1.0
        return total

    assert "while" not in ops(fn, X) and "if" not in ops(fn, X)


def squares(x, b):
    s = 0.0
    for i in range(x.size):
        try:
            q = float(x[i]) ** 2 / float(b[i])
            s += q * math.sqrt(float(x[i]) - 0.5)
        except ZeroDivisionError:
            s += 3 * x[i]
        except ValueError:
            s -= x[i] ** 3
    return s


def product(x, b):
    x = x.copy()
    s = 1.0
    try:
        for i in range(x.size):
            s = s * (1 + float(x[i]) / float(b[i]))
            x[i] = s
    except ZeroDivisionError:
        s = s * s
    return s + np.sum(x * x)


def in_place(x, k):
    y = x * 2
    try:
        y[1] = np.sin(y[0])
        y[k] = y[1] * y[0]
        y[2] = y[k] ** 2
    except IndexError:
        y[0] = y[1] * 5
    return np.sum(y)


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("fn", "x", "other"), [
    (assigned_either_way, X, B), (assigned_by_parts, X, B),
    (squares, X, B), (squares, X, B + 0.2), (product, X, B), (product, X[:6], B[2:8] + 0.2),
    *((in_place, X[:5], k) for k in (0, 3, 9, -2)), (around_a_while, 3.0, 5.0), (around_a_while, -3.3, 5.5)],
    ids=lambda v: getattr(v, "__name__", ""))
def test_derivatives(fn, x, other):
    for order in (1, 2):
        tg.check_grads(lambda x: fn(x, other), (x,), order=order)


@pytest.mark.parametrize("x", [2.0, -2.0])
def test_derivative_of_what_was_not_computed_is_zero(x):
    tg.check_grads(root, (x,), order=2)
    assert np.isfinite(tg.grad(root)(0.0))


def test_limits_of_compiled_code_are_not_caught():
    def fn(x):
        try:
            return int(x)
        except OverflowError:
            return -1

    with pytest.raises(LimitError, match="64 bits"):
        tg.jit(fn)(1e30)


def test_what_fails_in_a_function_that_is_mapped_is_refused():
    def fn(x, b):
        try:
            return tg.vmap(lambda v: float(v) / b)(x)
        except ZeroDivisionError:
            return x

    with pytest.raises(UnsupportedError, match=r"ZeroDivisionError.*inside a `try` that would catch it"):
        tg.jit(fn)(X, 2.0)


def solves(a, b):
    try:
        return np.linalg.solve(a, b) + np.linalg.inv(a) @ b
    except np.linalg.LinAlgError as e:
        print(e)
        return b * a[0, 0]


def newton(x):
    for _ in range(10):
        j = np.array([[x[0], x[1]], [x[1], x[0]]])
        try:
            x = x - np.linalg.solve(j, np.array([x[0] ** 2 + x[1] ** 2 - 4, x[0] * x[1] - 1.0]))
        except np.linalg.LinAlgError:
            x = x + np.array([1.0, 0.0])
    return x


@pytest.mark.parametrize("a", [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [2.0, 4.0]]), np.zeros((2, 2))])
def test_singular_matrices(a, capsys):
    b = np.array([1.0, 2.0])
    for run in (solves, tg.jit(solves), tg.jit(solves).interpret):
        np.testing.assert_allclose(run(a, b), solves(a, b), rtol=1e-14)
    assert set(capsys.readouterr().out.split("\n")) <= {"", "Singular matrix"}
    tg.check_grads(lambda b: solves(a, b), (b,))


def test_derivatives_around_singular_matrices():
    tg.check_grads(newton, (np.array([2.1, 0.4]),))
    assert np.all(np.isfinite(tg.jacobian(newton)(np.array([1.0, 1.0]))))


def factor(a):
    eps = 1e-10
    for k in range(12):
        try:
            return np.linalg.cholesky(a + eps * np.eye(a.shape[-1])), k
        except np.linalg.LinAlgError:
            eps *= 10
    return a, -1


@pytest.mark.parametrize("n", [0, 1, 3, 17, 65])
def test_matrices_that_are_not_definite(n):
    m = np.random.default_rng(n).standard_normal((n, n))
    low = m[:, :(n + 1) // 2]
    for a in (m @ m.T, low @ low.T, m @ m.T - 0.5 * n * np.eye(n), -np.eye(n), np.full((n, n), np.nan)):
        for run in (tg.jit(factor), tg.jit(factor).interpret):
            found, tries = run(a)
            assert tries == factor(a)[1]
            np.testing.assert_allclose(found, factor(a)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.sweep(6)
@pytest.mark.parametrize("t", [0.3, 1.5])
def test_derivatives_of_factors(t):
    def fn(t):
        return np.sum(np.log(np.diag(factor(np.array([[1.0, t], [t, 1.0]]))[0])))

    tg.check_grads(fn, (t,), order=2)


def dead_after_a_nested_else(x):
    """`t` is needed by the handler and by nobody after it."""
    b, t = x[1], 0.0
    try:
        a = math.sin(x[0])
        c = float(x[int(a)])
    except OverflowError:
        try:
            a -= float(x[int(c)]) - t
        except IndexError:
            pass
        else:
            try:
                a = math.sqrt(b)
            finally:
                t = a
    t = 0.3
    return a + 2 * b + 3 * c + t


def overtaken_return(x):
    total = 0.0
    for v in x:
        try:
            try:
                if v > 1:
                    return total + v
                if v > 0.5:
                    break
            finally:
                total += v
                if total < 2:
                    raise KeyError("again")
        except LookupError:
            total *= 2
    return total


def positions_in_nested_tries(x):
    try:
        try:
            a = x[int(x[0])]
        except IndexError:
            a = x[int(x[1]) - 1]
        finally:
            x[2] = 7.0
    except IndexError:
        a = x[2]
    return a


def another_class_first(x):
    if x[0] < x[1]:
        raise KeyError("first")
    return math.sqrt(-1.0) + x[0]


@pytest.mark.parametrize("fn", [dead_after_a_nested_else, overtaken_return, positions_in_nested_tries, another_class_first])
def test_nested_statements(fn):
    for x in ([0.5, 0.3, 1.2, 0.1], [1.0, 0.0, -1.0, 3.0], [9.0, 2.0, 0.6, 1.5], [9.0, 7.0, 0.6, 1.5], [0.7, 0.2, 0.6, 0.5]):
        compare(fn, np.array(x))
