"""The shared library of an object of this machine, where something that links is installed."""
from __future__ import annotations

import importlib.util
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

_COMPILERS = ("cc", "gcc", "clang")


def linker() -> list[str] | None:
    """The command that links: $CC, a C compiler of the system, or the one of the ziglang wheel."""
    named = shlex.split(os.environ.get("CC", ""))
    if named and shutil.which(named[0]):
        return named
    found = next((path for path in map(shutil.which, _COMPILERS) if path), None)
    if found:
        return [found]
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else None


def shared(directory: pathlib.Path, name: str) -> tuple[pathlib.Path | None, str]:
    """(the library, or None; what to say about it)."""
    library, command = directory / f"lib{name}.so", linker()
    by_hand = f"cc -shared -o lib{name}.so {name}.o -lm"
    if command is None:
        return None, (f"no shared library: there is no C compiler here; install one, or `pip install ziglang`, and run "
                      f"{by_hand} in {directory} (ziglang: python -m ziglang cc instead of cc)")
    done = subprocess.run([*command, "-shared", "-o", str(library), str(directory / f"{name}.o"), "-lm"], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        return None, f"no shared library: {shlex.join(command)} failed: {done.stderr.strip()[-500:]}"
    return library, ""
