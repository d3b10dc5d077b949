"""What lets a later process use a specialisation that this one has compiled.

fingerprint.py makes one digest of all that tracing a call can read, purity.py says what of Python and of libraries counts as
known; encoding.py puts structures, places and locations into JSON; calls.py saves and loads whole specialisations.
"""
