"""History as Parquet files under one folder, written whole or not at all."""

from streaming.lake.atomic import atomic_directory, atomic_file, scratch_directory, sweep
from streaming.lake.digests import altered_files, file_digests
from streaming.lake.lake import Lake, WriteReport
from streaming.lake.lock import table_lock
from streaming.lake.prices import DayInfo

__all__ = [
    "DayInfo",
    "Lake",
    "WriteReport",
    "altered_files",
    "atomic_directory",
    "atomic_file",
    "file_digests",
    "scratch_directory",
    "sweep",
    "table_lock",
]
