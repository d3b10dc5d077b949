"""`%%tg` in a real IPython shell: what it shows, and what it says where it cannot."""
import pytest

CELL = "\ndef energy(x, leak=0.5):\n    return np.sum(np.tanh(leak * x))\n"


@pytest.mark.parametrize(("options", "shown"), [
    ('--args "f64[3]" --stage loops', "kernel energy("),
    ('--args "f64[3], 2.0" --stage traced', "@energy(%x: f64[3], %leak: f64) -> f64"),
    ('--args "f32[2,3], leak=f32" --of grad --stage optimized', "@energy_grad(%x: f32[2, 3], %leak: f32) -> f32[2, 3]"),
    ('--args "f64[3], 2.0" --of grad --argnums 1 --stage optimized', ") -> f64 {"),
    ('--args "f64[3]" --of vjp --stage optimized', "# its pullback"),
    ('--args "f64[3]" --of jvp --stage loops', "kernel energy_jvp("),
    ('--args "f64[3]" --of hessian --stage asm', ".text"),
    ('--args "f64[3]" --stage llvm', "define"),
    ('--args "f64[3]" --stage after:licm', "func @energy"),
])
def test_the_stage_that_is_asked_for(cells, options, shown):
    printed = cells.printed(f"%%tg {options}{CELL}")
    assert shown in printed
    assert cells("energy(np.zeros(3))") == 0.0, "the cell has been run"


def test_the_users_lines_stand_beside(cells):
    assert "return np.sum" in cells.printed(f'%%tg --args "f64[3]" --stage loops{CELL}')
    assert "return np.sum" not in cells.printed(f'%%tg --args "f64[3]" --stage loops --no-margin{CELL}')


def test_source_ir_and_assembly_side_by_side(cells):
    cells(f'%%tg --args "f64[3]"{CELL}')
    formats, = [cells.shell.display_formatter.format(cells("tg.jit(energy).lower(np.ones(3))"))[0]]
    shown, = cells.displayed
    assert shown["text/plain"].startswith("func @energy(") and "return np.sum" in shown["text/plain"]
    assert "text/html" in cells.shell.display_formatter.formatters and formats["text/plain"].startswith("func @energy(")


def test_a_notebook_gets_html(cells, monkeypatch):
    monkeypatch.setattr(cells.shell.display_formatter, "active_types", ["text/plain", "text/html"])
    cells(f'%%tg --args "f64[3]" --of grad{CELL}')
    cells('%tg energy --args "f64[3000]" --stage report')
    side, report = (data["text/html"] for data in cells.displayed)
    assert all(f"<b>{title}</b>" in side for title in ("Source", "IR", "Assembly")) and "return np.sum(np.tanh" in side
    assert report.startswith("<iframe srcdoc=\"&lt;!doctype html") and report.count("<") == 2
    assert cells.displayed[1]["text/plain"].startswith("energy(x: f64[3000]")
    f = cells("f = tg.jit(energy)\nf(np.ones(3))\nf")
    assert "x: f64[3]" in cells.shell.display_formatter.format(f)[0]["text/html"]


def test_names_and_variables(cells):
    cells("y, n = np.ones((2, 7)), 4" + CELL)
    assert "%x: f64[2, 7]" in cells.printed('%tg energy --args "y" --stage traced')
    assert "%x: f64[4]" in cells.printed('%tg energy --args "f64[n]" --stage traced')
    several = '\ndef part(x):\n    return x\ndef whole(x):\n    return 2.0 * part(x)\n'
    printed = cells.printed(f'%%tg --args "float" --stage traced{several}')
    assert "# part\n" in printed and "# whole\n" in printed
    assert "# " not in cells.printed(f'%%tg whole --args "float" --stage traced --no-margin{several}')
    decorated = several.replace("def whole", "@tg.jit\ndef whole")
    printed = cells.printed(f'%%tg --args "float" --stage traced --no-margin{decorated}')
    assert "@whole" in printed and "@part" not in printed
    assert "@sin" not in cells.printed(f'%%tg --args "f64[3]" --stage traced\nfrom scipy.special import expit\n{CELL}energy')


@pytest.mark.parametrize(("line", "cell", "said"), [
    ("", CELL, "UsageError: energy(x, leak=0.5) needs arguments (describe a call by its types: --args \"f64[100]"),
    ("--stage machine", CELL, "there is no stage 'machine', only side, report, traced"),
    ("--stage", CELL, "expected one argument"),
    ("--fast", CELL, "unrecognized arguments: --fast"),
    ("--of curl", CELL, "invalid choice: 'curl'"),
    ('--args "f64[3', CELL, "No closing quotation"),
    ('--args "f64[3"', CELL, "cannot be read"),
    ('--args "zz"', CELL, "name 'zz' is not defined"),
    ('--args "f64[3]" --argnums x --of grad', CELL, "are no positions"),
    ('--args "f64[3]" --memory-budget much', CELL, "is no size"),
    ('--args "f64[3]" --stage report --of jvp', CELL, "report knows no jvp"),
    ("other", CELL, "there is no 'other' in this notebook"),
    ("np", CELL, "'np' is a module, not a function"),
    ("", "\nz = 1", "the cell defines no function"),
])
def test_wrong_usage_is_one_line(cells, line, cell, said):
    _, shown = cells.failed(f"%%tg {line}{cell}")
    assert said in shown and "Traceback" not in shown
    assert len(shown.splitlines()) == 1


def test_errors_of_the_function_have_its_line_and_no_traceback(cells):
    _, shown = cells.failed('%%tg --args "f64[3]"\ndef outside(x):\n    return x[5]')
    assert shown.startswith("BoundsError: index 5") and "return x[5]" in shown and "Traceback" not in shown
    _, shown = cells.failed('%%tg --args "f64[3]"\ndef own(x):\n    raise ValueError("mine")')
    assert "mine" in shown and "Traceback" not in shown
    _, shown = cells.failed('%%tg --args "f64[3]" --stage after:nothing\ndef f(x):\n    return x')
    assert "there is no pass 'nothing'" in shown


def test_a_cell_that_fails_shows_its_own_error(cells):
    _, shown = cells.failed('%%tg --args "f64[3]"\ndef f(x):\n    return x\n1 / 0')
    assert shown.count("ZeroDivisionError: division by zero") == 1 and "MagicError" not in shown and not cells.displayed
    _, shown = cells.failed("%tg")
    assert shown == "UsageError: %tg shows a function that is there already (name it: %tg NAME; or write %%tg above a cell)"
    assert "--argnums" in cells.printed("%tg --help")


def test_unloading(cells):
    cells("%unload_ext tracegrad")
    assert "tg" not in cells.shell.magics_manager.magics["cell"]
    cells("%load_ext tracegrad")
    assert "tg" in cells.shell.magics_manager.magics["line"]
