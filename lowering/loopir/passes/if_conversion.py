"""Stores under a condition become stores of a choice, where the element was read anyway.

    %old = load $d[%i, %j]                        %old = load $d[%i, %j]
    if %shorter { store $d[%i, %j], %new }   ->   %now = load $d[%i, %j]
                                                  %kept = select %shorter, %new, %now
                                                  store $d[%i, %j], %kept

A branch that the data decide is mispredicted as often as not, and the vectoriser makes masked stores of it, which cost several
times a plain one. That the element was read in the same iteration proves that it may be touched. Where each iteration has its
own element (its index follows the loop's), none waits for the store of another; elsewhere the branch stays.

Choices of a record become a branch: what is smaller than all before, or larger, with its place.

    %b = get @best;  %k = get @place                   %b = get @best;  %k = get @place
    %less = lt %new, %b                           →    %less = lt %new, %b
    %b1 = select %less, %new, %b                       set @r, %b;  set @s, %k
    %k1 = select %less, %i, %k                         if %less rare { set @r, %new;  set @s, %i }

Of n numbers in no order log n are records, so the branch is predicted; of choices each iteration waits for the one before.
(Records alone, without a place, are reductions, which become vectors.)
"""
from __future__ import annotations

from typing import Any

from ....ir.types import INDEX
from ..grammar import Buffer, For, Get, If, Kernel, Let, Load, Scalar, Set, Store, Var, While


def choose(kernel: Kernel) -> None:
    """Rewrite the kernel's loops in place."""
    _body(kernel.body, None)


def _body(statements: list, index: Scalar | None) -> None:
    """`index`: of the loop whose body this is, if it is the body of one."""
    following, seen = {index}, set()
    k = 0
    while k < len(statements):
        s = statements[k]
        kind = type(s)
        if kind is Load:
            seen.add((s.buffer, s.index))
        elif kind is Let and s.target.dtype is INDEX and s.op in ("add", "sub") and any(_follows(a, following) for a in s.args):
            following.add(s.target)
        elif kind is For:
            _records(s.body)
            _body(s.body, s.index)
        elif kind is While:
            _body(s.head, None)
            _body(s.body, None)
        elif kind is If:
            if index is not None and _fits(s, seen, following):
                made = [part for store in s.then for part in _chosen(s.cond, store)]
                statements[k:k + 1] = made
                k += len(made)
                continue
            _body(s.then, None)
            _body(s.other, None)
        k += 1


def _follows(atom: Any, following: set) -> bool:
    return type(atom) is Scalar and atom in following


def _fits(s: If, seen: set, following: set) -> bool:
    return (not s.rare and not s.other and bool(s.then)
            and all(type(t) is Store and type(t.buffer) is Buffer and (t.buffer, t.index) in seen
                    and any(_follows(a, following) for a in t.index) for t in s.then))


def _chosen(cond: Scalar, store: Store) -> tuple[Load, Let, Store]:
    dtype = store.buffer.dtype
    now, kept = Scalar(dtype), Scalar(dtype)
    return (Load(now, store.buffer, store.index), Let(kept, "select", (cond, store.value, now)),
            Store(store.buffer, store.index, kept))


# --- records --------------------------------------------------------------------------------------------------------------

_ORDERED = ("lt", "le", "gt", "ge")


def _records(statements: list, carried: frozenset[Scalar] = frozenset()) -> None:
    """Of the body of a loop and of branches in it. `carried`: what has been got of variables around a branch."""
    carried |= {s.target for s in statements if type(s) is Get}
    for cond in [s for s in statements if type(s) is Let and s.op in _ORDERED]:
        chosen = [s for s in statements if type(s) is Let and s.op == "select" and s.args[0] is cond.target]
        news = [s.args[1] for s in chosen]
        if len(chosen) > 1 and all(s.args[2] in carried for s in chosen) and not carried & set(news) and any(
                set(cond.args) == {new, s.args[2]} for s, new in zip(chosen, news)):
            _branch(statements, cond.target, chosen)
    for s in statements:
        if type(s) is If:
            _records(s.then, carried)
            _records(s.other, carried)


def _branch(statements: list, cond: Scalar, chosen: list[Let]) -> None:
    """A branch in place of choices that stand together, but for what makes the new values."""
    first, last = statements.index(chosen[0]), statements.index(chosen[-1])
    between = [s for s in statements[first:last] if s not in chosen]
    taken = {s.target for s in chosen}
    if any(type(s) not in (Let, Get) or (type(s) is Let and taken & set(s.args)) for s in between):
        return
    cells = [Var(s.target.dtype, "record") for s in chosen]
    branch = If(cond, [Set(cell, s.args[1]) for cell, s in zip(cells, chosen)], [], rare=True)
    statements[first:last + 1] = [*between, *(Set(cell, s.args[2]) for cell, s in zip(cells, chosen)), branch,
                                  *(Get(s.target, cell) for cell, s in zip(cells, chosen))]
