"""How the adjoint comes by the values that the primal program had: recomputed, restored or kept on a tape.

policy.py decides for each value, remat_cost.py says what is cheaper to have again, later_versions.py reads overwritten
arrays from what became of them, invertible_induction.py steps integers back, tapes.py keeps the rest, remat_maps.py runs the
iterations of a parallel loop again.
"""
