"""The job that takes bars out of the lake on purpose."""

import datetime as dt

import dagster as dg
from pydantic import Field

from streaming.errors import SettingsError
from trading_assets.analytics.forms import Checked, filled_in, form
from trading_assets.analytics.inbox_days import take_out
from trading_assets.analytics.price_days import day_metadata
from trading_assets.analytics.prices import POOL, PRICES, failures
from trading_assets.platform import Platform, PlatformResource


class TakeOutConfig(Checked):
    """Which bars to take out of the lake."""

    first: str = Field(description="the first UTC day, YYYY-MM-DD")
    last: str = Field(description="the last UTC day, YYYY-MM-DD; the first again for one day")
    symbols: list[str] = Field(
        default=[], max_length=10_000, description="of these symbols alone; none: of all"
    )

    def check(self, platform: Platform) -> None:
        """Refuse days that are none, or that end before they begin."""
        self.days()

    def days(self) -> tuple[dt.date, dt.date]:
        """Give the first and the last day.

        Raises
        ------
        SettingsError
            If one is no day, or the last is before the first.
        """
        first, last = _day("first", self.first), _day("last", self.last)
        if last < first:
            raise SettingsError(f"last = {last}: is before first, {first}.")
        return first, last


def take_out_job(platform: Platform) -> dg.JobDefinition:
    """Make the job that takes bars of days out of the lake."""

    @dg.op(
        description="Takes bars out of the lake, and says which days they were of.",
        config_schema=form(TakeOutConfig, platform),
        pool=POOL,
    )
    def take_out_bars(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
        config = filled_in(TakeOutConfig, context)
        with failures():
            first, last = config.days()
            lake = platform.lake()
            taken = take_out(platform.folders, lake, first, last, config.symbols)
            of = f" of {', '.join(config.symbols)}" if config.symbols else ""
            context.log.info(
                f"{sum(taken.values()):,} bars{of} of {len(taken)} days were taken out."
            )
            start = platform.settings.history.start
            keys = [day.isoformat() for day in taken if day >= start]
            for key, metadata in day_metadata(lake, keys, preview=False).items():
                count = taken[dt.date.fromisoformat(key)]
                context.log_event(
                    dg.AssetMaterialization(
                        PRICES,
                        description=f"{count:,} bars{of} were taken out",
                        partition=key,
                        metadata={**metadata, "bars taken out": count},
                    )
                )

    @dg.job(
        description="Takes wrong bars of some days out of price_1m_history. The files that "
        "brought them bring them back only where import_inbox says that they replace.",
    )
    def take_out_prices() -> None:
        take_out_bars()

    return take_out_prices


def _day(name: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{name} = {text!r}: is not a day, as in 2024-03-01.") from error
