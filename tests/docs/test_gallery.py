"""Every program of the gallery runs, and what it asserts is so."""
import pathlib
import runpy
import warnings

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "examples" / "gallery"
PROGRAMS = sorted(FOLDER.glob("plot_*.py"))
# Beside these, scikit-learn's data and the gallery's own are all that a program reads.
NEEDED = ("matplotlib", "scipy", "sklearn")


@pytest.fixture(autouse=True)
def _no_window():
    """Pictures are drawn and thrown away."""
    matplotlib = pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        matplotlib.use("agg")
        yield
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem.removeprefix("plot_"))
def test_program(path):
    for name in NEEDED:
        pytest.importorskip(name)
    runpy.run_path(str(path))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem.removeprefix("plot_"))
def test_program_tells_what_it_is(path):
    """A title, the sentence on other tools, a source, cells, a check of the result, a picture."""
    text = path.read_text(encoding="utf-8")
    title, rule = text.splitlines()[1:3]
    assert set(rule) == {"="} and len(rule) == len(title)
    for part in ("\nElsewhere: ", "\n.. [1] ", "\n# %%\n", "\nassert ", "\nplt.show()\n"):
        assert part in text, f"{path.name} lacks {part.strip()!r}"
