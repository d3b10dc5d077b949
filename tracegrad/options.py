"""The user-visible knobs, all of them, in one table."""
from __future__ import annotations

import os
import threading
from contextlib import contextmanager

from .ir.errors import ArgumentError
from .lowering.dispatch import set_options

# name -> (default, what it takes, meaning). An environment variable TRACEGRAD_<NAME> sets the start value.
KNOBS = {
    "cache_size": (256, int, "specialisations that one function keeps; the least recently used is freed first"),
    "fastmath": (False, bool, "let LLVM reassociate and assume no NaN or infinity; off: IEEE semantics"),
    "disable_jit": (False, bool, "run the IR with NumPy instead of machine code (slow; for debugging)"),
    "verify": (True, bool, "check the IR after every pass"),
}


def _parse(name: str, text: str):
    kind = KNOBS[name][1]
    return text.lower() not in ("0", "false", "no", "off", "") if kind is bool else kind(text)


class Config:
    """`tracegrad.config`: `config.name = value` or `config.update(name, value)` for the process, and
    `with config(name=value): …` for this thread, for the length of the block.

    Native code knows the options of the process only (`set_options`). While a block changes one that matters to compiled
    code, every call goes through Python, which looks here.
    """

    _NATIVE = frozenset({"fastmath", "disable_jit"})

    def __init__(self):
        values = {}
        for name, (default, _, _) in KNOBS.items():
            text = os.environ.get("TRACEGRAD_" + name.upper())
            values[name] = default if text is None else _parse(name, text)
        own = {"_values": values, "_thread": threading.local(), "_lock": threading.RLock(), "_blocks": 0}
        for name, value in own.items():
            object.__setattr__(self, name, value)
        self._announce()

    def __getattr__(self, name):
        if name not in KNOBS:
            raise AttributeError(name)
        for layer in reversed(self._layers()):
            if name in layer:
                return layer[name]
        return self._values[name]

    def __setattr__(self, name, value):
        self.update(name, value)

    def _layers(self) -> list[dict]:
        """The blocks that this thread is in."""
        return self._thread.__dict__.setdefault("layers", [])

    def _announce(self, blocks: int = 0) -> None:
        """Tell native code which options are in force."""
        with self._lock:
            object.__setattr__(self, "_blocks", self._blocks + blocks)
            special = self._blocks or self._values["disable_jit"]
            set_options(-1 if special else int(self._values["fastmath"]))

    @staticmethod
    def _check(name: str, value) -> None:
        if name not in KNOBS:
            raise ArgumentError(f"There is no option {name!r}.", "use one of " + ", ".join(KNOBS))
        kind = KNOBS[name][1]
        if not isinstance(value, kind) or (kind is int and (isinstance(value, bool) or value < 1)):
            what = "positive int" if kind is int else kind.__name__
            raise ArgumentError(f"The option {name} takes a {what}, got {value!r}.")

    def update(self, name: str, value) -> None:
        """Set one knob. Raises ArgumentError for a name or a value that is not in the table."""
        self._check(name, value)
        self._values[name] = value
        self._announce()

    @contextmanager
    def __call__(self, **values):
        """Set knobs for the length of a `with` block."""
        for name, value in values.items():
            self._check(name, value)
        native = 0 if self._NATIVE.isdisjoint(values) else 1
        layers = self._layers()
        layers.append(values)
        self._announce(native)
        try:
            yield self
        finally:
            layers.remove(values)
            self._announce(-native)

    def __repr__(self):
        return "\n".join(f"{name} = {getattr(self, name)!r}  # {text}" for name, (_, _, text) in KNOBS.items())


config = Config()


def disable_jit():
    """`with tracegrad.disable_jit(): …` evaluates the IR with NumPy instead of compiling it."""
    return config(disable_jit=True)
