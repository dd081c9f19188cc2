"""Publish to the engine from a process that does not hold the lease: scores, weights and halts.

Some tables are written by others than the engine, which only reads them: they need no lease.
All of a publication becomes true in one transaction, for which the writer waits; it counts as no
commit of the engine, and touches nothing that the engine writes. Who published last, and what,
stands among the positions under the publisher's own name.
"""

from collections.abc import Sequence
from pathlib import Path

from streaming.contracts import (
    STRATEGY_PERF_LATEST,
    STRATEGY_WEIGHTS_LATEST,
    TRADING_HALTS_LATEST,
)
from streaming.errors import StoreError
from streaming.store.commit import Change, Commit, Plan
from streaming.store.connection import At, connect_writer, nothing, store_errors, transaction
from streaming.store.schema import check

PUBLISHED = (STRATEGY_PERF_LATEST, STRATEGY_WEIGHTS_LATEST, TRADING_HALTS_LATEST)
"""Tables that the engine never writes."""


class StorePublisher:
    """Publishes to a store; may be open beside its writer, in any process.

    Parameters
    ----------
    path
        The store's file; it must be there.
    name
        The publisher's own, under which its last publication is kept.
    at
        Called with the name of every step before it is taken: for tests, which raise from it.

    Raises
    ------
    StoreError
        If there is no store, or it is of another format or contract version.
    StoreDamagedError
        If it is damaged, or no store.
    """

    def __init__(self, path: Path, *, name: str, at: At = nothing) -> None:
        if not path.exists():
            raise StoreError(f"{path}: there is no store to publish to. Start the engine first.")
        self.path = path
        self._name = f"published by {name}"
        self._at = at
        with store_errors(path):
            self._db = connect_writer(path)
            try:
                check(self._db, str(path))
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def publish(self, changes: Sequence[Change], what: str) -> dict[str, int]:
        """Make changes true at once, or nothing of them.

        Parameters
        ----------
        changes
            Of published tables alone, done in order.
        what
            What is published, such as the day that it is as of; see `last`.

        Returns
        -------
        dict of str to int
            For each table the offset that its next change will get.

        Raises
        ------
        ContractError
            Rows break their contract; the message names the table and the row.
        StoreError
            A table is the engine's own.
        """
        for change in changes:
            if change.table not in PUBLISHED:
                raise StoreError(
                    f"table {change.table.name}: only the engine that holds the lease writes it; "
                    f"published are {', '.join(table.name for table in PUBLISHED)}."
                )
        plan = Plan(Commit(changes, positions={self._name: what}))
        with store_errors(self.path, self._db), transaction(self._db, self._at, "publish"):
            touched = plan.write_tables(self._db, self._at)
            plan.write_positions(self._db, self._at)
        return touched

    def last(self) -> str | None:
        """Give what this publisher has published last; None: nothing."""
        with store_errors(self.path, self._db):
            found: str | None = self._db.execute(
                "SELECT position FROM store_positions WHERE source = ?", (self._name,)
            ).get
        return found
