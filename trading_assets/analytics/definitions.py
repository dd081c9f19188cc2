"""The code location `analytics`: prices, backtests, equity metrics, checks, schedules."""

import dagster as dg

from trading_assets.analytics.automation import current_month_sensor
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO, backtest_assets
from trading_assets.analytics.changed_months import changed_months_sensor
from trading_assets.analytics.contract_checks import contract_checks
from trading_assets.analytics.equity import LEADERBOARD, METRICS, equity_assets
from trading_assets.analytics.indicators import indicator_asset
from trading_assets.analytics.lost_bars_check import lost_bars_check
from trading_assets.analytics.partition_checks import partition_checks
from trading_assets.analytics.prices import import_inbox_job, prices_asset
from trading_assets.analytics.reconciliation_checks import reconciliation_checks
from trading_assets.analytics.schedules import (
    backtests_schedule,
    leaderboard_schedule,
    portfolio_schedule,
    prices_schedule,
)
from trading_assets.analytics.sensors import inbox_sensor
from trading_assets.analytics.taking_out import take_out_job
from trading_assets.analytics.warehouse import WAREHOUSE, warehouse_asset
from trading_assets.analytics.window_backtest import backtest_window_job
from trading_assets.lineage import external_tables
from trading_assets.platform import Platform, platform_resource


def definitions(platform: Platform) -> dg.Definitions:
    """Make everything that the location has, on one data folder.

    Assets come from `*_asset` functions of the modules beside this one, checks from
    the modules `*_checks`; a new one is a function there and its name here.
    """
    made = [
        prices_asset(platform),
        indicator_asset(platform),
        *backtest_assets(platform),
        *equity_assets(platform),
        warehouse_asset(),
    ]
    tables = {key.path[-1] for asset in made for key in asset.keys}
    importing = import_inbox_job(platform)
    month_by_strategy = dg.AssetSelection.assets(BACKTESTS, METRICS)
    return dg.Definitions(
        assets=[*made, *external_tables(tables)],
        asset_checks=[
            *contract_checks(),
            lost_bars_check(),
            *reconciliation_checks(),
            *partition_checks(),
        ],
        jobs=[importing, take_out_job(platform), backtest_window_job(platform)],
        schedules=[
            prices_schedule(platform),
            backtests_schedule(platform, month_by_strategy),
            portfolio_schedule(platform, dg.AssetSelection.assets(PORTFOLIO)),
            leaderboard_schedule(dg.AssetSelection.assets(LEADERBOARD, WAREHOUSE)),
        ],
        sensors=[inbox_sensor(importing), current_month_sensor(), changed_months_sensor()],
        resources={"platform": platform_resource(platform)},
        # Not a process for each step: it would import everything, and load the compiled rules,
        # for each asset and each check. Assets use threads of their own.
        executor=dg.in_process_executor,
    )


defs = definitions(Platform())
