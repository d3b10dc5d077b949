"""What starting costs: `import tracegrad`, and the first call of a gradient, tracing and compilation included.

    python benchmarks/first_call.py [--rounds 9]

Each sample is a fresh process, with bytecode caches warm as after an installation. Printed are medians, and targets:
value_and_grad of a Rosenbrock function of 10 dimensions within 60 ms of the first call, and an import of at most twice
`import numpy` + `import llvmlite.binding`, which it contains.
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


def sample(text: str, folder: str) -> dict[str, float]:
    """Milliseconds by name, from a fresh process."""
    path = os.path.join(folder, "sample.py")                       # a file, so that functions in it have source
    with open(path, "w") as file:
        file.write(textwrap.dedent(text))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"TRACEGRAD_CACHE": "0"}
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def medians(text: str, rounds: int, folder: str) -> dict[str, float]:
    sample(text, folder)                                           # writes bytecode, fills the file cache
    rows = [sample(text, folder) for _ in range(rounds)]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
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
