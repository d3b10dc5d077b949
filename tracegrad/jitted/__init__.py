"""The objects that users hold and call.

api.py: `Jitted`, which compiles itself for the arguments of each call. functions.py: `jit`, and how an object that was made
before is found again. gradients.py: gradients, whose arrays the caller may give (out_accumulation.py). out_argument.py:
`f(x, out=…)`. c_functions.py, xla_handlers.py: pointers that C code and JAX call.
foreign_arrays.py: JAX's arrays as arguments. misses.py: why a call was compiled anew, in words.
"""
