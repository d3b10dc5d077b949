"""Saves what a call has compiled, and finds it for the same call of another process: neither traced nor compiled there.

    name.call    what the call checks, takes and returns (encoding.py), and how its program looked at each stage
    name.code    the kernel's object code (lowering/cache/objects.py), which other calls may share

The name of a call is a digest of the function and all that it can read (fingerprint.py), of the structure, types and static
values of the arguments, of the options, of this package's source, of the versions of Python, NumPy, SciPy and LLVM, and of the
CPU. Integers that turned out to decide a shape are part of the name, too: a file under the name without them says which they
are.

A specialisation that cannot be written so that it is found again with the same meaning is not written; the log says why.
"""
from __future__ import annotations

import functools
import gc
import hashlib
import logging
import types
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..captures.captures import NOTHING, Captures
from ..ir.build import function
from ..ir.core import Length, Value
from ..ir.ops.random import KINDS
from ..ir.thresholds import sizes
from ..ir.types import DTYPES, INDEX_SCALAR, Type
from ..lowering.cache import environment, files, folder
from ..lowering.call.calling_convention import HeldIn, Place, Signature, leaves
from ..lowering.call.error_decoding import Reporter
from ..lowering.call.specialisation import Specialisation
from ..lowering.native import engine, object_code
from ..options import KNOBS, config
from ..programs import compile
from ..tracer.staging import signature
from ..tracer.staging.arguments import Call
from ..tracer.staging.failed_objects import Told
from ..tracer.staging.traced import Out, Traced
from ..tracer.syntax import source
from .encoding import Decoder, Encoder, NotStorable, loc_in, loc_out, message_in
from .fingerprint import Fingerprint, Unknown, content
from .purity import is_pure

if TYPE_CHECKING:
    from ..jitted.api import Jitted

LOG = logging.getLogger("tracegrad.cache")
UNUSED = 64 << 20                  # bytes of arrays that are compared although nothing is known to read them
_ELSEWHERE = ("cache", "cache_size", "disable_jit", "threads", "verify")          # options that a program does not depend on


def seen_by(jitted: Jitted, call: Call) -> Fingerprint:
    """The walk over all that tracing this call can read. Raises Unknown."""
    seen = Fingerprint()
    try:
        seen.add(jitted)
        seen.add(call.tree)
        if drawn := [path for path, leaf in zip(call.paths, call.leaves) if leaf.kind in KINDS]:
            raise Unknown(f"{drawn[0]} is a random generator")
        for leaf in call.leaves:
            seen.put(leaf.kind, repr([(d.name, d.least, d.most) if d.__class__ is Length else d for d in leaf.dims]
                                     if leaf.kind == "array" else leaf.dims))
            seen.add(leaf.dtype)
            seen.add(leaf.value)
    except RecursionError:
        raise Unknown("it leads to objects that are nested too deeply") from None
    seen.put(call.paths, tuple(call.aliases.items()), call.shared)
    seen.put([(name, getattr(config, name)) for name in KNOBS if name not in _ELSEWHERE], sorted(vars(sizes).items()))
    seen.put(config.threads_of_its_own)
    return seen


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection in a block: going once through all objects of a program takes longer than loading code for it."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


class Saved:
    """The place of one call in the disk cache. `seen` is None where the call has none."""

    def __init__(self, jitted: Jitted, call: Call):
        self.jitted, self.call = jitted, call
        self.seen: Fingerprint | None = None
        self.base = ""
        if folder.path() is None:
            return
        own = environment.source_digest()
        if own is None:
            return
        try:
            with uncollected():
                self.seen = seen_by(jitted, call)
        except Exception as reason:                   # Unknown; or what users' objects raise when they are looked at
            LOG.info("%s is not kept on disk: %s", jitted, reason)
            return
        self.base = _digest(own, *environment.versions(), *engine.target_names(), self.seen.digest())

    @property
    def possible(self) -> bool:
        return self.seen is not None

    @property
    def met(self) -> Fingerprint:
        """The walk of a call that has a place."""
        assert self.seen is not None
        return self.seen

    def _name(self, statics: Sequence) -> str:
        """The name of the file where these leaves are static."""
        return (_digest(self.base, *(f"{k} {self.call.values[k]!r}" for k in statics)) if statics else self.base) + ".call"

    def load(self, form: compile.Form) -> Specialisation | None:
        """The specialisation that an earlier process has saved."""
        if self.seen is None:
            return None
        with uncollected():
            return self._load(form)

    def _load(self, form: compile.Form) -> Specialisation | None:
        name = self._name(())
        found = files.read(name, count=True)
        if found is not None and "decided by" in found.fields:
            name = self._name(found.fields["decided by"])
            found = files.read(name, count=True)
        if found is None:
            return None
        try:
            return self._specialisation(found, form)
        except Exception as error:                    # whatever is wrong with what lies on a disk: compile it
            LOG.warning("cache entry %s is not used: %s: %s", name, type(error).__name__, error)
            return None

    def _specialisation(self, found: files.Content, form: compile.Form) -> Specialisation | None:
        x, call = found.fields, self.call
        read = Decoder(self.met, found.parts)
        captures = Captures.of(tuple(map(read.given, x["given"])), x["captured"]) if x["given"] else NOTHING
        if captures.find() is None:
            LOG.info("%s finds no entry on the disk for what it captures now", self.jitted)
            return None
        if any(content(self.met.objects[n]) != digest for n, digest in x["unused"]):
            LOG.info("%s finds no entry on the disk for the arrays that it could read", self.jitted)
            return None
        constants = [engine.constant(np.frombuffer(found.parts[k], np.uint8).copy())[1] for k in x["constants"]]
        code = engine.from_disk(x["code"])
        if code is None:
            return None
        statics = tuple(x["statics"])
        leaves = tuple(signature.static(call.values[k], call.paths[k]) if k in statics else leaf
                       for k, leaf in enumerate(call.leaves))

        def read_outs(held: list) -> tuple[Out, ...]:
            return tuple(Out(kind, result, read.value(value)) for kind, result, value in held)

        outs = read_outs(x["outs"])
        told = tuple(Told(_tuples(places), read.tree(tree), read_outs(held)) for places, tree, held in x["told"])
        traced = Traced(function(x["function"], [], [], loc_in(x["loc"])), call.tree, leaves, call.paths,
                        read.tree(x["out tree"]), outs, {}, statics, layout_dependent=tuple(x["layout dependent"]),
                        assigned=_tuples(x["assigned"]), by_identity=x["by identity"], told=told)
        lengths = {compile.name_of(d): d for d in compile.lengths_of(call)}
        results = [Type(DTYPES[name], tuple(Value(INDEX_SCALAR) if d is None else lengths.get(d, d) for d in dims))
                   for name, dims in x["results"]]
        place = compile.parameter_of(traced, call)
        guards = _tuples(x["guards"])
        arguments = compile.arguments_of(traced, call, place, form)._replace(
            given=captures.layouts(len(set(place.values()))), lengths=_tuples(x["lengths"]), guards=guards)
        output = compile.output_of(traced, results, place, {d: name for name, d in lengths.items()})
        pointers = tuple(map(tuple, x["pointers"]))
        made = Signature(arguments, output, pointers, tuple(x["writes"]), (), x["release"], config.asked)
        report = Reporter(tuple((read.error(name), message_in(text), loc_in(loc)) for name, text, loc in x["sites"]),
                          {int(site): tuple(DTYPES[d] for d in names) for site, names in x["values"].items()})
        about = compile.CompileInfo(traced, x["types"], [], captures, guards=guards, origin="disk")
        return Specialisation(made, code, x["symbol"], report, about=about, constants=constants)

    def save(self, made: Specialisation) -> None:
        """Write a specialisation that has just been compiled for the call."""
        if self.seen is None:
            return
        try:
            if seen_by(self.jitted, self.call).digest() != self.seen.digest():
                raise NotStorable("something that it reads has changed while it was compiled")
            fields, parts = self._fields(made)
            self._write(fields, parts)
        except Exception as reason:                   # NotStorable, Unknown; nothing here may keep the call from its result
            LOG.info("%s is not kept on disk: %s", self.jitted, reason)

    def _write(self, fields: dict[str, Any], parts: list[bytes]) -> None:
        statics = fields["statics"]
        if statics:
            known = files.read(self._name(()))
            statics = sorted({*statics, *(known.fields.get("decided by", ()) if known else ())})
            files.write(self._name(()), {"decided by": statics}, [])
        files.write(self._name(statics), fields, parts)

    def _fields(self, made: Specialisation) -> tuple[dict[str, Any], list[bytes]]:
        about, given, report = made.about, made.signature, made.report
        traced: Traced = about.traced
        self._expect_seen(traced)
        if made.code.key is None:
            raise NotStorable("its machine code holds what belongs to this process")
        if given.captured:
            raise NotStorable("it reads an array to which no name leads")
        if not isinstance(report, Reporter):
            raise NotStorable("it reports failed checks in a way of its own")
        write = Encoder(self.met)
        stages = {name: zlib.compress(text.encode(), 1) for name, text in about.stages.items()}
        file, line, name = _place(self.jitted.root)
        fields = {
            "name": name, "file": file, "line": line, "label": self.jitted.label,
            "function": traced.function.name, "loc": loc_out(traced.function.loc),
            "types": about.types, "options": [[n, str(getattr(config, n))] for n in KNOBS if getattr(config, n) != KNOBS[n][0]
                                              and n not in _ELSEWHERE],
            "code": made.code.key, "symbol": made.symbol, "phases": made.phases, "cpu": object_code.host()[1],
            "captures": [repr_of(what) for what, layout in about.captures.given
                         if any(type(leaf) is HeldIn for leaf in leaves(layout))],
            "statics": list(traced.statics), "layout dependent": list(traced.layout_dependent),
            "assigned": traced.assigned, "by identity": traced.by_identity,
            "out tree": write.tree(traced.out_tree),
            "outs": [[out.kind, out.result, write.value(out.value)] for out in traced.outs],
            "told": [[told.places, write.tree(told.tree), [[out.kind, out.result, write.value(out.value)] for out in told.outs]]
                     for told in traced.told],
            "results": [[t.dtype.name, [d if isinstance(d, int) else d.name if d.__class__ is Length else None for d in t.dims]]
                        for t in about.results],
            "lengths": given.arguments.lengths, "guards": given.arguments.guards,
            "given": [write.given(what, layout) for what, layout in about.captures.given],
            "captured": len(about.captures.parameters), "unused": self._unused(about.captures),
            "pointers": given.kernel, "writes": given.writes, "release": given.release,
            "sites": [[write.error(name), text, loc_out(loc)] for name, text, loc in report.sites],
            "values": {str(site): [d.name for d in dtypes] for site, dtypes in report.dtypes.items()},
        }
        large = [array.tobytes() for array in made.constants if array.nbytes > sizes.constant]
        fields["constants"] = [len(write.parts) + k for k in range(len(large))]
        write.parts += large
        fields["stages"] = {name: len(write.parts) + k for k, name in enumerate(stages)}
        return fields, [*write.parts, *stages.values()]

    def _unused(self, captures: Captures) -> list[list]:
        """[number, digest] of the arrays that the walk has met and the trace has not used, as far as it knows."""
        used = {id(x) for x in captures.arrays()}
        found = [n for n in self.met.described if id(self.met.objects[n]) not in used]
        if sum(self.met.objects[n].nbytes for n in found) > UNUSED:
            raise NotStorable("it leads to large arrays that it does not use")
        return [[n, content(self.met.objects[n])] for n in found]

    def _expect_seen(self, traced: Traced) -> None:
        """Raises NotStorable where a function has been traced that the walk has not met: what it reads is in no name."""
        for f in traced.held.functions:
            original = f.__dict__["<tg original>"]()
            if is_pure(f.__globals__.get("__name__")):
                continue
            if original is None or id(original.__code__) not in self.met.codes:
                raise NotStorable(f"it calls {f.__qualname__}, to which no name leads")


def _tuples(x: Any) -> Any:
    """Tuples that were written as lists."""
    return tuple(map(_tuples, x)) if isinstance(x, list) else x


def _place(function: Callable) -> tuple[str, int, str]:
    """(file, line, name) of a function, for a table."""
    plain = source.unwrap(function)
    while isinstance(plain, functools.partial):
        plain = plain.func
    if not isinstance(plain, types.FunctionType | types.MethodType) and callable(plain):
        plain = type(plain).__call__
    code = getattr(getattr(plain, "__func__", plain), "__code__", None)
    return (code.co_filename if code else "", code.co_firstlineno if code else 0,
            getattr(plain, "__qualname__", type(plain).__qualname__))


def repr_of(what: Place) -> str:
    """Where a captured array is found, for a table."""
    kind, key = getattr(what, "kind", ""), getattr(what, "key", None)
    return {"item": str(key), "attr": f".{key}", "cell": "closure"}.get(kind, type(what).__name__)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:40]


