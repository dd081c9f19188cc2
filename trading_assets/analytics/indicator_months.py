"""`indicator_history` in the lake, month by month, each going on from the newest one before.

`indicator_history/month=YYYY-MM/` holds a file for each of the `STANDARD_TIMEFRAMES`, `state.bin`
with every symbol's state at the month's end, and `month.json`, which says what they were made of
and the digest of each. Other timeframes lie beside, in `indicator_history/timeframes=D1+M1/`,
with months of their own. A month's folder is whole or absent. Knows no Dagster.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streaming.contracts import INDICATOR_HISTORY, arrow_schema
from streaming.errors import LakeError, StateError
from streaming.jobs.indicators import IndicatorState, indicator_history_rows, step
from streaming.lake import (
    DayInfo,
    Lake,
    altered_files,
    atomic_directory,
    file_digests,
    sweep,
)
from streaming.rules.indicators import PUBLISHED_FEATURES, VERSION
from streaming.rules.state import pack, unpack
from streaming.runtimes.backtest.continuing import bars_until
from trading_assets.analytics.partitions import STANDARD_TIMEFRAMES, month_bounds

_FACTS, _STATE = "month.json", "state.bin"
_KIND, _STATE_VERSION = "indicator month", 1


@dataclass(frozen=True)
class IndicatorMonth:
    """What became of a month.

    Attributes
    ----------
    rows
        Rows by timeframe.
    resumed
        The month whose state it went on from; None: from the first bar.
    fresh
        False where the month was there already, made of the same bars by the same rules.
    """

    month: str
    folder: Path
    rows: dict[str, int]
    symbols: int
    resumed: str | None
    fresh: bool


def run_indicator_month(lake: Lake, month: str, timeframes: Sequence[str]) -> IndicatorMonth | None:
    """Compute all published features of a month, of every symbol with prices by its end.

    Parameters
    ----------
    lake
        Prices in, features out.
    month
        YYYY-MM.
    timeframes
        Which ones.

    Returns
    -------
    IndicatorMonth or None
        None where there are no prices up to the month's end, or none after its start.
    """
    days = lake.days()
    begin, end = month_bounds(month)
    symbols = sorted({name for info in days if info.first_ts <= end for name in info.symbols})
    if not symbols or days[-1].last_ts <= begin:
        return None
    complete_to = min(end, days[-1].last_ts)
    folder = _folder(lake, month, timeframes)
    made_of = _made_of(days, symbols, timeframes, complete_to)
    there = _read_facts(folder)
    if there is not None and there["madeOf"] == made_of and not _altered(folder, there):
        return IndicatorMonth(
            month, folder, there["rows"], len(symbols), there["resumed"], fresh=False
        )
    sweep(folder.parent)
    resumed, clock, states = _newest(lake, month, days, timeframes)
    for name in symbols:
        if name not in states:
            features = [one.on(frame) for frame in timeframes for one in PUBLISHED_FEATURES]
            states[name] = IndicatorState(features, timeframes)
    _advance(lake, states, clock, min(begin, complete_to))
    rows = dict.fromkeys(timeframes, 0)
    with atomic_directory(folder) as partial:
        writers = {
            frame: pq.ParquetWriter(
                partial / f"timeframe={frame}.parquet",
                arrow_schema(INDICATOR_HISTORY),
                compression="lz4",
                write_page_checksum=True,
            )
            for frame in timeframes
        }
        calc_ts = time.time_ns() // 1000
        for name in symbols:
            # One symbol at a time, so that memory does not grow with their number.
            bars = lake.bars([name], begin, complete_to)[name]
            found = step(states[name], bars, complete_to)
            for frame, writer in writers.items():
                table = indicator_history_rows(name, frame, found[frame], calc_ts)
                writer.write_table(table)
                rows[frame] += table.num_rows
        for writer in writers.values():
            writer.close()
        _write_state(partial, states, complete_to)
        facts = {
            "madeOf": made_of,
            "rows": rows,
            "resumed": resumed,
            "completeTo": complete_to,
            "files": file_digests(partial, besides=_FACTS),
        }
        (partial / _FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return IndicatorMonth(month, folder, rows, len(symbols), resumed, fresh=True)


def read_indicator_month(
    lake: Lake, month: str, timeframes: Sequence[str] = STANDARD_TIMEFRAMES
) -> pa.Table:
    """Read all rows of a month; none where it was never computed.

    Raises
    ------
    LakeError
        If a file is damaged, or not what was computed.
    """
    require_as_computed(lake, month, timeframes)
    paths = sorted(_folder(lake, month, timeframes).glob("timeframe=*.parquet"))
    schema = arrow_schema(INDICATOR_HISTORY)
    return pa.concat_tables([schema.empty_table(), *map(_read, paths)])


def require_as_computed(
    lake: Lake, month: str, timeframes: Sequence[str] = STANDARD_TIMEFRAMES
) -> None:
    """Refuse a month whose files are not those that were computed.

    Raises
    ------
    LakeError
        If one was changed, lost or added since, or nothing says what they held.
    """
    folder = _folder(lake, month, timeframes)
    if not folder.exists():
        return
    facts = _read_facts(folder)
    if facts is None:
        raise LakeError(f"{folder / _FACTS}: is damaged or lost. Materialise that month again.")
    altered = _altered(folder, facts)
    if altered:
        raise LakeError(
            f"{folder}: {', '.join(altered)} since it was computed. Materialise that month again."
        )


def _altered(folder: Path, facts: dict[str, Any]) -> list[str]:
    return altered_files(folder, facts["files"], besides=_FACTS)


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise LakeError(f"{path}: is damaged ({error}). Materialise that month again.") from error


def _folder(lake: Lake, month: str, timeframes: Sequence[str]) -> Path:
    root = lake.root / INDICATOR_HISTORY.name
    if set(timeframes) != set(STANDARD_TIMEFRAMES):
        root /= f"timeframes={'+'.join(sorted(timeframes))}"
    return root / f"month={month}"


def _made_of(
    days: list[DayInfo], symbols: list[str], timeframes: Sequence[str], complete_to: int
) -> str:
    """Give the digest of everything that decides a month's rows."""
    bars = bars_until(days, symbols, complete_to)
    facts = [VERSION, sorted(timeframes), symbols, bars, complete_to]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def _read_facts(folder: Path) -> dict[str, Any] | None:
    path = folder / _FACTS
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # never made, or damaged: it is made again
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else None


def _newest(
    lake: Lake, month: str, days: list[DayInfo], timeframes: Sequence[str]
) -> tuple[str | None, int, dict[str, IndicatorState]]:
    """Find the newest earlier month whose state rests on the bars as they are now."""
    root = _folder(lake, month, timeframes).parent
    for folder in sorted(root.glob("month=*"), reverse=True):
        earlier = folder.name.removeprefix("month=")
        facts = _read_facts(folder)
        if earlier >= month or facts is None:
            continue
        clock = facts["completeTo"]
        symbols = sorted({one for info in days if info.first_ts <= clock for one in info.symbols})
        if facts["madeOf"] != _made_of(days, symbols, timeframes, clock):
            continue
        try:
            arrays, _ = unpack(_KIND, _STATE_VERSION, (folder / _STATE).read_bytes())
            states = {
                name: IndicatorState.from_bytes(data.tobytes()) for name, data in arrays.items()
            }
        except (OSError, StateError):
            continue
        return earlier, clock, states
    return None, 0, {}


def _advance(lake: Lake, states: dict[str, IndicatorState], clock: int, until: int) -> None:
    """Take symbols through the months between, of which no rows are kept."""
    while clock < until:
        edge = min(until, _month_end(clock)) if clock else until
        for name, state in states.items():
            bars = lake.bars([name], clock or None, edge)[name]
            step(state, bars, edge)
        clock = edge


def _month_end(ts: int) -> int:
    following = np.datetime64(ts, "us").astype("datetime64[M]") + 1
    return int(following.astype("datetime64[us]").astype(np.int64))


def _write_state(folder: Path, states: dict[str, IndicatorState], complete_to: int) -> None:
    arrays = {name: np.frombuffer(one.to_bytes(), np.uint8) for name, one in states.items()}
    data = pack(_KIND, _STATE_VERSION, arrays, complete_to=complete_to)
    (folder / _STATE).write_bytes(data)
