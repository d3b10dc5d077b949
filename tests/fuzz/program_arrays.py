"""Random programs about arrays, from lines that users write: views, masks, orders, factorisations, SciPy, in nests of control.

    program ::= imports "def program(" arrays and numbers "):" block "return" everything inexact
    block   ::= (line | "if" | "for" | "while" | closure)*

A line is a text with holes, each filled with a name of that kind: {v} vectors of one length, {m} square matrices, {f} numbers,
{s} vectors of float32, {z} vectors of complex64, {c} columns, {i} an index in range, {q} a bounded expression of a number.
What is written is bounded (tanh and its like), so that nothing overflows by itself, and every loop ends.
"""

from __future__ import annotations

import re

import numpy as np
from program_expressions import Source
from program_writer import Program

IMPORTS = """import bisect
import heapq
import math

import numpy as np
import scipy.linalg as sl
import scipy.special as sp


"""

WRITES = [
    "{v}[1:] = np.tanh({v}[:-1] + {q})", "{v}[::2] += 0.5 * {v}[::-1][::2]", "{v}[::-1] = np.sin({v2})",
    "{v}[-2:] *= {f}", "{v} -= 0.25 * np.roll({v2}, 1)", "{v}[{i}] = np.tanh({v}[{i}] * {v2}[-1 - {i}])",
    "{v}[{v2} > {k}] = {q}", "{v}[{v2} > {k}] *= 0.5", "{v}[np.argsort({v2})] = np.tanh({v})",
    "{v} = np.tanh(np.cumsum({v}))",
    "{v} = np.take({v2}, np.argsort({v}))", "np.add.at({v}, np.array([0, -1, 0]), 0.3 * {v2}[0] * {f})",
    "{m}[{i}] = np.cos({v})", "{m}[:, {i}] += 0.3 * {v}", "{m}[::-1, 1:] = 0.5 * {m}[:, :-1]", "{m}.T[{i}] = np.tanh({v})",
    "{m} += np.sin({v})[:, None] * 0.5", "{m}[:] = np.tanh({v})", "{m} = np.tanh({m} @ {m2})",
    "{m}[np.diag_indices(N)] = {v}",
    "{m}[{m2} > {k}] = 0.25", "{m} = np.where({m2} > {k}, {m}, np.sin({m2}))", "np.fill_diagonal({m}, {q})",
    "row = {m}[{i}]; row *= np.cos({f}); row[::2] += {v}[::2] * 0.1", "w = {v}[::-1]; w += 0.2 * {v2}; w[0] = {q}",
    "w = {v}[1:]; w[...] = np.tanh(w + {v}[:-1] * 0.5)", "{m} = {m}.T.copy(); {m}.reshape(-1)[::N + 1] += 0.1 * {v}",
    "{v} = np.tanh({m} @ {v})", "{v} = np.sort({v}) + 0.1 * {v2}", "{v}[{i}], {v}[-1] = {v}[-1], np.tanh({v}[{i}])",
    "{v} = np.concatenate([{v}[1:], {v2}[:1]])", "{v} = np.convolve({v}, {v2}[:2], 'same') * 0.3",
    "{v} = np.flip({v}) * {f}",
    "{v} = np.clip({v}, -0.8, 0.9)", "{v} = np.maximum({v}, {v2})", "{v} = np.cumprod(np.cos({v}))",
    "{v} = np.maximum.accumulate({v2}) * 0.5", "{v}[:] = {f}",
    "{v} = np.interp({v}, np.linspace(-2.0, 2.0, N), np.sin({v2}))",
    "{v} = np.gradient({v}) if N > 1 else {v}", "{v} = np.diff({v}, append={f})",
    "{v} = np.tanh(np.einsum('ij,j->i', {m}, {v2}))",
    "{m} = 0.3 * np.outer({v}, {v2})", "{m} = np.tril({m}) + 0.2 * np.triu({m2}, 1)",
    "{m} = np.tanh(np.kron({v}, {v2}).reshape(N, N))",
    "{v} = np.repeat({v}[:1], N) + {v2} * 0.1", "{v} = {v}[np.array([k % 2 for k in range(N)]) * min(1, N - 1)]",
    "a, b = {v}.copy(), {v2}; a[0] += b[-1]; {v} = np.tanh(a * b)", "{v}[:], {v2}[:] = {v2}.copy() * 0.9, {v}.copy() * 1.1",
    "{v} /= 1.5 + {v2} ** 2", "{v} **= 2; {v} -= 0.5",
    "{m}[{i}, :] , {m}[-1, :] = {m}[-1, :].copy(), np.tanh({m}[{i}, :].copy())",
    "{v}[min({n}, N - 1):] = 0.5 * {f}", "{v}[:{n}] = np.sin({v}[:{n}] + 1.0)", "{m}[:{n}, {i}:] *= 0.7",
    "{v}[{n} % N] += {q}",
    "{v} = np.where(np.isnan({v}), 0.0, {v}) + 0.0 * {f}", "{m}[..., -1] = {v} * 0.5", "{m}[[0, -1]] = 0.5 * {m}[[-1, 0]]",
]
SCIPY = [
    "{v} = sp.expit({v} + {q})", "{v} = sp.softmax({v}) - 0.3", "{f} = 0.1 * sp.logsumexp({v})",
    "{v} = sp.erf({v}) + 0.1 * {v2}",
    "{v} = sp.xlogy({v} ** 2, 1.0 + {v2} ** 2) * 0.2", "{v} = 0.2 * sp.gammaln(1.5 + {v} ** 2)", "{v} = sp.j0({v}) * 0.8",
    "{v} = sp.ndtr({v}) - 0.4", "{v} = 0.3 * sp.log_ndtr({v})", "{v} = sp.i0e({v}) * {f}",
    "{v} = 0.2 * sp.digamma(1.2 + np.abs({v}) ** 2)",
    "{v} = 0.3 * sp.entr(0.1 + {v} ** 2)", "{v} = 0.4 * sp.betaln(1.0 + {v} ** 2, 2.0)",
    "{v} = sp.pseudo_huber(1.0, {v}) * 0.5",
    "{v} = 0.3 * sp.log1p({v} ** 2)", "{v} = sp.huber(0.7, {v})", "{v} = sp.exprel({v}) * 0.2", "{v} = np.sinc({v}) * {f}",
]
LINALG = [
    "{v} = np.tanh(np.linalg.solve({m} + 4.0 * np.eye(N), {v}))",
    "{f} = 0.1 * np.linalg.slogdet({m} @ {m}.T + 2.0 * np.eye(N))[1]",
    "{m} = np.linalg.inv({m} + 4.0 * np.eye(N))", "{m} = np.linalg.cholesky({m} @ {m}.T + 2.0 * np.eye(N)) * 0.4",
    "{f} = np.tanh(0.2 * np.linalg.det({m}))", "{f} = np.tanh(0.1 * np.linalg.norm({m}) ** 2)",
    "{f} = np.cos(np.linalg.norm({v}))",
    "w, u = np.linalg.eigh({m} + {m}.T); {m} = (u * np.tanh(w)) @ u.T", "{m} = 0.4 * sl.expm(0.3 * {m})",
    "{v} = np.tanh(sl.solve_triangular(np.tril({m}) + 3.0 * np.eye(N), {v}, lower=True))",
    "{v} = np.tanh(np.linalg.lstsq({m} + 3.0 * np.eye(N), {v}, rcond=None)[0])", "{f} = np.tanh(np.trace({m} @ {m2}))",
    "qq, rr = np.linalg.qr({m} + 3.0 * np.eye(N)); {m} = 0.3 * (rr + qq)", "{m} = np.tanh(np.linalg.matrix_power({m}, 2))",
    "{v} = np.tanh(sl.cho_solve(sl.cho_factor({m} @ {m}.T + 2.0 * np.eye(N)), {v}))", "{f} = 0.2 * {v} @ {m} @ {v2}",
]
MIXED = [
    "{s} = ({v} * 0.5).astype(np.float32)", "{s} += np.float32(0.25) * {s}[::-1]", "{v} = {v} * 0.9 + 0.1 * {s}",
    "{s}[::2] = {v}[::2]",
    "{z} = ({v} + 1j * {v2}).astype(np.complex64) * np.complex64(0.5)", "{z} *= np.exp(1j * {f})",
    "{v} = np.tanh({z}.real + {z}.imag * 0.5)",
    "{z}[1:] = 0.5 * {z}[:-1]", "{v} = np.tanh(np.abs({z}) ** 2)", "{z}.imag[:] = 0.5 * {v}", "{z}.real[::2] = {v}[::2]",
    "k8 = np.arange(N).astype(np.int8); {v} = np.tanh({v} * k8)", "k8 = ({v} > {k}).astype(np.int8); {v} = {v} * k8 + 0.1",
    "{v} = np.real(np.fft.fft({v})) * 0.2", "{v} = np.fft.irfft(np.fft.rfft({v}), N) * 0.8",
    "{s} = np.tanh({s} @ np.ones((N, N), np.float32))",
]
NUMBERS = [
    "{f} = np.tanh(np.sum({v}))", "{f} = {q}", "{f} += 0.3 * {v}[{i}]", "{f} = np.tanh({f} * {v}[-1])", "{f} = np.max({v})",
    "{f} = np.tanh(np.prod({v}))", "{f} = 0.5 * np.std({v})", "{f} = np.median({v})", "{f} = np.tanh({v} @ {v2})",
    "{f} = np.mean({m}) * 0.5",
    "{f} = math.tanh({f} * {f}) if {f} > {k} else 0.5 * {f}", "{f} *= math.cos({f2})", "{f} = max({f}, {f2})",
    "{n} = ({n} * 3 + 1) % 5",
    "{n} = int(np.argmax({v}))", "{n} = int(np.sum({v} > {k}))", "{f} = np.quantile({v}, 0.3)",
    "{f} = {v}[np.argmin({v2})]",
    "{f} = abs({f}) ** 1.5", "{f} = math.hypot({f}, {f2})", "{f} = math.atan2({f}, 2.0 + {f2})",
    "{f} = np.sqrt({f} ** 2 + 0.1)",
]
LISTS = [
    "L = [{f}, {v}[0], {f2}]; L[1] = 0.5 * L[0]; L.append(np.tanh(L[-1])); {f} = sum(L) * 0.2",
    "p = ({v}, {f}); {v}, {f} = p[0] * 0.5, np.tanh(p[1] + {v2}[0])",
    "d = {{'a': {v}, 'b': {f}}}; d['a'] = np.sin(d['a'] * d['b']); {v} = d['a']",
    "L = [{v}[j] for j in range(N)]; L.sort(); {f} = np.tanh(L[0] + 2.0 * L[-1])",
    "L = [r * 0.5 for r in {m}]; {v} = np.tanh(L[{i}] + L[-1])",
    "L = list({v}); L[0], L[-1] = L[-1], L[0]; {v} = np.array(L) * 0.9",
    "L = sorted([{f}, {f2}, {v}[0]]); {f} = L[1] * 0.8",
]
CARRIED_LISTS = [
    ["Q = [{f}, {f2}]", "for {t} in range({r}):", "    Q.append(np.tanh(Q[-1] + Q[-2] * 0.5))",
     "{f} = Q[-1] * 0.5 + 0.1 * Q[{n} % 2]"],
    ["Q = []", "for {t} in range(N):", "    heapq.heappush(Q, {v}[{t}] + 0.01 * {t})", "while len(Q) > 1:",
     "    {f} = np.tanh({f} + 0.3 * heapq.heappop(Q))"],
    ["Q = []", "for {t} in range(N):", "    bisect.insort(Q, {v}[{t}])", "{f} = 0.5 * Q[0] + 0.25 * Q[-1]"],
    ["pair = ({v} * 1.0, {f})", "for {t} in range({r}):",
     "    pair = (np.tanh(pair[0] + pair[1] * {v2}), np.sin(pair[1]) + pair[0][{t} % N])",
     "{v}, {f} = pair[0], np.tanh(pair[1])"],
    ["Q = [{v}, {v2} * 1.0]", "for {t} in range({r}):", "    Q[0], Q[1] = Q[1], np.tanh(Q[0] + 0.5)",
     "    Q[0] += 0.1 * {f}",
     "{v} = Q[0] + 0.0 * Q[1]"],
]
MADE = {"s1": "s1 = (v1 * 0.5).astype(np.float32)", "z1": "z1 = (v1 + 1j * v2).astype(np.complex64)"}
LINES = [(WRITES, 9), (SCIPY, 2), (LINALG, 2), (MIXED, 3), (NUMBERS, 4), (LISTS, 1)]
TESTS = ["{f} > {k}", "{v}[{i}] > {f}", "{n} % 2 == 0", "np.sum({v}) > {k}", "{v}[0] <= {v}[-1]", "np.all({v} < 0.6)",
         "{f} > 0.0 and {v}[0] < 0.5",
         "not {f} < {k}", "np.any({v2} == 0.0)"]
BOUNDED = ["np.tanh({f})", "np.sin({f2} + {k})", "0.5 * {f}", "{v}[{i}] * 0.5", "np.cos({v}[0] * {f})", "{f} * {f2}",
           "np.exp(-{f} ** 2)",
           "1.0 / (1.0 + {f} ** 2)", "np.sqrt(1.0 + {v}[-1] ** 2)", "np.abs({f})", "np.log1p({f} ** 2)", "{f} - {f2}"]


class ArrayWriter:
    """Writes one program."""

    def __init__(self, source: Source, budget: int = 14):
        self.s, self.budget, self.count = source, budget, 0

    def program(self) -> Program:
        s = self.s
        size, rng, exact = s.choice([1, 2, 3, 4, 5, 7]), np.random.default_rng(s.integer(0, 10_000)), s.chance(50)
        shapes = {"v1": (size,), "v2": (size,), "m1": (size, size), "m2": (size, size), "f1": (), "f2": ()}
        arguments = tuple(_drawn(rng, shape, exact) for shape in shapes.values())
        self.counters: list[str] = []
        body = self.block(1, False)
        while self.budget > 0:
            body += self.block(1, False)
        used = [name for name in ("s1", "z1") if any(name in line for line in body)]
        first = ["n1 = 1", "v1, v2 = v1 * 1.0, v2 * 1.0", "m1, m2 = m1 * 1.0, m2 * 1.0", *[MADE[name] for name in used]]
        shown = {"s1": "s1", "z1": "np.abs(z1) ** 2"}
        lines = [*first, *body, f"return {', '.join(['f1, f2, v1, v2, m1, m2', *[shown[name] for name in used]])},"]
        text = IMPORTS + f"N = {size}\n\n\ndef program({', '.join(shapes)}):\n" + "".join(
            f"    {part}\n" for line in lines for part in line.split("\n"))
        every = tuple(range(len(arguments)))
        wide = text.replace("float32", "float64").replace("complex64", "complex128")
        return Program(text, arguments, every, Program(wide, arguments, every) if used else None)

    def block(self, depth: int, loop: bool) -> list[str]:
        lines: list[str] = []
        for _ in range(self.s.integer(1, 3)):
            self.budget -= 1
            lines += self.statement(depth, loop)
        return lines

    def statement(self, depth: int, loop: bool) -> list[str]:
        s, draw = self.s, self.s.integer(1, 100)
        if depth > 3 or self.budget < 0 or draw <= 62:
            kinds = [kind for kind, weight in LINES for _ in range(weight)]
            return [self.filled(s.choice(s.choice(kinds)))]
        if draw <= 74:
            return self.branch(depth, loop)
        if draw <= 94:
            return self.loop(depth)
        if draw <= 97:
            return self.closure()
        return self.joined(s.choice(CARRIED_LISTS))

    def branch(self, depth: int, loop: bool) -> list[str]:
        s = self.s
        lines = [f"if {self.filled(s.choice(TESTS))}:", *_indented(self.block(depth + 1, loop))]
        if loop and s.chance(30):
            lines.append("    " + s.choice(["break", "continue"]))
        if s.chance(50):
            lines += ["else:", *_indented(self.block(depth + 1, loop))]
        return lines

    def loop(self, depth: int) -> list[str]:
        s, name = self.s, self.new()
        rounds, form = s.integer(0, 4), s.integer(1, 4)
        if form == 1:                                   # a `while` with a bound, and a condition on the data
            test = s.choice(["", " and {f} < 2.0", " and np.sum({v}) < 9.0", " and {v}[0] < 3.0"])
            head, top = [f"{name} = 0", f"while {name} < {rounds}{self.filled(test)}:"], [f"    {name} += 1"]
        else:
            spans = [f"range({rounds})", "range(N)", "range(N - 1, -1, -1)", f"range({rounds}, 0, -1)", "range(0, N, 2)"]
            head, top = [f"for {name} in {s.choice(spans)}:"], []
        self.counters.append(name)
        body = _indented(self.block(depth + 1, True))
        self.counters.pop()
        tail = ["else:", *_indented(self.block(depth + 1, False))] if s.chance(8) else []
        return head + top + body + tail

    def closure(self) -> list[str]:
        s, name = self.s, f"g{self.new()}"
        first = s.choice(["c = a * b + {f}", "c = np.sin(a) * {v}[0] + b", "c = a - b"])
        lines = [f"def {name}(a, b=0.5):", f"    {self.filled(first)}"]
        if s.chance(40):
            lines += [f"    if {self.filled(s.choice(TESTS))}:", "        return np.tanh(a)"]
        lines += ["    return np.tanh(c)"]
        call = s.choice(["{v} = G({v})", "{f} = G({f}, b={f2})", "{f} = G(G({f}), {v}[0])", "{v}[{i}] = G({v}[{i}])",
                         "{m} = G({m}, {v})"])
        return lines + [self.filled(call.replace("G(", f"{name}("))]

    def joined(self, texts: list[str]) -> list[str]:
        """Lines whose holes of one kind have one name throughout."""
        return self.filled("\n".join(texts)).split("\n")

    def filled(self, text: str) -> str:
        """The text with its holes filled: each hole one name, {q} an expression."""
        s, first = self.s, {kind: self.s.choice([f"{kind}1", f"{kind}2"]) for kind in "vmf"}
        names = {"v": first["v"], "v2": s.choice(["v1", "v2"]), "m": first["m"], "m2": s.choice(["m1", "m2"]), "f": first["f"],
                 "f2": s.choice(["f1", "f2"]), "s": "s1", "z": "z1", "n": "n1", "k": s.choice(["0.0", "0.0", "0.1",
                 "-0.5", "0.5"]),
                 "i": s.choice([*[f"{c} % N" for c in self.counters], "0", "-1",
                 "n1 % N"]), "t": self.new(), "r": str(s.integer(0, 4))}
        names["q"] = s.choice(BOUNDED)
        for _ in range(2):
            text = re.sub(r"\{(\w+)\}", lambda found: names[found[1]], text)
        return text.replace("{{", "{").replace("}}", "}")

    def new(self) -> str:
        self.count += 1
        return f"t{self.count}"


def _indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


def _drawn(rng, shape, exact):
    """Zeros, ties and repeated values where `exact`."""
    if exact:
        values = rng.choice([0.0, 0.0, 1.0, -1.0, 0.5], shape)
        values = np.full(shape, values.flat[0]) if shape and rng.integers(4) == 0 else values
    else:
        values = rng.standard_normal(shape)
    return np.asarray(values, float) if shape else np.float64(values)
