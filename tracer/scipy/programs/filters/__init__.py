"""scipy.signal and scipy.ndimage as NumPy programs.

convolutions.py: convolutions and filters along an axis, planes.py: in two dimensions with a boundary. filter_design.py: filters
by their cutoff. neighbourhoods.py: orders and differences of the elements around each. resampled.py: images between elements.
"""
