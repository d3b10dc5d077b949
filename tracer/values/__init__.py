"""What stands for arrays and numbers while a function is traced.

boxes.py and operators.py: the stand-ins. promotion.py and shapes.py: NumPy's dtypes and broadcasting. views.py, indexing.py and
slices.py: parts of arrays. ufuncs.py: elementwise functions. python/: Python's own numbers and texts. captured_arrays.py
and captured_values.py: what lies outside; unrepeatable.py: what may not be read there. random_generators.py: generators.
"""
