"""The asset `price_1m_history`, and the job that imports single files of the inbox into it."""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from streaming.contracts import PRICE_1M_HISTORY, QUARANTINE_HISTORY
from streaming.errors import TradingError
from trading_assets.analytics.demo_market import put_demo_market
from trading_assets.analytics.forms import Checked, filled_in, form
from trading_assets.analytics.inbox import Inbox
from trading_assets.analytics.inbox_reports import InboxReport
from trading_assets.analytics.partitions import days
from trading_assets.analytics.price_days import (
    day_metadata,
    first_reasons,
    import_metadata,
    listed,
    receipt_table,
    report_table,
)
from trading_assets.contract_metadata import OWNERS, schema_metadata
from trading_assets.platform import Platform, PlatformResource

PRICES = dg.AssetKey(PRICE_1M_HISTORY.name)
"""The asset that everything starts from."""

QUARANTINE = dg.AssetKey(QUARANTINE_HISTORY.name)
"""Rows of files that break their contract."""

POOL = "inbox"
"""What imports wait for, so that a run for each of many files does not lock out the others."""


class PricesConfig(Checked):
    """What to import besides the files that are in the inbox."""

    demo_market: bool = Field(
        default=False, description="first put the files of a made-up market into the inbox"
    )
    seed: int = Field(default=1, ge=0, le=2**31 - 1, description="another seed, another market")
    symbols: int = Field(default=12, ge=1, le=200, description="symbols of the made-up market")
    days: int = Field(
        default=60, ge=1, le=731, description="days of the made-up market, from 2024-02-05 on"
    )


class ImportConfig(Checked):
    """Which files of the inbox to import."""

    files: list[str] = Field(
        min_length=1, max_length=1000, description="names of files in the inbox, without folders"
    )
    replace: bool = Field(
        default=False,
        description="their bars take the place of those that differ, and of those that the same "
        "files gave by other rules of reading.toml; also where they were imported before",
    )


def open_inbox(platform: Platform) -> Inbox:
    """Open the inbox of the platform's data folder."""
    return Inbox(platform.folders, platform.lake(), symbols=platform.instruments.symbols)


def prices_asset(platform: Platform) -> dg.AssetsDefinition:
    """Make `price_1m_history`; partitions begin where the settings say that history does."""
    start = platform.settings.history.start

    @dg.asset(
        key=PRICES,
        description=f"{PRICE_1M_HISTORY.description} Imports what is ready in the inbox, and again "
        "what brought bars of these days that the lake has lost; then says what it has of each.",
        partitions_def=days(start),
        backfill_policy=dg.BackfillPolicy.single_run(),
        config_schema=form(PricesConfig, platform),
        metadata=schema_metadata(PRICE_1M_HISTORY),
        group_name="prices",
        kinds={"parquet", "python"},
        owners=OWNERS,
        tags={"layer": "history"},
        pool=POOL,
    )
    def price_1m_history(context: dg.AssetExecutionContext, platform: PlatformResource) -> None:
        config = filled_in(PricesConfig, context)
        keys = context.partition_keys
        with failures():
            demo = []
            if config.demo_market:
                market = (config.seed, config.symbols, config.days)
                demo = put_demo_market(platform.folders, *market)
            inbox = open_inbox(platform)
            wanted = {dt.date.fromisoformat(key) for key in keys}
            reports = inbox.import_ready(also=[*demo, *inbox.restoring(wanted & set(inbox.lost()))])
            tell(context, reports)
            for key, metadata in day_metadata(platform.lake(), keys).items():
                here = metadata | import_metadata(reports, key)
                context.add_asset_metadata(here, partition_key=key)
            announce(context, platform, inbox, besides=keys)

    return price_1m_history


def import_inbox_job(platform: Platform) -> dg.JobDefinition:
    """Make the job that imports files of the inbox by name."""

    @dg.op(
        description="Imports files of the inbox, and says which days they changed.",
        config_schema=form(ImportConfig, platform),
        pool=POOL,
    )
    def import_files(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
        config = filled_in(ImportConfig, context)
        with failures():
            inbox = open_inbox(platform)
            reports = inbox.import_named(config.files, replace=config.replace)
            tell(context, reports)
            announce(context, platform, inbox)
        left = [report for report in reports if report.fate not in ("imported", "duplicate")]
        if left:
            raise dg.Failure(
                " ".join(report.message for report in left),
                metadata={"files": report_table(reports)},
                # What was refused would be refused again; what is being written may be whole.
                allow_retries=all(report.fate == "waiting" for report in left),
            )

    @dg.job(
        description="Imports files of the inbox into price_1m_history; the sensor on the inbox "
        "runs it for each new file.",
    )
    def import_inbox() -> None:
        import_files()

    return import_inbox


def tell(
    context: dg.OpExecutionContext | dg.AssetExecutionContext, reports: Sequence[InboxReport]
) -> None:
    """Log what became of each file, and an event where rows went to quarantine."""
    for report in reports:
        if report.fate == "refused":
            context.log.error(report.message)
        elif report.quarantined or report.fate in ("missing", "waiting", "held"):
            context.log.warning(report.message)
        else:
            context.log.info(report.message)
    quarantined = [report for report in reports if report.quarantined]
    if quarantined:
        context.log_event(
            dg.AssetMaterialization(
                QUARANTINE,
                description=f"Rows refused in {listed([report.name for report in quarantined])}",
                metadata={
                    "quarantined rows": sum(report.quarantined for report in quarantined),
                    "files": report_table(quarantined),
                    "first reasons": first_reasons(quarantined),
                },
            )
        )


def announce(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    platform: Platform,
    inbox: Inbox,
    besides: Collection[str] = (),
) -> None:
    """Log a materialisation for each day that imports changed, those of killed runs too.

    Days before the setting `history.start` have no partition; a warning says so.

    Parameters
    ----------
    context
        The run's.
    platform, inbox
        Where the days are.
    besides
        Keys that the run itself materialises.
    """
    start = platform.settings.history.start
    entries = inbox.unannounced()
    changed = sorted({day for entry in entries for day in entry.days})
    early = [day for day in changed if day < start]
    if early:
        context.log.warning(
            f"Bars of {len(early)} days before {start} ({early[0]} to {early[-1]}) are in the "
            "lake, but those days have no partitions. Set history.start to an earlier day."
        )
    keys = [day.isoformat() for day in changed if day >= start and day.isoformat() not in besides]
    for key, metadata in day_metadata(platform.lake(), keys, preview=False).items():
        of_day = [entry for entry in entries if dt.date.fromisoformat(key) in entry.days]
        context.log_event(
            dg.AssetMaterialization(
                PRICES,
                description=f"Changed by {listed([entry.name for entry in of_day])}",
                partition=key,
                metadata={**metadata, "files": receipt_table(of_day)},
            )
        )
    inbox.announce(entries)


@contextmanager
def failures() -> Iterator[None]:
    """Turn what a user can mend into a failure of the run that says just that."""
    try:
        yield
    except TradingError as error:
        # Wrong use stays wrong; a full disk or another writer may be gone the next time.
        raise dg.Failure(str(error), allow_retries=error.exit_code != 2) from error
