"""A real backtest agrees with itself; each kind of tampering is found, with its row."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from runtimes.markets import HISTORY, lake_of, month_market, run

from streaming.contracts import money_values
from streaming.lake import atomic
from streaming.rules.bars import MINUTE_US
from streaming.rules.units import SCALE
from trading_assets.analytics.checks.orderly import open_symbols, signals_after_bars
from trading_assets.analytics.checks.reconciliations import (
    fees_in_and_out,
    pnl_of_matches,
    quantities,
)
from trading_assets.analytics.checks.results import reconciliation_result

from .good_rows import with_cell


@pytest.fixture(scope="module", params=["per-strategy", "shared"])
def tables(request, tmp_path_factory):
    """The tables of a traced run, its lots and the bars that it read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic, "_flush", lambda path: None)
        lake = lake_of(tmp_path_factory.mktemp("lake"), month_market(3, days=12))
        found = run(lake, layout=request.param)
    files = sorted((lake.root / "price_1m_history").rglob("*.parquet"))
    bars = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])
    kept = {name: found.table(name) for name in HISTORY}
    return {**kept, "lots": found.open_lots(), "bars": bars}


def nets(matches):
    net: dict[str, int] = {}
    pnl, fees = money_values(matches["realizedPnl"]), money_values(matches["fees"])
    for name, one, fee in zip(matches["strategyId"].to_pylist(), pnl, fees, strict=True):
        net[name] = net.get(name, 0) + int(one) - int(fee)
    return net


def amount(rows, name, row, more=1):
    """Make an amount larger by 1e-8, or by `more`."""
    units = int(money_values(rows[name])[row])
    return with_cell(rows, name, row, units + more)


def fees(tables, **other):
    given = {**tables, **other}
    return fees_in_and_out(
        given["trade_match_history"], given["lots"], given["exec_report_history"]
    )


def filled(tables, **other):
    given = {**tables, **other}
    return quantities(given["trade_match_history"], given["lots"], given["exec_report_history"])


def signals(tables, **other):
    given = {**tables, **other}
    return signals_after_bars(
        given["strategy_signal_history"],
        given["bars"],
        given["accepted_trade_signal_history"],
        given["exec_report_history"],
    )


def test_a_real_backtest_agrees(tables):
    matches, lots = tables["trade_match_history"], tables["lots"]
    assert matches.num_rows > 50 and lots.num_rows > 5
    reports = [
        pnl_of_matches(matches, nets(matches)),
        fees(tables),
        filled(tables),
        open_symbols(matches, lots, 3),
        signals(tables),
    ]
    for report in reports:
        assert report.passed and report.compared and not report.note, report.summary
    assert reconciliation_result(reports, name="agrees").passed


def test_pnl_that_differs_by_the_last_place_is_found(tables):
    matches = tables["trade_match_history"]
    stated = nets(matches)
    name = matches["strategyId"][7].as_py()
    report = pnl_of_matches(amount(matches, "realizedPnl", 7), stated)
    assert report.rows["strategyId"].to_pylist() == [name]
    assert not pnl_of_matches(amount(matches, "fees", 7), stated).passed
    assert pnl_of_matches(matches, stated | {"idle": 0}).passed
    assert pnl_of_matches(matches, stated | {"idle": 1}).rows["strategyId"].to_pylist() == ["idle"]
    stated.pop(name)
    assert not pnl_of_matches(matches, stated).passed


@pytest.mark.parametrize("table", ["trade_match_history", "exec_report_history"])
def test_a_fee_that_differs_by_the_last_place_is_found(tables, table):
    report = fees(tables, **{table: amount(tables[table], "fees", 5)})
    assert report.differing == 1
    assert report.rows["symbol"].to_pylist() == [tables[table]["symbol"][5].as_py()]
    assert abs(report.rows["difference"][0].as_py()) * SCALE == 1


@pytest.mark.parametrize(
    ("table", "column", "most"),
    [("trade_match_history", "matchedQty", 2), ("exec_report_history", "fillQty", 1),
     ("lots", "qtyRem", 1)],
)  # fmt: skip
def test_a_quantity_that_differs_is_found(tables, table, column, most):
    report = filled(tables, **{table: amount(tables[table], column, 2)})
    assert report.differing == most


@pytest.mark.parametrize("table", ["trade_match_history", "exec_report_history", "lots"])
def test_a_row_that_is_lost_or_doubled_is_found(tables, table):
    rows = tables[table]
    for other in (rows.slice(1), pa.concat_tables([rows, rows.slice(0, 1)])):
        assert not filled(tables, **{table: other}).passed
        assert not fees(tables, **{table: other}).passed


def test_a_lot_that_no_fill_opened_is_found(tables):
    strange = with_cell(tables["lots"], "lotId", 0, "00" * 16)
    report = filled(tables, lots=strange)
    assert "00" * 16 in report.rows["orderId"].to_pylist() and report.differing == 2
    assert (
        "1 open lots are of fills that the trace does not have" in fees(tables, lots=strange).note
    )


def test_without_the_trace_lots_are_followed_and_the_report_says_so(tables):
    matches, lots = tables["trade_match_history"], tables["lots"]
    report = quantities(matches, lots, None)
    assert report.passed and report.compared == lots.num_rows and "Without the trace" in report.note
    assert quantities(matches, amount(lots, "qtyRem", 3, -1), None).differing == 1
    report = fees_in_and_out(matches, lots, None)
    assert report.passed and report.compared == 0 and "Not compared" in report.note


def test_open_symbols_are_counted_event_by_event():
    def minute(at):
        return pa.scalar(at * MINUTE_US, pa.int64()).cast(pa.timestamp("us", "UTC"))

    def matches(*rows):
        symbols, opened, closed = zip(*rows, strict=True)
        return pa.table(
            {
                "accountId": ["a"] * len(rows),
                "strategyId": ["s"] * len(rows),
                "symbol": list(symbols),
                "openTs": pa.array([minute(at).as_py() for at in opened]),
                "matchTimestamp": pa.array([minute(at).as_py() for at in closed]),
            }
        )

    def lots(*rows):
        return pa.table(
            {
                "accountId": pa.array(["a"] * len(rows), pa.string()),
                "strategyId": pa.array(["s"] * len(rows), pa.string()),
                "symbol": pa.array([name for name, _ in rows], pa.string()),
                "tsOpen": pa.array(
                    [minute(at).as_py() for _, at in rows], pa.timestamp("us", "UTC")
                ),
            }
        )

    # A closes before C opens; two lots of one symbol are one.
    fine = matches(("A", 1, 5), ("A", 2, 4), ("B", 2, 9), ("C", 6, 7))
    assert open_symbols(fine, lots(), 2).passed
    report = open_symbols(fine, lots(("D", 3)), 2)
    assert report.rows["symbol"].to_pylist() == ["D", "C"]
    assert report.rows["openSymbols"].to_pylist() == [3, 3]
    assert report.rows["ts"].to_pylist() == [minute(3).as_py(), minute(6).as_py()]
    assert open_symbols(fine, lots(("D", 10)), 2).passed
    assert not open_symbols(fine, lots(), 1).passed


def test_more_open_symbols_than_the_limit_are_found(tables):
    matches, lots = tables["trade_match_history"], tables["lots"]
    assert not open_symbols(matches, lots, 2).passed


def test_a_signal_before_its_bar_is_found(tables):
    rows, bars = tables["strategy_signal_history"], tables["bars"]
    at = rows["timeframe"].to_pylist().index("M1")
    moment = rows["signalTs"][at]
    there = pc.and_(pc.equal(bars["symbol"], rows["symbol"][at]), pc.equal(bars["ts"], moment))
    report = signals(tables, bars=bars.filter(pc.invert(there)))
    assert set(report.rows["what"].to_pylist()) == {"signal without its bar"}
    assert set(report.rows["ts"].to_pylist()) == {moment.as_py()}
    late = with_cell(rows, "signalTs", 4, moment.cast(pa.int64()).as_py() + 1)
    assert (
        "signal without its bar"
        in signals(tables, strategy_signal_history=late).rows["what"].to_pylist()
    )


def test_an_order_without_its_signal_and_a_fill_before_its_order_are_found(tables):
    orders = tables["accepted_trade_signal_history"]
    late = orders["ts"][4].cast(pa.int64()).as_py() + 5 * 24 * 60 * MINUTE_US
    moved = with_cell(orders, "ts", 4, late)
    assert set(signals(tables, accepted_trade_signal_history=moved).rows["what"].to_pylist()) == {
        "order without its signal",
        "fill not after its order",
    }
    assert (
        "are of orders that are not in it"
        in signals(tables, accepted_trade_signal_history=orders.slice(5)).note
    )
