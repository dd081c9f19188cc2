"""Which run each partition stands for.

A run is made once for all that defines it, so a partition is a small record in the data
folder that names one: `partitions/<asset>/<key>.json`, replaced in one step. Runs with other
parameters, or of older prices, stay in the lake under their own runIds.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from streaming.errors import LakeError, TradingError
from streaming.lake import Lake, atomic_file
from streaming.runtimes.runs import Run, find_run


@dataclass(frozen=True)
class Record:
    """What a partition holds.

    Attributes
    ----------
    month, strategy
        Its key; the strategy is "" where the asset has months alone.
    run_id
        The run; None: there are no prices up to its month, so there is nothing to run.
    code
        Version of the code that made it.
    """

    month: str
    strategy: str
    run_id: str | None
    code: str

    @property
    def key(self) -> str:
        """The partition's key: 2024-02|ema_cross, or 2024-02."""
        return f"{self.month}|{self.strategy}" if self.strategy else self.month


class Records:
    """The records of one asset.

    Parameters
    ----------
    folder
        `Folders.partitions`.
    asset
        The asset's name.
    """

    def __init__(self, folder: Path, asset: str) -> None:
        self._folder = folder / asset

    def put(self, record: Record) -> None:
        """Say what a partition stands for from now on."""
        with atomic_file(self._path(record.month, record.strategy)) as partial:
            partial.write_text(json.dumps(asdict(record)) + "\n", encoding="utf-8")

    def get(self, month: str, strategy: str = "") -> Record | None:
        """Give a partition's record, None where it was never materialised."""
        path = self._path(month, strategy)
        return self._read(path) if path.exists() else None

    def all(self) -> list[Record]:
        """Give all records, by month, then strategy."""
        return [self._read(path) for path in sorted(self._folder.glob("*.json"))]

    def _path(self, month: str, strategy: str) -> Path:
        return self._folder / (f"{month}.{strategy}.json" if strategy else f"{month}.json")

    def _read(self, path: Path) -> Record:
        try:
            return Record(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise LakeError(
                f"{path}: is damaged ({error}). Delete it and materialise that partition again."
            ) from error


def run_of(lake: Lake, record: Record) -> Run | None:
    """Give the run that a partition stands for; None: it has no prices.

    Raises
    ------
    LakeError
        If the run is not there or is damaged; says what to do.
    """
    if record.run_id is None:
        return None
    try:
        return find_run(lake, record.run_id)
    except TradingError as error:
        raise LakeError(f"{error} Materialise that partition again.") from error
