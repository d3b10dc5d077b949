"""LLVM IR text in, addresses in this process out.

engine.py compiles and loads, elf.py reads what an object file needs, compile_fast.py compiles glue code, entry_writer.py writes
the IR of native entries, length_code.py that of what follows from lengths, c_layouts.py knows CPython's and NumPy's objects,
locks.py guards against threads, signals and forks.
"""
