"""The runbooks' commands, run as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "runbooks.md").read_text()
BOOKS = {
    part.splitlines()[0]: re.findall(r"^```sh\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    for part in TEXT.split("\n## ")[1:]
}


@pytest.fixture
def folder(tmp_path):
    """Give a folder that looks like the project's, with a `work/` of its own."""
    for path in ROOT.iterdir():
        if not path.name.startswith("."):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "work").mkdir()
    return tmp_path


@pytest.mark.parametrize("book", BOOKS)
def test_each_block_runs_as_written(book, folder):
    assert BOOKS[book]
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for block in BOOKS[book]:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
