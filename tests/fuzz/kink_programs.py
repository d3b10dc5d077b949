"""Random programs in which kinks meet, and often cancel: softened kinks, norms, signs and choices as users write them, and what
is made of them by chance. `program(seed)` gives a source text in x, and a point of zeros and ties."""
from __future__ import annotations

import numpy as np

LINES = [
    "x", "x", "2 * x", "-x", "3 * x", "x / 2", "-2 * x", "x - 1", "1 - x", "0.5 * x + 0.25"]
CURVES = [                     # of a line w: what wide programs have for arguments of kinks
    "np.sin({w})", "np.expm1({w})", "{w} * {w}", "{w} - {w} ** 2", "np.tanh({w})", "{w} ** 3", "1 - np.cos({w})",
    "np.log1p(0.25 * {w})", "{w} * np.exp({w})", "np.arctan({w})", "{w} ** 2 - {w}", "np.exp({w}) - 1"]
KINKS = [
    "np.abs({u})", "np.abs({u})", "np.fabs({u})", "np.sqrt({u} * {u})", "np.sqrt({u} ** 2)", "np.sqrt({u} ** 4)",
    "({u} * {u}) ** 0.5", "np.maximum({u}, 0)", "np.minimum({u}, 0)", "np.maximum({u}, -{u})", "np.maximum({u}, {v})",
    "np.minimum({u}, {v})", "np.clip({u}, 0, None)", "np.hypot({u}, {v})", "np.hypot({u}, 0)",
    "np.copysign({u}, 1.0)", "np.sign({u}) * {u}", "np.where({u} > 0, {u}, 0)", "np.where({u} >= 0, {u}, -{u})",
    "np.sqrt({u} ** 2 + {v} ** 2)", "np.abs({u} - {v})", "np.sqrt(np.abs({u}) ** 2)",
    "np.linalg.norm(np.stack([{u}, {v}]), axis=0)", "np.ptp(np.stack([{u}, {v}]), axis=0)",
    "np.max(np.stack([{u}, {v}]), axis=0)", "np.min(np.stack([{u}, {v}]), axis=0)", "np.cbrt(np.abs({u}) ** 3)",
    "np.abs({k})", "np.hypot({k}, {u})", "np.sqrt({k} ** 2)", "python_max({u}, {v})", "python_min({u}, 0.0 * {v})",
    "np.abs({u} * {u})"]
BENT = [
    "np.exp(-{k})", "np.log1p({k})", "np.cos({k})", "np.sin({k})", "np.tanh({k})", "{k} ** 2", "{k} * {k}",
    "{k} * {h}", "{k} ** 3", "{k} ** 4", "1 / (1 + {k})", "np.sqrt(1 + {k})", "np.expm1({k})", "np.cosh({k})",
    "(1 + {k}) * np.exp(-{k})", "{k} * np.tanh({k})", "np.log1p(np.exp(-{k}))", "np.log1p(np.exp({k}))",
    "{k} * np.sin({h})", "{k} / (1 + {k})", "np.arctan({k})", "({k} + {h}) ** 2", "({k} - {h}) ** 2", "np.sinc({k})",
    "sp.erf({k})", "np.exp({k}) - {k}", "np.sqrt({k} ** 2 + 1)", "{k} * np.exp({h})", "sp.expit({k})"]
SIGNED = [
    "np.sign({u}) * {g}", "np.copysign({g}, {u})", "np.where({u} >= 0, {g}, -({g}))", "{u} * {g}", "{k} * {g}",
    "{g} * {f}", "{g} + {f}", "{g} - {f}", "{g}", "{g}", "{g} + {k}", "{g} - {k}", "np.where({u} < 0, {g}, {f})"]
TEMPLATES = [
    "np.maximum({u}, 0) + np.log1p(np.exp(-np.abs({u})))",
    "np.where(np.abs({u}) <= 1, 0.5 * {u} ** 2, np.abs({u}) - 0.5)",
    "np.where({u} >= 0, 1 / (1 + np.exp(-np.abs({u}))), np.exp(-np.abs({u})) / (1 + np.exp(-np.abs({u}))))",
    "np.sign({u}) * np.log1p(np.abs({u}))", "np.sign({u}) * (1 - np.exp(-np.abs({u})))",
    "np.copysign(1 - np.exp(-np.abs({u})), {u})", "np.copysign(np.expm1(np.abs({u})), {u})",
    "np.sign({u}) * np.sqrt({u} * {u})", "np.maximum({u}, {v}) * np.minimum({u}, {v})",
    "np.maximum({u}, {v}) + np.minimum({u}, {v})", "(np.maximum({u}, {v}) - np.minimum({u}, {v})) ** 2",
    "np.maximum({u}, {v}) + np.log1p(np.exp(-np.abs({u} - {v})))",
    "np.maximum({u}, 0) ** 2 + np.minimum({u}, 0) ** 2", "np.maximum({u}, 0) + np.minimum({u}, 0)",
    "np.maximum({u}, 0) - np.maximum(-{u}, 0)", "np.abs({u}) * np.sign({u})", "np.sign({u}) ** 2 * {u}",
    "np.abs({u}) * {u} * np.sign({u})", "np.hypot({u}, {v}) ** 2", "np.hypot({u} * {u}, 3 * {u} * {u})",
    "np.max(np.stack([{u}, {v}]), axis=0) * np.min(np.stack([{u}, {v}]), axis=0)",
    "np.sqrt({u} ** 4 + (2 * {u}) ** 4)", "np.sign({u}) * np.log1p(np.sqrt({u} * {u}))",
    "np.linalg.norm(np.stack([{u}, 2 * {u}]) ** 2, axis=0)", "np.copysign(np.exp(-np.abs({u})) - 1, {u})",
    "np.exp(-np.abs({u})) * (1 + np.abs({u}))", "np.maximum({u}, 0) * np.maximum(-{u}, 0)",
    "np.exp(np.minimum({u}, 0)) / (1 + np.exp(-np.abs({u})))", "np.where({u} > 0, np.abs({u}), -np.abs({u}))",
    "np.max(np.abs(np.stack([{u}, -{u}])), axis=0) ** 2", "np.linalg.norm({u}) * np.linalg.norm(2 * {u})",
    "np.abs({u}) ** 3 * np.sign({u})", "np.sort(np.abs({u})) ** 2", "np.maximum.accumulate(np.abs({u})) ** 2",
    "signed_size({u})", "python_max({u}, {v}) * python_min({u}, {v})", "python_max({u}, {v}) + python_min({u}, {v})",
    "written({u})", "masked({u})", "np.where({u} > {v}, {u}, {v}) + np.where({u} < {v}, {u}, {v})",
    "np.log1p(np.exp(python_min({u}, {v}) - python_max({u}, {v}))) + python_max({u}, {v})"]
AROUND = [
    "np.exp({g})", "({g}) * (1 + {u})", "np.sin({g})", "({g}) ** 2", "np.tanh({g}) + {u}",
    "np.exp(-({g})) * np.cos({u})"]


class Writer:
    """wide: with curves for arguments, and kinks of kinks of kinks."""

    def __init__(self, rng, names, wide=False):
        self.rng, self.names, self.wide = rng, names, wide

    def pick(self, options):
        return options[self.rng.integers(len(options))]

    def line(self):
        line = f"({self.pick(LINES).replace('x', self.pick(self.names))})"
        return f"({self.pick(CURVES).format(w=line)})" if self.wide and self.rng.integers(2) else line

    def filled(self, text):
        parts = {"u": self.line(), "v": self.line()}
        for hole, fill in (("k", self.kink), ("h", self.kink), ("g", self.bent), ("f", self.bent)):
            if f"{{{hole}}}" in text:
                parts[hole] = f"({fill(1, parts['u'], parts['v'])})"
        return text.format(**parts)

    def kink(self, depth, u, v):
        text = self.pick(KINKS)
        while not depth and "{k}" in text:
            text = self.pick(KINKS)
        return text.format(u=u, v=v, k=f"({self.kink(max(depth - 1, 0), u, v)})" if "{k}" in text else "")

    def bent(self, depth, u, v):
        k = f"({self.kink(depth, u, v)})"
        return self.pick(BENT).format(k=k, h=k if self.rng.integers(3) else f"({self.kink(depth, u, v)})")

    def program(self):
        draw = self.rng.integers(10)
        if draw >= 5:
            return self.filled(self.pick(SIGNED)) if draw < 8 else self.bent(1 + self.wide, self.line(), self.line())
        body = self.filled(self.pick(TEMPLATES))
        return self.pick(AROUND).format(g=body, u=self.line()) if self.rng.integers(2) else body


def program(seed, wide=False):
    """(the text of an expression, a point)."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 1, 2, 3]))
    text = Writer(rng, ["x", "x[::-1]", "x"] if n > 1 and rng.integers(2) else ["x"], wide).program()
    point = np.zeros(n) if rng.integers(4) == 0 else rng.choice([0.0, 0.0, 0.0, 1.0, -0.5], n)
    return text, point.astype(np.float32 if seed % 4 == 3 else np.float64)


# --- what programs call: loops, branches, writes ------------------------------------------------------------------------

def signed_size(a):
    out = np.zeros(a.shape, a.dtype)
    for k in range(a.shape[0]):
        if a[k] >= 0:
            out[k] = 1 - np.exp(-abs(a[k]))
        else:
            out[k] = np.exp(-abs(a[k])) - 1
    return out


def python_max(a, b):
    return np.array([max(a[k], b[k]) for k in range(a.shape[0])])


def python_min(a, b):
    return np.array([min(a[k], b[k]) for k in range(a.shape[0])])


def written(a):
    out = np.zeros(a.shape, a.dtype)
    for k in range(a.shape[0]):
        out[k] = abs(a[k])
    for k in range(a.shape[0]):
        out[k] *= out[k]
    return out


def masked(a):
    out = np.abs(a)
    out[a < 0] *= -1
    return out
