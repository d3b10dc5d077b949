"""Products of matrices as calls of a system's CBLAS, instead of loops.

The kernel calls routines as Fortran has them: every argument by its address. Here each is defined by a call of CBLAS's, which
takes numbers by value, complex ones by address, and letters as numbers (the reference CBLAS's cblas.h):

    dgemm(&transa, &transb, &m, &n, &k, &alpha, a, &lda, b, &ldb, &beta, c, &ldc)
      -> cblas_dgemm(CblasColMajor, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)

CBLAS's integers have 32 bits here, as in the libraries that systems install by this name.
"""
from __future__ import annotations

import re

COLUMN_MAJOR = 102
LETTERS = {"N": 111, "T": 112, "C": 113, "U": 121, "L": 122}
# the arguments: f a letter, i an integer, x a number, p an address
ROUTINES = {"gemm": "ffiiixpipixpi", "syrk": "ffiixpixpi"}
_NAME = re.compile(rf"(scipy|numpy)\.([sdcz])({'|'.join(ROUTINES)})")
_REAL = {"s": "float", "d": "double"}


def is_product(symbol: str) -> bool:
    """Whether a routine that kernels call is one of those that CBLAS has."""
    return _NAME.fullmatch(symbol) is not None


def definition(symbol: str) -> str:
    """The LLVM text that defines a routine by CBLAS's."""
    found = _NAME.fullmatch(symbol)
    assert found is not None, symbol
    library, prefix, routine = found.groups()
    form, number = ROUTINES[routine], _REAL.get(prefix, "ptr")
    integer = "i64" if library == "numpy" else "i32"        # the width of the integers that the kernel points to
    types = {"f": "i32", "i": "i32", "x": number, "p": "ptr"}
    lines, passed = [], [f"i32 {COLUMN_MAJOR}"]
    for k, kind in enumerate(form):
        more, value = _value(kind, k, number, integer)
        lines += more
        passed.append(f"{types[kind]} {value}")
    name = f"cblas_{prefix}{routine}"
    params = ", ".join([f"ptr %a{k}" for k in range(len(form))])
    return "\n".join([
        f"declare void @{name}(i32, {', '.join([types[kind] for kind in form])})",
        f"define void @{symbol}({params}) nounwind {{", *lines, f"  call void @{name}({', '.join(passed)})", "  ret void", "}",
        ""])


def _value(kind: str, k: int, number: str, integer: str) -> tuple[list[str], str]:
    """(the lines that make it, what is passed for argument k)."""
    if kind == "p" or (kind == "x" and number == "ptr"):
        return [], f"%a{k}"
    if kind == "x":
        return [f"  %v{k} = load {number}, ptr %a{k}"], f"%v{k}"
    if kind == "i":
        lines = [f"  %v{k} = load {integer}, ptr %a{k}"]
        return (lines, f"%v{k}") if integer == "i32" else ([*lines, f"  %n{k} = trunc i64 %v{k} to i32"], f"%n{k}")
    lines, value = [f"  %l{k} = load i8, ptr %a{k}"], str(LETTERS["N"])
    for letter in "TCUL":
        lines += [f"  %is{k}{letter} = icmp eq i8 %l{k}, {ord(letter)}",
                  f"  %f{k}{letter} = select i1 %is{k}{letter}, i32 {LETTERS[letter]}, i32 {value}"]
        value = f"%f{k}{letter}"
    return lines, value
