"""Reverse mode: a function in, the program of its adjoint out.

reverse.py walks a function backwards, control_flow.py does so through `if`, `for` and `while`. What the backward program needs
of the forward one it asks of autodiff/residuals, its rules are autodiff/rules.
"""
