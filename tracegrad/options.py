"""The user-visible knobs, all of them, in one table."""
from __future__ import annotations

import os
import threading
from contextlib import contextmanager

from .ir.errors import ArgumentError

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


class Config(threading.local):
    """`tracegrad.config`: the knobs of this thread. `config.update(name, value)`, or `with config(name=value): …`."""

    def __init__(self):
        for name, (default, _, _) in KNOBS.items():
            text = os.environ.get("TRACEGRAD_" + name.upper())
            super().__setattr__(name, default if text is None else _parse(name, text))

    def __setattr__(self, name, value):
        self.update(name, value)

    def update(self, name: str, value) -> None:
        """Set one knob. Raises ArgumentError for a name or a value that is not in the table."""
        if name not in KNOBS:
            raise ArgumentError(f"There is no option {name!r}.", "use one of " + ", ".join(KNOBS))
        kind = KNOBS[name][1]
        if not isinstance(value, kind) or (kind is int and (isinstance(value, bool) or value < 1)):
            raise ArgumentError(f"The option {name} takes a {'positive ' if kind is int else ''}{kind.__name__}, got {value!r}.")
        super().__setattr__(name, value)

    @contextmanager
    def __call__(self, **values):
        """Set knobs for the length of a `with` block."""
        before = {name: getattr(self, name) for name in values if name in KNOBS}
        try:
            for name, value in values.items():
                self.update(name, value)
            yield self
        finally:
            for name, value in before.items():
                super().__setattr__(name, value)

    def __repr__(self):
        return "\n".join(f"{name} = {getattr(self, name)!r}  # {text}" for name, (_, _, text) in KNOBS.items())


config = Config()


def disable_jit():
    """`with tracegrad.disable_jit(): …` evaluates the IR with NumPy instead of compiling it."""
    return config(disable_jit=True)
