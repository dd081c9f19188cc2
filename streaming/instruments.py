"""Instruments: what the rules need to know of each symbol; read by `streaming.feeds`."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streaming.rules.units import SCALE


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the rules need to know of a symbol; amounts are int64 x 1e8.

    Attributes
    ----------
    lot_size
        Quantities are multiples of it.
    min_qty
        Smaller orders are refused; at least `lot_size`.
    tick_size
        Prices are multiples of it; 0: of 0.00000001.
    point_value
        Currency that one unit earns when the price rises by one.
    calendar
        Code of its trading calendar; None: always open.
    """

    symbol: str
    lot_size: int = 1
    min_qty: int = 1
    tick_size: int = 0
    point_value: int = SCALE
    calendar: str | None = None


class Instruments(Mapping[str, Instrument]):
    """Instruments by symbol.

    Parameters
    ----------
    listed
        The file's instruments; None where there is no file: then every symbol is known,
        with the defaults.
    """

    def __init__(self, listed: Mapping[str, Instrument] | None = None) -> None:
        self._listed = listed

    @property
    def symbols(self) -> frozenset[str] | None:
        """The symbols that are known; None: all are."""
        return None if self._listed is None else frozenset(self._listed)

    @property
    def digest(self) -> str:
        """A digest (16 hex digits) of what is known, whatever the order in the file."""
        rows = sorted((self._listed or {}).values(), key=lambda one: one.symbol)
        return hashlib.blake2b(repr(rows).encode(), digest_size=8).hexdigest()

    def __getitem__(self, symbol: str) -> Instrument:
        return Instrument(symbol) if self._listed is None else self._listed[symbol]

    def __contains__(self, symbol: object) -> bool:
        return self._listed is None or symbol in self._listed

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed or {})

    def __len__(self) -> int:
        return len(self._listed or {})
