"""IR becomes machine code and a callable: loops, LLVM, native entry, caches. Imports only `ir` (and llvmlite)."""
