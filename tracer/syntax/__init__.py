"""A function's source becomes a function whose control flow asks the tracer. The only folder that imports `ast`.

source.py leads, source_check.py makes sure that the text is the running one, fence.py refuses what cannot be staged,
liveness.py says which names are read later; early_exit.py, nonlocals.py, comprehensions.py, match_lowering.py and
try_except.py each remove one construct; rewrite.py replaces the rest by calls of the runtime.
"""
