"""The loop IR: loops, buffers, loads and stores, scalars in SSA form.

grammar.py declares it, text.py prints it (`--stage loops`), cursor.py writes it, dependence.py proves
what two accesses have in common, unroll.py writes short loops out, passes/ rewrite
and check it.
"""
