"""Every public function says what it takes, what it gives, what it raises, and shows it: the examples run."""
import doctest
import inspect

import numpy as np
import pytest

import tracegrad as tg
import tracegrad.implicit
import tracegrad.scipy

METHODS = ("interpret", "lower", "cfunc", "low_level_callable", "cache_info", "cache_clear", "why_recompiled")
# a context of options, modules, types that users catch: what they are stands in the manual
NO_FUNCTIONS = {"cache", "config", "implicit", "interop", "scipy", "tree", "Jitted"}
PUBLIC = {name: getattr(tg, name) for name in tg.__all__
          if name not in NO_FUNCTIONS and not (inspect.isclass(getattr(tg, name)) and issubclass(getattr(tg, name), Exception))}
PUBLIC |= {f"tree.{name}": getattr(tg.tree, name) for name in tg.tree.__all__ if name != "TreeDef"}
PUBLIC |= {f"Jitted.{name}": getattr(tg.Jitted, name) for name in METHODS}

SOLVERS = {f"{room.__name__.removeprefix('tracegrad.')}.{name}": getattr(room, name)
           for room in (tracegrad.scipy, tracegrad.implicit) for name in room.__all__}


def wrong_examples(name, text):
    """What the examples of a docstring print that they should not; there is one at least."""
    example = doctest.DocTestParser().get_doctest(text, {"tg": tg, "np": np}, name, None, None)
    assert example.examples, f"{name} has no >>>"
    report = []
    doctest.DocTestRunner(verbose=False).run(example, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_solvers_have_an_example_that_runs(name):
    assert not wrong_examples(name, inspect.getdoc(SOLVERS[name]))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_functions_say_what_they_take_give_and_raise_by_an_example_that_runs(name):
    function = PUBLIC[name]
    text = inspect.getdoc(function)
    for word in ("Result:", "Errors:", ">>>"):
        assert word in text, f"{name} has no {word}"
    for parameter in set(inspect.signature(function).parameters) - {"self"}:
        assert parameter in text, f"{name} does not say what {parameter} is"
    assert not wrong_examples(name, text)
