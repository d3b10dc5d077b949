"""Whether a definition that stands in a file now is the one that a code object was compiled from.

A file may be edited while the functions imported from it live on. Then its lines are another program, and tracing them would
give another function's values: so the definition is compiled once more, and the two codes are compared.

Import hooks that change a module's syntax (pytest's asserts, type checkers) leave codes that no source compiles to. Functions
of modules with a loader of their own are therefore compared by the names that they use.
"""
from __future__ import annotations
import __future__

import ast
import bisect
import copy
import dis
import importlib.machinery
import types
from collections.abc import Callable
from types import CodeType
from typing import Any

from .nodes import walk

FUTURES = 0
for _name in __future__.all_feature_names:
    FUTURES |= getattr(__future__, _name).compiler_flag
_ARRANGING = {"PUSH_NULL", "PRECALL", "CACHE", "EXTENDED_ARG", "NOP"}
_SAME = {"LOAD_METHOD": "LOAD_ATTR"}
_CONSTANTS = {"LOAD_CONST", "RETURN_CONST", "KW_NAMES"}
_JUMPS = {*dis.hasjrel, *dis.hasjabs}
_PARTS = ("co_code", "co_names", "co_varnames", "co_cellvars", "co_freevars", "co_exceptiontable")
_NAMING = ("arg", "id", "attr", "name", "asname", "module", "rest")        # fields of syntax that hold a name


def class_of(code: CodeType) -> str | None:
    """The class whose name mangles `__x` in a function: the innermost of those that it is defined in.

    C.m -> C     C.m.<locals>.g -> C     f.<locals>.g -> None     f.<locals>.C.m -> C
    """
    parts = code.co_qualname.split(".")
    around = [k for k in range(len(parts) - 1) if parts[k] != "<locals>" and parts[k + 1] != "<locals>"]
    return parts[around[-1]] if around else None


def agrees(node: ast.FunctionDef | ast.Lambda, function: Callable) -> bool:
    """Whether the code of a function is that of the definition."""
    code = function.__code__
    if not has_parameters(node, code):
        return False
    again = _compiled(node, code, function.__globals__)
    if again is None:
        return False
    return (_is_same(again, code) or _steps(again) == _steps(code)
            or (_is_changed_on_import(function) and _has_names(node, code)))


def has_parameters(node: Any, code: CodeType) -> bool:
    """Whether a definition has the parameters of the code."""
    a = node.args
    names = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)] + [p.arg for p in (a.vararg, a.kwarg) if p]
    wanted = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)]
    return len(names) == len(wanted) and all(n == w or w.endswith(n) for n, w in zip(names, wanted))


def _compiled(node: Any, code: Any, names: dict[str, Any]) -> CodeType | None:
    """The code object of a definition, which has the free variables of `code`, in a module with these names. Modules among them
    are taken as imported, since `np.sum(x)` has another code where the same file imports `np`."""
    inner = copy.copy(node)
    inner.args = inner_args = copy.copy(node.args)
    inner_args.defaults = [ast.Constant(None) for _ in node.args.defaults]
    inner_args.kw_defaults = [d and ast.Constant(None) for d in node.args.kw_defaults]
    if isinstance(node, ast.Lambda):
        inner = ast.Expr(inner)
    else:
        inner.name, inner.decorator_list, inner.returns = "<tg function>", [], None
    generics: dict[str, Any] = {"type_params": []}            # fields of Python 3.12
    parameters = ast.arguments([], [ast.arg(n) for n in code.co_freevars], None, [], [], None, [])
    outer = ast.FunctionDef("<tg factory>", parameters, [inner], [], None, **generics)
    if (cls := class_of(code)) is not None:
        outer = ast.ClassDef(cls, [], [], [outer], [], **generics)
    modules = [ast.alias(name) for name, value in names.items() if type(value) is types.ModuleType]
    imports = [ast.Import(modules)] if modules else []
    for made in (*imports, *modules, outer, *outer.body, inner, *parameters.args, *inner_args.defaults,
                 *filter(None, inner_args.kw_defaults)):
        made.lineno, made.col_offset, made.end_lineno, made.end_col_offset = 1, 0, 1, 0
    module = ast.Module([*imports, outer], [])
    try:
        made = compile(module, code.co_filename, "exec", flags=code.co_flags & FUTURES, dont_inherit=True)
    except SyntaxError:
        return None
    for _ in range(2 + (class_of(code) is not None)):
        made = next(c for c in made.co_consts if isinstance(c, types.CodeType))
    return made


def _is_same(a: types.CodeType, b: types.CodeType) -> bool:
    """Whether two codes are the same to the byte, as they mostly are: a quick form of comparing their steps."""
    return (all(getattr(a, name) == getattr(b, name) for name in _PARTS) and len(a.co_consts) == len(b.co_consts)
            and all(_is_same(x, y) if isinstance(x, types.CodeType) and isinstance(y, types.CodeType)
                    else _constant(x) == _constant(y) for x, y in zip(a.co_consts, b.co_consts, strict=True)))


def _steps(code: CodeType) -> list[tuple]:
    """The instructions of a code object, with names, constants and, for jumps, the number of the step that they lead to.

    What says how a call is arranged is left out: it depends on which names the rest of the module imports.
    """
    kept = [i for i in dis.get_instructions(code) if i.opname not in _ARRANGING]
    offsets = [i.offset for i in kept]

    def said(i: Any) -> Any:
        if i.opcode in _JUMPS:
            return bisect.bisect_left(offsets, i.argval)
        if isinstance(i.argval, types.CodeType):
            return _steps(i.argval)
        return _constant(i.argval) if i.opname in _CONSTANTS else i.argval

    return [(_SAME.get(i.opname, i.opname), said(i)) for i in kept]


def _constant(x: Any) -> tuple[type, list | str]:
    """What says which constant it is: 1 is not 1.0 or True. A class in a function has its qualified name as a constant."""
    if isinstance(x, (tuple, frozenset)):
        parts = [_constant(part) for part in x]
        return type(x), parts if isinstance(x, tuple) else sorted([str(part) for part in parts])
    return type(x), repr(x.rpartition("<locals>.")[2] if isinstance(x, str) else x)


def _is_changed_on_import(function: Callable) -> bool:
    if function.__code__.co_filename in ("<string>", "<stdin>"):         # made by `exec` or typed, not by the module's loader
        return False
    loader = getattr(function.__globals__.get("__spec__"), "loader", None) or function.__globals__.get("__loader__")
    return type(loader) is not importlib.machinery.SourceFileLoader


def _has_names(node: Any, code: CodeType) -> bool:
    """Whether what the code names stands in the definition. Left aside are names that compilers make, and asserts of pytest."""
    named = {n for n in (*code.co_varnames, *code.co_names, *code.co_cellvars) if n and not n.startswith(("_", "."))}
    if any(n.startswith("@py") for n in named):
        return True
    found = {part for n in walk(node) for field in _NAMING if isinstance(name := getattr(n, field, None), str)
             for part in (name, *name.split("."))}
    return named <= found
