"""The table store of the live engine: tables, job state and read positions in one atomic commit.

One SQLite file in WAL mode. `TableStore` is its only writer, `StoreReader` reads it from any
process, `StorePruner` lets a process without the lease say what it has read and drop what is
old, `StorePublisher` lets one publish scores and weights to the engine. Nothing else opens the
file: see `connection`.

Every change has an id for ever, its table and offset: the same input gives the same ids, also
when a commit is done again after a crash.
"""

from streaming.store.commit import Change, Commit, Committed, append, delete, upsert
from streaming.store.lease import Clock, Lease, Process
from streaming.store.prune import Pruned, StorePruner
from streaming.store.publish import PUBLISHED, StorePublisher
from streaming.store.reader import StoreReader
from streaming.store.store import LONG_LOG_BYTES, TableStore, log_bytes
from streaming.store.view import Changes, Offsets, Ticks, View

__all__ = [
    "LONG_LOG_BYTES",
    "PUBLISHED",
    "Change",
    "Changes",
    "Clock",
    "Commit",
    "Committed",
    "Lease",
    "Offsets",
    "Process",
    "Pruned",
    "StorePruner",
    "StorePublisher",
    "StoreReader",
    "TableStore",
    "Ticks",
    "View",
    "append",
    "delete",
    "log_bytes",
    "upsert",
]
