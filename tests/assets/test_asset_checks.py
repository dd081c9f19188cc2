"""Checks on materialised partitions: green on good data, and the right one on what is spoilt."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streaming.runtimes.runs import find_run
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.records import Records

ALL = ("2024-01", "2024-03")
BOOKS = {"books_balance", "open_symbols_within_the_limit", "no_signal_before_its_bar"}


def runs_of(platform, asset):
    return [
        find_run(platform.lake(), one.run_id)
        for one in Records(platform.folders.partitions, asset).all()
        if one.run_id
    ]


def spoil(run, table, change):
    """Rewrite the first file of a run's table that has rows."""
    path = next(
        path
        for path in sorted((run.folder / table).rglob("*.parquet"))
        if pq.read_metadata(path).num_rows
    )
    pq.write_table(change(pq.read_table(path)), path, store_decimal_as_integer=True)


def with_first(table, column, value):
    """The same rows, the first with another value in a column."""
    cells = table[column].to_pylist()
    cells[0] = value(cells[0])
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(place), pa.array(cells, table[column].type))


def test_everything_is_green_on_good_data(materialise, checked, platform):
    materialise("indicator_history", keys=ALL)
    materialise(PORTFOLIO, keys=ALL)
    materialise(BACKTESTS, keys=("2024-01|ema_cross", "2024-03|ema_cross"))
    for name in ("price_1m_history", "indicator_history", BACKTESTS, PORTFOLIO):
        for one in checked(name).values():
            assert one.passed, f"{name}.{one.check_name}: {one.description}"
            assert one.metadata.get("partitions", dg.MetadataValue.text("all")).value == "all"
            rows = one.metadata.get("rows", one.metadata.get("compared")).value
            # These prices did not come through the inbox.
            brought = one.check_name != "nothing_imported_is_lost"
            assert (rows > 0) == brought, f"{name}.{one.check_name}"


def test_a_price_that_breaks_its_contract_is_found_with_its_row(platform, checked):
    (path,) = platform.folders.lake.glob("price_1m_history/day=2024-02-14/*.parquet")
    rows = pq.read_table(path)
    pq.write_table(
        with_first(rows, "high", lambda high: high / 2), path, store_decimal_as_integer=True
    )
    one = checked("price_1m_history", "contract")["contract"]
    assert not one.passed
    assert "day=2024-02-14" in one.description
    assert "high" in one.description
    # One row, under each of the rules that tie its high to its low, open and price.
    assert one.metadata["rows failing"].value == one.metadata["rules broken"].value == 3


def test_a_match_that_was_altered_unbalances_pnl_alone(platform, materialise, checked):
    materialise(BACKTESTS, keys=("2024-01|ema_cross", "2024-03|ema_cross"))
    assert all(one.passed for one in checked(BACKTESTS).values())
    spoil(
        runs_of(platform, BACKTESTS)[1],
        "trade_match_history",
        lambda rows: with_first(rows, "realizedPnl", lambda pnl: pnl + 1),
    )
    found = checked(BACKTESTS)
    assert not found["pnl_of_matches_is_that_of_the_metrics"].passed


def test_a_lost_fill_unbalances_the_books(platform, materialise, checked):
    materialise(PORTFOLIO, keys=ALL, checks=False)
    found = checked(PORTFOLIO, *BOOKS)
    assert found.keys() == BOOKS and all(one.passed for one in found.values())
    spoil(runs_of(platform, PORTFOLIO)[1], "exec_report_history", lambda rows: rows.slice(1))
    found = checked(PORTFOLIO, *BOOKS)
    assert not found["books_balance"].passed


def test_a_limit_that_was_broken_is_told(materialise, checked, monkeypatch):
    materialise(PORTFOLIO, keys=ALL, checks=False)
    monkeypatch.setenv("TRADING__TRADEPICKER__MAXOPENPOSITIONS", "1")
    one = checked(PORTFOLIO, "open_symbols_within_the_limit")["open_symbols_within_the_limit"]
    assert not one.passed
    assert "at most 1 open symbols" in one.description


def test_a_signal_without_its_bar_is_told(platform, materialise, checked):
    materialise(PORTFOLIO, keys=ALL, checks=False)
    spoil(
        runs_of(platform, PORTFOLIO)[1],
        "strategy_signal_history",
        lambda rows: rows.set_column(
            rows.schema.get_field_index("symbol"),
            "symbol",
            pc.if_else(pa.array([True] + [False] * (rows.num_rows - 1)), "NOBODY", rows["symbol"]),
        ),
    )
    assert not checked(PORTFOLIO, "no_signal_before_its_bar")["no_signal_before_its_bar"].passed


def test_a_file_that_cannot_be_read_fails_its_check_by_name(platform, materialise, checked):
    materialise(BACKTESTS, keys="2024-02|ema_cross")
    (run,) = runs_of(platform, BACKTESTS)
    path = next((run.folder / "trade_match_history").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:50])
    found = checked(BACKTESTS)
    assert not found["contract"].passed
    assert path.name in found["contract"].description
