"""Every public function says what it takes, what it gives, what it raises, and shows it: the examples run."""
import doctest
import inspect

import numpy as np
import pytest

import tracegrad as tg

METHODS = ("interpret", "lower", "cfunc", "low_level_callable", "cache_info", "cache_clear", "why_recompiled")
# a context of options, modules, types that users catch: what they are stands in the manual
NO_FUNCTIONS = {"cache", "config", "implicit", "interop", "scipy", "tree", "Jitted"}
PUBLIC = {name: getattr(tg, name) for name in tg.__all__
          if name not in NO_FUNCTIONS and not (inspect.isclass(getattr(tg, name)) and issubclass(getattr(tg, name), Exception))}
PUBLIC |= {f"tree.{name}": getattr(tg.tree, name) for name in tg.tree.__all__ if name != "TreeDef"}
PUBLIC |= {f"Jitted.{name}": getattr(tg.Jitted, name) for name in METHODS}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_functions_say_what_they_take_give_and_raise_by_an_example_that_runs(name):
    function = PUBLIC[name]
    text = inspect.getdoc(function)
    for word in ("Result:", "Errors:", ">>>"):
        assert word in text, f"{name} has no {word}"
    for parameter in set(inspect.signature(function).parameters) - {"self"}:
        assert parameter in text, f"{name} does not say what {parameter} is"
    example = doctest.DocTestParser().get_doctest(text, {"tg": tg, "np": np}, name, None, None)
    report = []
    doctest.DocTestRunner(verbose=False).run(example, out=report.append)
    assert not report, "".join(report)
