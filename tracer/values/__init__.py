"""What stands for arrays and numbers while a function is traced.

boxes.py and operators.py: the stand-ins. promotion.py and shapes.py: NumPy's dtypes and broadcasting. views.py, indexing.py and
index_bounds.py: parts of arrays. ufuncs.py: elementwise functions. scalar_arithmetic.py and scalar_functions.py: Python's own
numbers. captured_arrays.py: arrays from outside. format_strings.py: texts that contain values.
"""
