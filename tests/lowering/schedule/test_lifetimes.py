"""Values whose contents are alive at the same time are found as by comparing all pairs."""
import random

from tracegrad.ir.core import Value
from tracegrad.ir.types import F64, Type
from tracegrad.lowering.schedule.lifetimes import Lifetimes


def clash(a, b):
    (first, _, last, _), (other, _, _, _) = sorted((a, b))
    return first == other or last > other


def test_as_by_comparing_all_pairs():
    draw = random.Random(0)
    for _ in range(200):
        groups = []
        for serial in range(draw.randrange(2, 12)):
            first = draw.randrange(12)
            groups.append(Lifetimes(Value(Type(F64, ())), serial, first, first + draw.choice([0, 1, 1, 2, 9])))
        while len(groups) > 1:
            one, two = (groups.pop(draw.randrange(len(groups))) for _ in range(2))
            want = {(a[-1], b[-1]) for a in one.rows for b in two.rows if clash(a, b)}
            found = one.overlaps(two)
            assert len(found) == len(want) and set(found) == want
            groups.append(Lifetimes.joint(one, two))
            assert groups[-1].rows == sorted(groups[-1].rows, key=lambda row: row[:2])
