"""The warehouse: views that show what the lake and the partitions hold."""

import json

import duckdb
import pyarrow.parquet as pq

from streaming.analytics.report import report_dict
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.equity import LEADERBOARD, METRICS, leaderboard, report_schema
from trading_assets.analytics.records import Records
from trading_assets.analytics.warehouse import WAREHOUSE, views

WHOLE = ("2024-01|ema_cross", "2024-03|ema_cross")


def ask(platform, query):
    with duckdb.connect(str(platform.folders.warehouse), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_views_show_the_partitions_and_not_other_runs(platform, materialise, facts):
    materialise(BACKTESTS, METRICS, keys=WHOLE)
    materialise(LEADERBOARD)
    materialise(WAREHOUSE)
    rows = sum(one["dagster/row_count"] for one in facts(BACKTESTS).values())
    assert ask(platform, f"SELECT count(*) FROM {BACKTESTS}") == [(rows,)]
    # Views look at the files when asked: what comes later shows without a new warehouse.
    materialise(BACKTESTS, keys="2024-01|roc_momentum")
    more = facts(BACKTESTS, "2024-01|roc_momentum")["dagster/row_count"]
    materialise(BACKTESTS, keys="2024-02|ema_cross", config={"capital": 500.0})
    assert ask(platform, f"SELECT count(*) FROM {BACKTESTS}") == [(rows + more,)]
    assert ask(platform, "SELECT count(*) FROM all_runs_trade_matches")[0][0] > rows + more
    by_sql = ask(
        platform,
        f'SELECT sum("realizedPnl" - fees) FROM {BACKTESTS} WHERE "strategyId" = \'ema_cross\'',
    )
    told = sum(one["net PnL"] for key, one in facts(BACKTESTS).items() if "ema_cross" in key)
    assert abs(float(by_sql[0][0]) - told) < 1e-6
    assert ask(platform, f"SELECT count(*) FROM {METRICS}") == [(3,)]
    assert ask(platform, f"SELECT name FROM {LEADERBOARD}") == [("ema_cross",)]


def test_tables_without_files_are_empty_views_of_their_columns(platform, materialise):
    materialise(WAREHOUSE)
    assert ask(platform, f"SELECT * FROM {PORTFOLIO}") == []
    columns = [name for name, *_ in ask(platform, f"DESCRIBE {PORTFOLIO}")]
    assert columns[:3] == ["matchId", "accountId", "strategyId"]
    bars = platform.lake().days()
    assert ask(platform, "SELECT count(*) FROM price_1m_history") == [
        (sum(info.rows for info in bars),)
    ]


def test_a_view_shows_its_first_files_as_soon_as_they_are_there(market, platform, materialise):
    """The warehouse is made once, of nothing, and never again."""
    lake = platform.folders.lake
    aside = lake.with_name("aside")
    lake.rename(aside)
    materialise(WAREHOUSE)
    names = [
        name for (name,) in ask(platform, "SELECT view_name FROM duckdb_views() WHERE NOT internal")
    ]
    assert set(names) == set(views(platform.folders))
    before = {name: ask(platform, f"DESCRIBE {name}") for name in names}
    assert {name: ask(platform, f"SELECT * FROM {name}") for name in names} == {
        name: [] for name in names
    }
    aside.rename(lake)
    assert ask(platform, "SELECT count(*) FROM price_1m_history") == [
        (sum(info.rows for info in platform.lake().days()),)
    ]
    materialise(BACKTESTS, METRICS, keys="2024-02|ema_cross")
    rows = ask(platform, f"SELECT count(*) FROM {BACKTESTS}")
    assert rows == ask(platform, "SELECT count(*) FROM all_runs_trade_matches") != [(0,)]
    assert ask(platform, f"SELECT count(*) FROM {PORTFOLIO}") == [(0,)]
    assert ask(platform, f"SELECT month, name FROM {METRICS}") == [("2024-02", "ema_cross")]
    materialise(LEADERBOARD)
    assert ask(platform, f"SELECT name FROM {LEADERBOARD}") == [("ema_cross",)]
    materialise(PORTFOLIO, keys="2024-02")
    assert ask(platform, f"SELECT count(*) FROM {PORTFOLIO}") != [(0,)]
    assert {name: ask(platform, f"DESCRIBE {name}") for name in names} == before


def test_every_figure_of_a_report_is_a_column(platform, materialise):
    materialise(BACKTESTS, METRICS, keys="2024-02|ema_cross")
    records = Records(platform.folders.partitions, BACKTESTS).all()
    (report,) = leaderboard(platform.lake(), records)
    assert list(report_dict(report)) == report_schema().names
    (path,) = (platform.folders.metrics / METRICS).glob("*/*.parquet")
    (row,) = pq.ParquetFile(path).read().to_pylist()
    assert json.loads(row["trades"]) == report_dict(report)["trades"]
    assert row["netPnl"] == report_dict(report)["netPnl"]
