"""What stands for an object of SciPy that traced code builds or captures."""
from __future__ import annotations

import sys
from typing import Any

from .....ir.errors import UnsupportedError
from .... import tracing


class Stand:
    """What it has no program for is refused by name, where Python's AttributeError would speak of a class nobody knows."""

    shown = "SciPy interpolant that compiled code makes"
    noun = "an interpolant"
    of = ("scipy.interpolate", "")             # the package and the name of SciPy's class, where there is one for all objects
    instead = "return its values, or its coefficients `c` and points `x` and build it from them outside"

    made_as: type | None = None                # the class that the program called

    @property
    def stands_for(self) -> type:
        """Its type to the program: SciPy's class."""
        package, name = self.of
        found: type = getattr(sys.modules.get(package), name, type(self))
        return self.made_as or found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or tracing.active() is None:
            raise AttributeError(name)
        known = sorted(k for k in dir(type(self)) if not k.startswith("_") and callable(getattr(type(self), k)))
        known = ["a call", *known] if callable(self) else known
        instead = f"what it has is {', '.join(known)}; " if known else ""
        raise UnsupportedError(f"`.{name}` of {self.noun} of SciPy that compiled code makes cannot be compiled",
                               f"{instead}build it outside and pass its numbers in", tracing.locate())
