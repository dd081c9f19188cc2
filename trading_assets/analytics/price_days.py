"""What the lake has of a day of prices, in the words of the UI."""

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from streaming.contracts import PRICE_1M_HISTORY
from streaming.lake import DayInfo, Lake
from trading_assets.analytics.inbox_ledger import Entry
from trading_assets.analytics.inbox_reports import InboxReport

_PREVIEW_ROWS = 5
# Events are kept for good, one for each day: what stands in them has an end.
_LISTED = 20
_FIGURES = ("read", "written", "duplicate", "quarantined", "replaced", "taken_out")
_FILE = {"name": "file"}
_SHOWN = ["symbol", "ts", "open", "high", "low", "price", "volume", "source"]


def day_metadata(
    lake: Lake, keys: Iterable[str], *, preview: bool = True
) -> dict[str, dict[str, Any]]:
    """Give for each day what the lake has of it, and how many rows of it are in quarantine.

    Rows whose time cannot be told are of no day.

    Parameters
    ----------
    lake
        The lake.
    keys
        UTC days, YYYY-MM-DD.
    preview
        Read the first few bars of each day too.

    Raises
    ------
    LakeError
        If a file of the lake is damaged.
    """
    held = {info.day.isoformat(): info for info in lake.days()}
    refused = lake.quarantined_by_day(PRICE_1M_HISTORY.name)
    return {
        key: {
            **_metadata(lake, key, held.get(key), preview),
            "quarantined rows": refused.get(dt.date.fromisoformat(key), 0),
        }
        for key in keys
    }


def import_metadata(reports: Sequence[InboxReport], key: str) -> dict[str, Any]:
    """Give what this run imported, on a day's page: the files that changed that day."""
    day = dt.date.fromisoformat(key)
    metadata: dict[str, Any] = {}
    changing = [report for report in reports if day in report.days]
    if changing:
        metadata["files"] = report_table(changing)
    refused = [report.message for report in reports if report.fate == "refused"]
    if refused:
        metadata["refused files"] = "\n".join(refused[:_LISTED])
    return metadata


def first_reasons(reports: Sequence[InboxReport]) -> dg.MarkdownMetadataValue:
    """Give the first few refused rows of some files."""
    lines = [
        f"- {report.name}, row {reason.row}: {reason.reason}"
        for report in reports
        for reason in report.reasons
    ]
    return dg.MetadataValue.md("\n".join(lines[:_LISTED]))


def listed(names: Sequence[str]) -> str:
    """Join names to a sentence's end, the first few of them."""
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more} more." if more > 0 else ".")


def report_table(reports: Sequence[InboxReport]) -> dg.TableMetadataValue:
    """Give what became of the inbox's files, a row for each of the first few."""
    return _table(reports, before=("fate",), after=("message",))


def receipt_table(entries: Sequence[Entry]) -> dg.TableMetadataValue:
    """Give the receipts of files, a row for each of the first few."""
    return _table(entries, before=("imported",), after=())


def _table(
    files: Sequence[InboxReport] | Sequence[Entry], before: Sequence[str], after: Sequence[str]
) -> dg.TableMetadataValue:
    names = ("name", *before, *_FIGURES, *after)
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({_FILE.get(name, name): getattr(file, name) for name in names})
            for file in files[:_LISTED]
        ],
        schema=dg.TableSchema(
            [
                dg.TableColumn(_FILE.get(name, name), "int" if name in _FIGURES else "string")
                for name in names
            ]
        ),
    )


def _metadata(lake: Lake, key: str, info: DayInfo | None, preview: bool) -> dict[str, Any]:
    if info is None:
        return {
            "dagster/row_count": 0,
            "symbols": 0,
            "note": f"The lake has no bars of {key}. Put files of that day into the inbox.",
        }
    path = lake.day_file(dt.date.fromisoformat(key))
    metadata: dict[str, Any] = {
        "dagster/row_count": info.rows,
        "symbols": len(info.symbols),
        "first bar": _moment(info.first_ts),
        "last bar": _moment(info.last_ts),
        "file": dg.MetadataValue.path(str(path.resolve())),
    }
    if preview:
        metadata["preview"] = dg.MetadataValue.md(_preview(path))
    return metadata


def _moment(ts: int) -> str:
    moment = dt.datetime.fromtimestamp(ts // 1_000_000, dt.UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _preview(path: Path) -> str:
    with pq.ParquetFile(path) as file:
        (batch,) = [next(file.iter_batches(_PREVIEW_ROWS, columns=_SHOWN))]
    lines = [f"| {' | '.join(_SHOWN)} |", f"|{' --- |' * len(_SHOWN)}"]
    for row in batch.to_pylist():
        cells = (_cell(row[name]) for name in _SHOWN)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return str(value).replace("|", "\\|")
