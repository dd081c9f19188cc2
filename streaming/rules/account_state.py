"""The state of one account: what it holds, its live orders, and both as bytes.

What is saved is what cannot be derived: open lots, the fills that opened them, and live
orders. Counts, exposures and claims on limits are summed up again from those.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.errors import MoneyError, StateError
from streaming.rules.compile import Records, steady
from streaming.rules.executions import FILLED
from streaming.rules.fifo import exposure
from streaming.rules.gate import Gates, count_holder, new_gates
from streaming.rules.holdings import Holdings, Instruments, Rules
from streaming.rules.ids import position_id
from streaming.rules.lot_books import LotBooks
from streaming.rules.state import pack, unpack

Int = NDArray[np.int64]


@steady
def _sum_up(rules: Rules, books: Records, gates: Gates, held: Holdings) -> None:
    """Derive counts and exposures from lots."""
    symbols = held.used.shape[0] - 1
    for key in range(books.shape[0]):
        if books[key]["net"] != 0:
            gate = key // symbols if rules.gate_per_strategy else 0
            count_holder(gates, gate, key % symbols, 1, rules.reserve_on_open != 0)
            cost = exposure(books[key])
            held.exposure[key] = cost
            held.used[key % symbols] += cost
            held.used[-1] += cost


@steady
def _look_up(
    refs: Int, known: Int, earlier: Records, first: int, new: Records, out: Records
) -> None:
    """Give the fills that refs name: new ones by place, earlier ones by binary search."""
    for i in range(refs.shape[0]):
        ref = refs[i]
        if ref >= first:
            out[i] = new[ref - first]
        else:
            out[i] = earlier[np.searchsorted(known, ref)]


class Passage(NamedTuple):
    """What a stretch of time did to an account's positions.

    Attributes
    ----------
    fills : FILLED[f]
    matches : MATCH[m]
        In order of application.
    opened_by, closed_by : FILLED[m]
        The fills that each match's refs name.
    """

    fills: Records
    matches: Records
    opened_by: Records
    closed_by: Records


class AccountState:
    """One account: several strategies on several symbols.

    Parameters
    ----------
    name
        accountId.
    strategies, symbols
        Ids in sorted order; their places are the codes in signals and fills.
    rules, instruments
        Settings and facts, `instruments` per symbol.
    others
        Ids of owners of positions that are no strategies, numbered after those.
    """

    kind: ClassVar[str]
    version: ClassVar[int]
    order: ClassVar[np.dtype[Any]]
    """Type of a live order, with the fields ts, id_high, id_low and symbol among others."""

    claim_orders: ClassVar[Callable[..., None]]
    """Kernel that counts the claims of live orders: (rules, orders, gates, held)."""

    def __init__(
        self,
        name: str,
        strategies: list[str],
        symbols: list[str],
        rules: Rules,
        instruments: Instruments,
        others: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.strategies = strategies
        self.owners = [*strategies, *others]
        self.symbols = symbols
        self.rules = rules
        self.instruments = instruments
        keys = [position_id(name, owner, symbol) for owner in self.owners for symbol in symbols]
        self.key_ids = np.array(keys, np.uint64).reshape(-1, 2)
        # Event time of the last fill that closed something, by key.
        self._closed_at: Int = np.zeros(len(keys), np.int64)
        self._open(
            LotBooks(len(keys), np.tile(instruments.point_value, len(self.owners))),
            np.empty(0, self.order),
            np.empty(0, np.int64),
            np.empty(0, FILLED),
        )

    def _open(self, lots: LotBooks, orders: Records, refs: Int, fills: Records) -> None:
        """Take over lots, live orders and the fills behind the lots; derive the rest."""
        keys = len(self.key_ids)
        self.lots = lots
        self.waiting = orders
        self._open_refs = refs
        self._open_fills = fills
        gates = len(self.owners) if self.rules.gate_per_strategy else 1
        self._gates = new_gates(gates, len(self.symbols))
        self._exposure = np.zeros(keys, np.int64)
        self._selling = np.zeros(keys, np.int64)
        self._buying = np.zeros(keys, np.int64)
        self._used = np.zeros(len(self.symbols) + 1, np.int64)
        type(self).claim_orders(self.rules, orders, self._gates, self._holdings())
        _sum_up(self.rules, lots.books, self._gates, self._holdings())

    def halt(self, why: int) -> None:
        """Reject what opens or adds from now on, as numbered by `HALTS` of the gate; 0: no more.

        It is no part of what is saved.
        """
        self._gates.halted[:] = why

    def _holdings(self) -> Holdings:
        return Holdings(
            self.lots.books,
            self.lots.pools[0],
            self.lots.free[0],
            self.key_ids,
            self._exposure,
            self._selling,
            self._buying,
            self._used,
        )

    def _pass(self, fills: Records, matches: Records) -> Passage:
        """Count fills and matches, which the lots have followed, into the state."""
        first_ref = self.lots.next_ref
        self.lots.next_ref += len(fills)

        def fills_of(refs: Int) -> Records:
            out = np.empty(len(refs), FILLED)
            _look_up(refs, self._open_refs, self._open_fills, first_ref, fills, out)
            return out

        opened_by, closed_by = fills_of(matches["open_ref"]), fills_of(matches["close_ref"])
        still_open = np.sort(self.lots.open_lots()[1]["ref"])
        self._open_refs, self._open_fills = still_open, fills_of(still_open)
        # Matches come in order of application, and of equal places numpy keeps the last.
        self._closed_at[self._key(closed_by["strategy"], closed_by["symbol"])] = closed_by["ts"]
        return Passage(fills, matches, opened_by, closed_by)

    def _does_not_fit(self, order: Records, mend: str) -> MoneyError:
        """Say that the fill of an order does not fit, and how to mend that."""
        return MoneyError(
            f"Account {self.name}, strategy {self.owners[order['strategy']]}, symbol "
            f"{self.symbols[order['symbol']]}: the fill of the order of "
            f"{np.datetime64(int(order['ts']), 'us')}Z does not fit DECIMAL(18,8). {mend}"
        )

    def open_positions(self) -> tuple[NDArray[np.int32], Records, Records]:
        """Give the open lots by key and oldest first: (key, LOT, the FILLED behind each)."""
        key, lots = self.lots.open_lots()
        return key, lots, self._open_fills[np.searchsorted(self._open_refs, lots["ref"])]

    def _key(self, strategy: Int, symbol: Int) -> Int:
        return strategy * len(self.symbols) + symbol

    def lot_times(self, key: NDArray[np.int32], lots: Records, fills: Records) -> Int:
        """Give the event time of the last fill that changed each open lot."""
        times: Int = fills["ts"].copy()
        touched = lots["remaining"] < lots["quantity"]
        times[touched] = np.maximum(times, self._closed_at[key])[touched]
        return times

    def to_bytes(self) -> bytes:
        """Give the state as bytes; equal state gives equal bytes."""
        # In memory live orders lie in an order that depends on the cut.
        orders = np.sort(self.waiting, order=["ts", "id_high", "id_low"])
        arrays = columns_of(orders, "waiting.") | columns_of(self._open_fills, "fills.")
        arrays["refs"] = self._open_refs
        arrays["closed_at"] = self._closed_at
        arrays["lots"] = np.frombuffer(self.lots.to_bytes(), np.uint8)
        more, facts = self._more()
        return pack(
            self.kind,
            self.version,
            arrays | more,
            name=self.name,
            strategies=self.strategies,
            symbols=self.symbols,
            **facts,
        )

    def _more(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Give what else there is to save: arrays and facts by name."""
        return {}, {}

    def _take_more(
        self, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], places: Int
    ) -> None:
        """Take over what `_more` gave; `places` are the present codes of the symbols of then."""

    def restore(self, data: bytes) -> None:
        """Take over the state that `to_bytes` gave.

        Symbols that were not there when it was saved start flat.

        Raises
        ------
        StateError
            If it is another account's, or has strategies or symbols that this one lacks.
        """
        arrays, facts = unpack(self.kind, self.version, data)
        missing = set(facts["symbols"]) - set(self.symbols)
        if facts["name"] != self.name or facts["strategies"] != self.strategies or missing:
            raise StateError(
                f"account state: saved for account {facts['name']} with strategies "
                f"{facts['strategies']}, not for {self.name} with {self.strategies}"
                + (
                    f"; and it knows {sorted(missing)}, which have no prices here."
                    if missing
                    else "."
                )
            )
        # Both lists are sorted, so new codes keep the order of the old ones.
        places = np.array([self.symbols.index(symbol) for symbol in facts["symbols"]], np.int64)
        orders = records_of(self.order, arrays, "waiting.")
        orders["symbol"] = places[orders["symbol"]]
        fills = records_of(FILLED, arrays, "fills.")
        fills["symbol"] = places[fills["symbol"]]
        old = arrays["closed_at"].reshape(len(self.owners), len(places))
        self._closed_at = np.zeros((len(self.owners), len(self.symbols)), np.int64)
        self._closed_at[:, places] = old
        self._closed_at = self._closed_at.ravel()
        saved = LotBooks.from_bytes(arrays["lots"].tobytes())
        key, lots = saved.open_lots()
        strategy, symbol = np.divmod(key, max(len(places), 1))
        books = LotBooks(len(self.key_ids), self.lots.books["point_value"])
        books.place(
            self._key(strategy, places[symbol]).astype(np.int32),
            lots,
            saved.books["net"][key] > 0,
            saved.next_ref,
        )
        self._open(books, orders, arrays["refs"], fills)
        self._take_more(arrays, facts, places)


def columns_of(records: Records, prefix: str) -> dict[str, NDArray[Any]]:
    """Take records apart: arrays by prefix and name of the field."""
    return {prefix + name: records[name] for name in records.dtype.names or ()}


def records_of(kind: np.dtype[Any], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Records:
    """Put columns together to records again."""
    names = kind.names or ()
    out = np.empty(len(arrays[prefix + names[0]]), kind)
    for name in names:
        out[name] = arrays[prefix + name]
    return out
