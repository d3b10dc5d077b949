"""scipy.spatial as NumPy programs.

rotations.py: Rotation, as quaternions. Distances are in programs/sampled.py.
"""
