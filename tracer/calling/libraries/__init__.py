"""Functions of other libraries that a program calls: NumPy's and SciPy's own Python (numpy_source.py, scipy_source.py), what of
SciPy runs as it stands (scipy_borrowed.py), Numba's overloads (numba_overloads.py), functions of C by their address."""
