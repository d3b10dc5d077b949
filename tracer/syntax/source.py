"""From a user's function to its rewritten one: source, syntax tree, rewriting, compilation under the same file and lines.

The rewritten function shares the globals, the closure cells, the defaults and the name of the original, so later rebinding of
what it captures is seen. Results are kept per code object: the work is done once for all closures over one `def`.
"""
from __future__ import annotations

import ast
import functools
import inspect
import linecache
import os
import site
import sysconfig
import types
import weakref
from collections.abc import Callable
from types import CodeType
from typing import Any

from .. import tracing
from . import class_statement, declared_types, lazy_globals, rewrite, typed_lines
from .trees import conditions, fence, source_check
from .trees.early_exit import TG
from .trees.nodes import detached, parameter, placed, walk, with_places

_TEMPLATES: dict[tuple, Template] = {}    # id(code), types of its variables -> Template (which keeps the code alive)
_TREES: dict[str, tuple] = {}                           # file -> (its lines, the parsed module)
_TYPED: dict[CodeType, tuple[list[str], str] | None] = {}         # code typed at Python's prompt -> its lines, their file
_REWRITTEN: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_WITHOUT_SOURCE: list = []
_RUNTIME = types.CellType()                             # the closure cell of `<tg>`, which staging/runtime.py fills


def use_runtime(runtime: Any) -> None:
    """What rewritten code calls as `<tg>`."""
    _RUNTIME.cell_contents = runtime


def use_without_source(run: Callable) -> None:
    """run(function): what takes the place of a rewritten function where there is no source (calling/sourceless.py)."""
    _WITHOUT_SOURCE[:] = [run]


class Template:
    """The rewritten code of one original code object."""

    __slots__ = ("code", "original", "qualname")

    def __init__(self, original: CodeType, code: CodeType, qualname: str):
        self.original, self.code, self.qualname = original, code, qualname


# --- whose code is rewritten ------------------------------------------------------------------------------------------

def _library_roots() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = {paths[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")} | set(site.getsitepackages())
    here = os.path.abspath(os.path.join(__file__, "..", "..", ".."))      # the checkout, or the installed package
    found |= {os.path.join(here, part) for part in ("ir", "tracer", "autodiff", "lowering", "tracegrad")}
    return tuple(sorted(os.path.normcase(os.path.abspath(p)) + os.sep for p in found if p))


_LIBRARIES = _library_roots()
_OWN: dict[str, bool] = {}


def is_user_file(file: str) -> bool:
    """Whether a file is the user's: neither of the standard library nor of an installed package, nor tracegrad's own. Tests
    that a package installs are programs of its users."""
    found = _OWN.get(file)
    if found is None:
        full = os.path.normcase(os.path.abspath(file))
        library = full.startswith(_LIBRARIES) or "site-packages" in full or "dist-packages" in full
        _, packages, inside = full.rpartition("-packages")
        tests = packages and os.sep + "tests" + os.sep in inside
        found = _OWN[file] = bool(not library or tests) and not file.startswith("<frozen")
    return found


# packages of libraries whose functions are rewritten like the user's (calling/libraries/numpy_source.py)
OPEN: set = set()
OPENED: set = set()               # code objects of single functions
_CLOSED = {__package__.split(".")[0], "numpy", "scipy", "numba", ""}
# Installed packages that compute with objects of their own: a traced value would not get through their code.
_OBJECTS_OF_THEIR_OWN = {"IPython", "_pytest", "dask", "distributed", "jax", "jaxlib", "matplotlib", "mpmath", "pandas",
                         "polars", "pytest", "sklearn", "statsmodels", "sympy", "tensorflow", "torch", "tqdm", "xarray"}


def is_open(function: Callable) -> bool:
    """Whether a library's function is one that is rewritten like the user's."""
    return getattr(function, "__code__", None) in OPENED or (function.__module__ or "").rpartition(".")[0] in OPEN


def is_user(function: Callable) -> bool:
    """Whether a Python function is rewritten when traced code calls it.

    That is so for the user's own files, and for the package that the traced function itself lives in.
    """
    code = function.__code__
    if id(code) in tracing.PLACES:
        return True
    trace = tracing.active()
    module = function.__module__ or ""
    if is_open(function):
        return True
    package = module.split(".")[0]
    return is_user_file(code.co_filename) or (trace is not None and package in trace.packages)


def open_package(function: Any) -> None:
    """Told of a function that its author has had compiled, here or by Numba: its package is rewritten, too."""
    trace, package = tracing.active(), _package(function)
    if trace is not None and package not in _CLOSED:
        trace.packages.add(package)


def may_open(function: Callable) -> bool:
    """Whether a function is one of an installed package that computes with what it is given."""
    code = getattr(function, "__code__", None)
    return (code is not None and _package(function) not in _OBJECTS_OF_THEIR_OWN | _CLOSED
            and "-packages" + os.sep in code.co_filename)


def _package(function: Callable) -> str:
    return (getattr(function, "__module__", None) or "").split(".")[0]


def opens(function: Callable) -> bool:
    """Told of such a function, which has to do with values of run time: whether it is rewritten from now on.

    The package's other functions are, too, from here on: what the first one calls may branch on what it was given.
    """
    trace, package = tracing.active(), _package(function)
    if trace is None or package in trace.left_closed:
        return False
    if package not in trace.packages:
        trace.opened.add(package)
    open_package(function)
    return is_user(function)


def is_generated(function: Any) -> bool:
    """Whether dataclasses or namedtuple have written a function: what it does follows from the fields."""
    function = getattr(function, "__wrapped__", function)
    code = getattr(function, "__code__", None)
    return code is not None and (code.co_qualname.startswith("__create_fn__.")
                                 or str(function.__globals__.get("__name__")).startswith("namedtuple_"))


def has_source(function: Callable) -> bool:
    """Whether a function's lines can be read: those of generated ones (a dataclass's __init__) cannot. From CPython 3.13 on
    "<string>", the file of all that `exec` makes, has lines where the program itself is `python -c`."""
    return id(function.__code__) in tracing.PLACES or _source(function) is not None


def _source(function: Callable) -> tuple[Any, str] | None:
    """(the syntax tree of a function whose lines can be read, the file that has them)."""
    code = function.__code__
    if linecache.getlines(code.co_filename, function.__globals__):
        node = _found(function)
        return None if node is None else (node, code.co_filename)
    if code not in _TYPED:
        _TYPED[code] = next(((lines, typed_lines.keep(lines)) for lines in typed_lines.statements(code)
                             if _in_lines(function, lines) is not None), None)
    typed = _TYPED[code]
    return None if typed is None else (_in_lines(function, typed[0]), typed[1])


# --- finding the syntax -----------------------------------------------------------------------------------------------

def _end_line(code: CodeType) -> int:
    """The last line with bytecode of a code object or of one in it."""
    last = max((end for _, end, _, _ in code.co_positions() if end is not None), default=code.co_firstlineno)
    return max([last, *(_end_line(c) for c in code.co_consts if isinstance(c, types.CodeType))])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _found(function: Callable) -> Any:
    """The syntax tree of a function, None where no lines give its code. Lines that are at hand may be older than the function,
    those of the file newer."""
    code = function.__code__
    for look in (lambda: None, lambda: linecache.checkcache(code.co_filename)):
        look()
        lines = linecache.getlines(code.co_filename, function.__globals__)
        if lines and (node := _in_lines(function, lines)) is not None:
            return node
    return None


def _in_lines(function: Callable, lines: list[str]) -> Any:
    """The syntax tree of a function in these lines, where they give its code."""
    code = function.__code__
    if code.co_firstlineno > len(lines):
        return None
    node = _find_lambda(function, lines) if code.co_name == "<lambda>" else _find_def(function, lines)
    agrees = node is not None and (isinstance(node, ast.AsyncFunctionDef) or source_check.agrees(node, function))
    return node if agrees else None


def _find_def(function: Callable, lines: list[str]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Parse just the lines of a `def`: from its first to the next line that is not indented more."""
    code = function.__code__
    first, last = code.co_firstlineno - 1, _end_line(code)
    indent = _indent(lines[first])
    while last < len(lines) and (not lines[last].strip() or _indent(lines[last]) > indent):
        last += 1
    text = "".join(lines[first:last])
    try:
        module = ast.parse("\n" * (first - 1) + "if 1:\n" + text if indent else "\n" * first + text)
    except SyntaxError:
        return _find_in_module(function, lines)
    node: Any = module.body[0] if module.body else None        # of a function of another text, these lines may be a comment
    node = node.body[0] if indent else node
    return node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else _find_in_module(function, lines)


def _module(file: str, lines: list[str]) -> ast.Module | None:
    kept = _TREES.get(file)
    if kept is None or kept[0] is not lines:
        try:
            kept = _TREES[file] = lines, ast.parse("".join(lines))
        except SyntaxError:
            return None
    return kept[1]


def _find_in_module(function: Callable, lines: list[str]) -> Any:
    code, module = function.__code__, _module(function.__code__.co_filename, lines)
    for node in walk(module) if module else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == code.co_firstlineno:
                return detached(node)
    return None


def _find_lambda(function: Callable, lines: list[str]) -> Any:
    """The innermost lambda that has all columns of the code's own positions in its body."""
    code, module = function.__code__, _module(function.__code__.co_filename, lines)
    spans = [(line, col, end, end_col) for line, end, col, end_col in code.co_positions() if end_col]
    first, last = min((s[:2] for s in spans), default=(0, 0)), max((s[2:] for s in spans), default=(0, 0))

    def holds(node: ast.Lambda) -> bool:
        start = len(lines[node.body.lineno - 1].encode()[:node.body.col_offset].rstrip(b" ("))       # parentheses count
        return (node.body.lineno, start) <= first and last <= (node.end_lineno, node.end_col_offset)

    candidates = [node for node in (walk(module) if module else ())
                  if isinstance(node, ast.Lambda) and node.lineno <= code.co_firstlineno <= (node.end_lineno or node.lineno)
                  and source_check.has_parameters(node, code)]
    around = [node for node in candidates if holds(node)]
    if around:
        return detached(max(around, key=lambda node: (node.lineno, node.col_offset)))
    return detached(candidates[0]) if len(candidates) == 1 else None


# --- compiling --------------------------------------------------------------------------------------------------------

def _template(function: Callable) -> Template | None:
    """None where there is no source."""
    code, declared = function.__code__, getattr(function, declared_types.DECLARED, None)
    found = _TEMPLATES.get((id(code), declared))
    if found is None:
        read = _source(function)
        if read is None:
            return None
        node, file = read
        if is_open(function):
            tracing.LIBRARIES.add(code.co_filename)
        lazy_globals.lower(node)
        class_statement.lower(node, lambda *found: fence.refuse(found[0], file, code.co_name, *found[1:]))
        fence.check(ast.Module([node], []) if isinstance(node, ast.AsyncFunctionDef) else node, file)
        if declared is not None and not isinstance(node, ast.AsyncFunctionDef):
            node = _as_definition(node)
            declared_types.convert(node, declared)
        conditions.mark(node)
        made = rewrite.rewrite(node, source_check.class_of(code), code.co_freevars)
        found = _TEMPLATES[id(code), declared] = Template(code, _compile(made, code, file), function.__qualname__)
    return found


def _as_definition(node: Any) -> Any:
    """A lambda as the function that returns its value."""
    if not isinstance(node, ast.Lambda):
        return node
    return placed(ast.FunctionDef("<tg lambda>", node.args, [placed(ast.Return(node.body), node)], [], None), node)


def _compile(node: Any, original: Any, file: str) -> CodeType:
    """The code object of a rewritten definition, inside a factory that gives it its free variables."""
    node = _as_definition(node)
    node.name = "<tg function>"           # not its own, which must stay a global where it calls itself
    node.args.defaults = [placed(ast.Constant(None), node) for _ in node.args.defaults]
    node.args.kw_defaults = [d and placed(ast.Constant(None), node) for d in node.args.kw_defaults]
    free = [parameter(name) for name in (TG, *original.co_freevars)]
    factory = ast.FunctionDef("<tg factory>", ast.arguments([], free, None, [], [], None, []), [node], [], None)
    module = ast.Module([placed(factory, node)], [])
    try:
        outer = compile(module, file, "exec", dont_inherit=True).co_consts
    except (TypeError, ValueError):          # a node has no place of its own
        with_places(module)
        outer = compile(module, file, "exec", dont_inherit=True).co_consts
    factory_code = next(c for c in outer if isinstance(c, types.CodeType))
    code = next(c for c in factory_code.co_consts if isinstance(c, types.CodeType) and c.co_name == node.name)
    code = code.replace(co_name=original.co_name,
                        **({"co_qualname": original.co_qualname} if hasattr(original, "co_qualname") else {}))
    return tracing.adopt(code, original.co_name)


def rewritten(function: Any) -> types.FunctionType:
    """The rewritten form of a Python function (the function itself, where it is one already)."""
    if id(function.__code__) in tracing.PLACES:
        return function
    found = _REWRITTEN.get(function)
    if (found is not None and found[0] is function.__code__ and found[1].__defaults__ is function.__defaults__
            and found[1].__kwdefaults__ is function.__kwdefaults__):
        return found[1]
    template = _template(function)
    if template is None:
        return _WITHOUT_SOURCE[0](function)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
    cells[TG] = _RUNTIME
    made = types.FunctionType(template.code, function.__globals__, function.__name__, function.__defaults__,
                              tuple(cells[name] for name in template.code.co_freevars))
    made.__dict__["<tg original>"] = weakref.ref(function)
    for name in ("__kwdefaults__", "__qualname__", "__module__", "__doc__"):
        setattr(made, name, getattr(function, name))
    _REWRITTEN[function] = function.__code__, made
    return made


def declare(function: Any, declared: declared_types.Declared) -> bool:
    """Give a function's variables and arguments types, under which it is rewritten; False where it has been without them."""
    if function in _REWRITTEN and getattr(function, declared_types.DECLARED, None) != declared:
        return False
    setattr(function, declared_types.DECLARED, declared)
    return True


def unwrap(function: Any) -> Callable:
    """The Python function that a decorated object stands for: numba's dispatchers, functools caches and static methods."""
    while True:
        if isinstance(function, (staticmethod, classmethod)):
            function = function.__func__
        elif "py_func" in getattr(function, "__dict__", ()):         # not asked of objects that say themselves what they lack
            function = vars(function)["py_func"]
        elif type(function).__name__ == "CFunc" and type(function).__module__.startswith("numba."):
            function = vars(function)["_pyfunc"]
        elif isinstance(function, functools._lru_cache_wrapper):
            function = inspect.unwrap(function, stop=lambda f: isinstance(f, types.FunctionType))
        else:
            return function


def called(function: Any) -> Callable:
    """The same of one that traced code calls."""
    plain = unwrap(function)
    if "py_func" in getattr(function, "__dict__", ()):
        open_package(plain)
    return plain
