"""A compiled function that is called in traced code: its program becomes a part of the one under way."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..ir.clone import inline
from ..tracer import tracing
from ..tracer.staging import assignment
from ..tracer.values import boxes, random_generators

if TYPE_CHECKING:
    from ..operators.transforms import LinearProgram
    from ..tracer.staging.arguments import Call
    from ..tracer.staging.traced import Traced
    from ..tracer.values.boxes import Box


def emitted(traced: Traced, call: Call,
            emit: Callable = inline) -> Box | tuple[Box | LinearProgram | tuple[Box, ...], ...]:
    """Emit a program into the trace under way, on the values of a call; returns what it returns, as boxes.

    emit(builder, function, operands) -> results: how the program gets there
    """
    builder = tracing.current().builder
    dynamic = [k for k, leaf in enumerate(traced.leaves) if leaf.kind != "static"]
    params = [box.value if (box := random_generators.boxed(call.values[k])) else boxes.to_value(call.values[k],
                                                                                                traced.leaves[k].number)
              for k in dynamic]
    results = emit(builder, traced.function, (*params, *traced.captured))
    for param, result in traced.writes.items():
        call.values[dynamic[param]][...] = boxes.ArrayBox(results[result])
    leaves: list = []
    for out in traced.outs:
        if out.kind == "static":
            leaves.append(out.value)
        elif out.kind == "arg":
            leaves.append(call.values[out.value])
        elif out.kind == "array":
            leaves.append(boxes.ArrayBox(results[out.computed]))
        else:
            leaves.append(boxes.ScalarBox(results[out.computed], None if out.kind == "numpy" else out.kind))
    returned: Any = traced.out_tree.unflatten(leaves)
    if not traced.assigned:
        return returned
    value, assigned = returned
    return assignment.delivered(value, assigned, traced.assigned, call.objects)
