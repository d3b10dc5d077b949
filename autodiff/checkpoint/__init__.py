"""Less memory for more time: which loops keep states instead of tapes, within a budget.

checkpoint_policy.py decides by sizes, segments.py cuts a loop into segments that are run again.
"""
