"""The one run of a rewritten function on boxes.

signature.py says what the arguments are, trace_function.py runs and gives the IR function, runtime.py is the object that
rewritten code calls, assignment.py its loads and stores, with_statement.py its `with`, dunder_dispatch.py operators of users'
classes, list_arguments.py lists among the arguments, opaque_results.py which objects cannot be returned, foreign_arrays.py
what other libraries' arrays give, users_errors.py what
users see of an error.
"""
