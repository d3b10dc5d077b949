"""SciPy's functions as NumPy programs. What stands in this folder is rewritten and traced like a user's function
(calling/libraries/scipy_source.py says which function each stands for), so derivatives, compiled code and tests follow from
NumPy's.

A room for each of SciPy's large packages: linalg, stats, interpolate, spatial, filters (scipy.signal and scipy.ndimage).
sampled.py: scipy.integrate, scipy.spatial.distance, scipy.fft; cosines.py: its cosine and sine transforms.
"""
