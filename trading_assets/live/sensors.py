"""The sensor on new input: one bounded run for what has come in."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import StoreError
from trading_assets.live.catch_up import CATCH_UP
from trading_assets.live.engine import store_of
from trading_assets.live.keeper import holds, read_lease
from trading_assets.platform import Platform, PlatformResource

_SECONDS = 30


def catch_up_sensor() -> dg.SensorDefinition:
    """Define the sensor."""

    @dg.sensor(
        name="catch_up_sensor",
        job_name=CATCH_UP,
        minimum_interval_seconds=_SECONDS,
        # Off at first: where the engine runs, it takes new input by itself.
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Catches up when files have come in, for whom wants no long run of the live "
        "engine. While an engine runs it starts nothing.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.RunRequest | dg.SkipReason:
        try:
            lease = read_lease(store_of(platform))
        except StoreError as error:
            return dg.SkipReason(f"Nothing is started before this is mended: {error}")
        if lease is not None and holds(lease):
            return dg.SkipReason(f"{lease} has the store's lease, and takes what comes in.")
        stamp = input_stamp(platform)
        if stamp is None:
            return dg.SkipReason("There is no input yet.")
        busy = context.instance.get_runs_count(
            dg.RunsFilter(
                job_name=CATCH_UP,
                statuses=[
                    dg.DagsterRunStatus.QUEUED,
                    dg.DagsterRunStatus.STARTING,
                    dg.DagsterRunStatus.STARTED,
                ],
            )
        )
        if busy:
            return dg.SkipReason("A run is on its way.")
        return dg.RunRequest(run_key=stamp)

    return sensor


def input_stamp(platform: Platform) -> str | None:
    """Give what tells that input has come: it changes with the files of the engine's feed.

    None where no file waits; always, where the feed is a server.
    """
    settings = platform.settings
    if settings.live.feed == "inbox":
        from streaming.feeds.reading_rules import FILE

        inbox = settings.feeds.inbox.folder_in(platform.folders.root)
        waiting = (path for kind in ("bars", "reports") for path in (inbox / kind).glob("*"))
        return _stamp(
            path for path in waiting if not path.name.startswith(".") and path.name != FILE
        )
    if settings.live.feed == "replay":
        return _stamp((platform.folders.lake / PRICE_1M_HISTORY.name).glob("day=*/*.parquet"))
    return None


def _stamp(paths: Iterable[Path]) -> str | None:
    """Give a digest of names, sizes and times; None of no file."""
    facts = hashlib.blake2b(digest_size=16)
    found = False
    for path in sorted(paths):
        stat = path.stat()
        facts.update(f"{path.parent.name}/{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        found = True
    return facts.hexdigest() if found else None
