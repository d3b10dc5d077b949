"""Imports point one way: ir <- {tracer, autodiff, lowering} <- tracegrad (docs/architecture.md)."""
import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
MAY_IMPORT = {"ir": {"ir"}, "tracer": {"tracer", "ir"}, "autodiff": {"autodiff", "ir"}, "lowering": {"lowering", "ir"},
              "tracegrad": {"tracegrad", "ir", "tracer", "autodiff", "lowering"}}
ONLY_IN = {"llvmlite": {"lowering"}, "ast": {"tracer"}}
LAZY = {"scipy", "numba", "pygments", "mpmath"}      # heavy and optional: may be imported inside functions, never at the top
FILES = sorted(p for layer in MAY_IMPORT for p in (ROOT / layer).rglob("*.py"))


def imports(path):
    """(top-level name, whether it is one of ours, whether it stands inside a function) for every import of a file."""
    package = path.relative_to(ROOT).parts[:-1]
    package = package if package[0] == "tracegrad" else ("tracegrad", *package)
    tree = ast.parse(path.read_text())
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
            assert layer in ONLY_IN[name], f"{name} belongs in {ONLY_IN[name]}"
        elif name in LAZY:
            assert inside, f"{name} is imported at the top, which slows `import tracegrad`"
