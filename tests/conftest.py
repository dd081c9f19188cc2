"""What tests of every kind share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_bars_folder() -> Path:
    """The folder of real bars beside the project; they may not be copied into it."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"NO REAL BARS: {folder} is not there, so nothing is tested on real data")
    return folder
