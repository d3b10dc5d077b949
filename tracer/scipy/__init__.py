"""SciPy's functions on boxes. special.py: scipy.special."""
