"""How price files are to be read, and the texts that say so, checked in one place."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from streaming.errors import SourceError
from streaming.feeds.columns import parse_mapping
from streaming.feeds.refusals import ReadingError, Setting
from streaming.feeds.times import zone

CHOICES = {
    "source": ("ohlcv", "binance"),
    "label": ("open", "close"),
    "last_line": ("whole", "doubtful"),
}
"""What settings can be, where it is one of a few words."""


@dataclass(frozen=True)
class Reading:
    """How price files are to be read.

    Attributes
    ----------
    source
        "ohlcv": named columns. "binance": klines of 12 columns, with or without a header.
    columns
        Which column is which (see `columns.parse_mapping`); OHLCV only.
    symbol
        The symbol of all rows; a file whose symbol column says another is refused. Without
        it: the file's symbol column, and for Binance the file's name
        (BTCUSDT-1m-2024-01.csv).
    label
        Whether a file labels a bar by its open or its close. None: by its open for Binance
        and where the time column is called open time, otherwise by its close.
    tz
        Zone of times that name none.
    last_line
        What a CSV's last line is where no line end follows it. "doubtful": a copy that was
        interrupted may have cut it, inside a number even, so it is quarantined. "whole": a
        row like any other.
    """

    source: Literal["ohlcv", "binance"] = "ohlcv"
    columns: Mapping[str, str] = field(default_factory=dict)
    symbol: str | None = None
    label: Literal["open", "close"] | None = None
    tz: str = "UTC"
    last_line: Literal["whole", "doubtful"] = "doubtful"

    def as_json(self) -> dict[str, Any]:
        """Give it as what JSON holds; `Reading(**that)` is the same again."""
        return {**asdict(self), "columns": dict(self.columns)}


def reading_of(given: Mapping[str, str]) -> Reading:
    """Make a reading of what a person wrote.

    Parameters
    ----------
    given
        Texts by field; what is left out has its default.

    Raises
    ------
    ReadingError
        If a text cannot be meant, or two contradict each other; `setting` says which.
    """
    for name, value in given.items():
        if not value.strip():
            raise ReadingError("is empty.", setting=name)
        if value not in CHOICES.get(name, (value,)):
            raise ReadingError(f"must be {' or '.join(CHOICES[name])}.", setting=name)
    try:
        mapping = parse_mapping(given["columns"]) if "columns" in given else {}
    except ValueError as error:
        raise ReadingError(f"{error}.", setting="columns") from error
    try:
        zone(given.get("tz", "UTC"))
    except SourceError as error:
        raise ReadingError(str(error), setting="tz") from error
    if given.get("source") == "binance":
        _check_klines(given)
    texts: dict[str, Any] = {name: value.strip() for name, value in given.items()}
    return Reading(**{**texts, "columns": mapping})


def _check_klines(given: Mapping[str, str]) -> None:
    own = {"label": "open", "tz": "UTC"}
    for name in ("columns", "tz", "label"):
        if name in given and given[name] != own.get(name):
            raise ReadingError(
                "Binance klines have fixed columns and open times in UTC: leave ",
                Setting(name),
                " out for them, or use ",
                Setting("source", "ohlcv"),
                ".",
                setting=name,
            )
