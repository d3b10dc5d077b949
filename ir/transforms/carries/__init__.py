"""What loops hand on from iteration to iteration, made less.

carried_views.py: arrays under the shape in which they are written; private_arrays.py and dead_carries.py: arrays that need not
be handed on at all; accumulate_to_store.py: additions to zeros as writes; narrow_tapes.py: bits in place of the numbers that
reverse mode keeps.
"""
