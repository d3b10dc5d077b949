"""Positions and slices of an axis: spans.py makes starts, lengths and steps of them, bounds.py says which lie on the axis in
every iteration of a loop."""
