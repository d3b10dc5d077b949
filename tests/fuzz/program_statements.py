"""Statements of random programs: assignments, views, writes, branches, loops, each a list of indented lines."""

from __future__ import annotations

from program_data import DATA, Data
from program_expressions import DTYPES, Array, Scope, as_kind, joined, part, small
from program_functions import FUNCTIONS
from program_idioms import IDIOMS

PLAIN = ("assign", "augment", "array", "array", "view", "write", "write", "write", "rows", "mask", "swap", "call", "container",
         "change", "tuple")
BRANCHING = {"walrus", "forever", "match"}           # idioms that hold blocks of statements


class Statements(Data):
    """Writes blocks of statements, until the budget is spent."""

    def block(self, scope: Scope, indent: str, allowed=None) -> list[str]:
        lines: list[str] = []
        for _ in range(self.s.integer(1, 5 if scope.depth == 0 else 3)):
            if self.budget <= 0:
                break
            self.budget -= 1
            lines += self.statement(scope, indent, allowed)
        return lines or [indent + "pass"]

    def statement(self, scope, indent, allowed=None):
        options = [*PLAIN, *self.some(IDIOMS, 4), *self.some(FUNCTIONS, 2), *self.some(DATA, 2)]
        if scope.depth < 3:
            options += ["if", "if", "for", "for", "for", "while"]
        if scope.loop:
            options += ["break", "continue"]
        if not self.smooth:
            options += ["check", "integers", "lengths"]
        else:
            options += ["lengths"]
        deep = scope.depth > 2
        options = [o for o in options if (allowed is None or o in allowed) and not (deep and o in BRANCHING)]
        for _ in range(6):
            made = getattr(self, "s_" + self.s.choice(options))(scope, indent)
            if made:
                return made
        return [indent + "pass"]

    def some(self, idioms, count):
        """A few of the idioms, so that the plain statements stay in the majority."""
        return [self.s.choice(idioms) for _ in range(count)]

    def bind(self, scope, stem, what) -> str:
        """A name to assign: a new one, or an old one that holds the same sort of thing."""
        old = [n for n, w in scope.names.items() if w == what and n not in scope.fixed]
        if old and self.s.chance(60):
            return self.s.choice(old)
        if scope.depth and old:
            return self.s.choice(old)
        name = self.new(stem)
        scope.names[name] = what
        return name

    def s_assign(self, scope, indent):
        s = self.s
        sort = s.choice(["f", "f", "f", "i", "b"])
        if sort == "f":
            text, kind = self.float(scope, 3)
            target = s.choice([n for n, w in scope.names.items() if w in ("pf", "nf", "f") and n not in scope.fixed] or [None])
            if target is None or s.chance(40):
                name = self.new("s")
                scope.names[name] = kind
                return [f"{indent}{name} = {small(text, kind)}"]
            return [f"{indent}{target} = {as_kind(scope.names[target], small(text, kind), kind)}"]
        if sort == "i":
            text, kind = self.int(scope, 2)
            target = s.choice([n for n, w in scope.names.items() if w in ("pi", "ni", "i") and n not in scope.fixed] or [None])
            if target is None or s.chance(40):
                name = self.new("k")
                scope.names[name] = kind
                return [f"{indent}{name} = ({text}) % 7"]
            return [f"{indent}{target} = {as_kind(scope.names[target], f'({text}) % 7', kind)}"]
        text = self.bool(scope, 2)
        return [f"{indent}{self.bind(scope, 'c', 'b')} = {text}"]

    def s_augment(self, scope, indent):
        s = self.s
        targets = [n for n, w in scope.names.items() if w in ("pf", "nf", "f", "pi", "ni", "i") and n not in scope.fixed]
        if not targets:
            return None
        name = s.choice(targets)
        kind = scope.names[name]
        if kind[-1] == "f":
            text, found = self.float(scope, 2)
            made = joined(kind, found)
            if kind == "pf" and made != "pf":
                text = f"float({text})"
            elif kind == "f" and made == "nf":
                pass
            return [f"{indent}{name} {s.choice(['+=', '-=', '*='])} {small(text, 'pf') if kind == 'pf' else small(text, kind)}"]
        text, found = self.int(scope, 1)
        if kind == "pi" and found != "pi":
            text = f"int({text})"
        return [f"{indent}{name} {s.choice(['+=', '-='])} {text}", f"{indent}{name} %= 9"]

    def s_array(self, scope, indent):
        """A new array."""
        s = self.s
        like = self.arrays(scope)
        if like and s.chance(70):
            what = scope.names[s.choice(like)]
        else:
            what = Array(
                "float64" if self.smooth else s.choice(DTYPES),
                (s.integer(1, 5),) if s.chance(60) else (s.integer(1, 4), s.integer(1, 4)),
            )
        if None in what.shape:
            return None
        text = self.array(scope, what, 3, fresh=True)
        return [f"{indent}{self.bind(scope, 'a' if len(what.shape) == 1 else 'm', what)} = {text}"]

    def s_view(self, scope, indent):
        """A view of an array, or an alias."""
        names = self.arrays(scope)
        if not names or scope.depth > 2:
            return None
        base = self.s.choice(names)
        text, what = self.view_of(base, scope)
        name = self.new("v")
        scope.names[name] = what
        return [f"{indent}{name} = {text}"]

    def view_of(self, base, scope):
        s, what = self.s, scope.names[base]
        dtype, shape = what.dtype, what.shape
        if len(shape) == 1:
            n = shape[0]
            key, length = self.static_slice(n)
            forms = [(f"{base}[{key}]", (length,)), (base, shape)]
            if n is not None and n % 2 == 0 and n:
                forms.append((f"{base}.reshape(2, -1)", (2, n // 2)))
            if n is not None:
                forms += [(f"{base}[:, None]", (n, 1)), (f"{base}[None]", (1, n)), (f"np.flip({base})", shape)]
            return_text, found = s.choice(forms)
            return return_text, Array(dtype, found)
        n, m = shape
        rows, height = self.static_slice(n)
        columns, width = self.static_slice(m)
        forms = [
            (f"{base}.T", (m, n)),
            (f"{base}[{rows}, {columns}]", (height, width)),
            (f"{base}[{rows}]", (height, m)),
            (base, shape),
        ]
        if n is not None and m is not None:
            forms += [(f"{base}.reshape(-1)", (n * m,)), (f"{base}.ravel()", (n * m,)), (f"{base}.T.reshape(-1)", (n * m,)),
                      (f"np.transpose({base})[::-1]", (m, n)), (f"{base}.reshape({m}, {n})", (m, n)),
                      (f"{base}[::-1, {columns}].T", (width, n))]
        if n:
            forms.append((f"{base}[{self.index(scope, n)}]", (m,)))
        if m:
            forms.append((f"{base}[:, {self.index(scope, m)}]", (n,)))
        text, found = s.choice(forms)
        return text, Array(dtype, found)

    def static_slice(self, n):
        s = self.s
        key = s.choice(
            [
                slice(None),
                slice(1, None),
                slice(None, -1),
                slice(None, None, 2),
                slice(None, None, -1),
                slice(1, 3),
                slice(-2, None),
                slice(-1, 0, -2),
            ]
        )
        text = ":".join(
            "" if p is None else str(p)
            for p in ((key.start, key.stop) if key.step is None else (key.start, key.stop, key.step))
        )
        return text, len(range(*key.indices(n))) if n is not None else None

    def s_write(self, scope, indent):
        """One element."""
        s = self.s
        names = self.writable(scope)
        if not names:
            return None
        name = s.choice(names)
        what = scope.names[name]
        key = ", ".join(self.index(scope, n) for n in what.shape)
        if what.dtype == "bool" or s.chance(55):
            return [f"{indent}{name}[{key}] = {self.value_for(scope, what.dtype)}"]
        op = s.choice(["+=", "-=", "*="])
        value = self.value_for(scope, what.dtype)
        if what.dtype in ("int32", "float32") or what.dtype == "int64":
            value = str(s.integer(-2, 2)) if what.dtype[0] == "i" else "0.5"
        return [f"{indent}{name}[{key}] {op} {value}"]

    def s_rows(self, scope, indent):
        """A slice, a row, a column, the whole."""
        s = self.s
        names = self.writable(scope, dtypes=("float64", "int64", "float32", "complex128"))
        if not names:
            return None
        name = s.choice(names)
        what = scope.names[name]
        if len(what.shape) == 1:
            n = what.shape[0]
            if n > 1 and s.chance(30):
                left, right = s.choice([("1:", ":-1"), (":-1", "1:"), ("::-1", ":"), (":", "::-1")])
                op = s.choice(["=", "=", "+=", "-="])
                return [
                    f"{indent}{name}[{left}] {op} {name}[{right}]" + (" * 0.5" if op != "=" and what.dtype[0] in "fc" else "")
                ]
            key, length = self.static_slice(n)
            shape = (length,)
        else:
            n, m = what.shape
            key, shape = s.choice(
                [
                    (f"{self.index(scope, n)}", (m,)),
                    (f":, {self.index(scope, m)}", (n,)),
                    (":", (n, m)),
                    (f"1:, {self.index(scope, m)}", (n - 1,)),
                    (f"{self.index(scope, n)}, ::-1", (m,)),
                ]
            )
        op = s.choice(["=", "=", "+=", "*=", "-="])
        if s.chance(40) or 0 in shape:
            value = self.value_for(scope, what.dtype) if op == "=" or what.dtype in ("float64", "complex128") else "2"
        else:
            value = self.array(scope, Array(what.dtype, shape), 2)
            if op == "*=" and what.dtype[0] != "i":
                value = f"np.cos({value})"
            elif what.dtype[0] == "i":
                value = f"({value}) % 10"
        return [f"{indent}{name}[{key}] {op} {value}"]

    def s_mask(self, scope, indent):
        s = self.s
        names = self.writable(scope, dtypes=("float64", "int64"))
        if not names:
            return None
        name = s.choice(names)
        what = scope.names[name]
        form = s.choice(["mask", "mask", "fancy", "whole"])
        if form == "mask":
            limit = self.float(scope, 1)[0] if what.dtype == "float64" else str(s.integer(-1, 3))
            test = f"{name} {s.choice(['>', '<', '>='])} {limit}"
            if s.chance(50):
                return [f"{indent}{name}[{test}] = {self.value_for(scope, what.dtype, 1)}"]
            if what.dtype == "float64" and s.chance(50):
                kept = self.new("w")
                return [f"{indent}{kept} = {test}", f"{indent}{name}[{kept}] = np.sin({name}[{kept}]) * 0.5"]
            return [f"{indent}{name}[{test}] *= {'0.5' if what.dtype == 'float64' else '2'}"]
        if form == "fancy":
            n = what.shape[0]
            where = [s.integer(-n, n - 1) for _ in range(s.integer(1, 3))]
            at = f"np.array({where})" if s.chance(60) else f"{where}"
            if len(what.shape) == 1:
                kind = s.choice(["=", "+=", "at"])
                if kind == "at" and what.dtype == "float64":
                    return [f"{indent}np.add.at({name}, {at}, {self.value_for(scope, what.dtype, 1)})"]
                value = self.value_for(scope, what.dtype, 1) if what.dtype == "float64" else "3"
                return [f"{indent}{name}[{at}] {'+=' if kind == '+=' else '='} {value}"]
            return [f"{indent}{name}[{at}] = {name}[{at}][::-1]"]
        whole = f"{name}[...]" if name in scope.fixed else name
        if what.dtype == "float64":
            return [f"{indent}{whole} {s.choice(['+=', '*=', '-='])} {self.value_for(scope, 'float64', 1)}"]
        return [f"{indent}{whole} += 1"]

    def s_swap(self, scope, indent):
        names = self.writable(scope)
        if not names:
            return None
        name = self.s.choice(names)
        what = scope.names[name]
        if len(what.shape) == 1:
            i, j = self.index(scope, what.shape[0]), self.index(scope, what.shape[0])
            return [f"{indent}{name}[{i}], {name}[{j}] = {name}[{j}], {name}[{i}]"]
        i, j = self.index(scope, what.shape[0]), self.index(scope, what.shape[0])
        if self.s.chance(50):
            return [f"{indent}{name}[{i}], {name}[{j}] = {name}[{j}].copy(), {name}[{i}].copy()"]
        return [f"{indent}{name}[{i}], {name}[{j}] = {name}[{j}], {name}[{i}]"]

    def s_container(self, scope, indent):
        """A list or a dict of numbers."""
        s = self.s
        parts = [self.float(scope, 1) for _ in range(s.integer(1, 3))]
        name = self.new("box")
        kinds = ["f"] * len(parts)
        if s.chance(50):
            scope.names[name] = {"form": "list", "keys": list(range(len(parts))), "kinds": kinds}
            return [f"{indent}{name} = [{', '.join(small(t, k) for t, k in parts)}]"]
        keys = ["p", "q", "r"][: len(parts)]
        scope.names[name] = {"form": "dict", "keys": keys, "kinds": kinds}
        return [f"{indent}{name} = {{{', '.join(f'{k!r}: {small(t, kind)}' for k, (t, kind) in zip(keys, parts))}}}"]

    def s_change(self, scope, indent):
        """An item of a list or a dict."""
        boxes = [n for n, w in scope.names.items() if isinstance(w, dict) and n not in scope.fixed]
        if not boxes:
            return None
        name = self.s.choice(boxes)
        what = scope.names[name]
        key = part(what, "value" if what["form"] == "object" else self.s.choice(what["keys"]))
        text, kind = self.float(scope, 2)
        return [f"{indent}{name}{key} {self.s.choice(['=', '+=', '*='])} {small(text, kind)}"]

    def s_tuple(self, scope, indent):
        """Several names at once."""
        s = self.s
        targets = [n for n, w in scope.names.items() if w in ("pf", "nf", "f") and n not in scope.fixed]
        if len(targets) < 2:
            return None
        a, b = s.choice(targets), s.choice(targets)
        if a == b:
            return None
        values = []
        for target in (a, b):
            text, kind = self.float(scope, 1)
            values.append(as_kind(scope.names[target], small(text, kind), kind))
        return [f"{indent}{a}, {b} = {', '.join(values)}"]

    def s_if(self, scope, indent):
        s = self.s
        lines = [f"{indent}if {self.bool(scope, 2)}:", *self.block(self.branch(scope), indent + "    ")]
        if s.chance(30):
            lines += [f"{indent}elif {self.bool(scope, 1)}:", *self.block(self.branch(scope), indent + "    ")]
        if s.chance(50):
            lines += [f"{indent}else:", *self.block(self.branch(scope), indent + "    ")]
        return lines

    def s_for(self, scope, indent):
        s = self.s
        inside = scope.inner(loop=True)
        name = self.new("i")
        arrays = self.arrays(scope)
        form = s.choice(["range", "range", "range", "rows", "enumerate", "zip", "reversed"])
        if form in ("rows", "enumerate", "zip") and not arrays:
            form = "range"
        target = name
        if form in ("range", "reversed"):
            text, low, high = self.range(scope)
            inside.names[name], inside.counters[name] = "pi", (low, high)
            over = f"reversed({text})" if form == "reversed" else text
        else:
            array = s.choice(arrays)
            item = self.new("e")
            what = scope.names[array]
            inside.names[item] = self.item_of(what)
            inside.fixed.add(item)
            target, over = item, array if s.chance(80) or None in what.shape else f"{array}[::-1]"
            if form == "enumerate":
                inside.names[name] = "pi"
                length = what.shape[0]
                inside.counters[name] = (0, max(length - 1, 0) if length is not None else 100)
                target, over = f"{name}, {item}", f"enumerate({over})"
            elif form == "zip":
                other, second = s.choice(arrays), self.new("e")
                inside.names[second] = self.item_of(scope.names[other])
                inside.fixed.add(second)
                target, over = f"{item}, {second}", f"zip({over}, {other})"
        inside.fixed.add(name)
        lines = [f"{indent}for {target} in {over}:", *self.block(inside, indent + "    ")]
        if s.chance(12):
            lines += [f"{indent}else:", *self.block(scope.inner(), indent + "    ")]
        return lines

    def item_of(self, what):
        if len(what.shape) > 1:
            return Array(what.dtype, what.shape[1:])
        return {"float64": "nf", "int64": "ni"}.get(what.dtype, "gone")

    def range(self, scope):
        """(text, lowest, highest value)."""
        s = self.s
        sized = [(n, w.shape[0]) for n, w in scope.names.items() if isinstance(w, Array) and w.shape[0] is not None]
        counters = [(n, r) for n, r in scope.counters.items()]
        if sized and s.chance(50):
            name, n = s.choice(sized)
            text = s.choice([f"len({name})", f"{name}.shape[0]"])
            forms = [
                (f"range({text})", 0, n - 1),
                (f"range({text} - 1, -1, -1)", 0, n - 1),
                (f"range(1, {text})", 1, n - 1),
                (f"range(0, {text}, 2)", 0, n - 1),
            ]
            text, low, high = s.choice(forms)
            return text, low, max(high, low)
        if counters and s.chance(40):
            name, (low, high) = s.choice(counters)
            return s.choice([(f"range({name})", 0, max(high - 1, 0)), (f"range({name}, {high + 2})", low, high + 1)])
        ints = [n for n, w in scope.names.items() if w == "pi" and n not in scope.counters]
        if ints and s.chance(40):
            name = s.choice(ints)
            return f"range(abs({name}) % 4)", 0, 3
        low = s.integer(-1, 2)
        high = low + s.integer(0, 4)
        return s.choice(
            [
                (f"range({low}, {high})", low, max(high - 1, low)),
                (f"range({high}, {low}, -1)", min(low + 1, high), high),
                (f"range({low}, {high}, 2)", low, max(high - 1, low)),
            ]
        )

    def s_while(self, scope, indent):
        s = self.s
        name = self.new("t")
        scope.names[name] = "pi"
        inside = scope.inner(loop=True)
        inside.fixed.add(name)
        limit = s.integer(1, 5)
        inside.counters[name] = (0, limit)
        test = f"{name} < {limit}"
        if s.chance(50):
            test += f" and {self.bool(scope, 1)}"
        body = self.block(inside, indent + "    ")
        lines = [f"{indent}{name} = 0", f"{indent}while {test}:", f"{indent}    {name} += 1", *body]
        if s.chance(12):
            lines += [f"{indent}else:", *self.block(scope.inner(), indent + "    ")]
        return lines

    def s_break(self, scope, indent):
        return [f"{indent}if {self.bool(scope, 1)}:", f"{indent}    break"]

    def s_continue(self, scope, indent):
        return [f"{indent}if {self.bool(scope, 1)}:", f"{indent}    continue"]

    def s_check(self, scope, indent):
        """An assertion that mostly holds, an error that is seldom raised."""
        s = self.s
        if s.chance(60):
            return [f"{indent}assert abs({self.float(scope, 1)[0]}) < {s.choice(['100.0', '100.0', '1.0'])}, 'too large'"]
        error = s.choice(["ValueError", "RuntimeError", "ArithmeticError"])
        limit = s.choice(["2.0", "50.0", "50.0"])
        return [
            f"{indent}if {self.float(scope, 1)[0]} > {limit} {s.choice(['and', 'or'])} {self.float(scope, 1)[0]} > 50.0:",
            f"{indent}    raise {error}('drawn')",
        ]

    def s_integers(self, scope, indent):
        """Integer arithmetic with negatives; division by what may be zero."""
        a, b = self.int(scope, 1), self.int(scope, 1)
        op = self.s.choice(["//", "%"])
        kind = "pi" if a[1] == b[1] == "pi" else "ni" if "ni" in (a[1], b[1]) else "i"
        if kind == "pi" and self.s.chance(20):
            text = f"({a[0]}) {op} ({b[0]})"
        elif kind == "pi":
            text = f"({a[0]}) {op} (({b[0]}) % 5 + 1)"
        else:
            text = f"({a[0]}) {op} (abs({b[0]}) + 2)"
        name = self.new("k")
        scope.names[name] = kind
        return [f"{indent}{name} = {text}"]

    def s_lengths(self, scope, indent):
        """Slices whose ends are known only at run time."""
        s = self.s
        names = [n for n in self.arrays(scope) if len(scope.names[n].shape) == 1 and scope.names[n].dtype == "float64"]
        if not names:
            return None
        name = s.choice(names)
        ends = [n for n, w in scope.names.items() if w in ("pi", "ni", "i")] or [str(s.integer(0, 4))]
        k = s.choice(ends)
        key = s.choice([f":{k}", f"{k}:", f"{k}:{k} + 2", f":{k}:2", f"{k}::-1", f":-{k}" if k.isidentifier() else f":{k}"])
        form = s.choice(["sum", "sum", "name", "write", "dot", "count"])
        if form == "write" and name in self.writable(scope):
            value, kind = self.float(scope, 1)
            op = s.choice(["=", "+=", "*="])
            return [f"{indent}{name}[{key}] {op} {small(value, kind)}"]
        if form == "name" and scope.depth < 2:
            found = self.new("v")
            scope.names[found] = Array("float64", (None,))
            return [f"{indent}{found} = {name}[{key}]" + s.choice(["", " * 2.0", ".copy()"])]
        limit, target = self.float(scope, 1)[0], self.new("s")
        if form == "count":
            scope.names[target] = "ni"
            return [f"{indent}{target} = np.sum({name}[{key}] > {limit})"]
        scope.names[target] = "nf"
        if form == "dot":
            return [f"{indent}{target} = np.tanh(np.dot({name}[{key}], {name}[{key}]))"]
        return [f"{indent}{target} = np.tanh(np.sum({name}[{key}]))"]
