"""The passes over loop IR, in their order. Each works on the kernel in place."""
from __future__ import annotations

from ..grammar import Kernel
from . import verifier
from .buffer_coloring import plan_slots, work
from .if_conversion import choose
from .interchange import exchange
from .long_bodies import cut
from .parallelize import parallelize
from .reached import bound
from .reorder_iterations import commute
from .strips import split
from .tapes_in_place import place
from .versioning import version

PASSES = (("if_conversion", choose), ("versioning", version), ("interchange", exchange),
          ("reorder_iterations", commute), ("strips", split), ("long_bodies", cut), ("reached", bound),
          ("parallelize", parallelize), ("tapes_in_place", place), ("buffer_coloring", plan_slots))


def optimize(kernel: Kernel, verify: bool = False, until: str | None = None) -> Kernel:
    """The kernel after the passes, or after the one called `until`. verify: check it before and after each; a finding is a
    defect of tracegrad and raises IRError with the name of the pass."""
    if verify:
        verifier.verify(kernel, "the builder")
    for name, run in PASSES:
        run(kernel)
        if verify:
            verifier.verify(kernel, name)
        if name == until:
            break
    kernel.work = work(kernel.body)
    return kernel
