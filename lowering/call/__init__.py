"""A kernel becomes something that Python can call.

calling_convention.py says what a specialisation takes and returns, python_call.py does in Python what its machine code does;
unbox.py, box.py and entry.py write the native entry, entry_variant.py one form of it; assemble.py and specialisation.py put
kernel and entry together; cache.py and dispatch.py choose among specialisations at each call; error_decoding.py makes
exceptions of failed checks. foreign/ has kernels that C code and XLA call.
"""
