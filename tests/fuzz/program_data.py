"""Data of random programs: records, lists and dicts that change, Python's integers, random draws."""

from __future__ import annotations

from program_expressions import Array, part, small
from program_functions import Functions

DATA = ("record", "records", "list", "bits", "draw", "draw")

RECORDS = (
    """class {name}(typing.NamedTuple):
    value: float
    data: np.ndarray
    count: int = 0

    def moved(self, h):
        return {name}(np.tanh(self.value + {gain} * h), self.data * 0.5, self.count + 1)


""",
    """@dataclasses.dataclass
class {name}:
    value: float
    data: np.ndarray
    count: int = 0

    def moved(self, h):
        self.data[0] = h
        self.count += 1
        return {name}(np.sin(self.value) * {gain} + h, self.data.copy(), self.count)


""",
    """@dataclasses.dataclass(frozen=True)
class {name}:
    value: float
    data: np.ndarray
    count: int = 0

    def moved(self, h):
        return dataclasses.replace(self, value=np.tanh(self.value * {gain} - h), data=self.data + h)

    def __add__(self, other):
        return {name}(np.tanh(self.value + other), self.data, self.count)


""",
)

# of a Python int k
BITS = ("({k} * 1103515245 + 12345) % 2147483648", "({k}) ^ (({k}) >> 1)", "divmod({k}, 5)[0]", "pow({k}, 2, 7)",
        "(({k}) & 6) | 1", "({k}) // 3", "({k}) ** 3", "abs({k}).bit_length()", "~({k})", "({k}) << 2", "-({k}) % 5",
        "round(({k}) / 2)", "int(({k}) * 0.7)", "sum(range(({k}) % 5))", "len(range({k}))")


class Data(Functions):
    """Writes statements about data."""

    def record_class(self):
        """(name, whether it can be written to)"""
        if not self.records or self.s.chance(30):
            name, form = self.new("Record"), self.s.integer(0, len(RECORDS) - 1)
            self.head.append(RECORDS[form].format(name=name, gain=self.gain()))
            self.records.append((name, form))
        return self.s.choice(self.records)

    def s_record(self, scope, indent):
        """A record that is made, and made anew by its method."""
        s = self.s
        lines = self.vectors(scope)
        if not lines or scope.depth > 2:
            return None
        (cls, form), name = self.record_class(), self.new("rec")
        data = s.choice(lines) + s.choice(["", ".copy()"])
        given, h = (f"np.float64({small(*self.float(scope, 1))})" for _ in range(2))
        made = [f"{indent}{name} = {cls}({given}, {data})"]
        if s.chance(60):
            made += [f"{indent}for {self.new('z')} in range({s.integer(1, 6)}):", f"{indent}    {name} = {name}.moved({h})"]
            made += [f"{indent}    if {name}.value > 0.4:", f"{indent}        break"] * s.chance(30)
        if form == 2 and s.chance(40):
            made.append(f"{indent}{name} = {name} + 0.5")
        if form == 0 and s.chance(40):
            made.append(f"{indent}{name} = {name}._replace(value={h})")
        found = self.new("s")
        scope.names[found] = "nf"
        if form == 1:
            scope.names[name] = {"form": "object", "keys": ["value"], "kinds": ["f"]}
        return [*made, f"{indent}{found} = {name}.value * 0.5 + {name}.data[0] * ({name}.count + 1)"]

    def s_records(self, scope, indent):
        """A list of records, or of tuples, in a loop."""
        s = self.s
        lines = self.vectors(scope)
        if not lines:
            return None
        (cls, _), name, found, item = self.record_class(), self.new("recs"), self.new("s"), self.new("r")
        over, given = s.choice(lines), f"np.float64({small(*self.float(scope, 1))})"
        scope.names[found] = "f"
        made = s.choice([f"[{cls}(e, {over}) for e in {over}]",
                         f"[{cls}({given}, {over}), {cls}(np.float64(0.25), {over} * 0.5)]",
                         f"{{k: {cls}({given} * k, {over}.copy()) for k in range(2)}}"])
        values = f"{name}.values()" if made[0] == "{" else name
        body = s.choice([f"{found} = np.tanh({found} + {item}.value * {item}.data[-1])",
                         f"{found} = {found} * 0.5 + {item}.moved(0.3).value"])
        return [f"{indent}{name} = {made}", f"{indent}{found} = 0.0", f"{indent}for {item} in {values}:", f"{indent}    {body}"]

    def s_list(self, scope, indent):
        """Methods of lists and dicts; the length afterwards is that before."""
        s = self.s
        boxes = [n for n, w in scope.names.items()
                 if isinstance(w, dict) and w["form"] in ("list", "dict") and n not in scope.fixed]
        if not boxes:
            return None
        name, found, given = s.choice(boxes), self.new("s"), small(*self.float(scope, 1))
        what = scope.names[name]
        scope.names[found] = "f"
        if what["form"] == "list":
            forms = [[f"{name}.append({given})", f"{found} = {name}.pop({s.choice(['0', '-1', ''])})"],
                     [f"{name}.insert(0, {given})", f"{found} = {name}.pop()"], [f"{name}.reverse()", f"{found} = {name}[0]"],
                     [f"{name}[:1] = [{given}]", f"{found} = {name}[-1]"], [f"{name} = {name}[::-1]", f"{found} = sum({name})"],
                     [f"{name} = [*{name}[1:], {given}]", f"{found} = {name}[0] * 0.5"],
                     [f"{found} = max({name}) - min({name})"], [f"{name} = sorted({name})", f"{found} = {name}[0]"]]
        else:
            key = what["keys"][0]
            forms = [[f"{name}.update({key}={given})", f"{found} = sum({name}.values())"],
                     [f"{found} = {name}.get('absent', {given}) + {name}{part(what, key)}"],
                     [f"{found} = {name}.pop({key!r})", f"{name}[{key!r}] = {given}"],
                     [f"{name} = {name} | {{{key!r}: {given}}}", f"{found} = {name}[{key!r}]"],
                     [f"{found} = sum(len(key) * item for key, item in {name}.items())"],
                     [f"{found} = {name}.setdefault({key!r}, 1.0) * 0.5"]]
        return [indent + line for line in s.choice(forms)]

    def s_bits(self, scope, indent):
        """Python's integers: bits, powers, remainders."""
        s = self.s
        names = self.numbers(scope, "pi")
        k = s.choice(names) if names else str(s.integer(-3, 5))
        text = s.choice(BITS).replace("{k}", k)
        if s.chance(40):
            text = s.choice(BITS[1:]).replace("{k}", f"({text}) % 11")
        name = self.new("k")
        scope.names[name] = "pi"
        return [f"{indent}{name} = ({text}) % {s.integer(2, 9)}"]

    # --- random draws ----------------------------------------------------------------------------------------------------

    def s_draw(self, scope, indent):
        """Numbers of a generator of fixed seed."""
        s = self.s
        rngs = self.numbers(scope, "rng")
        head = []
        if not rngs:
            rngs = [self.new("rng")]
            scope.names[rngs[0]] = "rng"
            scope.fixed.add(rngs[0])
            head = [f"{indent}{rngs[0]} = np.random.default_rng({s.integer(0, 99)})"]
        rng, found, given = rngs[0], self.new("s"), small(*self.float(scope, 1))
        lines = self.vectors(scope)
        forms = ["number", "number", "int"] + ["array", "array", "item"] * bool(lines)
        form = s.choice(forms)
        if form == "int":
            scope.names[found] = "ni"
            return [*head, f"{indent}{found} = {rng}.integers(0, {s.integer(1, 4)})"]
        if form in ("number", "item"):
            scope.names[found] = "f"
            text = s.choice(["normal()", "random()", f"normal({given}, 0.5)", f"uniform(-1.0, 1.5 + {given})",
                             f"exponential(1.5 + {given})"]) if form == "number" else f"choice({s.choice(lines)})"
            return [*head, f"{indent}{found} = {rng}.{text} * 0.5"]
        array = s.choice(lines)
        what, name = scope.names[array], self.new("a")
        if s.chance(20):
            return [*head, f"{indent}{rng}.shuffle({array})"]
        scope.names[name] = Array("float64", what.shape)
        text = s.choice([f"standard_normal({what.shape[0]})", f"normal({array}, 0.25)", f"permutation({array})",
                         f"uniform(-1.0, 1.0, size={what.shape[0]})", f"normal({given}, 1.0, len({array}))"])
        return [*head, f"{indent}{name} = {rng}.{text}"]
