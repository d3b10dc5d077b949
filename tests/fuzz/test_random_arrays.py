"""Random programs about arrays (program_arrays.py): values against Python, derivatives against each other and differences.

`TRACEGRAD_SEED`, `TRACEGRAD_PROGRAMS` and `TRACEGRAD_SIZES` are as in test_random_programs.py.
"""

from __future__ import annotations

from program_arrays import ArrayWriter
from program_checks import WAYS, check_gradients, check_values
from program_expressions import Source
from test_random_programs import GRADIENTS, VALUES, failures, folder

__all__ = ["folder"]


def writer(number):
    return ArrayWriter(Source(number)).program()


def test_values(folder):
    found = failures(VALUES // 3, False, lambda program, _: check_values(program, folder), writer)
    assert not found, "\n".join(found)


def test_gradients(folder):
    def check(program, k):
        return check_gradients(program, folder, k % 4 == 0, WAYS[k // 4 % 3])

    found = failures(GRADIENTS // 2, True, check, writer)                 # each takes twice as long as another program
    assert not found, "\n".join(found)
