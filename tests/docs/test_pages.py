"""The generated pages are what docs/pages.py writes today, but for the last digits of numbers."""
import importlib.util
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs"


def pages():
    spec = importlib.util.spec_from_file_location("docs_pages", FOLDER / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PAGES


@pytest.mark.parametrize("page", sorted(pages()))
def test_a_generated_page_is_up_to_date(page):
    def rounded(text):
        return re.sub(r"\d+\.\d{6,}", lambda found: f"{float(found[0]):.5f}", text)

    assert rounded((FOLDER / page).read_text()) == rounded(pages()[page]()), f"docs/{page} is old: run python docs/pages.py"
