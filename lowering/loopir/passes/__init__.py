"""Passes over the loop IR, each from kernel to kernel.

verifier.py checks, straight_line.py reads a body without branches,
if_conversion.py makes stores of choices, loop_distribution.py and reorder_iterations.py bring innermost loops into a form
that becomes vectors, long_bodies.py cuts long ones into pieces, buffer_coloring.py lets temporaries share memory.
"""
