"""Sweeps: every case runs within so many days, and of every group one each day."""
import types

import numpy as np
import pytest
import sweeps


class Item(types.SimpleNamespace):
    """As pytest's, it is found by what it is."""

    __hash__ = object.__hash__


def item(name, n, by=(), days=False, **params):
    marker = types.SimpleNamespace(args=(n,), kwargs={"by": by, "days": days})
    return Item(location=("tests/test_x.py", 1, name), originalname=name, name=f"{name}{sorted(params.items())}",
                callspec=types.SimpleNamespace(params=params), get_closest_marker=lambda _: marker)


def items(name, n, by, **counts):
    made = [{}]
    for parameter, count in counts.items():
        made = [{**one, parameter: k} for one in made for k in range(count)]
    return [item(name, n, by, **one) for one in made]


def run_on(monkeypatch, found, day):
    monkeypatch.setattr(sweeps, "FULL", False)
    monkeypatch.setattr(sweeps, "PART", day)
    away = sweeps.left_out(found)
    return [one for one in found if one not in away]


@pytest.mark.parametrize("n, by, counts", [
    (3, (), {"a": 20}), (5, "a", {"a": 7, "b": 3}), (4, "a", {"a": 6, "b": 4, "c": 2}),
    (4, ("a", "b"), {"a": 3, "b": 2, "c": 9}), (28, (), {"a": 2}), (2, "a", {"a": 1, "b": 1}),
])
def test_every_case_within_n_days_and_of_every_group_one_a_day(monkeypatch, n, by, counts):
    found = items("test_x", n, by, **counts)
    names = (by,) if isinstance(by, str) else by
    groups = {tuple(one.callspec.params[name] for name in names) for one in found}
    for start in (0, 739_000):
        seen = set()
        for day in range(start, start + n):
            today = run_on(monkeypatch, found, day)
            assert {tuple(one.callspec.params[name] for name in names) for one in today} == groups
            assert len(today) <= len(found) / n + len(groups)
            seen |= {one.name for one in today}
        assert seen == {one.name for one in found}


def test_whole_tests_every_so_many_days(monkeypatch):
    found = [item("test_x", 4, (), True)]
    assert [len(run_on(monkeypatch, found, day)) for day in range(739_000, 739_012)].count(1) == 3


@pytest.mark.parametrize("cases, n", [(3, 14), (14, 14), (20, 9), (1, 28)])
def test_each_case_on_one_of_so_many_days(monkeypatch, cases, n):
    found = [item("test_x", n, (), True, a=k) for k in range(cases)]
    days = [[one.name for one in run_on(monkeypatch, found, day)] for day in range(739_000, 739_000 + n)]
    assert sorted(name for day in days for name in day) == sorted(one.name for one in found)
    assert max(map(len, days)) == -(-cases // n)


def test_everything_on_demand_and_what_is_no_sweep(monkeypatch):
    found = items("test_x", 5, (), a=10)
    plain = Item(**{**vars(found[0]), "get_closest_marker": lambda _: None})
    assert plain in run_on(monkeypatch, [*found, plain], 3)
    monkeypatch.setattr(sweeps, "FULL", True)
    assert sweeps.left_out(found) == set() and sweeps.share(range(9), 4) == range(9)


def test_no_case_waits_longer_than_a_month(monkeypatch):
    monkeypatch.setattr(sweeps, "FULL", False)
    for late in (lambda: sweeps.share(range(100), 29), lambda: sweeps.turn(29, "name")):
        with pytest.raises(AssertionError, match="within a month"):
            late()
    for name in ("one", "another"):
        days = []
        for day in range(739_000, 739_009):
            monkeypatch.setattr(sweeps, "PART", day)
            days.append(sweeps.turn(3, name))
        assert sum(days) == 3 and days[:3] == days[3:6] == days[6:]


@pytest.mark.sweep(1, by="a")
@pytest.mark.parametrize("b", [0, 1, 2])
@pytest.mark.parametrize("a", [np.zeros(2), np.ones(2)], ids=str)
def test_pytests_own_items_are_told_apart_by_their_values(request, a, b):
    """As they are collected: here, all of them run each day."""
    found = [one for one in request.session.items if getattr(one, "originalname", "") == request.node.originalname]
    made = sweeps.groups(found)
    assert sum(map(len, made.values())) == len(found) and len(made) == len({str(one.callspec.params["a"]) for one in found})
    for group in made.values():
        assert all(one.callspec.params["a"] is group[0].callspec.params["a"] for one in group)
