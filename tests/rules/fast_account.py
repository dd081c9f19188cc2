"""Trading cases of the oracle through `streaming.rules.account`, and both answers alike."""

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
from oracle import ids
from oracle.engine import Outcome, simulate
from oracle.ids import BUY
from oracle.money import BPS
from oracle.samples import TradingCase

from streaming.rules.account import Account
from streaming.rules.gate import CODES
from streaming.rules.ranking import rank_signals
from streaming.rules.simulation import BarTable, Instruments, Rules, Signals
from streaming.rules.sizing import NO_LIMIT

WORD = 2**64
NAME = "acct"
NO_CAP = 10**6


@dataclass
class Rows:
    """All that an account gives; rows in the order in which they came."""

    decisions: list[tuple] = field(default_factory=list)
    fills: list[tuple] = field(default_factory=list)
    matches: list[tuple] = field(default_factory=list)
    cancelled: list[tuple] = field(default_factory=list)
    breaches: list[tuple] = field(default_factory=list)
    waiting: list[tuple] = field(default_factory=list)
    lots: list[tuple] = field(default_factory=list)
    positions: dict[tuple[str, str], int] = field(default_factory=dict)


class Fast:
    """One account of the fast rules, fed from a case up to any moment, again and again."""

    def __init__(self, case: TradingCase, symbols: set[str] | None = None) -> None:
        """Begin with all symbols of the case, or with some that it knows at first."""
        self.case = case
        self.strategies = sorted({signal.strategy for signal in case.signals})
        settings = case.settings
        none = NO_LIMIT
        limits = [
            none if limit is None else limit
            for limit in (settings.order_limit, settings.symbol_limit, settings.gross_limit)
        ]
        self.rules = Rules(
            NO_CAP if settings.max_open is None else settings.max_open,
            int(settings.sell_requires_long),
            int(settings.reserve_on_open),
            settings.ttl,
            int(settings.key == "account+strategy"),
            settings.capital,
            *limits,
            settings.slippage_bps // BPS,
            settings.fee_bps // BPS,
        )
        self.now: int | None = None
        self.rows = Rows()
        self.account = self._new(set(case.bars) if symbols is None else symbols)

    def _new(self, symbols: set[str]) -> Account:
        self.symbols = sorted(symbols)
        terms = [self.case.settings.instrument(symbol) for symbol in self.symbols]
        instruments = Instruments(
            *(
                np.array([getattr(term, name) for term in terms], np.int64)
                for name in ("lot", "min_qty", "tick", "point_value")
            )
        )
        return self._made(self.symbols, instruments)

    def _made(self, symbols: list[str], instruments: Instruments) -> Account:
        return Account(NAME, self.strategies, symbols, self.rules, instruments)

    def restart(self, symbols: set[str] | None = None) -> bytes:
        """Go on in a new account from the bytes of this one, with more symbols or the same."""
        saved = self.account.to_bytes()
        self.account = self._new(set(self.symbols) if symbols is None else symbols)
        self.account.restore(saved)
        return saved

    def advance(self, complete_to: int) -> None:
        """Feed what came since the last time, up to `complete_to`."""
        bars, ends = self._bars(complete_to)
        self._take(self.account.advance(self._signals(complete_to, bars, ends), bars, complete_to))
        self.now = complete_to

    def _new_since(self, ts: int, complete_to: int) -> bool:
        return (self.now is None or ts > self.now) and ts <= complete_to

    def _bars(self, complete_to: int) -> tuple[BarTable, list[int]]:
        rows, starts = [], [0]
        for symbol in self.symbols:
            rows += [bar for bar in self.case.bars[symbol] if self._new_since(bar[0], complete_to)]
            starts.append(len(rows))
        ts, close = zip(*rows, strict=True) if rows else ((), ())
        table = BarTable(
            np.array(starts, np.int64), np.array(ts, np.int64), np.array(close, np.int64)
        )
        return table, starts[1:]

    def _signals(self, complete_to: int, bars: BarTable, ends: list[int]) -> Signals:
        new = [s for s in self.case.signals if self._new_since(s.ts, complete_to)]
        ranked = rank_signals(
            np.array([s.ts for s in new], np.int64),
            np.array([s.weight for s in new], np.int64),
            np.array([s.confidence for s in new], np.float64),
            np.array([self.strategies.index(s.strategy) for s in new], np.int32),
            np.array([self.symbols.index(s.symbol) for s in new], np.int32),
        )
        self.ranked = [new[row] for row in ranked.tolist()]
        next_bar, ref_price = [], []
        for signal in self.ranked:
            place = self.symbols.index(signal.symbol)
            start = int(bars.start[place])
            own = bars.ts[start : ends[place]].tolist()
            next_bar.append(start + bisect_right(own, signal.ts))
            all_bars = self.case.bars[signal.symbol]
            newest = bisect_right([ts for ts, _ in all_bars], signal.ts) - 1
            ref_price.append(all_bars[newest][1])
        return Signals(
            np.array([s.ts for s in self.ranked], np.int64),
            np.array([self.strategies.index(s.strategy) for s in self.ranked], np.int32),
            np.array([self.symbols.index(s.symbol) for s in self.ranked], np.int32),
            np.array([s.action == BUY for s in self.ranked], np.bool_),
            np.array([s.size_hint for s in self.ranked], np.int64),
            np.array([s.weight for s in self.ranked], np.int64),
            np.array(next_bar, np.int64),
            np.array(ref_price, np.int64),
        )

    def _take(self, outcome) -> None:
        rows = self.rows
        decided = zip(self.ranked, outcome.code.tolist(), outcome.quantity.tolist(), strict=True)
        rows.decisions += [
            (s.ts, s.strategy, s.symbol, s.action, CODES[code], qty) for s, code, qty in decided
        ]
        rows.fills += self._filled(outcome.fills)
        fields = ["open_ref", "close_ref", "quantity", "pnl", "fees"]
        columns = [outcome.matches[name].tolist() for name in fields]
        rows.matches += zip(
            *columns,
            id_numbers(outcome.matches),
            self._filled(outcome.opened_by),
            self._filled(outcome.closed_by),
            strict=True,
        )
        rows.cancelled += self._ended(outcome.cancelled)
        rows.breaches += self._ended(outcome.breaches)
        waiting = self.account.waiting
        rows.waiting = sorted(
            zip(
                id_numbers(waiting),
                waiting["ts"].tolist(),
                self._names(waiting),
                waiting["quantity"].tolist(),
                waiting["opens"].astype(bool).tolist(),
                strict=True,
            )
        )
        keys, lots, opened = self.account.open_positions()
        names = [
            (self.strategies[key // len(self.symbols)], self.symbols[key % len(self.symbols)])
            for key in keys.tolist()
        ]
        rows.lots = list(
            zip(
                names,
                lots["ref"].tolist(),
                lots["remaining"].tolist(),
                self._filled(opened),
                self.account.lot_times(keys, lots, opened).tolist(),
                strict=True,
            )
        )
        rows.positions = {
            (strategy, symbol): net
            for (strategy, symbol), net in zip(
                [(a, b) for a in self.strategies for b in self.symbols],
                self.account.lots.books["net"].tolist(),
                strict=True,
            )
            if net
        }

    def _names(self, records) -> list[tuple[str, str]]:
        return [
            (self.strategies[strategy], self.symbols[symbol])
            for strategy, symbol in zip(
                records["strategy"].tolist(), records["symbol"].tolist(), strict=True
            )
        ]

    def _filled(self, records) -> list[tuple]:
        columns = [records[name].tolist() for name in ("quantity", "price", "fee", "ts")]
        return list(zip(self._names(records), *columns, id_numbers(records), strict=True))

    def _ended(self, records) -> list[tuple]:
        return list(
            zip(records["ts"].tolist(), self._names(records), id_numbers(records), strict=True)
        )


def id_numbers(records) -> list[int]:
    """Give the ids of records as integers of 128 bits."""
    words = zip(records["id_high"].tolist(), records["id_low"].tolist(), strict=True)
    return [high * WORD + low for high, low in words]


def expected(case: TradingCase, complete_to: int | None = None) -> tuple[Rows, Outcome]:
    """Give what the oracle says the rows are, and its own outcome."""
    until = case.complete_to if complete_to is None else complete_to
    out = simulate(NAME, case.settings, case.bars, case.signals, until)
    rows = Rows()
    rows.decisions = [
        (d.signal.ts, d.signal.strategy, d.signal.symbol, d.signal.action, d.code, d.qty)
        for d in out.decisions
    ]
    refs, filled = {}, {}
    for ref, report in enumerate(out.reports):
        order = report.order
        names = (order.strategy, order.symbol)
        signed = order.qty if order.side == BUY else -order.qty
        row = (names, signed, report.price, report.fee, report.ts, order.order_id)
        rows.fills.append(row)
        key = ids.position_id(NAME, *names)
        fill = ids.fill_id(key, ids.id_text(order.order_id), ids.SIMULATED_FILL_ID, report.ts)
        refs[fill], filled[fill] = ref, row
    for _, _, match in out.matches:
        opened, closed = match.opened_by.name, match.closed_by.name
        rows.matches.append(
            (
                refs[opened],
                refs[closed],
                match.qty if match.direction == "LONG" else -match.qty,
                match.pnl,
                match.fees,
                ids.match_id(match),
                filled[opened],
                filled[closed],
            )
        )
    orders = {d.order_id: d.signal for d in out.decisions}
    rows.cancelled = [
        (ts, (orders[order].strategy, orders[order].symbol), order)
        for order, ts, event in out.order_events
        if event == "CANCELLED"
    ]
    rows.breaches = [
        (r.ts, (r.order.strategy, r.order.symbol), r.order.order_id) for r in out.breaches
    ]
    rows.waiting = [
        (
            o.order_id,
            o.ts,
            (o.strategy, o.symbol),
            o.qty if o.side == BUY else -o.qty,
            o.opening,
        )
        for o in out.pending()
    ]
    for names, book in sorted(out.books().items()):
        rows.lots += [
            (names, refs[lot.fill.name], lot.left, filled[lot.fill.name], lot.updated)
            for lot in book.lots
        ]
        if book.net:
            rows.positions[names] = book.net
    return rows, out


def moments(case: TradingCase) -> list[int]:
    """Give the times at which a cut may fall, before the end: on, before and after events."""
    times = {signal.ts for signal in case.signals}
    times |= {ts for bars in case.bars.values() for ts, _ in bars}
    times |= {signal.ts + case.settings.ttl for signal in case.signals}
    near = {ts + shift for ts in times for shift in (-1, 0, 1)}
    return sorted(ts for ts in near if ts < case.complete_to)
