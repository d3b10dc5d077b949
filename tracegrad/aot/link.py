"""The shared library of an object of this machine, or the module of a WebAssembly object, where something links it."""
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


def shared(directory: pathlib.Path, name: str, libraries: tuple[str, ...]) -> tuple[pathlib.Path | None, str]:
    """(the library, or None; what to say about it)."""
    library, command = directory / f"lib{name}.so", linker()
    linked = [f"-l{library}" for library in libraries]
    by_hand = f"cc -shared -o lib{name}.so {name}.o {' '.join(linked)}"
    if command is None:
        return None, (f"no shared library: there is no C compiler here; install one, or `pip install ziglang`, and run "
                      f"{by_hand} in {directory} (ziglang: python -m ziglang cc instead of cc)")
    done = subprocess.run([*command, "-shared", "-o", str(library), str(directory / f"{name}.o"), *linked], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        return None, f"no shared library: {shlex.join(command)} failed: {done.stderr.strip()[-500:]}"
    return library, ""


def module_arguments(name: str) -> list[str]:
    """Of wasm-ld. What the code needs of a C library stays an import; memory and the end of its own data are seen."""
    return ["--no-entry", "--allow-undefined", "--export=__heap_base", f"--export={name}", f"--export={name}_message", "-o",
            f"{name}.wasm", f"{name}.o"]


def module(directory: pathlib.Path, name: str, libraries: tuple[str, ...]) -> tuple[pathlib.Path | None, str]:
    """(the WebAssembly module, or None; what to say about it)."""
    found, arguments = shutil.which("wasm-ld"), module_arguments(name)
    command = [found] if found else _ZIG if importlib.util.find_spec("ziglang") else None
    if command is None:
        return None, (f"the object is not linked; `pip install ziglang`, or install LLVM's lld and run: wasm-ld "
                      f"{shlex.join(arguments)}")
    done = subprocess.run([*command, *arguments], cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        return None, f"the object is not linked: {shlex.join(command)} failed: {done.stderr.strip()[-500:]}"
    return directory / f"{name}.wasm", ""


_ZIG = [sys.executable, "-m", "ziglang", "wasm-ld"]
