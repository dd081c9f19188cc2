"""What keeps the current month up to date by itself, once it is switched on.

New prices, of whichever day, make the month in progress be run again: it rests on every bar
before it. Months that have ended are those of `changed_months`.
"""

import dagster as dg

_UPDATED = dg.AutomationCondition.any_deps_updated()
_ASKED = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.initial_evaluation()

# Not `eager`: that waits for every day of prices to have been materialised, and there are
# days without any. Nor `since_last_handled`: prices that come in while a run is under way may
# be too late for it, and its end must not count as having dealt with them.
_NEWS = (
    _UPDATED.since(_ASKED & ~_UPDATED)
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
)

CURRENT_MONTH = (dg.AutomationCondition.in_latest_time_window() & _NEWS).with_label("current month")
"""For assets by month: the month in progress, when what it rests on has changed."""

ON_NEWS = _NEWS.with_label("on news")
"""For what is not cut into months: when what it rests on has changed."""


def current_month_sensor() -> dg.AutomationConditionSensorDefinition:
    """Make the sensor that acts on these conditions."""
    return dg.AutomationConditionSensorDefinition(
        "current_month_sensor",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=60,
        # Off at first: who imports years of history does not want every strategy run after
        # each file. A person switches it on when the files of every day come in.
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Runs the current month's backtests, their metrics, the portfolio, the "
        "leaderboard and the warehouse again when prices have come in.",
    )
