"""Functions of eigen and singular values and vectors where values are equal, or 0.

In: a function before it is differentiated. Out: the same values, with what makes its derivatives right there. equal_values.py
says when; factor_flow.py follows vectors and values through the program, vector_mixing.py says what they are as functions of
the matrix; zero_values.py: what is 0, and columns that singular vectors lack.
"""
