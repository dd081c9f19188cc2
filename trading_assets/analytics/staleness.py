"""Which recorded months are not of today."""

from collections.abc import Iterable

from streaming.lake.shared import SharedLake
from trading_assets.analytics.months import Plan, run_of_today
from trading_assets.analytics.records import Record
from trading_assets.platform import Platform


def stale_records(platform: Platform, records: Iterable[Record]) -> list[Record]:
    """Give the records whose run is not the one of the bars, settings and code of now.

    Raises
    ------
    TradingError
        If the lake or a setting is damaged.
    """
    plan = Plan(settings=platform.settings, instruments=platform.instruments)
    lake = SharedLake(platform.folders.lake)
    return [
        one for one in records if run_of_today(lake, plan, one.month, one.strategy) != one.run_id
    ]
