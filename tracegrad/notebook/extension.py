"""`%load_ext tracegrad`: the magic `tg`, and compiled functions under `%autoreload`.

IPython's autoreload gives the functions of a module that has been edited their new code, so that `from module import f` sees
it. It knows functions, classes and properties; here it learns compiled functions.
"""
from __future__ import annotations

import types
from typing import Any

from ..jitted.functions import Found
from . import magic


def load_ipython_extension(shell: Any) -> None:
    """What IPython calls for `%load_ext tracegrad`."""
    shell.register_magic_function(magic.of(shell), "line_cell", "tg")
    rules = _autoreload().UPDATE_RULES
    if _RULE not in rules:
        rules.append(_RULE)


def unload_ipython_extension(shell: Any) -> None:
    """What IPython calls for `%unload_ext tracegrad`."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("tg", None)
    rules = _autoreload().UPDATE_RULES
    if _RULE in rules:
        rules.remove(_RULE)


def _autoreload() -> types.ModuleType:
    from IPython.extensions import autoreload
    return autoreload


def _both_compiled(old: Any, new: Any) -> bool:
    return isinstance(old, Found) and isinstance(new, Found)


def _update(old: Found, new: Found) -> None:
    """Make a compiled function that somebody holds the one of the reloaded module. The user's function itself gets the new
    code, as derivatives have been made of it, too."""
    if isinstance(old.root, types.FunctionType) and isinstance(new.root, types.FunctionType):
        try:
            _autoreload().update_function(old.root, new.root)
        except ValueError:                             # another number of captured variables
            old.become(new)
            return
    if old.chain != new.chain or not isinstance(old.root, types.FunctionType):
        old.become(new)


_RULE = (_both_compiled, _update)
