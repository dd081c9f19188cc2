"""What a terminal shows of runs: their log in plain lines, the leaderboard, and the checks."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from streaming.analytics import report as text
from streaming.cli.output import print_table
from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.equity import leaderboard, months_held, uneven
from trading_assets.analytics.records import Records
from trading_assets.platform import Platform

LOGGER = "terminal"
"""The name under which a location has the logger."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes
    ----------
    succeeded
        Whether every step did, and every check that blocks.
    checks
        Each check that was asked for with its result; None: it did not run.
    """

    succeeded: bool
    checks: dict[dg.AssetCheckKey, dg.AssetCheckEvaluation | None]

    @property
    def failed_checks(self) -> list[dg.AssetCheckKey]:
        """Checks that found what is wrong; a warning is none."""
        return [key for key, found in self.checks.items() if _state(found) == "FAILED"]


def _state(found: dg.AssetCheckEvaluation | None) -> str:
    if found is None:
        return "not run"
    if found.passed:
        return "passed"
    return "warning" if found.severity == dg.AssetCheckSeverity.WARN else "FAILED"


def print_checks(outcomes: Sequence[Outcome]) -> None:
    """Print the checks of runs; of one that several runs have, all that it found, or the last."""
    rows = []
    for key in sorted({key for one in outcomes for key in one.checks}):
        found = [one.checks[key] for one in outcomes if key in one.checks]
        bad = [one for one in found if one is not None and not one.passed]
        rows += [
            [
                key.asset_key.to_user_string(),
                key.name,
                _state(one),
                (one.description or "") if one is not None else "",
            ]
            for one in bad or found[-1:]
        ]
    if rows:
        print_table("checks", ["asset", "check", "state", "what it found"], rows)


def print_leaderboard(platform: Platform) -> None:
    """Print the leaderboard as it is now, the best strategy first."""
    records = Records(platform.folders.partitions, BACKTESTS).all()
    reports = leaderboard(platform.lake(), records)
    held = months_held(records)
    columns = ["months", *text.SUMMARY, *text.SUMMARY_MARKED]
    rows = [
        [one.name, str(len(held[one.name])), *text.summary_row(one, marked=True)] for one in reports
    ]
    print_table("leaderboard", ["strategy", *columns], rows, right=columns)
    note = uneven(held)
    if note:
        print(f"warning: {note}", file=sys.stderr)


@dg.logger({}, description="Plain lines on standard error.")
def terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """Make the logger of a run from a terminal."""
    made = logging.Logger(LOGGER, logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_is_news)
    handler.setFormatter(_Lines())
    made.addHandler(handler)
    return made


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a record is not one that its step has told already."""
    event = getattr(record, "dagster_event", None)
    return event is None or event.event_type != dg.DagsterEventType.RUN_FAILURE


class _Lines(logging.Formatter):
    """Who says what; of a failure that says why itself, that alone, and no trace."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the text of a record of a run."""
        told = getattr(record, "dagster_meta", {})
        event = getattr(record, "dagster_event", None)
        said = told.get("orig_message") or record.getMessage()
        if event is not None and event.event_type == dg.DagsterEventType.STEP_FAILURE:
            failure = event.step_failure_data
            if failure.user_failure_data is not None:
                said = failure.user_failure_data.description or said
            elif failure.error is not None and failure.error.cls_name == _BLOCKED:
                said = failure.error.message.rpartition(": ")[2].strip()
            else:
                said = failure.error_display_string
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        when = self.formatTime(record, "%H:%M:%S")
        return f"{when} {told.get('step_key') or 'run'}: {level}{said}"


_BLOCKED = "DagsterAssetCheckFailedError"
"""What Dagster raises when a check that blocks has failed."""
