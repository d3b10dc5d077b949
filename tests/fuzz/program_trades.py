"""Random programs in which names trade arrays, rows and parts of arrays, and write through them, in loops that only run time
ends. What a name holds is then a question of run time, and a write must be seen under every other name of the same memory."""
import random

SOURCES = ("w[0]", "w[1]", "w[2]", "w[r]", "x.copy()", "u[::2]", "v[:x.size]", "v[x.size:]", "p")
HEAD = """import numpy as np


def program(x, p, n):
    w = np.zeros((3, x.size))
    w[0], w[1] = x, x * 0.5
    u, v, r, s = np.zeros(2 * x.size), np.arange(2.0 * x.size) * 0.1, 1, 0.0
"""


class Trades:
    """One program of `program(x, p, n)`: a vector of 4, an array that is written to, a number of iterations."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.names = ["a", "b", "c"][:self.random.choice((2, 3))]

    def program(self) -> str:
        choose = self.random.choice
        lines = [f"    {name} = {choose(SOURCES)}" for name in self.names]
        counted = self.random.random() < 0.5
        lines += ["    for k in range(n):"] if counted else ["    k = 0", "    while k < n:"]
        for _ in range(choose((2, 3, 4, 5))):
            lines += self.statement("        ", 0)
        lines += [] if counted else ["        k += 1"]
        lines += [f"    {name}[0] += 1.0" for name in self.names if self.random.random() < 0.4]
        total = " + ".join(f"{q + 1} * {name}" for q, name in enumerate(self.names))
        lines.append(f"    return {total} + w[0] - 2 * w[1] + 3 * w[2] + u[:x.size] + v[:x.size] - v[x.size:], s")
        return HEAD + "\n".join(lines) + "\n"

    def statement(self, indent: str, depth: int) -> list[str]:
        choose, kind = self.random.choice, self.random.random()
        a, b = choose(self.names), choose(self.names)
        if kind < 0.2:
            order = self.random.sample(self.names, len(self.names))
            return [f"{indent}{', '.join(self.names)} = {', '.join(order)}"]
        if kind < 0.4:
            return [f"{indent}{a}[:] = {b} * 0.5 + {choose(('k', '1.0', 's * 0.1'))}"]
        if kind < 0.5:
            to, of = choose(("0", "-1", "k % x.size")), choose(("0", "1", "k % x.size"))
            return [f"{indent}{a}[{to}] {choose(('=', '+='))} {b}[{of}] * 0.7"]
        if kind < 0.58:
            return [f"{indent}{a}[1:] = {b}[:-1]"]
        if kind < 0.66:
            return [f"{indent}s += {a}.sum() * 0.3"]
        if kind < 0.74:
            return [f"{indent}{a} = {choose((b, choose(SOURCES)))}"]
        if kind < 0.82 and depth < 2:
            at = choose(("j", "x.size - 1 - j", "0"))
            return [f"{indent}for j in range(x.size):", f"{indent}    {a}[j] = {a}[j] * 0.9 + {b}[{at}] * 0.2"]
        if kind < 0.95 and depth < 2:
            return self.condition(indent, depth, a, b)
        return [f"{indent}{a} *= 0.8"]

    def condition(self, indent: str, depth: int, a: str, b: str) -> list[str]:
        test = self.random.choice(("k % 2 == 0", "x[k % x.size] > 0", f"{a}[0] > {b}[1]", "s > 1"))
        lines = [f"{indent}if {test}:", *self.statement(indent + "    ", depth + 1)]
        if self.random.random() < 0.5:
            lines += [f"{indent}else:", *self.statement(indent + "    ", depth + 1)]
        return lines
