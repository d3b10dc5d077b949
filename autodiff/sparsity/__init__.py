"""Which outputs can depend on which inputs.

In: the tangent program of a function. Out: for each element of a result the set of elements of arguments. interpreter.py
carries sets through the program, transfer.py has a row for each op, set_words.py the sets themselves; loop_bounds.py and
stack_types.py say what ends a `while` and what lies on stacks.
"""
