"""Functions that are defined in cells, defined again, and edited in files under `%autoreload 2`."""
import itertools
import sys
import textwrap

import pytest

_numbers = itertools.count()


def test_functions_of_cells_and_their_redefinition(cells):
    cells("def g(x):\n    return x * 2.0\n@tg.jit\ndef f(x):\n    return g(x) + 1.0\nd, dd = tg.grad(f), tg.grad(tg.grad(f))")
    assert cells("f(3.0), d(3.0), dd(3.0)") == (7.0, 2.0, 0.0)
    cells("def g(x):\n    return x * x")
    assert cells("f(3.0), d(3.0), dd(3.0)") == (10.0, 6.0, 2.0)
    assert cells("f.interpret(3.0)") == 10.0
    cells("@tg.jit\ndef f(x):\n    return g(x) * 10.0\nd = tg.grad(f)")
    assert cells("f(3.0), d(3.0)") == (90.0, 60.0)
    assert cells("k = 2.0\ndef h(x):\n    return k * x\nj = tg.jit(h)\nj(3.0)") == 6.0
    assert cells("k = 5.0\nj(3.0), tg.grad(j)(3.0)") == (15.0, 5.0)


def test_the_same_cell_again_and_errors_name_the_cell(cells):
    cell = "@tg.jit\ndef f(x):\n    return x[7]\n"
    for _ in range(2):
        error, _ = cells.failed(cell + "f(np.ones(3))")
        assert "return x[7]" in str(error) and "in f" in str(error)


@pytest.fixture
def module(cells, tmp_path, monkeypatch):
    """(cells, what writes a module's text and returns its name)."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = f"notebook_module_{next(_numbers)}"
    ages = itertools.count(1_000_000_000, 100)

    def write(text):
        import os
        path = tmp_path / f"{name}.py"
        path.write_text("import numpy as np\nimport tracegrad as tg\n" + textwrap.dedent(text))
        age = next(ages)
        os.utime(path, (age, age))                  # the reloader looks at the file's time, which may be coarse
        return name

    cells("%load_ext autoreload\n%autoreload 2")
    yield write
    cells("%autoreload 0")
    sys.modules.pop(name, None)


FIRST = """
def helper(x):
    return x * 2.0

@tg.jit
def f(x, n=1):
    return helper(x) + 1.0

class Model:
    @tg.jit
    def step(self, x):
        return x + 1.0
"""


def test_autoreload_of_compiled_functions(cells, module):
    name = module(FIRST)
    cells(f"import {name} as m\nfrom {name} import helper, f, Model\n"
          "dh, df, jh = tg.grad(helper), tg.grad(f), tg.jit(helper)\n"
          "@tg.jit\ndef caller(x):\n    return f(x) * 2.0")
    ask = "helper(3.0), jh(3.0), dh(3.0), f(3.0), df(3.0), m.f(3.0), caller(3.0), tg.grad(caller)(3.0)"
    assert cells(ask) == (6.0, 6.0, 2.0, 7.0, 2.0, 7.0, 14.0, 4.0)
    module(FIRST.replace("x * 2.0", "x * x * x"))
    assert cells(ask) == (27.0, 27.0, 27.0, 28.0, 27.0, 28.0, 56.0, 54.0)
    module(FIRST.replace("helper(x) + 1.0", "helper(x) * 10.0"))
    assert cells(ask) == (6.0, 6.0, 2.0, 60.0, 20.0, 60.0, 120.0, 40.0)
    assert cells("f.interpret(3.0)") == 60.0
    assert "* 10.0" in cells("f.lower(3.0).text(margin=True)")


def test_autoreload_of_methods(cells, module):
    name = module(FIRST)
    assert cells(f"from {name} import Model\nm = Model()\ntype(m).step(0.0, 3.0)") == 4.0
    module(FIRST.replace("return x + 1.0", "return x * 5.0"))
    assert cells("type(m).step(0.0, 3.0)") == 15.0


def test_autoreload_of_decorators_and_of_captured_values(cells, module):
    name = module(FIRST)
    cells(f"from {name} import f")
    assert cells("@tg.jit\ndef caller(x):\n    return f(x) * 2.0\nf(3.0), caller(3.0)") == (7.0, 14.0)
    module(FIRST.replace("@tg.jit\ndef f", "@tg.grad\ndef f"))
    assert cells("f(3.0), caller(3.0)") == (2.0, 4.0)
    module(FIRST.replace("@tg.jit\ndef f", "def made(k):\n  @tg.jit\n  def f").replace(
        "    return helper(x) + 1.0\n", "    return k * x\n  return f\nf = made(7.0)\n"))
    assert cells("f(3.0), caller(3.0)") == (21.0, 42.0)
