"""Routines of other libraries that kernels call: addresses and calling conventions.

blas.py: BLAS and LAPACK through SciPy. numpy_sort.py: NumPy's sorts. numpy_gufuncs.py: the inner loops of NumPy's linear
algebra and Fourier transforms.
"""
