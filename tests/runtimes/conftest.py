"""What these tests share."""

import pytest

from streaming.lake import atomic


@pytest.fixture(autouse=True)
def no_flushing(monkeypatch):
    """Nobody pulls the plug here, and waiting for the disk is most of a small run's time."""
    monkeypatch.setattr(atomic, "_flush", lambda path: None)
