"""Python's and NumPy's ways to run over sequences, as loops.

generators.py: `yield`; generator_reductions.py: sum, any, all of a generator. table_making.py: the places that make dicts and
sets. vectorize.py and ufunc_methods.py: functions applied to each element; stencils.py: to each neighbourhood.
flat_iterators.py: `a.flat`; sparse.py: SciPy's sparse matrices; records.py: structured arrays. match_runtime.py: the tests of
`match`.
"""
