"""Imports point one way: ir <- {tracer, autodiff, lowering} <- tracegrad (docs/architecture.md)."""
import ast
import functools
import pathlib
import tomllib

import pytest
import tracegrad.ir.ops  # noqa: F401  (declares the ops)
from tracegrad.ir.opdef import OPS

ROOT = pathlib.Path(__file__).parents[2]
MAY_IMPORT = {"ir": {"ir"}, "tracer": {"tracer", "ir"}, "autodiff": {"autodiff", "ir"}, "lowering": {"lowering", "ir"},
              "tracegrad": {"tracegrad", "ir", "tracer", "autodiff", "lowering"}}
ONLY_IN = {"llvmlite": {"lowering"}, "ast": {"tracer"}}
# heavy and optional: may be imported inside functions, never at the top
ALSO = {"ast": {ROOT / "tracegrad" / "cli" / "arguments.py"}}        # literals of the command line
LAZY = {"scipy", "numba", "pygments", "mpmath", "torch", "jax", "pytensor", "shtab", "IPython"}
FILES = sorted(p for layer in MAY_IMPORT for p in (ROOT / layer).rglob("*.py"))


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


def imports(path):
    """(top-level name, whether it is one of ours, whether it stands inside a function) for every import of a file."""
    package = path.relative_to(ROOT).parts[:-1]
    package = package if package[0] == "tracegrad" else ("tracegrad", *package)
    tree = parsed(path)
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, (ast.FunctionDef, ast.Lambda)) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], False, id(node) in inside
        elif isinstance(node, ast.ImportFrom) and node.level:
            target = package[: len(package) - node.level + 1] + tuple((node.module or "").split(".") if node.module else ())
            names = [target] if len(target) > 1 else [(*target, a.name) for a in node.names]
            for full in names:
                yield (full[1] if full[1] in MAY_IMPORT else "tracegrad"), True, id(node) in inside
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0], False, id(node) in inside


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    layer = path.relative_to(ROOT).parts[0]
    for name, ours, inside in imports(path):
        if ours:
            assert name in MAY_IMPORT[layer], f"{layer} imports {name}"
            assert not inside, f"import of {name} inside a function"
        elif name in ONLY_IN:
            assert layer in ONLY_IN[name] or path in ALSO.get(name, ()), f"{name} belongs in {ONLY_IN[name]}"
        elif name in LAZY:
            assert inside, f"{name} is imported at the top, which slows `import tracegrad`"


# --- inside a folder ------------------------------------------------------------------------------------------------

def module_of(path) -> tuple[str, ...]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "tracegrad" else ("tracegrad", *parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {module_of(path): path for path in FILES}


@functools.cache
def wanted(path) -> set[tuple[str, ...]]:
    """The modules of ours that a file imports when it runs; what only type checkers read does not count."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path)[:-1]
    tree = parsed(path)
    unread = {id(n) for block in ast.walk(tree) if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
              for n in ast.walk(block)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in unread:
            base = package[: len(package) - node.level + 1] + tuple((node.module or "").split(".") if node.module else ())
            found |= {(*base, a.name) if (*base, a.name) in MODULES else base for a in node.names}
    return found


def circle(arrows):
    """A list of nodes that lead back to the first one, or None."""
    done, way = set(), []

    def visit(node):
        if node in way:
            return [*way[way.index(node):], node]
        if node in done:
            return None
        way.append(node)
        for other in sorted(arrows.get(node, ())):
            if found := visit(other):
                return found
        done.add(way.pop())
        return None

    return next((found for node in sorted(arrows) if (found := visit(node))), None)


def test_no_circle_of_imports_between_files():
    found = circle({module: wanted(path) - {module} for module, path in MODULES.items()})
    assert found is None, " -> ".join(".".join(m) for m in found)


def test_rooms_import_one_way():
    """A room is a folder below one of the five; files that stand beside rooms count for themselves."""

    def room(module):
        path = MODULES[module]
        folder = path.relative_to(ROOT).parts[:-1]
        return folder if len(folder) > 1 else module

    arrows = {}
    for module, path in MODULES.items():
        if path.name != "__init__.py":
            arrows.setdefault(room(module), set()).update(room(m) for m in wanted(path) if room(m) != room(module))
    found = circle(arrows)
    assert found is None, " -> ".join("/".join(m) for m in found)


def test_every_room_says_what_it_is_for_and_is_packaged():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent for path in FILES}
    assert sorted(packages) == sorted(".".join(module_of(folder / "__init__.py")) for folder in folders)
    for folder in folders:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder


def test_no_file_is_long():
    lengths = sorted(len(path.read_text().splitlines()) for path in FILES)
    assert lengths[-1] <= 500 and lengths[len(lengths) // 2] <= 180, (lengths[-1], lengths[len(lengths) // 2])


# Each set says which rows a rule of its own file has; no other file asks the same.
RULES = {"ir/ops", "ir/text/printer.py", "ir/transforms/drop_couplings.py", "autodiff/rules/nonfinite_partials.py",
         "autodiff/rules/transpose_rules.py", "autodiff/multiplicity/vector_mixing.py", "autodiff/smoothness/kink_products.py",
         "autodiff/smoothness/kink_series.py", "autodiff/smoothness/pieces.py", "autodiff/smoothness/lost_slopes.py",
         "lowering/llvm/unpredictable.py", "lowering/math/library.py", "lowering/schedule/index_rules.py"}


def test_passes_ask_an_op_and_keep_no_sets_of_names():
    """A property of ops stands in their declarations (ir/opdef.py), where the next op's author sees it."""
    found = set()
    for path in FILES:
        place = path.relative_to(ROOT)
        if place.parts[0] in ("ir", "autodiff", "lowering"):
            for node in ast.walk(parsed(path)):
                names = [n.value for n in node.elts if isinstance(n, ast.Constant)] if isinstance(node, ast.Set) else []
                if sum(name in OPS for name in names) > 1:
                    found.add("ir/ops" if place.parts[:2] == ("ir", "ops") else str(place))
    assert found - RULES == set()
