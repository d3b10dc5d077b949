"""Idioms of random programs: what Python has beside assignments, branches and loops.

Objects with methods, comprehensions, unpacking, `:=`, `match`, lists that grow, arrays that trade names,
lengths known only at run time.
"""

from __future__ import annotations

from program_expressions import Array, Expressions, small

IDIOMS = ("walrus", "star", "comprehension", "select", "object", "append", "pile", "exchange", "match",
          "part", "forever", "attempt")

CLASS = """class {name}:
    def __init__(self, value, data):
        self.value = value
        self.data = data
        self.count = 0

    def step(self, h):
        self.value = np.tanh(self.value + {gain} * h)
        self.count += 1
        if self.value > {limit}:
            return self.value
        self.data[{at}] += 0.5 * h
        return {result}

    @property
    def twice(self):
        return 2.0 * self.value + self.data[0]


"""

class Idioms(Expressions):
    """Writes statements, some of several lines."""

    def vectors(self, scope):
        """Float64 arrays of one axis that are not empty, of known length."""
        return [n for n in self.writable(scope, 1, ("float64",)) if n in scope.names]

    def test(self, scope, text):
        return f"{text} {self.s.choice(['<', '>'])} {self.s.choice(['0.1', '-0.2', '0.5', '1.5'])}"

    # --- names -------------------------------------------------------------------------------------------------------

    def s_walrus(self, scope, indent):
        """`:=` in conditions, in operands that may not be evaluated, in expressions."""
        s = self.s
        first, second = self.new("w"), self.new("w")
        text, kind = self.float(scope, 2)
        form = s.choice(["if", "if", "operand", "while", "value"])
        if form == "value":
            scope.names[first], scope.names[second] = kind, "f"
            return [f"{indent}{second} = ({first} := {small(text, kind)}) * 2.0 + {first}"]
        scope.names[first] = kind
        if form == "while":
            counter = self.new("t")
            scope.names[counter] = "pi"
            inside = scope.inner(loop=True)
            inside.fixed |= {first, counter}
            body = self.block(inside, indent + "    ")
            return [f"{indent}{counter} = 0",
                    f"{indent}while {self.test(scope, f'({first} := {small(text, kind)})')} and {counter} < {s.integer(1, 4)}:",
                    f"{indent}    {counter} += 1", *body]
        inside, (more, other) = self.branch(scope), self.float(scope, 2)
        head = []
        if form == "operand":
            head, scope.names[second] = [f"{indent}{second} = 0.5"], "f"
        inside.names[second] = other if form == "if" else "f"
        joint = s.choice(["and", "and", "or"]) if form == "operand" else "and"
        lines = [*head, f"{indent}if {self.test(scope, f'({first} := {small(text, kind)})')} {joint} "
                 + self.test(scope, f"({second} := {small(more, other)})") + ":", *self.block(inside, indent + "    ")]
        if s.chance(50):
            lines += [f"{indent}else:", *self.block(self.branch(scope), indent + "    ")]
        return lines

    def s_star(self, scope, indent):
        """Unpacking of an array, of a list, of nested tuples."""
        s = self.s
        lines = self.vectors(scope)
        if lines and s.chance(60):
            array = s.choice(lines)
            n = scope.names[array].shape[0]
            first, rest = self.new("s"), self.new("box")
            scope.names[first] = "nf"
            if n > 1:
                scope.names[rest] = {"form": "list", "keys": list(range(n - 1)), "kinds": ["f"] * (n - 1)}
            return [indent + s.choice([f"{first}, *{rest} = {array}", f"*{rest}, {first} = {array}"])]
        (a, ka), (b, kb), (c, kc) = (self.float(scope, 1) for _ in range(3))
        p, q, r = (self.new("s") for _ in range(3))
        scope.names[p], scope.names[q], scope.names[r] = ka, kb, kc
        return [f"{indent}({p}, {q}), {r} = ({small(a, ka)}, {small(b, kb)}), {small(c, kc)}"]

    def s_exchange(self, scope, indent):
        """Arrays trade names."""
        names = [n for n in self.arrays(scope) if n not in scope.fixed]
        pairs = [(a, b) for a in names for b in names if a < b and scope.names[a] == scope.names[b]]
        if not pairs:
            return None
        a, b = self.s.choice(pairs)
        return [f"{indent}{a}, {b} = {b}, {a}"]

    # --- objects -----------------------------------------------------------------------------------------

    def s_object(self, scope, indent):
        """An object with attributes and methods; what is done with it later is s_change's and `part`'s."""
        s = self.s
        lines = self.vectors(scope)
        if not lines or scope.depth > 2:
            return None
        cls, name = self.class_of_objects(), self.new("obj")
        data = s.choice(lines)
        start, kind = self.float(scope, 1)
        made = [f"{indent}{name} = {cls}({small(start, kind)}, {data}{s.choice(['.copy()', '.copy()', ''])})"]
        scope.names[name] = {"form": "object", "keys": ["value", "twice"], "kinds": ["f", "f"]}
        found = self.new("s")
        given = small(self.float(scope, 1)[0], "f")
        if s.chance(60):
            turn = self.new("z")
            made += [f"{indent}{found} = 0.0", f"{indent}for {turn} in range({s.integer(1, 7)}):",
                     f"{indent}    {found} = {found} * 0.5 + {name}.step({given})"]
            if s.chance(40):
                made += [f"{indent}    if {name}.count > {s.integer(1, 4)}:", f"{indent}        break"]
        else:
            made.append(f"{indent}{found} = {name}.step({given})")
        scope.names[found] = "f"
        return made

    def class_of_objects(self):
        if not self.classes or self.s.chance(30):
            name = self.new("Thing")
            result = self.s.choice(["h * 0.5", "self.twice - h", "np.sin(self.value) * h"])
            self.head.append(CLASS.format(name=name, gain=self.s.choice(["0.5", "-1.0", "2.0"]), result=result,
                                          limit=self.s.choice(["0.3", "0.9", "-0.2"]), at=self.s.choice(["0", "-1"])))
            self.classes.append(name)
        return self.s.choice(self.classes)

    # --- containers ----------------------------------------------------------------------------------------------------

    def s_comprehension(self, scope, indent):
        s = self.s
        lines = self.vectors(scope)
        inside, item = scope.inner(loop=False), self.new("e")
        inside.names[item] = "nf" if lines else "pi"
        over = s.choice(lines) if lines else f"range({s.integer(1, 3)})"
        text, _ = self.float(inside, 2)
        value = small(text, "f")
        form = s.choice(["array", "sum", "any", "most", "list", "dict", "table"])
        name = self.new("s")
        if form == "array" and lines:
            name = self.new("a")
            scope.names[name] = Array("float64", scope.names[over].shape)
            return [f"{indent}{name} = np.array([{value} for {item} in {over}])"]
        if form in ("sum", "most"):
            scope.names[name] = "f"
            where = f" if {self.bool(inside, 1)}" if form == "sum" and s.chance(50) else ""
            call = "0.0 + sum" if form == "sum" else s.choice(["min", "max"])
            return [f"{indent}{name} = np.tanh({call}({value} for {item} in {over}{where}))"]
        if form == "any":
            scope.names[name] = "b"
            return [f"{indent}{name} = {s.choice(['any', 'all'])}({self.bool(inside, 1)} for {item} in {over})"]
        name, inside.names[item] = self.new("box"), "pi"
        text = small(self.float(inside, 1)[0], "f")
        if form == "dict":
            scope.names[name] = {"form": "dict", "keys": ["p", "q"], "kinds": ["f", "f"]}
            return [f"{indent}{name} = {{{item}k: {text} for {item}k, {item} in zip('pq', range(1, 3))}}"]
        if form == "table":
            name, other = self.new("m"), self.new("e")
            scope.names[name] = Array("float64", (2, 3))
            return [f"{indent}{name} = np.array([[{text} * {other} for {item} in range(3)] for {other} in (0.5, -1.0)])"]
        scope.names[name] = {"form": "list", "keys": [0, 1], "kinds": ["f", "f"]}
        return [f"{indent}{name} = [{text} for {item} in range({s.choice(['2', '3'])})][:2]"]

    def s_append(self, scope, indent):
        """A list that a loop appends to, made an array."""
        s = self.s
        lines = self.vectors(scope)
        if not lines:
            return None
        over, name, found, item = s.choice(lines), self.new("xs"), self.new("a"), self.new("e")
        inside = scope.inner(loop=False)
        inside.names[item] = "nf"
        inside.fixed.add(item)
        outer, self.budget = self.budget, min(self.budget, 2)
        body = self.block(inside, indent + "    ", ("assign", "augment", "write", "if")) if s.chance(50) else []
        self.budget = outer - 2 + self.budget
        value = small(self.float(inside, 2)[0], "f")
        scope.names[found] = Array("float64", scope.names[over].shape)
        return [f"{indent}{name} = []", f"{indent}for {item} in {over}:", *body, f"{indent}    {name}.append({value})",
                f"{indent}{found} = np.array({name})"]

    def s_pile(self, scope, indent):
        """A list whose length only run time knows: appended to on a condition, or until one holds, perhaps popped."""
        s = self.s
        lines = self.vectors(scope)
        if not lines:
            return None
        over, name, found, item = s.choice(lines), self.new("xs"), self.new("s"), self.new("e")
        inside = scope.inner(loop=False)
        inside.names[item] = "nf"
        inside.fixed.add(item)
        value = small(self.float(inside, 2)[0], "f")
        value = s.choice([value, f"{value} - 0.5 * {name}[-1]", f"({value}) / len({name})"])
        test = self.test(inside, s.choice([value, item]))
        first = small(self.float(scope, 1)[0], "f")
        form = s.choice(["branch", "branch", "while", "both", "comprehension"])
        head = [f"{indent}{name} = [{first}]"]
        if form == "comprehension":
            text = small(self.float(inside, 1)[0], "f")
            body = [f"{indent}{name} += [{text} for {item} in {over} if {self.test(inside, item)}]"]
        elif form == "while":
            body = [f"{indent}while len({name}) < {s.integer(2, 5)} and {self.test(scope, f'{name}[-1]')}:",
                    f"{indent}    {name}.append(np.tanh({name}[-1] * 1.5 + 0.25))"]
        else:
            body = [f"{indent}for {item} in {over}:", f"{indent}    if {test}:", f"{indent}        {name}.append({value})"]
            body += [f"{indent}    elif len({name}) > 1:", f"{indent}        {name}.pop()"] if form == "both" else []
        scope.names[found] = "f"
        ends = ["np.sum(np.array({0}) ** 2)", "0.5 * sum({0}) + {0}[-1]", "np.mean({0}) + {0}[len({0}) // 2]",
                "sum([q * q for q in {0}]) / len({0})"]
        return [*head, *body, f"{indent}{found} = np.tanh({s.choice(ends).format(name)})"]

    # --- run-time lengths ----------------------------------------------------------------------------------------------

    def s_select(self, scope, indent):
        """What a mask, a count or a position picks: lengths that only run time knows."""
        s = self.s
        arrays = [n for n in self.arrays(scope) if scope.names[n].dtype == "float64"]
        lines = [n for n in arrays if len(scope.names[n].shape) == 1]
        if not arrays:
            return None
        array = s.choice(arrays)
        test = self.test(scope, array)
        found = self.new("v")
        forms = [f"{array}[{test}]", f"{array}[~({test})] * 2.0", f"np.compress(np.ravel({test}), {array}, axis=None)"]
        if lines:
            array = s.choice(lines)
            test = self.test(scope, array)
            count = f"abs({self.int(scope, 1)[0]}) % 3"
            forms += [f"{array}[np.nonzero({test})[0]]", f"{array}[np.flatnonzero({test})][::-1]",
                      f"np.repeat({array}, {count})",
                      f"np.repeat({array}, ({array} > 0.1) * 2)", f"np.concatenate([{array}[{test}], {array}])",
                      f"{array}[{test}].cumsum() * 0.5"]
        text = s.choice(forms)
        if s.chance(40) and lines:
            item, total = self.new("j"), self.new("s")
            scope.names[total] = "f"
            if s.chance(50):
                return [f"{indent}{total} = 0.0", f"{indent}for {item} in np.flatnonzero({test}):",
                        f"{indent}    {total} = {total} * 0.5 + {array}[{item}] * ({item} + 1)"]
            return [f"{indent}{total} = 0.0", f"{indent}for {item} in {text}:",
                    f"{indent}    {total} = np.sin({total} + {item})"]
        scope.names[found] = Array("float64", (None,))
        return [f"{indent}{found} = {text}"]

    def s_part(self, scope, indent):
        """Parts of a table up to a place that run time knows, read and written."""
        s = self.s
        tables = self.writable(scope, 2, ("float64",))
        ends = [n for n, w in scope.names.items() if w in ("pi", "ni", "i")]
        if not tables or not ends:
            return None
        name, k = s.choice(tables), s.choice(ends)
        n, m = scope.names[name].shape
        i, j = self.index(scope, n), self.index(scope, m)
        key = s.choice([f"{i}, :{k}", f":{k}, {j}", f"{i}, {k}:", f":{k}, {k}:", f"{k}:", f"::2, :{k}", f"{i}, {k}::-1"])
        if s.chance(50):
            value, kind = self.float(scope, 1)
            return [f"{indent}{name}[{key}] {s.choice(['=', '+=', '*='])} {small(value, kind)}"]
        target = self.new("s")
        scope.names[target] = "nf"
        return [f"{indent}{target} = np.tanh(np.sum({name}[{key}] * {s.choice(['2.0', f'{name}[{key}]'])}))"]

    # --- control -------------------------------------------------------------------------------------------------------

    def s_forever(self, scope, indent):
        """A `while True` with its exits in the middle."""
        s = self.s
        if scope.depth > 2:
            return None
        counter = self.new("t")
        scope.names[counter] = "pi"
        inside = scope.inner(loop=True)
        inside.fixed.add(counter)
        inside.counters[counter] = (0, 4)
        first = scope.inner(loop=False)                         # without `continue`, which would pass the exit by
        first.fixed |= inside.fixed
        before = self.block(first, indent + "    ") if s.chance(50) else []
        test = f"{counter} > {s.integer(0, 3)}" + (f" or {self.bool(inside, 1)}" if s.chance(50) else "")
        return [f"{indent}{counter} = 0", f"{indent}while True:", f"{indent}    {counter} += 1", *before,
                f"{indent}    if {test}:", f"{indent}        break", *self.block(inside, indent + "    ")]

    def s_match(self, scope, indent):
        s = self.s
        deep = indent + "        "
        subject = f"({self.int(scope, 1)[0]}) % 4"
        lines = [f"{indent}match {subject}:", f"{indent}    case 0:", *self.block(self.branch(scope), deep)]
        if s.chance(60):
            guard = f" if {self.bool(scope, 1)}" if s.chance(40) else ""
            lines += [f"{indent}    case 1 | 3{guard}:", *self.block(self.branch(scope), deep)]
        if s.chance(70):
            name = self.new("k")
            inside = self.branch(scope)
            inside.names[name] = "i"
            lines += [f"{indent}    case {name}:" if s.chance(50) else f"{indent}    case _:", *self.block(
                inside if lines[-1].endswith(f"{name}:") else self.branch(scope), deep)]
        return lines

    def s_attempt(self, scope, indent):
        """A `try` whose error, if any, every call has."""
        boxes = [n for n, w in scope.names.items() if isinstance(w, dict) and w["form"] == "dict"]
        if not boxes:
            return None
        name, found, (value, kind) = self.s.choice(boxes), self.new("s"), self.float(scope, 1)
        scope.names[found] = "f"
        key = self.s.choice(["p", "absent"])
        return [f"{indent}try:", f"{indent}    {found} = {name}[{key!r}]", f"{indent}except KeyError:",
                f"{indent}    {found} = {small(value, kind)}"]

    def branch(self, scope):
        inside = scope.inner()
        inside.fixed |= {n for n, w in scope.names.items() if isinstance(w, Array) and n in scope.counters}
        return inside
