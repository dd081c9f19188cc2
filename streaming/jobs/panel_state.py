"""The state of many symbols of a panel as one piece of bytes.

Symbol by symbol, saving takes a millisecond each, most of it for naming every feature again.
Here they are named once for all symbols.
"""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from streaming.errors import StateError
from streaming.jobs.indicator_panel import IndicatorPanel
from streaming.jobs.panel_features import AlignPanel
from streaming.jobs.symbols import SymbolNeeds
from streaming.rules.bars import Int
from streaming.rules.indicators import VERSION
from streaming.rules.state import pack, unpack

_KIND, _VERSION = "panel", 1
_ALIGNMENT = "alignment."


class Saved(NamedTuple):
    """What was saved: symbols by name, and the arrays of both panels, in that order."""

    symbols: list[str]
    indicators: dict[str, NDArray[Any]]
    alignment: dict[str, NDArray[Any]]


def panel_bytes(
    needs: SymbolNeeds, indicators: IndicatorPanel, alignment: AlignPanel, codes: Int
) -> bytes:
    """Give the state of some symbols as bytes: equal state gives equal bytes."""
    arrays = indicators.arrays(codes)
    for anchor, previous in alignment.arrays(codes).items():
        arrays[_ALIGNMENT + anchor] = previous
    names = [indicators.symbols[code] for code in codes.tolist()]
    return pack(_KIND, _VERSION, arrays, symbols=names, rules=VERSION, needs=_listing(needs))


def read_panel(needs: SymbolNeeds, data: bytes) -> Saved:
    """Read what `panel_bytes` gave for the same needs.

    Raises
    ------
    StateError
        If the bytes are damaged, or were saved by other rules, or for other features or
        strategies.
    """
    arrays, facts = unpack(_KIND, _VERSION, data)
    if facts["rules"] != VERSION:
        raise StateError(
            f"{_KIND} state: saved with version {facts['rules']} of the indicator rules, this is "
            f"version {VERSION}. Start from the symbols' first bars."
        )
    if facts["needs"] != _listing(needs):
        raise StateError(
            f"{_KIND} state: saved for other strategies, parameters or features. Resume with the "
            "same ones, or start from the symbols' first bars."
        )
    alignment = {
        name.removeprefix(_ALIGNMENT): array
        for name, array in arrays.items()
        if name.startswith(_ALIGNMENT)
    }
    return Saved(facts["symbols"], arrays, alignment)


def _listing(needs: SymbolNeeds) -> list[object]:
    looked_at = [[anchor, _names(needs.alignment[anchor])] for anchor in sorted(needs.alignment)]
    return [_names(needs.features), looked_at]


def _names(features: Any) -> list[str]:
    # Parameters as numbers in full: the names of columns shorten them.
    return sorted(repr(tuple(one)) for one in features)
