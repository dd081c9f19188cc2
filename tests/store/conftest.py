"""Where the stores of these tests lie."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")


@pytest.fixture
def folder(tmp_path):
    """A folder in memory where there is one: what counts here is not the disk's speed."""
    if not os.access(_MEMORY, os.W_OK):
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(dir=_MEMORY, prefix="store-tests-"))
    yield made
    shutil.rmtree(made)
