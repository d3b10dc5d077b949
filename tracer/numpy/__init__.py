"""NumPy's functions on boxes, a file for each family. Each takes NumPy's arguments and raises NumPy's errors.

creation, manipulation, joining, inserting, reductions, selection, statistics, quantiles, calculus, histograms, setops, linalg,
norms, determinants, spectral, einsum, fourier. The table of all of them is tracer/calling/dispatch.py.
"""
