"""Functions of random programs: helpers that write to their arguments, recursion, generators, closures made by functions."""

from __future__ import annotations

from program_expressions import Array, small
from program_idioms import Idioms

FUNCTIONS = ("lambda", "rebind", "fill", "fill", "generator", "maker", "higher")

RECURSIONS = (
    """def {name}(k, q):
    if k == 0:
        return {end}
    return np.sin({name}(k - 1, q * {gain})) + 0.5 * q


""",
    """def {name}(k, q, low=0):
    if k - low < 2:
        return {end} * (low + 1.0)
    middle = (low + k) // 2
    return {gain} * {name}(middle, q, low) + np.sin({name}(k, q + 0.1, middle))


""",
    """def {name}(k, q):
    return {end} if k <= 0 else np.tanh({gain} * {name}other(k - 1, q))


def {name}other(k, q):
    if k <= 0:
        return q * q
    return {name}(k - 2, q) - 0.5 * {name}(k - 1, q)


""",
)

GATHERING = """def {name}(first, *rest, scale=1.0, **more):
    for q in rest:
        first = first * {gain} + np.sin(q)
    return np.tanh(first * scale + more.get("shift", 0.25))


"""

# What a helper does to its arguments, arrays of one axis and at least one element (`b` may be `a`, or overlap it), and a float.
WRITES = (
    "a[0] = np.tanh(q)", "a[-1] += 0.5 * q", "a[1:] = a[:-1]", "a[:-1] -= 0.5 * a[1:]", "a[a > 0.3] *= 0.5", "a[::-1] = a",
    "a += q", "a *= np.cos(a)", "np.add(a, q, out=a)", "a.fill(q)", "a.sort()", "a[len(a) // 2] = a[0] * q",
    "a = a * 0.5; a[0] = 1.0", "c = a; c[0] *= 0.5", "c = a[1:]; c[...] = q", "c = a[::-1]; c[0] = q; q = c[-1]",
    "a, b = b, a", "a[0], b[-1] = b[-1], a[0]", "b[0] = a[-1]; a[0] = q", "b[:1] += a[-1:]", "q = q + b[0]; a[-1] = q",
    "b = b.copy(); b[0] = q; a[0] -= b[-1]", "np.negative(b, out=b)", "c = b[:1]; a[0] = q; q = q + c[0]",
)
LOOPS = (
    ["for k in range(len(a)):", "    a[k] = np.sin(a[k] + q)"],
    ["for k in range(1, len(a)):", "    a[k] += 0.5 * a[k - 1]", "    if a[k] > 0.7:", "        break"],
    ["for k, e in enumerate(b):", "    a[k % len(a)] = np.tanh(e + q)"],
    ["if q > 0.2:", "    a[0] = 0.25", "    q = b[-1]"],
    ["if q > 0.4:", "    b[0] = q", "    return {end}"],
    ["k = 0", "while k < len(b) and b[k] < 0.5:", "    b[k] += 0.3", "    k += 1"],
)
ENDS = {"number": "np.tanh(np.sum(a) + q)", "array": "a"}

GENERATORS = (
    """def {name}(a, q):
    for e in a:
        q = np.tanh(q * {gain} + e)
        yield q


""",
    """def {name}(a, q):
    yield q
    for k in range(len(a)):
        if a[k] > {limit}:
            continue
        yield a[k] * q + {gain}


""",
    """def {name}(a, q):
    k = 0
    while k < len(a):
        q = 0.5 * q + a[k]
        a[k] = q * {gain}
        k += 1
        yield np.sin(q)
    yield from (0.25, q)


""",
)

MAKERS = (
    """def {name}(k):
    def inner(q):
        return np.sin(q * k) + {gain} * k
    return inner


""",
    """def {name}(k):
    seen = []

    def inner(q):
        seen.append(np.tanh(q))
        return k * sum(seen) / len(seen)

    return inner


""",
    """def {name}(k):
    def wrapped(f):
        def inner(*args, **named):
            return k * f(*args, **named) + {gain}
        return inner
    return wrapped(lambda q: np.tanh(q) * q)


""",
)


class Functions(Idioms):
    """Writes functions and their calls."""

    def gain(self):
        return self.s.choice(["0.5", "-0.75", "1.25"])

    def s_call(self, scope, indent):
        """A closure that reads names around it, perhaps writing into an array."""
        s = self.s
        if scope.depth > 1:
            return None
        name = self.new("local")
        inside = scope.inner(loop=False)
        inside.depth = 2
        inside.names = {n: w for n, w in inside.names.items() if not isinstance(w, dict)} | {"q": "f"}
        inside.fixed = set(inside.names)
        outer, self.budget = self.budget, 2
        body = self.block(inside, indent + "    ", ("write", "rows", "mask", "if")) if s.chance(60) else []
        self.budget = outer
        if s.chance(30):
            body += [
                f"{indent}    for {self.new('z')} in range({s.integer(1, 3)}):",
                f"{indent}        q = np.sin(q) + {self.float(inside, 1)[0]}",
                f"{indent}        if {self.bool(inside, 1)}:",
                f"{indent}            return np.tanh({self.float(inside, 1)[0]})",
            ]
        result = self.float(inside, 2)[0]
        text, _ = self.float(scope, 1)
        target = self.new("s")
        scope.names[target] = "f"
        return [
            f"{indent}def {name}(q):",
            *body,
            f"{indent}    return {small(result, 'f')}",
            f"{indent}{target} = {name}({text})",
        ]

    def s_lambda(self, scope, indent):
        s = self.s
        if scope.depth > 1:
            return None
        name, inside = self.new("g"), scope.inner(loop=False)
        inside.names["q"] = "f"
        result = small(self.float(inside, 2)[0], "f")
        target, given = self.new("s"), [self.float(scope, 1)[0] for _ in range(2)]
        scope.names[target] = "f"
        head = s.choice([[f"{indent}{name} = lambda q: {result}"],
                         [f"{indent}def {name}(q, *, k=2.0):", f"{indent}    return k * ({result})"]])
        return [*head, f"{indent}{target} = {name}({given[0]}) - {name}({given[1]})"]

    def s_rebind(self, scope, indent):
        """A nested function that rebinds a name of the function around it."""
        s = self.s
        if scope.depth > 1 or (self.smooth and s.chance(50)):
            return None
        name, total, turn = self.new("add"), self.new("s"), self.new("z")
        inside = scope.inner(loop=False)
        inside.names |= {"q": "f", total: "f"}
        result = small(self.float(inside, 2)[0], "f")
        given = small(self.float(scope, 1)[0], "f")
        scope.names[total] = "f"
        return [f"{indent}{total} = 0.25", f"{indent}def {name}(q):", f"{indent}    nonlocal {total}",
                f"{indent}    if {self.bool(inside, 1)}:", f"{indent}        {total} = {total} * 0.5 + {result}",
                f"{indent}    return {total} + q",
                f"{indent}for {turn} in range({s.integer(1, 6)}):",
                f"{indent}    {total} = np.tanh({total} + {name}({given}))"]

    # --- helpers that write to their arguments ----------------------------------------------------------------------------

    def vector_texts(self, scope, name):
        """Expressions of one axis, not empty, that share the memory of an array."""
        shape = scope.names[name].shape
        if len(shape) == 1:
            n = shape[0]
            return [name, name, f"{name}[::-1]", f"{name}[::2]"] + [f"{name}[1:]", f"{name}[:-1]"] * (n > 1)
        n, m = shape
        row, column = self.index(scope, n), self.index(scope, m)
        return [f"{name}[{row}]", f"{name}[:, {column}]", f"{name}.T[{column}]", f"{name}.reshape(-1)", f"{name}[{row}, ::-1]"]

    def s_fill(self, scope, indent):
        s = self.s
        names = self.writable(scope, dtypes=("float64",))
        if not names:
            return None
        name, end = self.filling_helper()
        first = s.choice(self.vector_texts(scope, s.choice(names)))
        second = s.choice(self.vector_texts(scope, s.choice(names)))
        call = f"{name}({first}, {second}, {small(*self.float(scope, 1))})"
        form = s.choice(["statement", "named"])
        if form == "statement":
            return [indent + call]
        target = self.new("s" if end == "number" else "v")
        # what is returned may be either argument
        scope.names[target] = "nf" if end == "number" else Array("float64", (None,))
        return [f"{indent}{target} = {call}"]

    def filling_helper(self):
        """(a helper at module level, what it returns): one that there is, or a new one."""
        s = self.s
        if self.fillers and s.chance(50):
            return s.choice(self.fillers)
        name, end = self.new("fill"), s.choice(list(ENDS))
        lines = []
        for _ in range(s.integer(1, 3)):
            lines += s.choice(LOOPS) if s.chance(35) else s.choice(WRITES).split("; ")
        body = "".join(f"    {line}\n" for line in lines).replace("{end}", ENDS[end])
        self.head.append(f"def {name}(a, b, q):\n{body}    return {ENDS[end]}\n\n\n")
        self.fillers.append((name, end))
        return self.fillers[-1]

    # --- generators, closures, functions of functions ---------------------------------------------------------------------

    def s_generator(self, scope, indent):
        s = self.s
        lines = self.vectors(scope)
        if not lines:
            return None
        name, found, item = self.new("each"), self.new("s"), self.new("e")
        self.head.append(s.choice(GENERATORS).format(name=name, gain=self.gain(), limit=s.choice(["0.1", "0.6"])))
        call = f"{name}({s.choice(lines)}, {small(*self.float(scope, 1))})"
        scope.names[found] = "f"
        form = s.choice(["loop", "sum", "list", "max", "chain"])
        if form == "loop":
            last = [f"{indent}    if {found} > 0.9:", f"{indent}        break"] if s.chance(40) else []
            return [f"{indent}{found} = 0.0", f"{indent}for {item} in {call}:",
                    f"{indent}    {found} = np.tanh({found} + {item})", *last]
        if form == "chain":
            return [f"{indent}{found} = 0.5", f"{indent}for {item}k, {item} in enumerate({call}):",
                    f"{indent}    {found} = {found} * 0.5 + {item} * {item}k"]
        text = {"sum": f"0.5 * sum({call})", "list": f"np.sum(np.array(list({call})) ** 2)", "max": f"max({call}, default=0.0)"}
        return [f"{indent}{found} = np.tanh({text[form]})"]

    def s_maker(self, scope, indent):
        """Closures that a function makes."""
        s = self.s
        name, found, f = self.new("make"), self.new("s"), self.new("f")
        self.head.append(s.choice(MAKERS).format(name=name, gain=self.gain()))
        given, more = (small(*self.float(scope, 1)) for _ in range(2))
        scope.names[found] = "f"
        if s.chance(50):
            return [f"{indent}{f} = {name}({given})", f"{indent}{found} = {f}({more}) + {f}(0.5)"]
        return [f"{indent}{f} = [{name}({given}), {name}(0.5)]", f"{indent}{found} = sum([g({more}) for g in {f}])"]

    def s_higher(self, scope, indent):
        """partial, reduce, map, sorted with a key."""
        s = self.s
        lines = self.vectors(scope)
        found, (given, more) = self.new("s"), (small(*self.float(scope, 1)) for _ in range(2))
        forms = [f"functools.partial(lambda k, q: np.sin(k) * q, {given})({more})",
                 f"functools.reduce(lambda p, q: 0.5 * p + np.sin(q), [{given}, {more}, 0.5])",
                 f"sorted([{given}, {more}, 0.3], key=lambda q: -q)[0]",
                 f"sum(map(lambda q: q * q, ({given}, {more})))",
                 f"(lambda *args, k: k * sum(args))({given}, {more}, k={more})"]
        if lines:
            forms += [f"functools.reduce(lambda p, q: np.tanh(p * 0.5 + q), {s.choice(lines)}, {given})",
                      f"sum([q for q in {s.choice(lines)} if q < {more}], 0.5)",
                      f"max({s.choice(lines)}, key=lambda q: -q * q)"]
        scope.names[found] = "f"
        return [f"{indent}{found} = {s.choice(forms)}"]

    def special_helper(self):
        """Recursive functions, or one with star arguments: (name, how a call of it is written)."""
        s = self.s
        name = self.new("helper")
        if s.chance(50):
            end = s.choice(["q", "np.cos(q)", "0.5 * q"])
            self.head.append(s.choice(RECURSIONS).format(name=name, gain=self.gain(), end=end))
            self.callables.append((name, f"{s.integer(0, 3)}, {{}}"))
        else:
            self.head.append(GATHERING.format(name=name, gain=self.gain()))
            form = s.choice(["{}", "{}, {}", "{}, *({}, 0.5)", "{}, {}, scale=0.5", "{}, **{{'shift': {}, 'scale': 2.0}}"])
            self.callables.append((name, form))
