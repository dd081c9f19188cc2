"""Cases of the oracle's brokers through `streaming.rules.brokered_account`, and both answers."""

from dataclasses import dataclass, field

import numpy as np
from oracle import ids
from oracle.broker_samples import Step
from oracle.brokered import FILL, UNATTRIBUTED, Brokered
from oracle.ids import BUY
from oracle.samples import TradingCase

from rules.fast_account import WORD, Fast, id_numbers
from streaming.rules.brokered import END, REPORT
from streaming.rules.brokered_account import BrokeredAccount
from streaming.rules.gate import CODES
from streaming.rules.orders import FILL as FILLED
from streaming.rules.ranking import rank_signals
from streaming.rules.simulation import Signals


@dataclass
class Rows:
    """All that an account gives, in the order in which it came."""

    decisions: list[tuple] = field(default_factory=list)
    fills: list[tuple] = field(default_factory=list)
    matches: list[tuple] = field(default_factory=list)
    breaches: list[tuple] = field(default_factory=list)
    asked: list[tuple] = field(default_factory=list)
    ended: list[tuple] = field(default_factory=list)
    strays: list[tuple] = field(default_factory=list)
    excess: list[tuple] = field(default_factory=list)
    live: list[tuple] = field(default_factory=list)
    positions: dict[tuple[str, str], int] = field(default_factory=dict)


class FastBrokered(Fast):
    """One account of the fast rules, fed step by step."""

    def __init__(self, case: TradingCase, symbols: set[str] | None = None) -> None:
        super().__init__(case, symbols)
        self.rows = Rows()

    def _made(self, symbols, instruments):
        return BrokeredAccount("acct", self.strategies, symbols, self.rules, instruments)

    def step(self, step: Step) -> None:
        signals = self._ranked(step)
        self.account.tell(self.reports(step))
        outcome = self.account.advance(signals, step.reported_to, step.complete_to)
        self._note(outcome)

    def _ranked(self, step: Step) -> Signals:
        found = [signal for signal, _ in step.signals]
        columns = (
            np.array([s.ts for s in found], np.int64),
            np.array([s.weight for s in found], np.int64),
            np.array([s.confidence for s in found], np.float64),
            np.array([self.strategies.index(s.strategy) for s in found], np.int32),
            np.array([self.symbols.index(s.symbol) for s in found], np.int32),
        )
        order = rank_signals(*columns)
        ts, weight, _, strategy, symbol = (column[order] for column in columns)
        self.ranked = [found[row] for row in order.tolist()]
        return Signals(
            ts,
            strategy,
            symbol,
            np.array([s.action == BUY for s in self.ranked], np.bool_),
            np.array([s.size_hint for s in self.ranked], np.int64),
            weight,
            np.zeros(len(ts), np.int64),
            np.array([step.signals[row][1] for row in order.tolist()], np.int64),
        )

    def reports(self, step: Step):
        out = np.zeros(len(step.reports), REPORT)
        owners = [*self.strategies, UNATTRIBUTED]
        for row, one in zip(out, step.reports, strict=True):
            row["ts"], row["kind"] = one.ts, FILLED if one.kind == FILL else END
            row["id_high"], row["id_low"] = divmod(one.order_id, WORD)
            if one.kind == FILL:
                row["fill_high"], row["fill_low"] = divmod(ids.text_id(one.fill), WORD)
                row["strategy"] = owners.index(one.strategy)
                row["symbol"] = self.symbols.index(one.symbol)
                row["quantity"], row["price"], row["fee"] = one.qty, one.price, one.fee
        return out

    def _names(self, records) -> list[tuple[str, str]]:
        owners = [*self.strategies, UNATTRIBUTED]
        return [
            (owners[strategy], self.symbols[symbol])
            for strategy, symbol in zip(
                records["strategy"].tolist(), records["symbol"].tolist(), strict=True
            )
        ]

    def _note(self, outcome) -> None:
        rows = self.rows
        decided = zip(self.ranked, outcome.code.tolist(), outcome.quantity.tolist(), strict=True)
        rows.decisions += [(s, CODES[code], qty) for s, code, qty in decided]
        rows.fills += self._filled(outcome.fills)
        columns = [outcome.matches[name].tolist() for name in ("quantity", "pnl", "fees")]
        rows.matches += zip(*columns, id_numbers(outcome.matches), strict=True)
        rows.breaches += _when(outcome.breaches)
        rows.asked += _when(outcome.asked)
        rows.ended += _when(outcome.ended)
        rows.strays += _when(outcome.strays)
        rows.excess += _when(outcome.excess)
        live = self.account.waiting
        left = zip(
            id_numbers(live), live["quantity"].tolist(), live["placed"].tolist(), strict=True
        )
        rows.live = sorted(left)
        rows.positions = {
            names: net
            for names, net in zip(
                [(a, b) for a in [*self.strategies, UNATTRIBUTED] for b in self.symbols],
                self.account.lots.books["net"].tolist(),
                strict=True,
            )
            if net
        }


def _when(records) -> list[tuple[int, int]]:
    return list(zip(records["ts"].tolist(), id_numbers(records), strict=True))


def expected(account: Brokered) -> Rows:
    """Give what the oracle says the rows are."""
    log = account.log
    unreserved = {order for gate in account._all for order in gate.unreserved}
    return Rows(
        [(signal, code, qty) for signal, code, qty, _ in log.decisions],
        [((r.strategy, r.symbol), r.qty, r.price, r.fee, r.ts, r.order_id) for r in log.fills],
        [
            (m.qty if m.direction == "LONG" else -m.qty, m.pnl, m.fees, ids.match_id(m))
            for _, _, m in log.matches
        ],
        [(r.ts, r.order_id) for r in log.breaches],
        log.asked,
        log.ended,
        [(r.ts, r.order_id) for r in log.strays],
        [(r.ts, r.order_id) for r in log.excess],
        sorted(
            (o.order_id, o.qty if o.side == BUY else -o.qty, int(o.order_id not in unreserved))
            for o in account.live()
        ),
        {names: book.net for names, book in account.books().items() if book.net},
    )
