"""What is computed where: the ops of a block become tasks, tasks share loops, arrays get memory or none.

memory_plan.py holds what the others decide, closed before a loop is written. materialize.py says which arrays get memory,
inplace.py which of them share it; index_rules.py reads an array that has none.
tasks.py, reductions.py, axis_kernels.py, sorting.py, spectral.py, library_calls.py, accumulating_contractions.py,
stencil_updates.py are the kinds of tasks; fuse.py arranges them.
"""
