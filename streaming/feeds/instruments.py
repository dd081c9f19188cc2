"""The instruments file: which symbols there are, and in which steps they trade.

A CSV with the columns symbol, lotSize, minQty, tickSize, pointValue and calendar. Only
symbol is needed; what a row leaves empty, or the file leaves out, has the default that
every symbol has where there is no file: lots of 0.00000001, no smallest quantity beyond
that, no tick, a point value of 1, always open. Calendars are codes of the
exchange_calendars library, such as XNYS.

    symbol,lotSize,minQty,tickSize,pointValue,calendar
    SPY,1,1,0.01,1,XNYS
    BTCUSDT,0.00001,0.0001,0.01,,
"""

import csv
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from streaming.errors import SourceError
from streaming.instruments import Instrument, Instruments
from streaming.rules.units import SCALE, to_money

_COLUMNS = ("symbol", "lotSize", "minQty", "tickSize", "pointValue", "calendar")


def load_instruments(path: Path | None) -> Instruments:
    """Read an instruments file; without a path every symbol is known.

    Raises
    ------
    SourceError
        If the file cannot be read, or a row says what cannot be; the message names the row.
    """
    if path is None:
        return Instruments()
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = _checked_columns(path, list(rows.fieldnames or []))
            listed: dict[str, Instrument] = {}
            for number, row in enumerate(rows, start=1):
                one = _instrument(f"{path}, row {number}", row, columns)
                if one.symbol in listed:
                    raise SourceError(f"{path}, row {number}: {one.symbol} is there twice.")
                listed[one.symbol] = one
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read as an instruments file ({error}).") from error
    if not listed:
        raise SourceError(f"{path}: lists no instrument.")
    _check_calendars(path, listed)
    return Instruments(listed)


def _checked_columns(path: Path, columns: list[str]) -> list[str]:
    for name in columns:
        if name not in _COLUMNS:
            near = get_close_matches(name or "", _COLUMNS, 1, 0)
            raise SourceError(
                f"{path}: column {name!r} is not known (nearest: {near[0]}); an instruments "
                f"file has {', '.join(_COLUMNS)}."
            )
        if columns.count(name) > 1:
            raise SourceError(f"{path}: column {name!r} is there twice.")
    if "symbol" not in columns:
        raise SourceError(f"{path}: has no column 'symbol'.")
    return columns


def _instrument(
    where: str, row: Mapping[str | None, str | list[str] | None], columns: list[str]
) -> Instrument:
    if None in row or None in row.values():
        raise SourceError(f"{where}: does not have one cell for each column.")
    cells = {name: str(row[name]).strip() for name in columns}

    def amount(name: str, otherwise: int, least: int) -> int:
        text = cells.get(name, "")
        try:
            value = to_money(text) if text else otherwise
        except ValueError as error:
            raise SourceError(f"{where}: {name} {error}.") from error
        if value < least:
            raise SourceError(
                f"{where}: {name} {text} must be {'above' if least else 'at least'} 0."
            )
        return value

    if not cells["symbol"]:
        raise SourceError(f"{where}: symbol is empty.")
    lot = amount("lotSize", 1, 1)
    smallest = amount("minQty", 0, 0)
    if smallest % lot:
        raise SourceError(
            f"{where}: minQty {cells['minQty']} is no multiple of lotSize {cells.get('lotSize')}."
        )
    return Instrument(
        cells["symbol"],
        lot,
        max(smallest, lot),
        amount("tickSize", 0, 0),
        amount("pointValue", SCALE, 1),
        cells.get("calendar") or None,
    )


def _check_calendars(path: Path, listed: Mapping[str, Instrument]) -> None:
    named = {one.calendar: one.symbol for one in listed.values() if one.calendar}
    if not named:
        return
    # Half a second and pandas: only for those who name a calendar.
    from exchange_calendars import get_calendar_names

    known = get_calendar_names(include_aliases=True)
    for code, symbol in sorted(named.items()):
        if code not in known:
            near = get_close_matches(code, known, 3)
            hint = f" Near: {', '.join(near)}." if near else ""
            raise SourceError(
                f"{path}: {symbol} has the calendar {code!r}, which exchange_calendars does not "
                f"know.{hint}"
            )
