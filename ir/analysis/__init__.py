"""What is known of a program without changing it.

patterns.py asks of one value, uses.py who uses it and which part of an array an iteration touches; affine.py is the
arithmetic of sums of integers, integer_forms.py what each op gives in it, induction.py what loops carry.
"""
