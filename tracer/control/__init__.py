"""`if`, `for` and `while` on boxes: run by Python, unrolled, or traced as regions.

iteration.py says what a loop runs over, packed_lists.py holds lists of numbers as arrays, branches.py and loops.py trace,
loop_pragmas.py is what users say about a loop.
"""
