"""Passes over one function: IR in, equivalent and better IR out. The input is never changed.

simplify.py and its tables rewrite single ops; range_checks.py removes checks whose outcome is sure; licm.py, mask_to_select.py
and the passes of carries/ change loops and arrays; drop_bounds_checks.py and drop_couplings.py serve one option and one kind of
derivative; steady_sums.py says which additions a register gathers. pipeline.py, read last, says which run, in which order.
"""
