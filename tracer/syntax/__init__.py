"""A function's source becomes a function whose control flow asks the tracer. The only folder that imports `ast`.

source.py leads, typed_lines.py has what is typed at the prompt; trees/ reads and checks the tree. nonlocals.py,
lazy_globals.py, comprehensions.py, generators.py, class_statement.py, match_lowering.py, try_except.py and with_statement.py
each remove one construct, declared_types.py converts what has a type; rewrite.py replaces the rest by calls of the runtime:
statements itself, expressions in expressions.py.
"""
