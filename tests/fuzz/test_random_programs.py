"""Random programs (program_writer.py): compiled equals Python equals evaluator; each derivative equals every other way to have
it.

Python decides: the values, dtypes and shapes that it returns, the arguments that it overwrites, the class of the error that it
raises. A program whose result moves by more than rounding when its inputs move by rounding says nothing, and is passed over.
`TRACEGRAD_NIGHTLY=1` runs 2,000 programs and the derivatives of 600, else a fast subset. They are the same in every run, and
others with `TRACEGRAD_SEED=` a number; `TRACEGRAD_PROGRAMS=` is another number of programs, and `TRACEGRAD_SIZES=least` or
`greatest` puts all thresholds of the compiler there (ir/thresholds.py).
"""

import contextlib
import importlib.util
import os
import pathlib
import tempfile
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from program_writer import Program, Source, Writer
from tracegrad.ir.thresholds import sizes

import tracegrad as tg

NIGHTLY = os.environ.get("TRACEGRAD_NIGHTLY") == "1"
VALUES, GRADIENTS = (2000, 600) if NIGHTLY else (60, 20)
if "TRACEGRAD_PROGRAMS" in os.environ:
    VALUES = GRADIENTS = int(os.environ["TRACEGRAD_PROGRAMS"])
SIZES = {"": contextlib.nullcontext, "least": sizes.least, "greatest": sizes.greatest}[os.environ.get("TRACEGRAD_SIZES", "")]
SEED = os.environ.get("TRACEGRAD_SEED")
QUIET = settings(deadline=None, derandomize=SEED is None, database=None, print_blob=False,
                 suppress_health_check=list(HealthCheck))
seeded = hypothesis_seed(int(SEED)) if SEED else lambda test: test
TOLERANCE = 1e-10

# What a program may ask for that is refused by design: the writer does not know where these rules bite.
REFUSED = (tg.UnsupportedError, tg.ConcretizationError)
refused: list[str] = []


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name, SIZES():
        yield pathlib.Path(name)


def loaded(text: str, folder: pathlib.Path):
    """The function `program` of a source file: a file, so that tracebacks and the tracer find its lines."""
    path = folder / f"p{abs(hash(text))}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.program


def outcome(fn, args):
    """(results, arguments afterwards), or the error."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return fn(*args), args
        except Exception as error:
            return error


def disagreement(a, b, rtol) -> str:
    """Where two results differ in type, dtype, shape or value; "" where they agree."""
    if isinstance(b, tuple):
        if type(a) is not tuple or len(a) != len(b):
            return f"{a!r} and {b!r}"
        return next(
            (f"[{k}]: {text}" for k, (x, y) in enumerate(zip(a, b, strict=True)) if (text := disagreement(x, y, rtol))), ""
        )
    scalars = not isinstance(a, np.ndarray), not isinstance(b, np.ndarray)
    x, y = np.asarray(a), np.asarray(b)
    # a number that is a Python float on one path and a float64 on another is compiled as the latter
    if scalars[0] != scalars[1] or x.dtype != y.dtype or x.shape != y.shape:
        return f"{type(a).__name__} {x.dtype}{x.shape} and {type(b).__name__} {y.dtype}{y.shape}"
    if y.dtype.kind not in "fc":
        return "" if np.array_equal(x, y) else f"{x.tolist()} and {y.tolist()}"
    rtol = max(rtol, 1e-4) if y.dtype in (np.float32, np.complex64) else rtol
    scale = 1.0 + np.max(np.abs(y[np.isfinite(y)]), initial=0.0)
    same = np.isclose(x, y, rtol=rtol, atol=rtol * scale, equal_nan=True)
    return "" if same.all() else f"{x.tolist()} and {y.tolist()}"


def rounding(fn, program: Program, expected, magnitude=1e-13, tolerance=TOLERANCE / 10) -> bool:
    """Whether results stay when inputs, and what functions give, move by rounding errors."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        moved = tuple(_nudged(a, rng, magnitude) for a in program.args())
        with _shaken(fn, rng, magnitude):
            found = outcome(fn, moved)
        if isinstance(found, Exception) != isinstance(expected, Exception):
            return False
        if not isinstance(found, Exception) and disagreement(found, expected, tolerance):
            return False
    return True


class _Shaky:
    """NumPy or math, with functions that err by more than NumPy's own: what hangs on a tie between their results shows."""

    NAMES = {"sin", "cos", "tanh", "exp", "log", "log1p", "sqrt", "arctan", "atan", "sum", "mean", "var", "dot", "cumsum"}

    def __init__(self, module, rng, magnitude):
        self.module, self.rng, self.magnitude = module, rng, magnitude

    def __getattr__(self, name):
        found = getattr(self.module, name)
        if name not in self.NAMES:
            return found
        return lambda *args, **kwargs: _nudged(found(*args, **kwargs), self.rng, self.magnitude)


@contextlib.contextmanager
def _shaken(fn, rng, magnitude):
    names = getattr(fn, "__globals__", {})
    kept = {name: names[name] for name in ("np", "math") if name in names and "program" in names}
    names.update({name: _Shaky(module, rng, magnitude) for name, module in kept.items()})
    try:
        yield
    finally:
        names.update(kept)


def _nudged(x, rng, magnitude):
    if isinstance(x, float):
        return type(x)(x * (1 + magnitude * rng.standard_normal()))
    if isinstance(x, np.ndarray) and x.dtype.kind in "fc":
        return (x * (1 + magnitude * rng.standard_normal(x.shape))).astype(x.dtype)
    return x


def check_values(program: Program, folder: pathlib.Path) -> str:
    """How the compiled function or the evaluator differs from Python; "" where they do not."""
    fn = loaded(program.text, folder)
    expected = outcome(fn, program.args())
    for way in ("compiled", "evaluator"):
        compiled = tg.jit(fn)
        found = outcome(compiled if way == "compiled" else compiled.interpret, program.args())
        if isinstance(found, REFUSED):
            refused.append(str(found))
            return ""
        if isinstance(expected, Exception) or isinstance(found, Exception):
            both = isinstance(found, Exception) and isinstance(expected, Exception)
            if both and (isinstance(found, type(expected)) or raised_while_traced(fn, program, found)):
                continue
            text = f"{way}: {found!r}\nPython: {expected!r}"
        else:
            text = disagreement(found, expected, TOLERANCE)
            text = text and f"{way} and Python: {text}"
        if text and rounding(fn, program, expected):
            return text
    return ""


def raised_while_traced(fn, program: Program, found: Exception) -> bool:
    """Whether tracing raises the error already: of two errors that a program makes, compiled code may raise the second."""
    return type(outcome(tg.jit(fn).lower, program.args())) is type(found)


def loss_of(fn, program: Program):
    """A scalar of all the inexact results, as a function of the inexact arguments."""

    def loss(*wrt):
        args = list(program.args())
        for k, x in zip(program.wrt, wrt, strict=True):
            args[k] = x + 0.0
        total = 0.0
        for k, out in enumerate(fn(*args)):
            if np.ndim(out) == 0 or out.dtype == np.float64:
                total = total + np.sum(np.cos(out + 0.3 * k) * out)
        return total

    return loss


def pick(wrt, rng):
    return tuple(rng.standard_normal(np.shape(x)) if np.ndim(x) else float(rng.standard_normal()) for x in wrt)


def moved(wrt, directions, h):
    return tuple(x + h * d for x, d in zip(wrt, directions, strict=True))


def inner(a, b):
    return float(sum(np.sum(np.asarray(x) * np.asarray(y)) for x, y in zip(a, b, strict=True)))


def difference(f, wrt, directions):
    """(d f / d direction, None), or (None, why it is not known): a kink or a jump nearby shows in two step sizes."""
    slopes = []
    for h in (1e-4, 3e-5, 1e-5):
        slopes.append(
            (
                8 * (f(*moved(wrt, directions, h)) - f(*moved(wrt, directions, -h)))
                - (f(*moved(wrt, directions, 2 * h)) - f(*moved(wrt, directions, -2 * h)))
            )
            / (12 * h)
        )
    if not np.all(np.isfinite(slopes)):
        return None, "not finite"
    here, ahead, behind = f(*wrt), f(*moved(wrt, directions, 1e-6)), f(*moved(wrt, directions, -1e-6))
    if not abs(ahead - 2 * here + behind) <= 1e-9 * (1 + abs(slopes[0]) + abs(here)):       # each side has its own slope
        return None, f"a corner here: values {behind}, {here}, {ahead}"
    spread = np.max(slopes) - np.min(slopes)
    if spread > 1e-7 * (1 + abs(slopes[0])):
        return None, f"a kink or a jump nearby: slopes {slopes}"
    return slopes[1], None


def check_gradients(program: Program, folder: pathlib.Path, second: bool) -> str:
    """How derivatives of a smooth program differ among themselves and from differences; "" where they agree."""
    fn = loaded(program.text, folder)
    loss = loss_of(fn, program)
    wrt = tuple(program.args()[k] for k in program.wrt)
    every = tuple(range(len(wrt)))
    plain = outcome(loss, wrt)
    if isinstance(plain, Exception):
        return ""
    rng = np.random.default_rng(0)
    directions = pick(wrt, rng)
    gradient = tg.value_and_grad(loss, argnums=every)
    found = outcome(gradient, wrt)
    if isinstance(found, REFUSED):
        return ""
    if isinstance(found, Exception):
        return f"value_and_grad raises {found!r}"
    (value, grads), _ = found
    reverse = inner(grads, directions)
    forward = tg.jvp(loss, wrt, directions)
    with tg.disable_jit():
        evaluated = tg.value_and_grad(loss, argnums=every)(*wrt)
    slope, reason = difference(lambda *x: float(outcome(loss, x)[0]), wrt, directions)
    close = {"rtol": 1e-9, "atol": 1e-9}
    problems = [
        (not np.isclose(value, plain[0], **close), f"value {value!r} and Python's {plain[0]!r}"),
        (not np.isclose(forward[0], plain[0], **close), f"jvp's value {forward[0]!r} and Python's {plain[0]!r}"),
        (not np.isclose(reverse, forward[1], **close), f"reverse {reverse!r}, forward {forward[1]!r}, difference {slope!r}"),
        (not np.isclose(reverse, inner(evaluated[1], directions), **close), f"compiled {grads}, evaluator {evaluated[1]}"),
        (
            slope is not None and not np.isclose(reverse, slope, rtol=1e-5, atol=1e-6),
            f"derivative {reverse!r}, difference {slope!r}",
        ),
    ]
    text = "; ".join(text for wrong, text in problems if wrong)
    if text and not rounding(loss, Program("", wrt, ()), plain):
        return ""
    if reason:
        print("no difference:", reason)
    if text or not second or reason:
        return text
    return check_second(loss, gradient, wrt, directions, every)


def check_second(loss, gradient, wrt, directions, every) -> str:
    """The derivative of the gradient along a direction, against a difference of gradients."""
    weights = pick(wrt, np.random.default_rng(1))
    _, hvp = tg.jvp(lambda *x: tg.grad(loss, argnums=every)(*x), wrt, directions)
    slope, reason = difference(lambda *x: inner(gradient(*x)[1], weights), wrt, directions)
    if reason:
        print("no second difference:", reason)
        return ""
    found = inner(hvp, weights)
    return (
        ""
        if np.isclose(found, slope, rtol=1e-4, atol=1e-5)
        else f"second derivative {found!r}, difference of gradients {slope!r}"
    )


def written(data, smooth: bool) -> Program:
    """A program drawn by Hypothesis, which can therefore make it smaller."""
    return Writer(Source(draw=lambda low, high: data.draw(st.integers(low, high))), smooth, 10).program()


@seeded
@settings(QUIET, max_examples=VALUES)
@given(st.data())
def test_values(folder, data):
    program = written(data, smooth=False)
    found = check_values(program, folder)
    assert not found, f"{found}\n{program.text}\narguments: {program.arguments!r}"


def test_few_programs_are_refused():
    """Of those that `test_values` ran."""
    assert len(refused) <= 0.15 * VALUES, refused


@seeded
@settings(QUIET, max_examples=GRADIENTS)
@given(st.data())
def test_gradients(folder, data):
    program = written(data, smooth=True)
    found = check_gradients(program, folder, second=data.draw(st.integers(0, 3)) == 0)
    assert not found, f"{found}\n{program.text}\narguments: {program.arguments!r}"


@pytest.mark.parametrize("seed", [1090, 1101, 1144, *range(8)])
def test_gradients_add_to_buffers(folder, seed):
    """accumulate=True moves additions through a gradient's program; the first three seeds once met values before their time."""
    program = Writer(Source(seed), True, 10).program()
    loss = loss_of(loaded(program.text, folder), program)
    wrt = tuple(program.args()[k] for k in program.wrt)
    every = tuple(range(len(wrt)))
    found = outcome(tg.grad(loss, every), wrt)
    if isinstance(found, Exception):
        return
    plain, rng = found[0], np.random.default_rng(seed)
    held = [np.asarray(rng.standard_normal(np.shape(p)), np.asarray(p).dtype) for p in plain]
    buffers = tuple(h.copy() for h in held)
    tg.grad(loss, every)(*wrt, out=buffers, accumulate=True)
    for b, h, p in zip(buffers, held, plain, strict=True):
        np.testing.assert_allclose(b, h + p, rtol=1e-8, atol=1e-8 * (1 + np.max(np.abs(p), initial=0.0)))
