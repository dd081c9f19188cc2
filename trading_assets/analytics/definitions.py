"""The code location `analytics`: prices, backtests, equity metrics, checks, schedules."""

import dagster as dg

from trading_assets.analytics.asset_checks import contract_checks, reconciliation_checks
from trading_assets.analytics.backtests import backtest_assets
from trading_assets.analytics.equity import equity_assets
from trading_assets.analytics.indicators import indicator_asset
from trading_assets.analytics.warehouse import warehouse_asset
from trading_assets.lineage import external_tables
from trading_assets.platform import Platform


def definitions(platform: Platform) -> dg.Definitions:
    """Make everything that the location has, on one data folder."""
    made = [
        indicator_asset(platform),
        *backtest_assets(platform),
        *equity_assets(platform),
        warehouse_asset(),
    ]
    tables = {key.path[-1] for asset in made for key in asset.keys}
    return dg.Definitions(
        assets=[*made, *external_tables(tables)],
        asset_checks=[*contract_checks(), *reconciliation_checks()],
        resources={"platform": platform},
    )


defs = definitions(Platform())
