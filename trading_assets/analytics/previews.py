"""Pieces of metadata that people look at: tables and pictures as Markdown."""

import base64

import pyarrow as pa
import pyarrow.compute as pc

_COLUMNS = (
    "strategyId",
    "symbol",
    "direction",
    "matchedQty",
    "buyPrice",
    "sellPrice",
    "realizedPnl",
    "fees",
    "openTs",
    "matchTimestamp",
)
_SHOWN = 5


def match_preview(matches: pa.Table, shown: int = _SHOWN) -> str:
    """Give the best and the worst matches, net of fees, as a Markdown table."""
    net = pc.subtract(matches["realizedPnl"], matches["fees"])
    order = pc.sort_indices(net, sort_keys=[("", "descending")])
    count = matches.num_rows
    best = order.slice(0, min(shown, count))
    worst = order.slice(max(count - shown, min(shown, count)))
    rows = pa.concat_tables([matches.take(best), matches.take(worst)])
    return markdown_table(rows.select(_COLUMNS))


def markdown_table(rows: pa.Table) -> str:
    """Give a small table as Markdown; times to the second, numbers without idle zeros."""
    names = rows.column_names
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [
        "| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows.to_pylist()
    ]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "strftime") else str(value)
    if "." in text and text.replace(".", "").lstrip("-").isdigit():
        text = text.rstrip("0").rstrip(".")
    return text.replace("|", "\\|")


def picture(png: bytes, title: str) -> str:
    """Give a PNG as Markdown that shows it, without a file that could be lost."""
    return f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"
