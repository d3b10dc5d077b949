"""Functions that are smooth where the formulas that they are written in are not.

In: a function before it is differentiated. Out: the same values, with ops that say the smooth derivative. kink_products.py:
products in which a kink cancels; even_functions.py: even functions of kinks; kink_series.py: functions in which kinks
cancel between factors and terms; moduli.py: the forms of |x|; paired_kinks.py: kinks and choices of several kinds at one
place; pieces.py: functions of one value in which kinks of several places meet, or touch; joined_kinks.py: squares of what is
put together of kinks; carried_kinks.py: those of kinks that loops carry; sides.py: functions written for each side of 0 apart.
lost_slopes.py: slopes that are lost in an infinity; poles.py: the same past loops, branches and writes.
"""
