"""What editors, type checkers and introspection see."""
from __future__ import annotations

import functools
import importlib.util
import inspect
import pathlib
import shutil
import subprocess
import sys
import tomllib
import typing

import numpy as np
import pytest

import tracegrad as tg

ROOT = pathlib.Path(tg.__file__).parents[1]


def loss(x: np.ndarray, k: float = 2.0) -> float:
    """The docstring."""
    return k * np.sum(x**2)


loss.note = "given"


@pytest.mark.parametrize("make", [tg.jit, tg.grad, tg.value_and_grad, tg.jacobian, tg.jacfwd, tg.jacrev, tg.hessian, tg.vmap,
                                  tg.sparsity, tg.custom_jvp, tg.custom_vjp, tg.checkpoint], ids=lambda f: f.__name__)
def test_as_functools_wraps(make):
    made, plain = make(loss), functools.wraps(loss)(lambda *args: None)
    for name in (*functools.WRAPPER_ASSIGNMENTS, "__wrapped__", "note"):
        assert getattr(made, name) is getattr(plain, name), name
    assert inspect.signature(made) == inspect.signature(loss) and inspect.unwrap(made) is loss
    assert typing.get_type_hints(made) == typing.get_type_hints(loss)
    assert callable(made) and not hasattr(made, "no_such_name")


def test_nested_and_without_a_name():
    inner = tg.grad(loss)
    assert tg.jit(inner).__wrapped__ is inner and tg.jit(inner).__name__ == "loss"
    made = tg.jit(functools.partial(loss, k=3.0))
    assert not hasattr(made, "__name__") and made(np.ones(2)) == 6.0


def test_the_names():
    assert dir(tg) == sorted([*tg.__all__, "__version__"])
    assert all(hasattr(tg, name) for name in dir(tg))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tg.nothing  # noqa: B018


def test_the_version_has_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert tg.__version__ == project["project"]["version"]
    assert project["tool"]["setuptools"]["package-data"]["tracegrad"] == ["py.typed"]
    assert (pathlib.Path(tg.__file__).parent / "py.typed").read_text() == ""
    lazy = "import tracegrad, sys; sys.exit('tomllib' in sys.modules or 'importlib.metadata' in sys.modules)"
    code = f"import numpy, scipy, numba, llvmlite, sys\nif 'importlib.metadata' in sys.modules: sys.exit(0)\n{lazy}"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


TYPED = '''
import tracegrad as tg

@tg.jit
def f(x: float, n: int = 1) -> float: return x * n

@tg.vmap(in_axes=(0, None))
def h(x: float, n: int) -> float: return x * n

reveal_type(f(1.0))
reveal_type(tg.value_and_grad(f)(1.0, n=2))
f("a")
h([1.0], 2)
tg.grad(f)(1.0, 2, 3)
'''


def test_type_checkers_see_the_function(tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    (tmp_path / "program.py").write_text(TYPED)
    shutil.copytree(ROOT / "tracegrad", tmp_path / "tracegrad")              # as it is installed
    for part in ("ir", "tracer", "autodiff", "lowering"):
        shutil.copytree(ROOT / part, tmp_path / "tracegrad" / part)
    done = subprocess.run([sys.executable, "-m", "mypy", "--follow-imports=silent", "program.py"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=300).stdout.replace("builtins.", "")
    for text in ('Revealed type is "float"', 'Revealed type is "tuple[float, Any]"',
                 "program.py:12: error", "program.py:14: error"):
        assert text in done, done
    assert "program.py:13" not in done
