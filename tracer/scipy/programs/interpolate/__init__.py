"""scipy.interpolate as NumPy programs.

choice.py: which program stands for which class or function. interpolants.py: splines and polynomials, crossings.py: where they
take a value. gridded.py: tables and grids. stands.py: what refuses the methods that the programs lack.
"""
