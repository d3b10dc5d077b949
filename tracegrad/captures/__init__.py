"""What a function reads besides its arguments, and how a call finds out that it changed.

layouts.py: what a trace has read, as data. captures.py: how it is looked up and compared at each call. closures.py: which
functions are the same program. frozen_closures.py: copies of functions as they are now.
"""
