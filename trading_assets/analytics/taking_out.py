"""Taking bars out of the lake on purpose, and the job that does it."""

import datetime as dt
from collections.abc import Collection

import dagster as dg
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import SettingsError
from streaming.jobs.price_rows import PriceRows
from streaming.lake import Lake
from trading_assets.analytics.inbox_days import note_days
from trading_assets.analytics.inbox_ledger import alone
from trading_assets.analytics.price_days import day_metadata
from trading_assets.analytics.prices import POOL, PRICES, failures
from trading_assets.platform import Folders, Platform

_EPOCH = dt.date(1970, 1, 1)
_WAIT_SECONDS = 3600.0


class TakeOutConfig(dg.Config):
    """Which bars to take out of the lake."""

    first: str = Field(description="the first UTC day, YYYY-MM-DD")
    last: str = Field(description="the last UTC day, YYYY-MM-DD; the first again for one day")
    symbols: list[str] = Field(
        default=[], max_length=10_000, description="of these symbols alone; none: of all"
    )


def take_out(
    folders: Folders,
    lake: Lake,
    first: dt.date,
    last: dt.date,
    symbols: Collection[str] = (),
    *,
    wait_seconds: float = _WAIT_SECONDS,
) -> dict[dt.date, int]:
    """Take bars out of the lake: the files that brought them count as imported still.

    So only files that are said to replace bring them back. What had been lost of these days is
    given up as well.

    Parameters
    ----------
    folders, lake
        The data folder, and its lake.
    first, last
        UTC days.
    symbols
        Of these symbols; none: of all.
    wait_seconds
        How long to wait for another process that works on the inbox.

    Returns
    -------
    dict
        By day, how many bars went; days without any are left out.

    Raises
    ------
    LakeError
        If the lake is damaged, full, or written by another process for too long. Whole days
        were done; the same call again does what is left.
    """

    def chosen(bars: PriceRows) -> NDArray[np.bool_]:
        wanted = [not symbols or name in symbols for name in bars.symbols]
        return np.array(wanted, np.bool_)[bars.symbol]

    taken = {}
    with alone(folders, wait_seconds):
        with lake.writing(PRICE_1M_HISTORY.name):
            for day in [info.day for info in lake.days() if first <= info.day <= last]:
                taken[day] = lake.take_out((day - _EPOCH).days, chosen)
        every = [first + dt.timedelta(days=at) for at in range((last - first).days + 1)]
        note_days(folders.imported_days, lake, (), fewer=every)
    return {day: count for day, count in taken.items() if count}


def take_out_job() -> dg.JobDefinition:
    """Make the job that takes bars of days out of the lake."""

    @dg.op(description="Takes bars out of the lake, and says which days they were of.", pool=POOL)
    def take_out_bars(
        context: dg.OpExecutionContext, config: TakeOutConfig, platform: Platform
    ) -> None:
        with failures():
            first, last = _day("first", config.first), _day("last", config.last)
            if last < first:
                raise SettingsError(f"last = {last}: is before first, {first}.")
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
