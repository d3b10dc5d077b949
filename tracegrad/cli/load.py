"""What the command line names: functions in files."""
from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import pathlib
import re
import sys
import traceback
import types
from collections.abc import Callable, Iterator

from ..ir.errors import ArgumentError, TracegradError
from ..tracer.syntax.source import is_user_file

_EXCERPT = re.compile(r' *File "(.*)", line (\d+), in .*\n *(.*)')      # as ir.errors.excerpt writes a frame


class UsageError(ArgumentError):
    """The command line itself is wrong."""


class FileError(TracegradError):
    """The user's file cannot be imported, or its function raises an error."""


def load(target: str) -> Callable:
    """The callable that FILE.py:NAME names; NAME may be dotted. A file of a package is imported as part of it."""
    file, _, name = target.rpartition(":")
    path = pathlib.Path(file)
    if not file or not name:
        raise UsageError(f"{target!r} does not name a function", "write FILE.py:FUNCTION, as in examples/logistic.py:loss")
    if not path.is_file():
        raise UsageError(f"there is no file {file!r}", "write FILE.py:FUNCTION, as in examples/logistic.py:loss")
    module = _imported(path)
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = sorted(k for k, v in vars(module).items()
                            if k[0] != "_" and callable(v) and getattr(v, "__module__", "") == module.__name__)
            raise UsageError(f"{file} has no {name!r}", "use one of " + ", ".join(public) if public else "")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{name} in {file} is no function, but of type {type(found).__name__}")
    return found


def _imported(path: pathlib.Path) -> types.ModuleType:
    root, name = path.absolute().parent, path.stem
    while (root / "__init__.py").is_file():
        root, name = root.parent, f"{root.name}.{name}"
    sys.path.insert(0, str(root))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name) if "." in name else _alone(path, name)
    except (Exception, SystemExit) as error:
        raise FileError(f"{path} cannot be imported: {_described(error, path)}") from None


def _alone(path: pathlib.Path, name: str) -> types.ModuleType:
    """A file that belongs to no package."""
    while name in sys.modules:                       # a file called numpy.py must not stand for NumPy
        name += "_"
    spec = importlib.util.spec_from_loader(name, importlib.machinery.SourceFileLoader(name, str(path)))
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _described(error: BaseException, path: pathlib.Path) -> str:
    """The error with the last line of the file that it came through."""
    if isinstance(error, SyntaxError):
        where = f" ({error.filename}, line {error.lineno}" + (f": {error.text.strip()}" if error.text else "") + ")"
        return f"{type(error).__name__}: {error.msg}{where if error.lineno else ''}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if pathlib.Path(f.filename).absolute() == path.absolute()]
    where = f" (line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


@contextlib.contextmanager
def running(target: str) -> Iterator[None]:
    """What the user's own code raises while it is traced becomes a FileError with its line."""
    try:
        yield
    except TracegradError:
        raise
    except Exception as error:
        raise FileError(f"{target} raised {type(error).__name__}: {error}{_line_of(error)}") from None


def _line_of(error: Exception) -> str:
    """The user's line that an error comes from: compiled code has noted it, Python's own run has a frame of it."""
    noted = [found for note in getattr(error, "__notes__", ()) if (found := _EXCERPT.match(note))]
    if noted:
        return " ({}, line {}: {})".format(*noted[-1].groups())
    where = [frame for frame in traceback.extract_tb(error.__traceback__) if is_user_file(frame.filename)]
    return f" ({where[-1].filename}, line {where[-1].lineno}: {where[-1].line})" if where else ""


@contextlib.contextmanager
def as_usage() -> Iterator[None]:
    """What the interface of Python says of its arguments is said of the options that gave them: wrong usage."""
    try:
        yield
    except UsageError:
        raise
    except ArgumentError as error:
        if error.loc:                                # the user's own program called something wrongly
            raise
        raise UsageError(error.what, error.remedy) from None
