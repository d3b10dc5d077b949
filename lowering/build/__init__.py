"""The schedule becomes loop IR.

In: an optimised function. Out: its kernel. loop_builder.py leads, control.py writes branches and loops, arrays.py reads,
copies and fills arrays.
"""
