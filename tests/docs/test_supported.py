"""docs/supported.md: each example runs as the page says, and the table at its end names what the fence knows."""
import ast
import contextlib
import io
import pathlib
import re

import numpy as np
import pytest
from tracegrad.tracer.syntax.trees import fence

import tracegrad as tg

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "supported.md"
TEXT = PAGE.read_text()
SHARED = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL).group(1)
ROWS = re.findall(r"^### (.*?)\n\n(Accepted|Refused)(.*?)\n\n```python\n(.*?)```", TEXT, re.MULTILINE | re.DOTALL)
X = np.array([0.5, 1.5, 2.25])
WORDS = [re.sub(r"\W+", "-", title).strip("-") for title, *_ in ROWS]


def loaded(code, path):
    path.write_text(SHARED + "\n\n" + code)
    scope = {"__name__": "supported_page"}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    return scope["example"]


def outcome(run):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            found = run(X.copy())
        except Exception as error:
            found = type(error).__name__, error.args, str(error)
    return found, out.getvalue()


@pytest.mark.parametrize("title, verdict, said, code", ROWS, ids=WORDS)
def test_example(title, verdict, said, code, tmp_path):
    fn = loaded(code, tmp_path / "example.py")
    compiled = tg.jit(fn)
    if verdict == "Refused":
        with pytest.raises(tg.TracegradError) as caught:
            compiled(X.copy())
        assert said.removeprefix(": ").strip('"') in str(caught.value)
        assert "Instead:" in str(caught.value)
        return
    want = outcome(fn)
    np.testing.assert_equal(outcome(compiled), want)
    np.testing.assert_equal(outcome(compiled.interpret), want)
    if isinstance(want[0], float):
        tg.check_grads(fn, (X.copy(),))


def test_every_construct_that_the_fence_knows_has_an_example():
    seen = {"Accepted": set(), "Refused": set()}
    for _, verdict, _, code in ROWS:
        seen[verdict] |= {type(n) for n in ast.walk(ast.parse(code))}
    named = [c for c in fence._PLAIN if c not in (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop,
                                                  ast.pattern, ast.Global)]
    assert not [c.__name__ for c in named if not any(issubclass(s, c) for s in seen["Accepted"])]
    inside = (ast.Await, ast.AsyncFor, ast.AsyncWith)             # these stand in an `async def`, which is refused first
    assert not [c.__name__ for c in fence._REFUSED if c not in seen["Refused"] and c not in inside]
