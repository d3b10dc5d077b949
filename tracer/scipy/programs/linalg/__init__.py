"""scipy.linalg as NumPy programs.

over_numpy.py: SciPy's signatures over NumPy's factorisations. factorisations.py: forms by reflections. matrices.py: matrices
that have a form. control.py: Riccati equations.
"""
