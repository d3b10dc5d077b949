"""Writes the pages that are generated: `python docs/pages`. A test holds them against what this would write."""
from __future__ import annotations

from pathlib import Path

import errors_page
import functions_page

FOLDER = Path(__file__).resolve().parents[1]
PAGES = {"errors.md": errors_page.page, "supported_functions.md": functions_page.page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(f"docs/{name}")
