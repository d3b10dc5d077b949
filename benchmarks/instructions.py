"""A guard against slower code that no other test notices: the instructions that 20 kernels execute, counted by callgrind.

    python benchmarks/instructions.py             compare with the recorded counts: leaves with 1 if one is off by over 5 %
    python benchmarks/instructions.py --record    record those of this machine in instructions.json beside this file
    python benchmarks/instructions.py heat …      only the kernels whose names contain one of these

Counts do not depend on what else the machine does, but on the instructions that it has and on LLVM: where the CPU as valgrind
shows it, LLVM or the versions of valgrind differ from those that the counts were recorded with, or where there is no valgrind,
nothing is compared, and the reason is printed. A kernel that became faster is reported, too: record it, so that the guard
stays tight.

How it works: this file runs itself under `valgrind --tool=callgrind` with counting off. A kernel is compiled by a first call.
The second is the first that enters machine code, which finds each name that the function reads of a module by going through the
module's dict, once, and keeps its position (lowering/native/dict_entries.py): 12,000 instructions for the gradient of softmax,
which reads `np` and three names of NumPy. Counting is on for a third call, as all later ones are like it. It is switched by
valgrind's client requests (valgrind.h), which are a few instructions without effect that valgrind looks for; they are prepared
before. An empty call is counted as well, and taken off.
"""
from __future__ import annotations

import argparse
import ctypes
import json
import math
import mmap
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable

HERE = pathlib.Path(__file__).parent
RECORDED = HERE / "instructions.json"
MARGIN = 0.05

# name: (part of a benchmark's table, its name there, size, whether it is the gradient that is counted)
KERNELS: dict[str, tuple[str, str, int, bool]] = {
    "softmax": ("shapes", "softmax_of_rows", 200, False),
    "softmax gradient": ("shapes", "softmax_of_rows", 200, True),
    "logsumexp gradient": ("shapes", "logsumexp_of_rows", 200, True),
    "column sums": ("shapes", "column_sums", 300, False),
    "histogram by hand": ("shapes", "histogram_by_hand", 100_000, False),
    "triangular dots": ("shapes", "triangular_dots", 60, False),
    "triangular dots gradient": ("shapes", "triangular_dots", 60, True),
    "Gram-Schmidt": ("shapes", "gram_schmidt", 50, False),
    "Gram-Schmidt gradient": ("shapes", "gram_schmidt", 50, True),
    "Levinson gradient": ("shapes", "levinson", 200, True),
    "reaction and diffusion gradient": ("shapes", "gray_scott", 100, True),
    "Gauss-Seidel": ("shapes", "gauss_seidel", 100, False),
    "heat gradient": ("shapes", "heat_in_time", 1000, True),
    "tanh recurrence gradient": ("shapes", "tanh_recurrence", 5000, True),
    "alignment": ("shapes", "alignment", 200, False),
    "escape time": ("shapes", "escape_time", 40, False),
    "n-body": ("threads", "n_body", 200, False),
    "n-body gradient": ("threads", "n_body", 200, True),
    "product by hand gradient": ("threads", "product", 80, True),
    "views in loops gradient": ("here", "smoothness", 80, True),
}


def smoothness(p):
    n = math.isqrt(p.size)
    w, s = p.reshape(n, n), 0.0
    for i in range(1, n):
        for j in range(1, n):
            s += (w[i, j] - w[i - 1, j]) ** 2 + (w[i, j] - w[i, j - 1]) ** 2
    return s


def call_of(part: str, name: str, size: int, gradient: bool) -> Callable[[], object]:
    """The call that is counted."""
    import numpy as np
    import shapes
    import threads

    import tracegrad as tg

    rng = np.random.default_rng(0)
    if part == "shapes":
        row = shapes.SHAPES[name]
        f, args, wrt = row.fn, row.make(rng, size), row.wrt
    elif part == "threads":
        f = getattr(threads, name)
        args = (rng.random((size, 3)),) if name == "n_body" else (rng.random((size, size)), rng.random((size, size)))
        wrt = tuple(range(len(args)))
    else:
        f, args, wrt = smoothness, (rng.random(size * size),), (0,)
    compiled = tg.value_and_grad(shapes.loss(f), argnums=wrt) if gradient else tg.jit(f)
    return lambda: compiled(*args)


# --- inside of valgrind -----------------------------------------------------------------------------------------------

# mov rax, rdi; xor edx, edx; rol rdi, 3; rol rdi, 13; rol rdi, 61; rol rdi, 51; xchg rbx, rbx; mov rax, rdx; ret
_REQUEST = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")
_BASE = (ord("C") << 24) + (ord("T") << 16)
ZERO, DUMP, START, STOP = _BASE + 1, _BASE + 3, _BASE + 4, _BASE + 5


def requests() -> Callable[..., Callable[[], object]]:
    """A function that prepares one of valgrind's client requests, to be made by a call of what it returns."""
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(_REQUEST)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    code = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(address)

    def prepared(number: int, text: bytes | None = None) -> Callable[[], object]:
        held = ctypes.create_string_buffer(text) if text else None
        words = (ctypes.c_uint64 * 6)(number, ctypes.addressof(held) if held else 0)
        place = ctypes.addressof(words)

        def request() -> None:
            code(place)

        request.memory = memory, held, words               # they must live as long as the function
        return request

    return prepared


def inside(names: list[str]) -> None:
    """Count each kernel; the counts are in the files that callgrind writes. Prints what the code was made by."""
    import tracegrad as tg

    tg.config.threads = 1
    print("environment:", json.dumps(environment()), flush=True)
    prepared = requests()
    start, zero, stop = prepared(START), prepared(ZERO), prepared(STOP)
    for name in ["nothing", *names]:
        call = (lambda: None) if name == "nothing" else call_of(*KERNELS[name])
        print("kernel:", name, flush=True)
        dump = prepared(DUMP, name.encode())
        call()
        call()
        start()
        zero()
        call()
        dump()
        stop()


def environment() -> dict[str, str]:
    """What the counts depend on, as this process sees it."""
    import llvmlite.binding as llvm
    from tracegrad.lowering.native import object_code

    return {"cpu": object_code.host()[1], "features": " ".join(sorted(object_code.features())),
            "llvm": ".".join(map(str, llvm.llvm_version_info))}


# --- outside of it ----------------------------------------------------------------------------------------------------

def counted(names: list[str]) -> tuple[dict[str, str], dict[str, int]]:
    """(environment, {name: instructions}), from a run under callgrind; without the kernels that have an instruction which this
    valgrind does not know (3.19: a move between registers of AVX), which are named."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out", sys.executable,
                   str(pathlib.Path(__file__).resolve()), "--inside", *names]
        variables = {**os.environ, "PYTHONHASHSEED": "0", "TRACEGRAD_CACHE_DIR": folder + "/cache"}
        run = subprocess.run(command, capture_output=True, text=True, env=variables)
        if run.returncode and "Unrecognised instruction" in run.stderr:
            unknown = re.findall(r"kernel: (.*)", run.stdout)[-1]
            print(f"not counted: {unknown}, of which valgrind does not know an instruction")
            return counted([name for name in names if name != unknown])
        found = re.search(r"environment: (.*)", run.stdout)
        if run.returncode or not found:
            sys.exit(f"the run under valgrind has failed:\n{run.stdout[-2000:]}\n{run.stderr[-4000:]}")
        counts = dict(filter(None, map(summary, pathlib.Path(folder).glob("out.*"))))
    nothing = counts.pop("nothing")
    version = subprocess.run(["valgrind", "--version"], capture_output=True, text=True).stdout.strip()
    return {**json.loads(found[1]), "valgrind": version}, {name: counts[name] - nothing for name in names}


def summary(path: pathlib.Path) -> tuple[str, int] | None:
    """(name, instructions) of one of callgrind's files."""
    text = path.read_text()
    name = re.search(r"Trigger: Client Request: (.*)", text)
    total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    return (name[1].strip(), int(total[1])) if name and total else None


def compared(found: dict[str, int], recorded: dict[str, int]) -> list[str]:
    """The lines of a report; one that starts with ! is off by more than the margin."""
    lines = []
    for name, count in found.items():
        before = recorded.get(name)
        if before is None:
            lines.append(f"! {name:34s}{count:14,d}   not recorded")
            continue
        off = count / before - 1.0
        mark = "!" if abs(off) > MARGIN else " "
        lines.append(f"{mark} {name:34s}{count:14,d}{before:14,d}{100 * off:+8.1f} %")
    return lines


def unable() -> str:
    """Why nothing can be counted here; "" if it can."""
    if platform.machine() not in ("x86_64", "AMD64") or sys.platform != "linux":
        return "counts are taken on Linux on x86-64"
    return "" if shutil.which("valgrind") else "valgrind is not installed"


def main(names: list[str], record: bool) -> int:
    reason = unable()
    if reason:
        print(f"skipped: {reason}")
        return 0
    chosen = [k for k in KERNELS if not names or any(part.lower() in k.lower() for part in names)]
    held = json.loads(RECORDED.read_text()) if RECORDED.exists() else {"environment": None, "instructions": {}}
    here, counts = counted(chosen)
    if record:
        kept = held["instructions"] if held["environment"] == here else {}
        RECORDED.write_text(json.dumps({"environment": here, "instructions": {**kept, **counts}}, indent=1) + "\n")
        print(f"recorded {len(counts)} counts")
        return 0
    if held["environment"] != here:
        differ = [k for k in here if (held["environment"] or {}).get(k) != here[k]]
        print(f"skipped: the counts were recorded with other {', '.join(differ)}; --record makes some for this machine")
        return 0
    print(f"  {'':34s}{'instructions':>14s}{'recorded':>14s}")
    lines = compared(counts, held["instructions"])
    print("\n".join(lines))
    return int(any(line.startswith("!") for line in lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="instructions of 20 kernels, by callgrind")
    parser.add_argument("--record", action="store_true", help="write the counts of this machine")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="parts of kernels' names; all if none is given")
    chosen = parser.parse_args()
    sys.exit(inside(chosen.names) if chosen.inside else main(chosen.names, chosen.record))
