"""Every program of the gallery runs, and what it asserts is so."""
import pathlib
import runpy
import warnings

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "examples" / "gallery"
PROGRAMS = sorted(FOLDER.glob("plot_*.py"))
NEEDED = ("matplotlib.pyplot", "scipy", "sklearn")


@pytest.mark.sweep(14)
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem.removeprefix("plot_"))
def test_program(path):
    """Pictures are drawn and thrown away."""
    pyplot, *_ = [pytest.importorskip(name) for name in NEEDED]
    pyplot.switch_backend("agg")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        runpy.run_path(str(path))
    pyplot.close("all")


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem.removeprefix("plot_"))
def test_program_tells_what_it_is(path):
    """A title, the sentence on other tools, a source, cells, a check of the result, a picture."""
    text = path.read_text(encoding="utf-8")
    title, rule = text.splitlines()[1:3]
    assert set(rule) == {"="} and len(rule) == len(title)
    for part in ("\nElsewhere: ", "\n.. [1] ", "\n# %%\n", "assert ", "\nplt.show()\n"):
        assert part in text, f"{path.name} lacks {part.strip()!r}"
