"""A `map` over single elements becomes ops on whole batches: what `vmap` runs.

In: a function with `map` ops. Out: the same with one more axis on what differs from element to element. batched.py has the
values, rules.py a row for each op, control.py the ops with regions, interpreter.py walks a body, map_to_batch.py decides
where this pays.
"""
