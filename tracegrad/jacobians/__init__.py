"""Derivatives of functions with many results: dense and sparse Jacobians and Hessians.

sparsity.py: which results can depend on which inputs. coloring.py: which columns are computed together. compressed.py:
Jacobians by such groups. spec.py: arguments and results with their sizes. jacobians.py: jacfwd, jacrev, jacobian, hessian, hvp.
"""
