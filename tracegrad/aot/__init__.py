"""`tg.export` and `tg.load`: compiled functions for programs without Python.

export.py makes the folder, plan.py says what the C function looks like, c_files.py writes the texts around the object, link.py
makes a shared library, loader.py calls it from Python with nothing but NumPy: a copy of it stands in each folder.
"""
