"""Loop IR to LLVM IR text.

emit.py has a row for each statement, kernel_writer.py the lines under way, scalar.py elementwise ops, storage.py buffers and
addresses, stacks.py stacks that grow.
"""
