"""NumPy functions that make arrays (creation.py, ranges.py), give them another form (manipulation.py), view them by positions
in memory (windows.py), say how they lie there (flags.py), put them together or take them apart (joining.py), and put lines in
or take them out (inserting.py)."""
