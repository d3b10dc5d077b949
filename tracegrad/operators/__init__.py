"""Functions that make functions.

transforms.py: grad, value_and_grad, jvp, vjp, linearize, stop_gradient. batching.py and batch_axes.py: vmap. checkpoint.py: a
function of which a gradient keeps nothing. custom_decorators.py, custom.py and traced_rules.py: derivatives that their author
gives. check.py: derivatives against difference quotients. Jacobians have a room of their own.
"""
