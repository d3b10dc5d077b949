"""Every function of the five folders has an annotated signature; `.ci/types` checks what the annotations say."""
import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[2]
FOLDERS = ("ir", "autodiff", "tracer", "lowering", "tracegrad")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def functions(node, method=False):
    """(function, whether its first parameter is the object or the class) of everything below a node."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield child, method and not any(ast.unparse(d) == "staticmethod" for d in child.decorator_list)
        inside = isinstance(child, ast.ClassDef) or (method and not isinstance(child, (ast.FunctionDef, ast.Lambda)))
        yield from functions(child, inside)


def missing(function, method):
    """What of a signature has no annotation; a constructor's result is None without saying so."""
    a = function.args
    parameters = [*a.posonlyargs, *a.args][method:] + a.kwonlyargs + [p for p in (a.vararg, a.kwarg) if p]
    result = [] if function.returns or (function.name == "__init__" and parameters) else ["its result"]
    return [p.arg for p in parameters if p.annotation is None] + result


def test_every_function_has_an_annotated_signature():
    found = [f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {', '.join(gaps)}" for path in FILES
             for function, method in functions(ast.parse(path.read_text())) if (gaps := missing(function, method))]
    assert not found, "\n".join(found)
