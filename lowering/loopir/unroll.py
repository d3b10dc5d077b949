"""Copies of statements with scalars of their own, and short loops written out."""
from __future__ import annotations

from typing import Any, TypeVar

from .cursor import operand
from .grammar import Atom, Fail, For, Get, If, Imm, Index, Let, Load, Scalar, Set, Store

New = dict[Scalar, Atom]       # scalars -> their copies
Operand = TypeVar("Operand", Atom, int | Atom)


def renamed(atom: Operand, new: New) -> Operand:
    return new.get(atom, atom) if type(atom) is Scalar else atom


def made(target: Scalar, new: New) -> Scalar:
    """The copy of a scalar that a statement defines."""
    new[target] = copy = Scalar(target.dtype, target.name, target.loc)
    return copy


def _index(index: Index, new: New) -> Index:
    found = [renamed(i, new) for i in index]
    return tuple([int(i.value) if type(i) is Imm else i for i in found])


def copied(s: Any, new: New) -> Any:
    """A copy of a Let, Load, Store, Get or Set; `new` maps scalars to their copies, and takes those that are defined."""
    kind = type(s)
    if kind is Let:
        args = tuple([renamed(a, new) for a in s.args])
        return Let(made(s.target, new), s.op, args, s.attrs, s.reassoc)
    if kind is Load:
        index = _index(s.index, new)
        return Load(made(s.target, new), s.buffer, index)
    if kind is Store:
        return Store(s.buffer, _index(s.index, new), renamed(s.value, new))
    if kind is Get:
        return Get(made(s.target, new), s.var)
    return Set(s.var, renamed(s.value, new))


def copies(statements: list, new: New) -> list:
    """Copies of statements without loops, with scalars of their own."""
    found: list = []
    for s in statements:
        if type(s) is If:
            found.append(If(renamed(s.cond, new), copies(s.then, new), copies(s.other, new), s.rare))
        elif type(s) is Fail:
            found.append(Fail(renamed(s.cond, new), s.site, tuple([renamed(v, new) for v in s.values])))
        else:
            found.append(copied(s, new))
    return found


class TooMuch(Exception):
    """What would be written out is too long, or cannot be."""


def written_out(statements: list, new: New, shorter: int, most: int) -> list:
    """Copies of statements in which loops of less than `shorter` iterations are written out; raises TooMuch for other loops and
    where there are more than `most` statements."""
    found: list = []
    for s in statements:
        kind = type(s)
        if kind is For and type(s.trip) is int and s.trip < shorter:
            for k in range(s.trip):
                new[s.index] = operand(k)
                found += written_out(s.body, new, shorter, most - len(found))
        elif kind is If:
            then, other = (written_out(side, new, shorter, most - len(found)) for side in (s.then, s.other))
            found.append(If(renamed(s.cond, new), then, other, s.rare))
        elif kind in (Let, Load, Store, Get, Set):
            found.append(copied(s, new))
        else:
            raise TooMuch
        if len(found) > most:
            raise TooMuch
    return found
