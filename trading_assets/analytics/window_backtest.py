"""The job `backtest_window`: a backtest of any window, launched by hand from the UI.

It is `trading backtest` with a form in place of options. Its run lies in the lake with all
others, under a runId of its own; no partition stands for it.
"""

import time
from typing import Any

import dagster as dg

from streaming.errors import TradingError
from streaming.runtimes.runs import Run
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.config import Account, WindowConfig
from trading_assets.analytics.equity_facts import board, drawing
from trading_assets.analytics.forms import filled_in, form
from trading_assets.analytics.previews import match_preview
from trading_assets.analytics.sound_prices import SoundPrices
from trading_assets.platform import Platform, PlatformResource

_SAY_EVERY = 5.0


def backtest_window_job(platform: Platform) -> dg.JobDefinition:
    """Make the job."""

    @dg.op(
        description="Backtests a window of the lake's bars, and draws what came of it.",
        config_schema=form(WindowConfig, platform),
    )
    def backtest(context: dg.OpExecutionContext, platform: PlatformResource) -> dg.Output[str]:
        from streaming.runtimes.backtest import run_backtest

        config = filled_in(WindowConfig, context)
        try:
            request = config.request(platform)
            lake = platform.lake()
            SoundPrices(lake, platform.folders.verdicts).require(request.end)
            run = run_backtest(lake, request, _log_progress(context))
            facts = _facts(platform, run)
        except TradingError as error:
            raise dg.Failure(str(error), allow_retries=error.exit_code != 2) from error
        # Beside the partitions of the same kind: where a person looks for runs to compare.
        asset = PORTFOLIO if config.account is Account.shared else BACKTESTS
        context.log_event(dg.AssetObservation(asset, metadata=facts))
        context.log.info(f"Run {run.label}: trading metrics --run {run.label}")
        return dg.Output(run.id, metadata=facts)

    @dg.job(
        description="A backtest of any window, in either account layout, with whatever capital, "
        "costs, symbols and parameters: fill in the form of the launchpad.",
    )
    def backtest_window() -> None:
        backtest()

    return backtest_window


def _facts(platform: Platform, run: Run) -> dict[str, Any]:
    from streaming.runtimes.run_source import from_run

    source = from_run(platform.folders.lake, run.id)
    reports = sorted(
        source.reports(by="strategy"), key=lambda one: (-one.realised.figures.net_pnl, one.name)
    )
    matches = run.matches()
    window = run.facts["window"]
    facts = {
        "runId": run.id,
        "folder": dg.MetadataValue.path(str(run.folder)),
        "window": f"{window['start']} to {window['completeTo']}",
        "symbols": len(run.definition["symbols"]),
        "dagster/row_count": matches.num_rows,
        "leaderboard": board(reports),
        "equity": drawing(reports, source.accounts),
    }
    if matches.num_rows:
        facts["best and worst matches"] = dg.MetadataValue.md(match_preview(matches))
    return facts


def _log_progress(context: dg.OpExecutionContext) -> Any:
    """Log how far it is, every few seconds: each line is an event in a database."""
    said = time.monotonic()

    def advance(done: float, total: float, what: str = "") -> None:
        nonlocal said
        if total and time.monotonic() - said > _SAY_EVERY:
            said = time.monotonic()
            context.log.info(f"{done / total:.0%} {what}".rstrip())

    return advance
