"""Kernels as object files for programs that have no Python: for this machine or another.

standalone.py takes out of a kernel what only this process has; targets.py says what machines there are; object_file.py puts a C
function around it and compiles.
"""
