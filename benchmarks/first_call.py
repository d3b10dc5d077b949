"""What starting costs: `import tracegrad`, and the first call of a gradient, tracing and compilation included.

    python benchmarks/first_call.py [--rounds 9]
    python benchmarks/first_call.py --programs [NAME …] [--rounds 3]

Each sample is a fresh process, with bytecode caches warm as after an installation. Printed are medians, and targets:
value_and_grad of a Rosenbrock function of 10 dimensions within 60 ms of the first call, and an import of at most twice
`import numpy` + `import llvmlite.binding`, which it contains.

With --programs: the first call, value and gradient, of each program of tests/programs, or of those named. Milliseconds of
the processor, as a busy machine says nothing by its clock; the smallest of the rounds; geometric means of both at the end.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap

SAMPLES = {
    "import": """
        import json, time
        start = time.perf_counter()
        import numpy, llvmlite.binding
        middle = time.perf_counter()
        import tracegrad
        end = time.perf_counter()
        print(json.dumps({"import numpy, llvmlite.binding": 1e3 * (middle - start), "import tracegrad": 1e3 * (end - start)}))
    """,
    "call": """
        import json, time
        import numpy as np
        import tracegrad as tg

        def rosenbrock(x):
            return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

        x = np.linspace(-1.0, 1.0, 10)
        start = time.perf_counter()
        f = tg.value_and_grad(rosenbrock)
        value, slope = f(x)
        end = time.perf_counter()
        assert np.isclose(value, rosenbrock(x)) and slope.shape == x.shape
        only, = f.specializations
        print(json.dumps({"first call": 1e3 * (end - start)} | {"  " + name: ms for name, ms in only.phases.items()}))
    """,
}


PROGRAM = """
    import json, sys, time
    sys.path.insert(0, sys.argv[1])
    import numpy as np
    import tracegrad as tg
    name, kind = sys.argv[2:]
    from cases import CASES, loss
    if name not in CASES:
        from by_hand import PROGRAMS as CASES
        from by_hand.trees import loss
    program = CASES[name]
    args = program.make(np.random.default_rng(len(name)), 0)
    f = tg.jit(program.fn) if kind == "value" else tg.grad(loss(program), argnums=program.wrt)
    start = time.process_time()
    f(*args)
    print(json.dumps({"ms": 1e3 * (time.process_time() - start)}))
"""
PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "programs")


def sample(text: str, folder: str, *given: str) -> dict[str, float]:
    """Milliseconds by name, from a fresh process with arguments."""
    path = os.path.join(folder, "sample.py")                       # a file, so that functions in it have source
    with open(path, "w") as file:
        file.write(textwrap.dedent(text))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"TRACEGRAD_CACHE": "0"}
    done = subprocess.run([sys.executable, path, *given], capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def medians(text: str, rounds: int, folder: str) -> dict[str, float]:
    sample(text, folder)                                           # writes bytecode, fills the file cache
    rows = [sample(text, folder) for _ in range(rounds)]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def programs(names: list[str], rounds: int, folder: str) -> None:
    """Print the first calls of programs, and their geometric means."""
    sys.path.insert(0, PROGRAMS)
    from by_hand import PROGRAMS as by_hand
    from cases import CASES

    known = CASES | by_hand
    sums: dict[str, list[float]] = {"value": [], "gradient": []}
    for name in names or known:
        for kind in ("value", "gradient") if known[name].wrt else ("value",):
            sums[kind].append(min(sample(PROGRAM, folder, PROGRAMS, name, kind)["ms"] for _ in range(rounds)))
            print(f"{name:32} {kind:8} {sums[kind][-1]:8.1f} ms", flush=True)
    for (kind, found), target in zip(sums.items(), (40, 60), strict=True):
        print(f"geometric mean of {len(found)} {kind}s {statistics.geometric_mean(found):.1f} ms (target: at most {target})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--programs", nargs="*", metavar="NAME")
    options = parser.parse_args()
    if options.programs is not None:
        with tempfile.TemporaryDirectory() as folder:
            return programs(options.programs, options.rounds, folder)
    with tempfile.TemporaryDirectory() as folder:
        found = {name: medians(text, options.rounds, folder) for name, text in SAMPLES.items()}
    for rows in found.values():
        for name, ms in rows.items():
            print(f"{name:32} {ms:8.1f} ms")
    both, ours = found["import"].values()
    print(f"import ratio {ours / both:.2f} (target: at most 2.00)")
    print(f"first call {found['call']['first call']:.1f} ms (target: at most 60)")


if __name__ == "__main__":
    main()
