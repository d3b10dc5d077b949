"""Python's own values in traced code, with Python's rules and errors and not NumPy's.

scalar_arithmetic.py: operators and builtins on numbers. scalar_functions.py: math. complex_functions.py: cmath. ints.py and
wide_ints.py: ints that would leave 64 bits. format_strings.py, percent_texts.py: texts that contain values; chosen_texts.py:
texts of which run time chooses one. exception_parts.py: exceptions whose arguments are values; optional_values.py:
what is None under a condition of run time.
"""
