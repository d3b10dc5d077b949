"""The conventions at kinks: the table of docs/exactness.md, which is the only place where they stand."""
from __future__ import annotations

import math
import pathlib
from dataclasses import dataclass

import numpy as np

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "exactness.md"
NUMBERS = {"inf": math.inf, "nan": math.nan}


@dataclass(frozen=True, eq=False)
class Convention:
    expression: str
    at: dict                                             # name of an argument -> a number or a list
    slopes: tuple                                        # one for each argument, of its shape

    def point(self) -> tuple:
        return tuple(np.array(v) if isinstance(v, list) else v for v in self.at.values())


def _read() -> list[Convention]:
    found = []
    for line in PAGE.read_text().split("## Conventions at kinks")[1].splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split(" | ")] if line.startswith("| `") else []
        if cells:
            at = eval(f"dict({cells[1]})", dict(NUMBERS))
            found.append(Convention(cells[0], at, tuple(eval(s, dict(NUMBERS)) for s in cells[2].split(";"))))
    return found


TABLE = _read()


def kink(expression: str) -> dict:
    """{point: its derivatives} of the rows of an elementwise expression, as `Points.exact` takes them.

    Orders above the first are 0, and not asked where a slope is no finite number."""
    rows = [row for row in TABLE if row.expression == expression]
    assert rows, f"no convention for {expression} in {PAGE}"
    found = {}
    for row in rows:
        slopes = {(k,): s for k, s in enumerate(row.slopes)}
        found[tuple(row.at.values())] = slopes if all(map(math.isfinite, row.slopes)) else FirstOrder(slopes)
    return found


class FirstOrder(dict):
    """First derivatives at a point that has no others."""
