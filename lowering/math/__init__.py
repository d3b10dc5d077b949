"""Elementary functions for machine code, as straight-line LLVM IR over one number or a vector of them.

formula_builder.py writes formulas; exponentials.py, powers.py and trig.py are the formulas; functions.py collects them;
library.py is what the code generator asks.
"""
