"""`tracegrad bench` and `tracegrad check`, the description of arguments, `--version` and the completion of shells."""
import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tracegrad.cli import COMMANDS, main
from tracegrad.cli.arguments import drawn, parse_args
from tracegrad.cli.load import UsageError
from tracegrad.programs.lowered import STAGES

PROGRAM = '''
import numpy as np
import tracegrad as tg


def smooth(x, n):
    total = 0.0
    for i in range(n):
        total += np.sin(x[i]) * x[i]
    return total


def doubled(x):
    x *= 2.0
    return np.sum(x)


def unclear(x):
    return np.sum(np.log(x - 1.0))


@tg.custom_jvp
def wrong(x):
    return np.sum(x**2)


@wrong.defjvp
def wrong_jvp(primals, tangents):
    return np.sum(primals[0] ** 2), np.sum(tangents[0])


def wrongly(x):
    return wrong(x)


def text(x):
    return {f"total of {type(x).__name__}"[:5]: x + len({"a": 1, 2: "b"})}


slope = tg.grad(smooth)


def raising(x):
    if x > 1.0:
        raise ValueError("too big")
    return x


def mixed(x, n, mode):
    return {"value": x * n * x, "n": n, "mode": mode}


def refused(x):
    async def later():
        return x
    return later
'''


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def call(command, function, *options):
        try:
            code = main([command, f"{tmp_path}/program.py:{function}", *options])
        except SystemExit as leave:
            code = leave.code
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return code, shown.out, shown.err

    return call


# --- check ------------------------------------------------------------------------------------------------------------

def test_check_holds_derivatives_of_two_orders(run):
    code, out, _ = run("check", "smooth", "--args", "f64[6], 6", "--order", "2")
    lines = out.splitlines()
    assert code == 0 and all(line.startswith("holds") for line in lines)
    assert [line for line in lines if "reverse" in line] == [
        f"holds  reverse derivatives against differences, order {order}" for order in (1, 2)]


def test_check_of_what_has_no_derivative_and_of_what_is_one(run):
    code, out, _ = run("check", "text", "--args", "i64[3]")
    assert code == 0 and "derivatives" not in out
    code, out, _ = run("check", "slope", "--args", "f64[3], 3")
    assert code == 0 and out.count("holds") == 4


def test_check_tells_a_wrong_rule(run):
    code, out, _ = run("check", "wrongly", "--args", "f64[3]")
    assert code == 1
    assert "FAILS  forward derivatives against differences, order 1" in out and "holds  value" in out


@pytest.mark.filterwarnings("ignore:invalid value")       # Python's own run
def test_check_names_the_line_that_makes_a_nan(run):
    code, out, _ = run("check", "unclear", "--args", "f64[3]")
    assert code == 1
    assert "FAILS  no NaN or infinity is made" in out and "np.log(x - 1.0)" in out


def test_check_of_strings_and_ints_beside_numbers(run):
    code, out, err = run("check", "mixed", "--args", "f64[2], 3, 'soft'", "--order", "2")
    assert code == 0 and out.count("holds") == 6, out + err


def test_check_says_a_refusal_once(run):
    code, out, err = run("check", "refused", "--args", "3.0")
    assert code == 1 and out == "" and err.count("asynchronous code cannot be compiled") == 1


@pytest.mark.parametrize("command", ["check", "bench"])
def test_an_error_of_compiled_code_is_said_in_one_line_with_its_place(run, command):
    code, out, err = run(command, "raising", "--args", "2.0")
    assert code == 1 and out == "" and err.count("\n") == 1
    assert "raising raised ValueError: too big (" in err and 'line 45: raise ValueError("too big"))' in err


@pytest.mark.parametrize("options, message", [
    (("--args", "f64[3], 3", "--order", "0"), "--order 0 is no order"),
    (("--args", "f64[3], n=3"), "check takes positional arguments only"),
    ((), "smooth(x, n) needs arguments"),
])
def test_wrong_usage_of_check(run, options, message):
    code, out, err = run("check", "smooth", *options)
    assert code == 2 and message in err and out == ""


# --- bench ------------------------------------------------------------------------------------------------------------

def test_bench_times_all_peers_that_take_the_function(run):
    code, out, _ = run("bench", "smooth", "--args", "f64[50], 50", "--seconds", "0.05", "--json")
    found = json.loads(out)
    assert code == 0 and found["difference"] == "" and found["notes"] == []
    assert [row["name"] for row in found["times"]] == ["tracegrad", "python", "numba"]
    assert all(0.0 < row["lower"] <= row["median"] <= row["upper"] for row in found["times"])


def test_bench_gives_written_arguments_anew(run):
    """Doubled at each call, the array would overflow within the thousands of calls of a sample."""
    code, out, _ = run("bench", "doubled", "--args", "f64[4]", "--seconds", "0.05")
    assert code == 0 and "tracegrad" in out and "numba" in out and "1.00x" in out


def test_bench_of_a_gradient_and_of_what_numba_refuses(run):
    code, out, _ = run("bench", "smooth", "--args", "f64[5], 5", "--seconds", "0.02", "--of", "grad")
    assert code == 0 and "value" in out and "no derivative to compare with" in out
    code, out, _ = run("bench", "text", "--args", "f64[5]", "--seconds", "0.02")
    assert code == 0 and "Numba does not take it" in out


def test_wrong_usage_of_bench(run):
    assert run("bench", "smooth", "--args", "f64[5], 5", "--of", "vjp")[0] == 2
    assert run("bench", "smooth", "--args", "f64[5], 5", "--seconds", "0")[0] == 2
    code, _, err = run("bench", "smooth", "--args", "f64[2], 5", "--seconds", "0.02")
    assert code == 1 and "BoundsError" in err


# --- the description of arguments -------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", [
    "__import__('os')", "(lambda: 1)()", "[x for x in (1, 2)]", "f64.__class__", "f64[-1]", "f64[True]", "f64[2.5]",
    "f64[i64]", "f64[3",
    "2 ** 10", "1 + 1", "f'{1}'", "**{}", "*(1, 2)", "a := 1", "x", "f64)(", "-'a'", "-True", "not 1", "1 if 1 else 2",
    "x[3]", "{**{}}",
    "[]" * 3, "(" * 300 + ")" * 300,
])
def test_only_types_and_literals_are_read(text):
    with pytest.raises(UsageError, match="cannot be read"):
        parse_args(text)


def test_literals():
    args, kwargs = parse_args("-1, +2.5, 1 - 2j, -(1j), {1, 2}, (), nan, -inf, k={'a': [f32[2]]}")
    assert args[:6] == (-1, 2.5, 1 - 2j, -1j, {1, 2}, ()) and np.isnan(args[6]) and args[7] == -np.inf
    assert kwargs["k"]["a"][0].dtype == np.float32


def test_drawn_arrays_are_repeatable_and_of_every_dtype():
    text = "f64[3], f32[2,2], c128[4], i8[5], u16[3], bool[6], f64[0], f64"
    first, again = parse_args(text, drawn(3))[0], parse_args(text, drawn(3))[0]
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(first, again, strict=True))
    assert [a.dtype.name for a in first] == ["float64", "float32", "complex128", "int8", "uint16", "bool", "float64", "float64"]
    assert first[0].min() >= 0.25 and first[0].max() <= 1.0 and first[3].min() >= 1 and isinstance(first[7], np.float64)


# --- the command itself -----------------------------------------------------------------------------------------------

def test_version(capsys):
    with pytest.raises(SystemExit) as leave:
        main(["--version"])
    written = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["version"]
    assert leave.value.code == 0 and capsys.readouterr().out == f"tracegrad {written}\n"


def test_every_help_text_has_an_example(capsys):
    for command in ([], *([name] for name in COMMANDS)):
        with pytest.raises(SystemExit) as leave:
            main([*command, "--help"])
        assert leave.value.code == 0
        assert f"    tracegrad {' '.join(command)}" in capsys.readouterr().out


def test_completion(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as leave:
        main(["--print-completion", "bash"])
    assert leave.value.code == 2 and "pip install shtab" in capsys.readouterr().err
    monkeypatch.undo()
    shtab = pytest.importorskip("shtab", reason="shtab is not installed: no shell completion to look at")
    for shell in shtab.SUPPORTED_SHELLS:
        with pytest.raises(SystemExit) as leave:
            main(["--print-completion", shell])
        assert leave.value.code == 0 and "bench" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--print-completion", "bash"])
    script = capsys.readouterr().out
    for line in ("ir_pos_0_COMPGEN=_shtab_compgen_files", "export___output_COMPGEN=_shtab_compgen_dirs",
                 "report___output_COMPGEN=_shtab_compgen_files", f"ir___stage_choices=({' '.join(STAGES)})"):
        assert line in script
    with pytest.raises(SystemExit) as leave:
        main(["--print-completion", "sh"])
    assert leave.value.code == 2 and "no completion for 'sh'" in capsys.readouterr().err
