"""Kernels as functions that others call: a plain C function (c_function.py), a handler of XLA (xla_handler.py)."""
