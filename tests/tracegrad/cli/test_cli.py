"""The command line: every stage prints, and what is wrong is said in a line or two, with the exit code that fits."""
import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from tracegrad.ir.errors import IRError
from tracegrad.ir.transforms import pipeline
from tracegrad.lowering.loopir.passes import pipeline as loop_passes

import tracegrad as tg
from tracegrad.cli import main, parser_of_command
from tracegrad.cli.arguments import parse_args
from tracegrad.cli.load import UsageError
from tracegrad.programs.lowered import STAGES

PROGRAM = '''
import numpy as np
import tracegrad as tg

print("imported")
COUNT = 3


def loss(features, label, weight):
    score = features @ weight
    return np.mean(np.logaddexp(0.0, score) - label * score)


def modes(x, *, mode="double"):
    return x * 2.0 if mode == "double" else x + 1.0


def bad_shapes(x, y):
    return x * y


def key_error(x):
    return {}["k"] * x


def generator(x):
    yield x


class Model:
    scale = 3.0

    def value(self, x):
        return self.scale * x

    @staticmethod
    def twice(x):
        return 2.0 * x


model = Model()
slope = tg.grad(lambda x: np.sum(x**2))
'''
LOSS = "f64[100,3], f64[100], f64[3]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("programs")
    (path / "model.py").write_text(PROGRAM)
    (path / "numpy.py").write_text("def f(x):\n    return x * 2.0\n")
    (path / "raises.py").write_text("import numpy\n\nraise ValueError('no luck')\n")
    (path / "exits.py").write_text("import sys\n\nsys.exit(3)\n")
    (path / "syntax.py").write_text("def f(x:\n    return x\n")
    (path / "zeros.py").write_bytes(b"def f(x):\n    return x\0\n")
    (path / "latin.py").write_bytes(b"def f(x):\n    return 'caf\xe9'\n")
    return path


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """The command leaves the folder of the file in sys.path."""
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def run(folder, capsys):
    """run(target, options…) -> (exit code, stdout, stderr)."""

    def call(target, *options):
        try:
            code = main(["ir", f"{folder}/{target}", *options])
        except SystemExit as leave:                   # argparse
            code = leave.code
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return code, shown.out, shown.err

    return call


@pytest.mark.parametrize("stage, contains", [
    ("traced", "%0 = dot %features, %weight"), ("optimized", "func @loss(%features: f64[100, 3]"), ("jvp", "%weight_dot"),
    ("vjp", "%weight_bar = dot"), ("schedule", "# computed where it is read"),
    ("loops", "kernel loss(in $features"), ("llvm", "define"), ("asm", ".text"),
])
def test_each_stage_is_printed(run, stage, contains):
    code, out, err = run("model.py:loss", "--args", LOSS, "--stage", stage)
    assert code == 0 and contains in out and err == "imported\n"
    assert "\x1b[" not in out                         # no terminal


def test_the_stages_are_those_of_the_issue():
    assert STAGES == ("traced", "optimized", "jvp", "vjp", "schedule", "loops", "llvm", "asm")


@pytest.mark.parametrize("stage", ["traced", "optimized", "jvp", "vjp", "loops"])
def test_the_users_lines_stand_in_the_margin(run, stage):
    lines = (
        "# model.py:10  score = features @ weight",
        "# model.py:11  return np.mean(np.logaddexp(0.0, score) - label * score)",
    )
    _, out, _ = run("model.py:loss", "--args", LOSS, "--stage", stage)
    assert all(line in out for line in lines)
    _, bare, _ = run("model.py:loss", "--args", LOSS, "--stage", stage, "--no-margin")
    assert "#" not in bare
    assert re.sub(r" *# model.*", "", out) == bare


@pytest.mark.parametrize("stage", STAGES)
def test_colour(run, stage):
    _, plain, _ = run("model.py:loss", "--args", LOSS, "--stage", stage, "--color", "never")
    _, coloured, _ = run("model.py:loss", "--args", LOSS, "--stage", stage, "--color", "always")
    assert "\x1b[" in coloured and "\x1b[" not in plain
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_the_same_text_from_python(folder, run):
    _, out, _ = run("model.py:slope", "--args", "f64[4]", "--stage", "optimized", "--no-margin")
    text = tg.grad(lambda x: np.sum(x**2)).lower(np.ones(4)).text("optimized")
    assert out == text


@pytest.mark.parametrize(
    "target, args, contains",
    [
        ("model.value", "f64[2]", "mul %x, 3.0"),
        ("Model.twice", "f64[2]", "mul %x, 2.0"),
        ("modes", "f64[2], mode='other'", "add %x, 1.0"),
        ("modes", "f64", "mul %x, 2.0"),
        ("slope", "f64[3]", "@lambda__grad"),
    ],
)
def test_what_can_be_named(run, target, args, contains):
    code, out, _ = run(f"model.py:{target}", "--args", args)
    assert code == 0 and contains in out


def test_a_file_may_have_the_name_of_a_module(run):
    code, out, _ = run("numpy.py:f", "--args", "f64[2]")
    assert code == 0 and "mul %x, 2.0" in out
    assert np.__name__ == "numpy" and np.ones


@pytest.mark.parametrize(
    "target, options, code, message",
    [
        ("missing.py:f", (), 2, "there is no file"),
        ("model.py", (), 2, "does not name a function; write FILE.py:FUNCTION"),
        ("model.py:", (), 2, "does not name a function"),
        (
            "model.py:nothing",
            (),
            2,
            "has no 'nothing'; use one of Model, bad_shapes, generator, key_error, loss, modes, slope",
        ),
        ("model.py:COUNT", (), 2, "COUNT in {folder}/model.py is no function, but of type int"),
        (
            "model.py:loss",
            ("--args", "f64[3, f64"),
            2,
            "--args 'f64[3, f64' cannot be read: '[' was never closed; write types",
        ),
        (
            "model.py:loss",
            ("--args", "f64[n]"),
            2,
            "--args 'f64[n]' cannot be read: the length 'n' of 'f64[n]' is no number; write one, as in f64[100]",
        ),
        ("model.py:loss", ("--args", "f64[]"), 2, "'f64[]' has no lengths; a NumPy scalar is f64, an array of no axes f64[()]"),
        ("model.py:loss", ("--args", "f64[-1]"), 2, "has a length that is no whole number of at least 0"),
        ("model.py:loss", ("--stage", "assembler"), 2, "there is no stage 'assembler'"),
        (
            "raises.py:f",
            (),
            1,
            "tracegrad ir: {folder}/raises.py cannot be imported: ValueError: no luck (line 3: raise ValueError('no luck'))",
        ),
        ("zeros.py:f", (), 1, "zeros.py cannot be imported: SyntaxError: source code string cannot contain null bytes\n"),
        ("latin.py:f", (), 1, "latin.py cannot be imported: SyntaxError: (unicode error) 'utf-8' codec can't decode byte"),
        ("exits.py:f", (), 1, "exits.py cannot be imported: SystemExit: 3"),
        (
            "syntax.py:f",
            (),
            1,
            "syntax.py cannot be imported: SyntaxError: '(' was never closed ({folder}/syntax.py, line 1: def f(x:)\n",
        ),
        (
            "model.py:loss",
            ("--args", "f64[100,3], f64[100]"),
            2,
            "--args does not fit loss(features, label, weight): missing a required argument: 'weight'; ",
        ),
        (
            "model.py:bad_shapes",
            ("--args", "f64[3], f64[4]"),
            1,
            "ShapeError: operands could not be broadcast together with shapes (3,) (4,)\n"
            '  File "{folder}/model.py", line 19, in bad_shapes\n'
            "    return x * y\n           ^^^^^",
        ),
        (
            "model.py:key_error",
            ("--args", "f64"),
            1,
            "raised KeyError: 'k' ({folder}/model.py, line 23: return {{}}[\"k\"] * x)",
        ),
        ("model.py:generator", ("--args", "f64"), 1, "UnsupportedError: a generator cannot be returned"),
        ("model.py:slope", ("--args", "i64[3]"), 1, "DTypeError: argument x is of dtype int64: there is no derivative"),
    ],
)
def test_what_is_wrong_is_said(run, folder, target, options, code, message):
    found, out, err = run(target, *options)
    assert found == code and out == ""
    assert message.format(folder=folder) in err
    if code == 2:
        assert err.count("\n") == 1 + err.startswith("imported\n"), "wrong usage is said in one line"


def test_wrong_usage_of_the_command_itself(capsys):
    for argv in ([], ["ir"], ["nothing"]):
        with pytest.raises(SystemExit) as leave:
            main(argv)
        assert leave.value.code == 2
        err = capsys.readouterr().err
        assert err.startswith("tracegrad") and err.endswith(" --help\n") and err.count("\n") == 1


@pytest.mark.parametrize("text", ["-1.5,2.0", "-inf, 2.0", "-(1.0), 2.0"])
def test_a_text_that_starts_with_a_minus_is_no_option(text):
    assert parse_args(parser_of_command().parse_args(["ir", "FILE.py:f", "--args", text, "--of", "grad"]).args)[0][1] == 2.0


def test_args():
    args, kwargs = parse_args(
        "f64[2,3], f32, {'a': i8[0], 'b': [c128, int]}, float, complex, 'text', None, True, 3, k=(bool, bool[2])"
    )
    matrix, single, nested, *rest = args
    assert matrix.shape == (2, 3) and matrix.dtype == np.float64 and type(single) is np.float32
    assert nested["a"].shape == (0,) and nested["a"].dtype == np.int8 and type(nested["b"][0]) is np.complex128
    assert (
        type(nested["b"][1]) is int and [type(x) for x in rest[:2]] == [float, complex] and rest[2:] == ["text", None, True, 3]
    )
    assert type(kwargs["k"][0]) is np.bool_ and kwargs["k"][1].dtype == bool
    assert type(parse_args("f64")[0][0]) is np.float64 and parse_args("f64[()]")[0][0].shape == ()
    assert parse_args("") == ((), {}) and parse_args("float64[1]")[0][0].dtype == np.float64
    with pytest.raises(UsageError):
        parse_args("__import__('os')")


@pytest.mark.parametrize(
    "command", [["-m", "tracegrad"], ["-c", "import sys; from tracegrad.cli import main; sys.exit(main())"]]
)
def test_as_a_process(folder, command):
    """`python -m tracegrad`, the exit code, and a reader that goes away."""
    done = subprocess.run(
        [sys.executable, *command, "ir", f"{folder}/model.py:modes", "--args", "f64[2]"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stdout.startswith("func @modes(%x: f64[2]) -> f64[2] {")
    read, write = os.pipe()
    os.close(read)
    gone = subprocess.run([sys.executable, *command, "ir", f"{folder}/model.py:modes", "--args", "f64[2]"], stdout=write,
                          stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert gone.returncode == 0 and gone.stderr == "imported\n"


def test_a_file_of_a_package(tmp_path, capsys):
    package = tmp_path / "package_of_a"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("def twice(x):\n    return x * 2.0\n")
    (package / "user.py").write_text("from .base import twice\n\n\ndef f(x):\n    return twice(x) + 1.0\n")
    assert main(["ir", f"{package}/user.py:f", "--args", "f64[2]"]) == 0
    assert "# user.py:5  return twice(x) + 1.0" in capsys.readouterr().out


def test_imports_of_the_file_work(tmp_path, capsys):
    (tmp_path / "helper_of_a.py").write_text("def twice(x):\n    return x * 2.0\n")
    (tmp_path / "a.py").write_text(textwrap.dedent("""
        def f(x):
            import helper_of_a
            return helper_of_a.twice(x)
    """))
    assert main(["ir", f"{tmp_path}/a.py:f", "--args", "f64[2]"]) == 0
    assert "mul %x, 2.0" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name, _ in (*pipeline.PASSES, *loop_passes.PASSES)])
def test_each_pass_can_be_printed_by_name(name):
    text = tg.jit(lambda x, y: np.sum(np.where(x > y, x, y))).lower(np.ones(5), 2.0).text(f"after:{name}")
    assert text.startswith(("func", "kernel"))


def test_a_finding_names_the_pass_and_the_line(monkeypatch):
    def spoil(kernel):
        kernel.body += kernel.body

    monkeypatch.setattr(loop_passes, "PASSES", (("spoiling", spoil),))
    with pytest.raises(IRError, match=r"after spoiling(.|\n)*test_cli.py"):
        tg.jit(lambda x: np.sin(x) * 2.0)(3.0)
