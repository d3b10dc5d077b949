"""How the time of a first call grows with the program: up to 20,000 ops of the IR.

    python benchmarks/compile_growth.py [--most 20000] [--rounds 1] [--json docs/compile_growth.json]

Three kinds of program, made to measure: statements on numbers, statements on an array, and both in the body of a loop; each
with its gradient. Timed is the processor, in a fresh process for each size and nothing on disk, as a busy machine says nothing
by its clock; the smallest of the rounds. An op is one of the program that was traced. Printed is p of time ~ ops ** p log(ops)
between the two largest sizes: the target is at most 1 (n log n). docs/performance.md reads the file.
"""
from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

KINDS = {
    # kind -> the lines of one group, with {k} for a number; what is around them; the arguments
    "numbers": ("x = np.sin(x) * {k}.5 + y\n    y = y - x * 0.25", "def f(x, y):\n    {lines}\n    return x + y", "(0.3, 0.4)"),
    "arrays": ("x = np.sin(x) * {k}.5 + y\n    y = y - x * 0.25", "def f(x, y):\n    {lines}\n    return np.sum(x + y)",
               "(np.full(8, 0.3), np.full(8, 0.4))"),
    "loop": ("x = np.sin(x) * {k}.5 + y[i]\n        y[i] = y[i] - x * 0.25",
             "def f(x, y):\n    for i in range(len(y)):\n        {lines}\n    return x + np.sum(y)", "(0.3, np.full(8, 0.4))"),
}
SAMPLE = """
import json, sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
import tracegrad as tg
from program import f, ARGUMENTS
tg.jit(lambda x: np.sin(x) + 1.0)(1.0)
g = tg.grad(f) if sys.argv[2] == "gradient" else tg.jit(f)
start = time.process_time()
g(*ARGUMENTS)
seconds = time.process_time() - start
found = tg.jit(f).lower(*ARGUMENTS).traced.function
print(json.dumps({"seconds": seconds, "ops": sum(1 for _ in found.body.walk()), "phases": g.specializations[0].phases}))
"""


def source(kind: str, groups: int) -> str:
    line, around, arguments = KINDS[kind]
    indent = "\n        " if kind == "loop" else "\n    "
    lines = indent.join(line.format(k=k % 3) for k in range(groups))
    return f"import numpy as np\n\n{around.format(lines=lines)}\n\n\nARGUMENTS = {arguments}\n"


def sample(folder: Path, kind: str, groups: int, what: str, rounds: int) -> dict:
    """{"ops", "seconds", "phases"} of one program."""
    (folder / "program.py").write_text(source(kind, groups))
    (folder / "sample.py").write_text(textwrap.dedent(SAMPLE))
    environment = os.environ | {"TRACEGRAD_CACHE": "0"}
    found = []
    for _ in range(rounds):
        done = subprocess.run([sys.executable, str(folder / "sample.py"), str(folder), what], capture_output=True, text=True,
                              env=environment, check=True)
        found.append(json.loads(done.stdout))
    return min(found, key=lambda row: row["seconds"])


def exponent(rows: list[dict]) -> float:
    """p of seconds ~ ops ** p * log(ops), between the two largest programs."""
    a, b = rows[-2:]
    ratio = b["seconds"] / math.log(b["ops"]) / (a["seconds"] / math.log(a["ops"]))
    return math.log(ratio) / math.log(b["ops"] / a["ops"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="kinds, such as numbers or loop-gradient")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    result: dict = {"machine": platform.processor() or platform.machine(), "python": platform.python_version(), "programs": {}}
    with tempfile.TemporaryDirectory() as where:
        for kind in KINDS:
            for what in ("value", "gradient"):
                name = kind if what == "value" else f"{kind}-gradient"
                if options.only and name not in options.only:
                    continue
                per_group = sample(Path(where), kind, 50, what, 1)["ops"] / 50
                sizes = [options.most // 2**k for k in range(5, -1, -1)]
                rows = [sample(Path(where), kind, max(1, round(size / per_group)), what, options.rounds) for size in sizes]
                result["programs"][name] = rows
                shown = "".join(f"{r['ops']:8,} ops {r['seconds']:6.2f} s" for r in rows)
                print(f"{name:18}{shown}   p = {exponent(rows):.2f}", flush=True)
                if options.json:
                    Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
