"""The code location `analytics`: prices, backtests, equity metrics, checks, schedules."""

import dagster as dg

from trading_assets.analytics.backtests import backtest_assets
from trading_assets.analytics.equity import equity_assets
from trading_assets.platform import Platform


def definitions(platform: Platform) -> dg.Definitions:
    """Make everything that the location has, on one data folder."""
    return dg.Definitions(
        assets=[*backtest_assets(platform), *equity_assets(platform)],
        resources={"platform": platform},
    )


defs = definitions(Platform())
