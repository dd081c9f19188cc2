"""What a backtest's tables must hold, worked out by the oracle from its signals and the bars."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from oracle import engine, ids
from oracle.engine import Outcome
from oracle.gate import OK, Instrument, Signal
from oracle.gate import Settings as OracleSettings

from streaming.rules.bars import Bars
from streaming.rules.units import SCALE
from streaming.runtimes.backtest import BacktestRequest
from streaming.runtimes.runs import Run

from .markets import by_strategy, single

Rows = dict[str, list[dict[str, Any]]]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVENTS = ["CANCELLED", "SENT", "ACKED"]


def money(units: int) -> Decimal:
    """An amount as a table has it."""
    return Decimal(units).scaleb(-8)


def when(ts: int) -> datetime:
    """A time as a table has it."""
    return _EPOCH + timedelta(microseconds=ts)


def micros(time: datetime) -> int:
    """A table's time in microseconds."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def oracle_settings(request: BacktestRequest, symbols: list[str]) -> OracleSettings:
    """The request's settings as the oracle takes them."""
    held = request.settings
    capital = held.account.capital

    def scaled(amount: Decimal) -> int:
        return int(amount * SCALE)  # of a limit what is below 1e-8 cannot be used

    facts = {name: request.instruments[name] for name in symbols}
    return OracleSettings(
        max_open=held.tradepicker.max_open_positions,
        sell_requires_long=held.tradepicker.sell_requires_long,
        reserve_on_open=held.tradepicker.reserve_on_open,
        ttl=held.tradepicker.reservation_ttl_ms * 1000,
        key=held.tradepicker.key,
        capital=scaled(capital),
        order_limit=scaled(capital * held.limits.per_order),
        symbol_limit=scaled(capital * held.limits.per_symbol),
        gross_limit=scaled(capital * held.limits.gross),
        slippage_bps=scaled(held.costs.slippage_bps),
        fee_bps=scaled(held.costs.fee_bps),
        instruments={
            name: Instrument(one.lot_size, one.min_qty, one.tick_size, one.point_value)
            for name, one in facts.items()
        },
    )


def outcomes(
    request: BacktestRequest, rows: Rows, market: Mapping[str, Bars], end: int
) -> dict[str, Outcome]:
    """What the oracle makes of signals (rows by strategy) up to a time, by account."""
    symbols = sorted(market)
    settings = oracle_settings(request, symbols)
    bars = {
        name: list(zip(one.ts.tolist(), one.close.tolist(), strict=True))
        for name, one in market.items()
    }
    strategies = [one.id for one in request.strategies] if request.signals is None else list(rows)
    shared = request.layout == "shared"
    weight = round(SCALE / len(strategies)) if shared else SCALE
    made = {name: [_signal(row, weight) for row in one] for name, one in rows.items()}
    every = {"bt:shared": [signal for signals in made.values() for signal in signals]}
    accounts = every if shared else {f"bt:{name}": made.get(name, []) for name in strategies}
    return {
        name: engine.simulate(name, settings, bars, signals, end)
        for name, signals in accounts.items()
    }


def _signal(row: Mapping[str, Any], weight: int) -> Signal:
    hint = row["sizeHint"] * SCALE
    assert abs(hint - round(hint)) < 1e-3
    return Signal(
        micros(row["signalTs"]),
        row["strategyId"],
        row["symbol"],
        row["action"],
        round(hint),
        row["confidence"],
        weight,
    )


def expected_tables(found: Mapping[str, Outcome]) -> dict[str, Rows]:
    """The rows of each history table by strategy, in order."""
    tables: dict[str, Rows] = {
        name: {}
        for name in (
            "accepted_trade_signal_history",
            "rejected_trade_signal_history",
            "order_event_history",
            "exec_report_history",
            "trade_match_history",
        )
    }
    for account, outcome in found.items():
        _decisions(account, outcome, tables)
        _events(account, outcome, tables["order_event_history"])
        for report in outcome.reports:
            order = report.order
            row = {
                "accountId": account,
                "orderId": ids.id_text(order.order_id),
                "fillId": "1",
                "symbol": order.symbol,
                "side": order.side,
                "fillQty": money(order.qty),
                "fillPrice": money(report.price),
                "ts": when(report.ts),
                "fees": money(report.fee),
                "venue": "simulated",
            }
            tables["exec_report_history"].setdefault(order.strategy, []).append(row)
        _matches(account, outcome, tables["trade_match_history"])
    return tables


def _decisions(account: str, outcome: Outcome, tables: dict[str, Rows]) -> None:
    for decision in outcome.decisions:
        signal = decision.signal
        row = {
            "accountId": account,
            "strategyId": signal.strategy,
            "symbol": signal.symbol,
            "action": signal.action,
            "ts": when(signal.ts),
            "sizeHint": signal.size_hint / SCALE,
            "refPrice": money(decision.ref_price),
        }
        if decision.code == OK:
            assert decision.order_id is not None
            row |= {
                "qty": money(decision.qty),
                "reason": "OK",
                "orderId": ids.id_text(decision.order_id),
                "weight": signal.weight / SCALE,
            }
            table = tables["accepted_trade_signal_history"]
        else:
            row["code"] = decision.code
            table = tables["rejected_trade_signal_history"]
        table.setdefault(signal.strategy, []).append(row)


def _events(account: str, outcome: Outcome, table: Rows) -> None:
    owner = {one.order_id: one.signal.strategy for one in outcome.decisions}
    # Of one moment the table has all cancellations, then what was sent, then what was acked.
    events = sorted(outcome.order_events, key=lambda one: (one[1], _EVENTS.index(one[2])))
    for order, ts, event in events:
        row = {
            "accountId": account,
            "orderId": ids.id_text(order),
            "event": event,
            "ts": when(ts),
            "reason": (
                "no bar within tradepicker.reservationTtlMs" if event == "CANCELLED" else None
            ),
        }
        table.setdefault(owner[order], []).append(row)


def _matches(account: str, outcome: Outcome, table: Rows) -> None:
    orders = {}
    for report in outcome.reports:
        order = report.order
        key = ids.position_id(account, order.strategy, order.symbol)
        fill = ids.fill_id(key, ids.id_text(order.order_id), ids.SIMULATED_FILL_ID, report.ts)
        orders[fill] = ids.id_text(order.order_id)
    for strategy, symbol, match in outcome.matches:
        row = {
            "matchId": ids.id_text(ids.match_id(match)),
            "accountId": account,
            "strategyId": strategy,
            "symbol": symbol,
            "buyOrderId": orders[match.buy.name],
            "sellOrderId": orders[match.sell.name],
            "matchedQty": money(match.qty),
            "buyPrice": money(match.buy.price),
            "sellPrice": money(match.sell.price),
            "realizedPnl": money(match.pnl),
            "matchTimestamp": when(match.ts),
            "buyFillId": "1",
            "sellFillId": "1",
            "openTs": when(match.opened_by.ts),
            "direction": match.direction,
            "fees": money(match.fees),
        }
        table.setdefault(strategy, []).append(row)


def expected_lots(found: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """The rows of open_positions_lots."""
    rows = []
    for account, outcome in found.items():
        for (strategy, symbol), book in sorted(outcome.books().items()):
            rows += [
                {
                    "accountId": account,
                    "strategyId": strategy,
                    "symbol": symbol,
                    "lotId": ids.id_text(lot.fill.name),
                    "side": "LONG" if lot.fill.qty > 0 else "SHORT",
                    "qtyOpen": money(abs(lot.fill.qty)),
                    "qtyRem": money(lot.left),
                    "avgPrice": money(lot.fill.price),
                    "tsOpen": when(lot.fill.ts),
                    "tsUpdated": when(lot.updated),
                }
                for lot in book.lots
            ]
    return rows


def assert_as_composed(
    request: BacktestRequest, run: Run, market: Mapping[str, Bars], signals: Rows | None = None
) -> None:
    """Every table of a traced run is what the oracle composes from its signals, or those given."""
    rows = by_strategy(run, "strategy_signal_history") if signals is None else signals
    end = micros(datetime.fromisoformat(run.facts["window"]["completeTo"]))
    found = outcomes(request, rows, market, end)
    for table, rows in expected_tables(found).items():
        kept = by_strategy(run, table)
        assert sorted(kept) == sorted(rows), table
        for strategy, wanted in rows.items():
            assert kept[strategy] == wanted, (table, strategy)
    assert single(run, "open_positions_lots") == expected_lots(found)
    breaches = sum(one["openLimitBreached"] for one in run.facts["figures"].values())
    assert breaches == sum(len(outcome.breaches) for outcome in found.values())
