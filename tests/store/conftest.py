"""Where the stores of these tests lie."""

import pytest


@pytest.fixture
def folder(memory_folder):
    """A folder whose disk is fast."""
    return memory_folder
