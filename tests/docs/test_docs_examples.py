"""Every Python block of these pages runs, one after the other, as a reader would type them."""
import pathlib

import pytest

import tracegrad as tg

FOLDER = pathlib.Path(__file__).parents[2] / "docs"
NO_PROGRAMS = {"contributing.md"}                # parts of files; test_contributing.py applies them
PAGES = [page for page in sorted(FOLDER.rglob("*.md"))
         if "```python\n" in page.read_text() and page.name not in NO_PROGRAMS and "_build" not in page.parts]


@pytest.mark.parametrize("way", ["compiled", pytest.param("evaluator", marks=pytest.mark.sweep(7))])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_run(page, way, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    parts = page.read_text().split("```")
    blocks = [part.split("\n", 1)[1] for part in parts[1::2] if part.startswith("python\n")]
    assert blocks
    # functions need a file that their source can be read from
    path = tmp_path / f"{page.stem}.py"
    path.write_text("\n\n".join(blocks))
    if way == "evaluator" and "compiled-only" in page.read_text():
        pytest.skip("the page shows errors of compiling, which Python's own run of the programs does not have")
    with tg.config(disable_jit=way == "evaluator"):
        exec(compile(path.read_text(), path, "exec"), {"__name__": page.stem})
