"""The generated pages are what docs/pages writes today, but for the last digits of numbers."""
import re
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pages():
    sys.path.insert(0, str(FOLDER / "pages"))
    try:
        return runpy.run_path(str(FOLDER / "pages" / "__main__.py"), run_name="pages")["PAGES"]
    finally:
        sys.path.remove(str(FOLDER / "pages"))


@pytest.mark.parametrize("page", ["errors.md", "supported_functions.md"])
def test_a_generated_page_is_up_to_date(page, pages):
    def rounded(text):
        return re.sub(r"\d+\.\d{6,}", lambda found: f"{float(found[0]):.5f}", text)

    assert rounded((FOLDER / page).read_text()) == rounded(pages[page]()), f"docs/{page} is old: run python docs/pages"


def test_every_page_that_says_so_is_generated(pages):
    assert set(pages) == {path.name for path in FOLDER.glob("*.md") if "docs/pages" in path.read_text()[:300]}
