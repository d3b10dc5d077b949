"""What a call in traced code does: a function of NumPy by the table, a user's function rewritten and run.

dispatch.py is the one table of what is called in place of what; calls.py makes a call, builtin_calls.py one of a builtin;
recursion.py those of functions by themselves that only run time ends; libraries/: functions of other libraries.
"""
