"""The sensor on the inbox: one run for each new file."""

import json
from collections.abc import Sequence

import dagster as dg

from streaming.errors import TradingError
from streaming.feeds.reading_rules import read_rules
from trading_assets.analytics.inbox_listing import Listing
from trading_assets.analytics.prices import open_inbox
from trading_assets.platform import PlatformResource

_SECONDS = 30
_SHOWN = 10


def inbox_sensor(job: dg.JobDefinition) -> dg.SensorDefinition:
    """Define the sensor.

    Parameters
    ----------
    job
        What imports files by name: `prices.import_inbox_job`.
    """

    @dg.sensor(
        name="inbox_sensor",
        job=job,
        minimum_interval_seconds=_SECONDS,
        # On from the first start: who puts a file into the inbox wants it imported, an empty
        # folder costs a listing, and a file that is not meant for us is refused with a reason.
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Imports each file of the inbox once, when it has not changed for a few "
        "seconds. A file that cannot be read is moved to the folder of refused ones, and its "
        "run fails with the reason.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            # A file must not be given to a run that can only fail.
            read_rules(platform.folders.inbox)
            listing = open_inbox(platform).listing()
        except TradingError as error:
            return dg.SkipReason(f"Nothing is imported until this is mended: {error}")
        return tick(listing, context.cursor, job.nodes[0].name)

    return sensor


def tick(listing: Listing, cursor: str | None, op: str) -> dg.SensorResult:
    """Ask for a run for each file that has not had one.

    Parameters
    ----------
    listing
        The inbox's files that have not been imported.
    cursor
        Keys of the files that were ready at the last tick, which all have had their run: a
        JSON list. Where it is lost, Dagster knows the run keys.
    op
        The op that is told the file's name.
    """
    asked = set(json.loads(cursor)) if cursor else set()
    fresh = [file for file in listing.ready if file.key not in asked]
    requests = [
        dg.RunRequest(
            run_key=file.key, run_config={"ops": {op: {"config": {"files": [file.name]}}}}
        )
        for file in fresh
    ]
    why = None
    if not requests:
        lines = [
            f"{file.name} has its run, which is not done or has failed: look at it, and retry it "
            "there once its cause is mended"
            for file in listing.ready
        ]
        lines += [f"{name} {reason}" for name, reason in listing.waiting.items()]
        why = _listed(lines) if lines else "The inbox has no new files."
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=why,
        cursor=json.dumps([file.key for file in listing.ready]),
    )


def _listed(lines: Sequence[str]) -> str:
    more = len(lines) - _SHOWN
    return "; ".join(lines[:_SHOWN]) + (f"; and {more} more." if more > 0 else ".")
