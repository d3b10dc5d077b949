"""Python's and NumPy's ways to run over sequences, as loops.

dynamic_lists.py: lists whose length only run time knows. list_sort.py: sorted, min, max, xs[i]; array_choice.py: xs[i] of
arrays. generator_reductions.py: sum, any, all of a generator. vectorize.py
and ufunc_methods.py: functions applied to each element. sparse.py: SciPy's sparse matrices.
match_runtime.py: the tests of `match`.
"""
