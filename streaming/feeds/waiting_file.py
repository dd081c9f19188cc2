"""A price file that is read and checked to its end, and waits by day on the lake's disk."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import ContractError, SourceError
from streaming.feeds.bar_files import read_bar_file
from streaming.feeds.raw_rows import line_rows
from streaming.feeds.reading import Reading
from streaming.feeds.spool import PriceSpool, QuarantineSpool
from streaming.feeds.tabular import digest_of
from streaming.jobs.prices import check_prices

_EXAMPLES = 5


class Reason(NamedTuple):
    """Why one row was refused."""

    row: int
    reason: str


class WaitingFile:
    """A file that is read and checked, and not yet merged.

    Parameters
    ----------
    path
        The file.
    folder
        Where its rows wait; it is made, and removed by whoever is done with them.

    Attributes
    ----------
    key : str
        What stands for its name and content.
    prices, quarantine
        Its rows.
    read : int
        How many they are.
    reasons : list of Reason
        Why the first few were refused.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.key = digest_of(path)
        self.folder = folder
        folder.mkdir()
        self.prices = PriceSpool(folder, path.name)
        self.quarantine = QuarantineSpool(folder)
        self.read = 0
        self.reasons: list[Reason] = []

    def read_through(
        self,
        reading: Reading,
        symbols: Collection[str] | None,
        now: int,
        tell: Callable[[float], None],
    ) -> None:
        """Read and check the file to its end."""
        for batch in read_bar_file(self.path, reading):
            self.read += batch.rows.num_rows + len(batch.refused)
            try:
                checked = check_prices(
                    batch.rows,
                    self.path.name,
                    batch.number,
                    now=now,
                    problems=batch.problems,
                    symbols=symbols,
                )
            except ContractError as error:
                # A column whose type as a whole holds no such values.
                raise SourceError(f"{self.path}: {error}") from error
            self.prices.add(checked.good)
            self.refuse(checked.quarantine)
            self.refuse(line_rows(PRICE_1M_HISTORY, self.path.name, batch.refused))
            tell(batch.done)
        if self.read == 0:
            raise SourceError(f"{self.path}: has columns but no rows.")

    def refuse(self, rows: pa.Table) -> None:
        """Keep refused rows, and the reasons of the first few."""
        self.quarantine.add(rows)
        fresh = rows.select(["rowNumber", "reason"]).slice(0, _EXAMPLES).to_pylist()
        reasons = [*self.reasons, *(Reason(row["rowNumber"], row["reason"]) for row in fresh)]
        self.reasons = sorted(reasons)[:_EXAMPLES]
