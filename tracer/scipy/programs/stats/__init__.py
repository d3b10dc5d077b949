"""scipy.stats as NumPy programs.

methods.py: the methods of distributions, over their standard forms: families.py, families_more.py, and families_borrowed.py for
those that SciPy's own classes write. multivariate.py: normal vectors. density_estimates.py: gaussian_kde.
"""
