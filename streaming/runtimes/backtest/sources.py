"""The version of all code that decides what a run's rows are."""

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[2]
_SOURCES = ("contracts", "rules", "jobs", "runtimes/backtest")


@cache
def sources_digest() -> str:
    """Give the digest of all sources that decide what a run's rows are."""
    digest = hashlib.blake2b(digest_size=16)
    for part in _SOURCES:
        for path in sorted((_PACKAGE / part).rglob("*.py")):
            digest.update(str(path.relative_to(_PACKAGE)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
