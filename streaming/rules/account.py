"""The state of one simulated account, and its passage from one stretch of time to the next.

What is saved is what cannot be derived: open lots, the fills that opened them, and orders
that wait for a bar. Counts, exposures and claims on limits are summed up again from those.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.errors import MoneyError, StateError
from streaming.rules.compile import Records, steady
from streaming.rules.decisions import Signals
from streaming.rules.fifo import MATCH, exposure
from streaming.rules.gate import Gates, count_holder, new_gates
from streaming.rules.holdings import Holdings, Instruments, Rules, claim
from streaming.rules.ids import position_id
from streaming.rules.lot_books import LotBooks
from streaming.rules.orders import ORDER, BarTable
from streaming.rules.simulation import (
    BREACHES,
    CANCELLED,
    ENDED,
    FILLED,
    FILLS,
    MATCHES,
    WAITING,
    Outputs,
    simulate,
)
from streaming.rules.state import pack, unpack

Int = NDArray[np.int64]

_STATE_VERSION = 1


class Outcome(NamedTuple):
    """What a stretch of time gave.

    Attributes
    ----------
    code : int8[signals]
        Decision on each signal, as numbered in `streaming.rules.gate.CODES`.
    quantity : int64[signals]
        Units x 1e8 of the order, 0 where there is none.
    fills : FILLED[f]
    matches : MATCH[m]
        In order of application.
    opened_by, closed_by : FILLED[m]
        The fills that each match's refs name.
    cancelled, breaches : ENDED[...]
    """

    code: NDArray[np.int8]
    quantity: Int
    fills: Records
    matches: Records
    opened_by: Records
    closed_by: Records
    cancelled: Records
    breaches: Records


@steady
def _sum_up(rules: Rules, books: Records, orders: Records, gates: Gates, held: Holdings) -> None:
    """Derive counts and exposures from lots and live orders."""
    symbols = held.used.shape[0] - 1
    for i in range(orders.shape[0]):
        order = orders[i]
        claim(order, order["strategy"] * symbols + order["symbol"], 1, rules, gates, held)
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


class Account:
    """One account of the simulated broker: several strategies on several symbols.

    Parameters
    ----------
    name
        accountId.
    strategies, symbols
        Ids in sorted order; their places are the codes in signals and fills.
    rules, instruments
        Settings and facts, `instruments` per symbol.
    """

    def __init__(
        self,
        name: str,
        strategies: list[str],
        symbols: list[str],
        rules: Rules,
        instruments: Instruments,
    ) -> None:
        self.name = name
        self.strategies = strategies
        self.symbols = symbols
        self.rules = rules
        self.instruments = instruments
        keys = [
            position_id(name, strategy, symbol) for strategy in strategies for symbol in symbols
        ]
        self.key_ids = np.array(keys, np.uint64).reshape(-1, 2)
        # Event time of the last fill that closed something, by key.
        self._closed_at: Int = np.zeros(len(keys), np.int64)
        self._open(
            LotBooks(len(keys), np.tile(instruments.point_value, len(strategies))),
            np.empty(0, ORDER),
            np.empty(0, np.int64),
            np.empty(0, FILLED),
        )

    def _open(self, lots: LotBooks, waiting: Records, refs: Int, fills: Records) -> None:
        """Take over lots, waiting orders and the fills behind the lots; derive the rest."""
        keys = len(self.key_ids)
        self.lots = lots
        self.waiting = waiting
        self._open_refs = refs
        self._open_fills = fills
        gates = len(self.strategies) if self.rules.gate_per_strategy else 1
        self._gates = new_gates(gates, len(self.symbols))
        self._exposure = np.zeros(keys, np.int64)
        self._selling = np.zeros(keys, np.int64)
        self._covering = np.zeros(keys, np.int64)
        self._opening = np.zeros(keys, np.int64)
        self._used = np.zeros(len(self.symbols) + 1, np.int64)
        _sum_up(self.rules, lots.books, waiting, self._gates, self._holdings())

    def _holdings(self) -> Holdings:
        return Holdings(
            self.lots.books,
            self.lots.pools[0],
            self.lots.free[0],
            self.key_ids,
            self._exposure,
            self._selling,
            self._covering,
            self._opening,
            self._used,
        )

    def advance(self, signals: Signals, bars: BarTable, complete_to: int) -> Outcome:
        """Take the account to `complete_to` (microseconds UTC, inclusive).

        Parameters
        ----------
        signals
            Those after the last `complete_to` up to this one, in the order of
            `rank_signals`; every one has a `ref_price`.
        bars
            All bars after the last `complete_to` up to this one.

        Raises
        ------
        MoneyError
            If a fill or position does not fit DECIMAL(18,8). The account is then lost.
        """
        count = len(signals.ts)
        orders = count + len(self.waiting)
        self.lots.reserve(orders)
        waiting = np.empty(orders, ORDER)
        waiting[: len(self.waiting)] = self.waiting
        counts = np.zeros(6, np.int64)
        counts[WAITING] = len(self.waiting)
        out = Outputs(
            np.zeros(count, np.int8),
            np.zeros(count, np.int64),
            np.empty(orders, FILLED),
            np.empty(orders + self.lots.open_count(), MATCH),
            np.empty(orders, ENDED),
            np.empty(orders, ENDED),
            np.empty(orders + 1, ORDER),
            waiting,
            counts,
        )
        first_ref = self.lots.next_ref
        failed = simulate(
            signals,
            bars,
            complete_to,
            self.rules,
            self.instruments,
            self._gates,
            self._holdings(),
            first_ref,
            out,
        )
        if failed >= 0:
            order = out.heap[0]
            raise MoneyError(
                f"Account {self.name}, strategy {self.strategies[order['strategy']]}, symbol "
                f"{self.symbols[order['symbol']]}: the fill of the order of "
                f"{np.datetime64(int(order['ts']), 'us')}Z does not fit DECIMAL(18,8). "
                "Lower the capital, set limits, or see whether the instrument's tick size suits "
                "its price."
            )
        fills = out.fills[: counts[FILLS]]
        matches = out.matches[: counts[MATCHES]]
        self.lots.next_ref += len(fills)

        def fills_of(refs: Int) -> Records:
            out = np.empty(len(refs), FILLED)
            _look_up(refs, self._open_refs, self._open_fills, first_ref, fills, out)
            return out

        outcome = Outcome(
            out.code,
            out.quantity,
            fills,
            matches,
            fills_of(matches["open_ref"]),
            fills_of(matches["close_ref"]),
            out.cancelled[: counts[CANCELLED]],
            out.breaches[: counts[BREACHES]],
        )
        still_open = np.sort(self.lots.open_lots()[1]["ref"])
        self._open_refs, self._open_fills = still_open, fills_of(still_open)
        self.waiting = waiting[: counts[WAITING]].copy()
        closers = outcome.closed_by
        # Matches come in order of time, and of equal places numpy keeps the last.
        self._closed_at[self._key(closers["strategy"], closers["symbol"])] = closers["ts"]
        return outcome

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
        # Waiting orders leave the heap in an order that depends on the cut.
        waiting = np.sort(self.waiting, order=["ts", "id_high", "id_low"])
        arrays = {f"waiting.{name}": waiting[name] for name in ORDER.names or ()}
        arrays |= {f"fills.{name}": self._open_fills[name] for name in FILLED.names or ()}
        arrays["refs"] = self._open_refs
        arrays["closed_at"] = self._closed_at
        arrays["lots"] = np.frombuffer(self.lots.to_bytes(), np.uint8)
        return pack(
            "account",
            _STATE_VERSION,
            arrays,
            name=self.name,
            strategies=self.strategies,
            symbols=self.symbols,
        )

    def restore(self, data: bytes) -> None:
        """Take over the state that `to_bytes` gave.

        Symbols that were not there when it was saved start flat.

        Raises
        ------
        StateError
            If it is another account's, or has strategies or symbols that this one lacks.
        """
        arrays, facts = unpack("account", _STATE_VERSION, data)
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
        waiting = _records(ORDER, arrays, "waiting.")
        waiting["symbol"] = places[waiting["symbol"]]
        fills = _records(FILLED, arrays, "fills.")
        fills["symbol"] = places[fills["symbol"]]
        old = arrays["closed_at"].reshape(len(self.strategies), len(places))
        self._closed_at = np.zeros((len(self.strategies), len(self.symbols)), np.int64)
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
        self._open(books, waiting, arrays["refs"], fills)


def _records(
    kind: np.dtype[np.void], arrays: Mapping[str, NDArray[np.int64]], prefix: str
) -> Records:
    """Put columns together to records again."""
    names = kind.names or ()
    out = np.empty(len(arrays[prefix + names[0]]), kind)
    for name in names:
        out[name] = arrays[prefix + name]
    return out
