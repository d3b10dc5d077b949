"""Stores under a condition become stores of a choice, where the element was read anyway.

    %old = load $d[%i, %j]                        %old = load $d[%i, %j]
    if %shorter { store $d[%i, %j], %new }   ->   %now = load $d[%i, %j]
                                                  %kept = select %shorter, %new, %now
                                                  store $d[%i, %j], %kept

A branch that the data decide is mispredicted as often as not, and the vectoriser makes masked stores of it, which cost several
times a plain one. That the element was read in the same iteration proves that it may be touched. Where each iteration has its
own element (its index follows the loop's), none waits for the store of another; elsewhere the branch stays.
"""
from __future__ import annotations

from typing import Any

from ....ir.types import INDEX
from ..grammar import Buffer, For, If, Kernel, Let, Load, Scalar, Store, While


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
