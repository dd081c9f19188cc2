"""Trade matches and open lots from Arrow tables to coded arrays, and into groups.

Text becomes integers here, at the edge; codes follow the sorted order of the text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.analytics.trades import MatchArrays
from streaming.errors import SettingsError, SourceError

if TYPE_CHECKING:
    import pyarrow as pa

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

GROUPS = {
    "strategy": "strategyId",
    "account": "accountId",
    "symbol": "symbol",
    "run": "runId",
}
"""What matches can be grouped by, and the column that holds it."""

_COLUMNS = {name: column for name, column in GROUPS.items() if name != "run"}


class Key(NamedTuple):
    """A column of text: its distinct values, sorted, and each row's place among them."""

    names: tuple[str, ...]
    codes: Int


@dataclass(frozen=True, slots=True)
class CodedMatches:
    """Matches as arrays, with their keys (by the names of `GROUPS`) and prices x 1e8."""

    arrays: MatchArrays
    keys: Mapping[str, Key]
    open_price: Int
    close_price: Int


@dataclass(frozen=True, slots=True)
class OpenLots:
    """Lots still open at the end, as arrays of one length; units and prices x 1e8.

    `keys` holds account, strategy and symbol; lots belong to whichever run is measured.
    """

    keys: Mapping[str, Key]
    is_long: Bool
    quantity: Int
    price: Int
    open_ts: Int


@dataclass(frozen=True, slots=True)
class Grouped:
    """Matches and lots over the same groups and symbols, by code."""

    matches: CodedMatches
    lots: OpenLots
    names: tuple[str, ...]
    group: Int
    lot_group: Int
    symbols: tuple[str, ...]
    symbol: Int
    lot_symbol: Int

    def parts(self) -> list[Int]:
        """Give the rows of each group's matches, in the order of the table."""
        small = len(self.names) < 1 << 16
        codes = self.group.astype(np.uint16) if small else self.group  # 16 bits: radix sort
        order = np.argsort(codes, kind="stable")
        return np.split(order, np.searchsorted(codes[order], np.arange(1, len(self.names))))

    def traded(self, start: int, end: int) -> NDArray[np.bool_]:
        """Tell which symbols each group had a position in within (start, end]: [group, symbol]."""
        traded = np.zeros((len(self.names), len(self.symbols)), np.bool_)
        arrays, lots = self.matches.arrays, self.lots
        within = (arrays.ts > start) & (arrays.open_ts <= end)
        traded[self.group[within], self.symbol[within]] = True
        within = lots.open_ts <= end
        traded[self.lot_group[within], self.lot_symbol[within]] = True
        return traded


NO_LOTS = OpenLots(
    {name: Key((), np.empty(0, np.int64)) for name in _COLUMNS},
    np.empty(0, np.bool_),
    *(np.empty(0, np.int64) for _ in range(3)),
)


def group(matches: CodedMatches, lots: OpenLots, by: str, names: Sequence[str] = ()) -> Grouped:
    """Group matches and lots.

    Parameters
    ----------
    matches, lots
        Coded, in any order.
    by
        A key of `GROUPS`.
    names
        Groups to have even if nothing is in them.

    Raises
    ------
    SettingsError
        If there is no such grouping.
    SourceError
        If there are open lots, and matches of several runs.
    """
    if by not in GROUPS:
        raise SettingsError(f"cannot group by {by!r}; choose one of {', '.join(GROUPS)}.")
    key = matches.keys[by]
    lot_key = lots.keys.get(by) or _key_of_run(key, lots, names)
    everyone, codes, lot_codes = _merged(key, lot_key, names)
    symbols, symbol, lot_symbol = _merged(matches.keys["symbol"], lots.keys["symbol"])
    return Grouped(matches, lots, everyone, codes, lot_codes, symbols, symbol, lot_symbol)


def _key_of_run(runs: Key, lots: OpenLots, names: Sequence[str]) -> Key:
    """Give the lots the one run that is measured, which need not have a match."""
    count = lots.quantity.size
    if count and len(runs.names) > 1:
        raise SourceError(
            "open lots do not say which run they are of, and there are matches of "
            f"{len(runs.names)} runs. Measure one run at a time."
        )
    return Key(runs.names[:1] or tuple(names[:1]) or ("",), np.zeros(count, np.int64))


def code_matches(table: "pa.Table") -> CodedMatches:
    """Read matches from Arrow.

    Parameters
    ----------
    table
        With the types of `trade_match_history`; columns that no figure needs may be absent,
        and `runId` too.

    Returns
    -------
    CodedMatches
        In the table's order.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from streaming.contracts.arrow import money_values, time_values

    keys = {name: code_text(table[column]) for name, column in _COLUMNS.items()}
    if "runId" in table.column_names:
        keys["run"] = code_text(table["runId"])
    else:
        keys["run"] = Key(("",), np.zeros(table.num_rows, np.int64))
    is_long = _flags(pc.equal(table["direction"], pa.scalar("LONG")))
    bought, sold = money_values(table["buyPrice"]), money_values(table["sellPrice"])
    closing = code_text(pc.if_else(is_long, table["sellOrderId"], table["buyOrderId"]))
    return CodedMatches(
        MatchArrays(
            ts=time_values(table["matchTimestamp"]),
            open_ts=time_values(table["openTs"]),
            quantity=money_values(table["matchedQty"]),
            gross=money_values(table["realizedPnl"]),
            fees=money_values(table["fees"]),
            is_long=is_long,
            closing=_joined(
                [*keys.values(), closing, Key(("SHORT", "LONG"), is_long.astype(np.int64))]
            ),
        ),
        keys,
        open_price=np.where(is_long, bought, sold),
        close_price=np.where(is_long, sold, bought),
    )


def code_lots(table: "pa.Table") -> OpenLots:
    """Read open lots from Arrow, with the types of `open_positions_lots`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from streaming.contracts.arrow import money_values, time_values

    return OpenLots(
        {name: code_text(table[column]) for name, column in _COLUMNS.items()},
        is_long=_flags(pc.equal(table["side"], pa.scalar("LONG"))),
        quantity=money_values(table["qtyRem"]),
        price=money_values(table["avgPrice"]),
        open_ts=time_values(table["tsOpen"]),
    )


def code_text(column: "pa.ChunkedArray[Any]") -> Key:
    """Code a column of text; null is the empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(column):
        return Key((), np.empty(0, np.int64))
    texts: Any = pc.coalesce(column.cast(pa.string()), pa.scalar(""))
    encoded = texts.dictionary_encode().unify_dictionaries().combine_chunks()
    names = encoded.dictionary.to_numpy(zero_copy_only=False).astype(object)
    order = np.argsort(names, kind="stable")
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Key(tuple(names[order]), rank[codes])


def _merged(first: Key, second: Key, more: Sequence[str] = ()) -> tuple[tuple[str, ...], Int, Int]:
    """Code two columns over the names of both: (names, codes of each)."""
    present = [key.names for key in (first, second) if key.codes.size]
    names = tuple(sorted({*more}.union(*present)))
    place = {name: code for code, name in enumerate(names)}

    def recoded(key: Key) -> Int:
        return np.array([place.get(name, 0) for name in key.names], np.int64)[key.codes]

    return names, recoded(first), recoded(second)


def _joined(keys: list[Key]) -> Int:
    """Give one code for each combination of keys that occurs."""
    joined = np.zeros(keys[0].codes.size, np.int64)
    combinations = 1
    for key in keys:
        if combinations * max(len(key.names), 1) >= 2**62:
            _, joined = np.unique(joined, return_inverse=True)
            combinations = joined.size
        joined = joined * len(key.names) + key.codes
        combinations *= max(len(key.names), 1)
    return joined


def _flags(column: Any) -> Bool:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.bool_)
