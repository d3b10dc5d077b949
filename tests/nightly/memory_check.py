"""Emitted code under valgrind's memcheck: `python tests/nightly/memory_check.py [part of a name …]`.

Every program of tests/programs is run, its value and its gradient, on arguments of its own. One process compiles, as a compiler
under valgrind would take hours, and keeps the code on disk; another one, under valgrind, finds it there. Both compile for the
same CPU, which valgrind knows.

Memcheck sees the ends of blocks of malloc and what has been written to them. So Python's allocator is malloc, and each
temporary of a kernel has a block of its own, of its exact size: none is on the stack or shares one workspace. A report counts
where emitted code, which has no name, is among its frames, and so does any read or write outside of a block but the dynamic
loader's. The exit code is 1 if there is one, or if a program fails.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
CPU = "nehalem"                 # valgrind 3.19 lacks some encodings of AVX
VALGRIND = ("valgrind", "--tool=memcheck", "--smc-check=all-non-file", "--leak-check=no", "--num-callers=8", "--error-limit=no",
            "--partial-loads-ok=yes")
EMITTED = r"(?m)^==\d+== +(?:at|by) 0x[0-9A-F]+: \?\?\?$"


def pin() -> None:
    """Compile for that CPU, with every temporary in its own block. Those blocks are not freed."""
    import llvmlite.binding as llvm
    from tracegrad.ir.thresholds import sizes
    from tracegrad.lowering.llvm.storage import Storage
    from tracegrad.lowering.native import object_code

    object_code.host()
    object_code.host = lambda: (llvm.Target.from_default_triple(), CPU, "")
    object_code.features.cache_clear()
    sizes.slot = sizes.stack = 0

    def workspace(self):
        if not self.slots:
            return []
        self.out.declare("declare noalias ptr @aligned_alloc(i64, i64)")
        return [f"  {name} = call align 64 ptr @aligned_alloc(i64 64, i64 {size})" for size, name in self.slots.values()]

    Storage.workspace = workspace


def run(parts: list[str]) -> None:
    """Values and gradients of the programs with such names. Standard error says which one is next."""
    sys.path[:0] = [str(ROOT / "tests" / "programs"), str(ROOT)]
    pin()
    import by_hand
    import cases
    import numpy as np
    from by_hand import trees

    import tracegrad as tg

    for table, own in ((cases.CASES, cases), (by_hand.PROGRAMS, trees)):
        for name, case in table.items():
            if parts and not any(part in name for part in parts):
                continue
            print(f"\n-- {name}", file=sys.stderr, flush=True)
            args = case.make(np.random.default_rng(len(name)), 0)
            tg.jit(case.fn)(*own.copied(args))
            if case.wrt:
                tg.grad(own.loss(case), argnums=case.wrt)(*own.copied(args))


def reports(log: str) -> list[str]:
    """What counts of what valgrind says, each with the program before it."""
    found, name = [], ""
    for part in re.split(r"(?m)^(?:-- (.*)|==\d+== *)$", log):
        if part is None:
            continue
        if re.fullmatch(r"[\w.]+", part):
            name = part
        elif re.search(EMITTED, part) or ("Invalid" in part and "dl-load.c" not in part):
            found.append(f"{name}: {part.strip()}")
    return found


def main(parts: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONMALLOC": "malloc", "TRACEGRAD_CACHE": folder, "OPENBLAS_NUM_THREADS": "1",
                       "OPENBLAS_CORETYPE": "Haswell"}
        command = [sys.executable, __file__, "--inside", *parts]
        subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
        done = subprocess.run([*VALGRIND, *command], env=environment, stderr=subprocess.PIPE, text=True, errors="replace")
    found = reports(done.stderr)
    programs = len(re.findall(r"(?m)^-- ", done.stderr))
    print("\n\n".join(found) + f"\n{programs} programs, {len(found)} reports, exit code {done.returncode}")
    if done.returncode:
        print(done.stderr[-2000:])
    return 1 if found or done.returncode or not programs else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        run(sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1:]))
