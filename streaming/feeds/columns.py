"""Which column of a file is which: by the mapping given, else by the names that files use."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from streaming.errors import SourceError
from streaming.feeds.refusals import ReadingError, Setting

FIELDS = ("ts", "open", "high", "low", "close", "volume", "symbol")
"""What a mapping may name; `price` stands for `close`."""

_NEEDED = ("ts", "open", "high", "low", "close")

# Compared without case, blanks and punctuation: "Open time" and "open_time" are "opentime".
_USUAL = {
    "ts": ("ts", "time", "timestamp", "date", "datetime", "opentime"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close", "price"),
    "volume": ("volume", "vol"),
    "symbol": ("symbol", "ticker"),
}


class Columns(NamedTuple):
    """The names in a file of what a bar is made of.

    `ts` may be two columns, a date and a time of day. None where there is no such column.
    """

    ts: tuple[str, ...]
    open: str
    high: str
    low: str
    close: str
    volume: str | None
    symbol: str | None

    @property
    def says_open(self) -> bool:
        """Whether the time column's own name says that it labels bars by their open."""
        return len(self.ts) == 1 and _plain(self.ts[0]) == "opentime"


def parse_mapping(text: str) -> dict[str, str]:
    """Read a mapping such as `ts=time,close=Last`.

    `ts=date+time` joins two columns; `volume=` says that there is none.

    Raises
    ------
    ValueError
        If it is not of that form, or names something that a bar does not have.
    """
    mapping = {}
    for part in text.split(","):
        field, equals, name = (word.strip() for word in part.partition("="))
        field = "close" if field == "price" else field
        if not equals or field not in FIELDS:
            raise ValueError(
                f"{part.strip()!r}: write FIELD=COLUMN, where FIELD is one of {', '.join(FIELDS)}"
            )
        if field in mapping:
            raise ValueError(f"{field} is given twice")
        if not name and field not in ("volume", "symbol"):
            raise ValueError(f"{field}: a bar cannot be without it")
        mapping[field] = name
    return mapping


def find_columns(where: str, columns: Sequence[str], mapping: Mapping[str, str]) -> Columns:
    """Find the columns of a bar in a file.

    Parameters
    ----------
    where
        The file's name, for errors.
    columns
        The file's columns.
    mapping
        Names that were given; others go by their usual names, in any case.

    Raises
    ------
    SourceError
        If a column is missing, is there twice, or two could be meant.
    """
    found: dict[str, str | None] = {}
    times: tuple[str, ...] = ()
    missing = []
    for field in FIELDS:
        if field == "ts" and "ts" in mapping:
            parts = [mapping["ts"]] if mapping["ts"] in columns else mapping["ts"].split("+")
            times = tuple(_given(where, columns, "ts", part.strip()) for part in parts)
        elif field in mapping:
            name = mapping[field]
            found[field] = _given(where, columns, field, name) if name else None
        else:
            found[field] = _usual(where, columns, field)
            if found[field] is None and field in _NEEDED:
                missing.append(field)
    if missing:
        raise ReadingError(
            f"{where}: has no column {' and none '.join(missing)}; its columns are "
            f"{_listed(columns)}. Say which one it is with ",
            Setting("columns", ",".join(f"{field}=NAME" for field in missing)),
            ".",
        )
    if not times:
        times = (str(found["ts"]),)
    used = [*times, *(name for field, name in found.items() if name and field != "ts")]
    for name in used:
        if columns.count(name) > 1:
            raise SourceError(f"{where}: column {name!r} is there {columns.count(name)} times.")
        if used.count(name) > 1:
            raise SourceError(f"{where}: column {name!r} cannot stand for two things at once.")
    return Columns(
        times,
        str(found["open"]),
        str(found["high"]),
        str(found["low"]),
        str(found["close"]),
        found["volume"],
        found["symbol"],
    )


def _given(where: str, columns: Sequence[str], field: str, name: str) -> str:
    if name in columns:
        return name
    alike = [column for column in columns if column.lower() == name.lower()]
    if len(alike) != 1:
        raise SourceError(
            f"{where}: has no column {name!r} (given for {field}); its columns are "
            f"{_listed(columns)}."
        )
    return alike[0]


def _usual(where: str, columns: Sequence[str], field: str) -> str | None:
    alike = [column for column in columns if _plain(column) in _USUAL[field]]
    if len(set(alike)) == 1 and len(alike) > 1:
        raise SourceError(f"{where}: column {alike[0]!r} is there {len(alike)} times.")
    if len(alike) > 1:
        cased = [column for column in alike if column.casefold() == field]
        if len(cased) > 1:
            raise ReadingError(
                f"{where}: column {field!r} is there {len(cased)} times, as "
                f"{' and '.join(repr(column) for column in cased)}. Say which one it is with ",
                Setting("columns", f"{field}=NAME"),
                ".",
            )
        # The table's own name for it says enough.
        own = [column for column in alike if column == field]
        if len(own) == 1:
            return own[0]
        names = " and ".join(repr(column) for column in alike)
        both = f" (or {field}={'+'.join(alike)})" if field == "ts" and len(set(alike)) == 2 else ""
        raise ReadingError(
            f"{where}: {names} could each be {field}. Say which one it is with ",
            Setting("columns", f"{field}=NAME"),
            f"{both}.",
        )
    return alike[0] if alike else None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(repr(column) for column in columns[:20])
    return shown + (", ..." if len(columns) > 20 else "")
