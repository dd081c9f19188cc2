"""The warehouse: views that show what the lake and the partitions hold."""

import duckdb

from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.equity import LEADERBOARD, METRICS
from trading_assets.analytics.warehouse import WAREHOUSE

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
