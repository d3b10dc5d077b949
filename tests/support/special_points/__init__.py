"""The table of special points: one module for each family of functions, each with its `ROWS`.

A new function gets a row in the module of its family: `Points` where it acts element by element, `Arrays` where it does not.
What has none stands in `undeclared`, with the reason.
"""
from . import (
    arrays,
    check,
    complexes,
    compositions,
    elementary,
    matrices,
    programs,
    pythons,
    reductions,
    remaining,
    special_functions,
    special_orders,
    special_routines,
)

FAMILIES = (elementary, special_functions, special_routines, special_orders, remaining, reductions, matrices, compositions,
            programs, pythons, complexes)
ROWS = [row for family in FAMILIES for row in family.ROWS]


def failures(row, orders, compiled, **options):
    """What is wrong of a row: a list that prints the function, the point, the nesting, what is found and what is right."""
    return (arrays if isinstance(row, arrays.Arrays) else check).check(row, orders, compiled, **options)
