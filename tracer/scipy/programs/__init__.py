"""SciPy's functions as NumPy programs. What stands in this folder is rewritten and traced like a user's function
(calling/scipy_source.py says which function each stands for), so derivatives, compiled code and tests follow from NumPy's.

linalg.py, matrices.py: scipy.linalg. stats.py: the methods of distributions in scipy.stats, families.py: those distributions,
multivariate.py: the normal distribution of vectors. filters.py: scipy.signal and scipy.ndimage. sampled.py: scipy.integrate,
scipy.spatial.distance, scipy.interpolate, scipy.fft.
"""
