"""NumPy's functions on boxes, a file for each family. Each takes NumPy's arguments and raises NumPy's errors.

arrays/ (creation, manipulation, windows, joining, inserting), reductions, selection, sorting, statistics, quantiles, calculus,
histograms, setops, linalg, norms, determinants, cofactors, spectral, einsum, fourier, random/. The table of all is
tracer/calling/dispatch.py.
"""
