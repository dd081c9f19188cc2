"""Which partitions passed a check, remembered by what their files were then.

A verdict is not asked again while the files are the same, and nothing hangs on it: without
this memory, or with Dagster's history of checks deleted, everything is looked at once more.
Only passing is remembered, so what failed is looked at every time until it is mended.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import streaming.lake
from streaming.errors import LakeError
from streaming.lake import atomic_file, sweep
from streaming.runtimes.backtest.sources import sources_digest

_JUDGES = (Path(__file__).parent / "checks", Path(streaming.lake.__file__).parent)


class Verdicts:
    """What passed one check.

    Parameters
    ----------
    folder
        `Folders.verdicts`.
    name
        Of the check.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.json"

    def unknown(self, files: Mapping[str, Iterable[Path]]) -> dict[str, str]:
        """Give the partitions that are not known to be good as they are.

        Parameters
        ----------
        files
            By partition, the files that the check looks at.

        Returns
        -------
        dict
            By partition, what `passed` is to be told once it is good: how its files were
            before anybody looked at them.
        """
        known = self._read()
        now = {key: _fingerprint(paths) for key, paths in files.items()}
        return {key: one for key, one in now.items() if known.get(key) != one}

    def passed(self, found: Mapping[str, str], failed: Collection[str] = ()) -> None:
        """Remember partitions that are good, and forget those that failed."""
        if not found and not failed:
            return
        kept = {key: one for key, one in self._read().items() if key not in failed}
        sweep(self._path.parent)
        # A disk that refuses costs time at the next look, and that is all.
        with suppress(LakeError), atomic_file(self._path) as partial:
            partial.write_text(json.dumps(kept | dict(found), indent=0) + "\n", encoding="utf-8")

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _fingerprint(paths: Iterable[Path]) -> str:
    """Give what changes whenever a file is written, replaced, lost or added; or the rules."""
    digest = hashlib.blake2b(_rules().encode(), digest_size=16)
    for path in paths:
        try:
            stat = os.stat(path)  # noqa: PTH116  # many files, and no Path is made for each
            # The time of the change of the inode cannot be set back.
            facts = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        except OSError:
            facts = (-1, 0, 0, 0)
        digest.update(f"{path}{facts}".encode())
    return digest.hexdigest()


@cache
def _rules() -> str:
    """Give the digest of the code that judges."""
    digest = hashlib.blake2b(sources_digest().encode(), digest_size=16)
    for folder in _JUDGES:
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
