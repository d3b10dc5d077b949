"""The derivative of each op, stated once for both modes.

partials.py: elementwise ops, from the partial derivatives that they declare. jvp_rules.py: ops whose tangent is a formula,
with spectral.py for factorisations. transpose_rules.py: linear ops, with fourier.py. nonfinite_partials.py: what tangents and
adjoints do where a partial derivative is infinite.
"""
