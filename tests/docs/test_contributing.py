"""The worked examples of docs/contributing.md, applied to a copy of the sources exactly as they stand there."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FOLDERS = ("tracegrad", "ir", "tracer", "autodiff", "lowering")
CHAPTER = (ROOT / "docs" / "contributing.md").read_text().split("## What a change costs")[1]
EXAMPLES = dict(part.split("\n", 1) for part in CHAPTER.split("\n### ")[1:])
STEP = re.compile(r"(Append to|New file|Replace in|Then) `?([^`:\n]*)`?:?(?: `([^`]+)` by)?[^\n]*\n\n"
                  r"```python[^\n]*\n(.*?)```", re.S)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_works_as_it_stands(name, tmp_path):
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
        if folder != "tracegrad":                                    # as it is installed: the parts below the face
            (tmp_path / "tracegrad" / folder).symlink_to(tmp_path / folder)
    steps = STEP.findall(EXAMPLES[name])
    assert [what for what, *_ in steps][-1] == "Then" and len(steps) > 1
    for what, place, old, code in steps[:-1]:
        path = tmp_path / place
        if what == "New file":
            assert not path.exists()
            path.write_text(code)
        elif what == "Append to":
            path.write_text(path.read_text() + "\n\n" + code)
        else:
            text = path.read_text()
            assert text.count(old) == 1
            path.write_text(text.replace(old, code.rstrip("\n")))
    script = tmp_path / "example.py"
    script.write_text(steps[-1][-1])
    places = (tmp_path, ROOT / "tests" / "support")
    subprocess.run([sys.executable, script], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))})


@pytest.mark.parametrize("question, link", re.findall(r"^\| ([^|]*\?) \| \[[^]]*\]\(([^)]*)\)",
                                                      (ROOT / "docs" / "contributing.md").read_text(), re.M))
def test_questions_lead_to_files(question, link):
    assert (ROOT / "docs" / link).resolve().is_file()
