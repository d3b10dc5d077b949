"""What is asked of a random program: compiled equals Python equals evaluator, each derivative every other way to have it.

Python decides: the values, dtypes and shapes that it returns, the arguments that it overwrites, the class of the error that it
raises. A program whose result moves by more than rounding when its inputs move by rounding says nothing, and is passed over.
"""

import contextlib
import importlib.util
import pathlib
import warnings

import numpy as np
from program_writer import Program

import tracegrad as tg

TOLERANCE = 1e-10

# What a program may ask for that is refused by design: the writer does not know where these rules bite.
REFUSED = (tg.UnsupportedError, tg.ConcretizationError)
refused: list[str] = []

# By how much inputs are moved to see whether results stay, and how far these may move: in float64, in float32.
ROUNDING = ({"magnitude": 1e-13, "tolerance": TOLERANCE / 10}, {"magnitude": 1e-6, "tolerance": 1e-4})


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


def disagreement(a, b, rtol, single=False) -> str:
    """Where two results differ in type, dtype, shape or value; "" where they agree. `single`: a number may be a Python float
    on one path and a float32 on another, which is compiled as one of them."""
    if isinstance(b, tuple):
        if type(a) is not tuple or len(a) != len(b):
            return f"{a!r} and {b!r}"
        return next(
            (f"[{k}]: {text}" for k, (x, y) in enumerate(zip(a, b, strict=True)) if (text := disagreement(x, y, rtol, single))),
            "",
        )
    scalars = not isinstance(a, np.ndarray), not isinstance(b, np.ndarray)
    x, y = np.asarray(a), np.asarray(b)
    if single and scalars == (True, True) and x.dtype.kind == y.dtype.kind == "f":
        x, y = x.astype(np.float32), y.astype(np.float32)
    # a number that is a Python float on one path and a float64 on another is compiled as the latter
    if scalars[0] != scalars[1] or x.dtype != y.dtype or x.shape != y.shape:
        return f"{type(a).__name__} {x.dtype}{x.shape} and {type(b).__name__} {y.dtype}{y.shape}"
    if y.dtype.kind not in "fc":
        return "" if np.array_equal(x, y) else f"{x.tolist()} and {y.tolist()}"
    rtol = max(rtol, 1e-4) if y.dtype in (np.float32, np.complex64) else rtol
    scale = 1.0 + np.max(np.abs(y[np.isfinite(y)]), initial=0.0)
    same = np.isclose(x, y, rtol=rtol, atol=rtol * scale, equal_nan=True)
    return "" if same.all() else f"{x.tolist()} and {y.tolist()}"


def rounding(fn, program: Program, expected, magnitude, tolerance, source=None) -> bool:
    """Whether results stay when inputs, and what functions give in `source` (`fn`), move by rounding errors."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        moved = tuple(_nudged(a, rng, magnitude) for a in program.args())
        with _shaken(source or fn, rng, magnitude):
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
            text = disagreement(found, expected, TOLERANCE, program.double is not None)
            text = text and f"{way} and Python: {text}"
        if text and rounding(fn, program, expected, **ROUNDING[program.double is not None]):
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
            if np.ndim(out) == 0 or out.dtype.kind == "f":
                total = total + np.sum(np.cos(out + 0.3 * k) * out)
        return total

    return loss


def pick(wrt, rng):
    """A random direction, of the same types."""
    drawn = [(x, rng.standard_normal(np.shape(x))) for x in wrt]
    return tuple(np.asarray(d).astype(x.dtype)[()] if isinstance(x, (np.ndarray, np.generic)) else float(d) for x, d in drawn)


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


WAYS = ("reverse", "forward", "both")


def check_gradients(program: Program, folder: pathlib.Path, second: bool, way: str = "both") -> str:
    """How derivatives of a smooth program differ among themselves and from differences; "" where they agree.

    way   which derivatives are compiled; the evaluator has the other one, or all of them
    """
    fn = loaded(program.text, folder)
    loss = loss_of(fn, program)
    wrt = tuple(program.args()[k] for k in program.wrt)
    every = tuple(range(len(wrt)))
    plain = outcome(loss, wrt)
    if isinstance(plain, Exception):
        return ""
    directions = pick(wrt, np.random.default_rng(0))
    gradient = tg.value_and_grad(loss, argnums=every)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = derivatives(loss, gradient, wrt, directions, way)
    except REFUSED:
        return ""
    except Exception as error:
        return f"{way} raises {error!r}"
    slope, reason = slope_of(program, loss, folder, wrt, directions)
    text = "; ".join(differences(found, plain[0], slope, single=program.double is not None))
    if text and not rounding(loss, Program("", wrt, ()), plain, **ROUNDING[program.double is not None], source=fn):
        return ""
    if reason:
        print("no difference:", reason)
    if text or not second or reason or program.double is not None:
        return text
    return check_second(loss, gradient, wrt, directions, every)


def derivatives(loss, gradient, wrt, directions, way) -> dict[str, tuple]:
    """name: (value, derivative along the directions)."""

    def reverse():
        value, grads = gradient(*wrt)
        return value, inner(grads, directions)

    def forward():
        return tg.jvp(loss, wrt, directions)

    def evaluated(run):
        with tg.disable_jit():
            return run()

    if way == "both":
        return {"reverse": reverse(), "forward": forward(), "evaluator": evaluated(reverse)}
    if way == "reverse":
        return {"reverse": reverse(), "forward on the evaluator": evaluated(forward)}
    return {"forward": forward(), "reverse on the evaluator": evaluated(reverse)}


def slope_of(program: Program, loss, folder, wrt, directions):
    """`difference` of the loss; of the same program in float64 where it is in float32, unless that does something else."""
    if program.double is None:
        return difference(lambda *x: float(outcome(loss, x)[0]), wrt, directions)
    double = loss_of(loaded(program.double.text, folder), program.double)
    wide = tuple(program.double.args()[k] for k in program.wrt)
    values = outcome(loss, wrt), outcome(double, wide)
    if any(isinstance(value, Exception) for value in values) or not np.isclose(values[0][0], values[1][0], 1e-4, 1e-4):
        return None, "float32 does something else"
    return difference(lambda *x: float(outcome(double, x)[0]), wide, pick(wide, np.random.default_rng(0)))


def differences(found: dict[str, tuple], plain, slope, single: bool) -> list[str]:
    """Sentences about what differs."""
    rtol, wide = (1e-3, 5e-3) if single else (1e-9, 1e-5)
    close, texts = {"rtol": rtol, "atol": rtol}, []
    names = list(found)
    for name, (value, derivative) in found.items():
        if not np.isclose(value, plain, **close):
            texts.append(f"{name}'s value {value!r}, Python's {plain!r}")
        if not np.isclose(derivative, found[names[0]][1], **close, equal_nan=True):
            texts.append(f"{names[0]} {found[names[0]][1]!r}, {name} {derivative!r}, difference {slope!r}")
    if slope is not None and not np.isclose(found[names[0]][1], slope, rtol=wide, atol=wide / 10):
        texts.append(f"{names[0]} {found[names[0]][1]!r}, difference {slope!r}")
    return texts


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
