"""The check that the lake still has the bars that the inbox brought it."""

import datetime as dt

import dagster as dg

from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import TradingError
from trading_assets.analytics.checks.rows import Keys
from trading_assets.analytics.inbox_days import noted_days
from trading_assets.analytics.prices import open_inbox
from trading_assets.platform import PlatformResource

_SHOWN = 10


def lost_bars_check() -> dg.AssetChecksDefinition:
    """Make the check; it looks at the days of its run, or at all where it is run alone."""

    @dg.asset_check(
        asset=PRICE_1M_HISTORY.name,
        name="nothing_imported_is_lost",
        description="The lake has at least the bars of each day and symbol that imports from the "
        "inbox left it with.",
    )
    def check(
        context: dg.AssetCheckExecutionContext, platform: PlatformResource
    ) -> dg.AssetCheckResult:
        keys = Keys(context.run.tags)
        try:
            inbox = open_inbox(platform)
            lost = {day: one for day, one in inbox.lost().items() if day.isoformat() in keys}
            files = inbox.restoring(lost)
            noted = noted_days(platform.folders.imported_days)
        except TradingError as error:
            return dg.AssetCheckResult(passed=False, description=str(error))
        compared = sum(day.isoformat() in keys for day in noted)
        lines = [_line(day, symbols) for day, symbols in lost.items()]
        said = f"{len(lost)} days have lost bars. Materialise them again: that imports "
        said += f"{', '.join(files[:_SHOWN]) or 'their files (put them into the inbox)'} once more."
        return dg.AssetCheckResult(
            passed=not lost,
            description=said
            if lost
            else f"{compared} days that the inbox brought: each has its bars.",
            metadata={
                "compared": compared,
                "lost days": len(lost),
                "days": lines[:_SHOWN],
                "files": files[:_SHOWN],
            },
        )

    return check


def _line(day: dt.date, symbols: dict[str, tuple[int, int]]) -> str:
    told = [f"{name} {now} of {then} bars" for name, (now, then) in list(symbols.items())[:_SHOWN]]
    more = f" and {len(symbols) - _SHOWN} more symbols" if len(symbols) > _SHOWN else ""
    return f"{day}: {', '.join(told)}{more}"
