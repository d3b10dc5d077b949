"""From a traced program to one that runs.

derivative_programs.py: the derivative of a traced program with the Python structure around it. symbolic.py: which lengths are
numbers in it. compile.py: layouts, passes, machine code. interpreter.py: the IR's evaluator instead. nan_check.py: a program
that stops at the first NaN. lowered.py: a program at each stage, as text.
"""
