"""The job of a backtest of any window: the runs of the command line, from a form."""

import re

import dagster as dg
import pytest
from dagster._core.errors import DagsterUserCodeProcessError

from streaming.jobs.strategies import make
from streaming.moments import micros_of
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.runs import find_run
from streaming.settings import Settings
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.definitions import definitions
from trading_assets.analytics.records import Records

NAMES = ["ema_cross", "roc_momentum"]
WINDOW = {"start": "2024-01-10", "end": "2024-02-03T12:00Z"}


@pytest.fixture
def launch(platform, instance):
    """Run the job with a configuration; give its result."""

    def run(**config):
        job = definitions(platform).resolve_job_def("backtest_window")
        return job.execute_in_process(
            instance=instance,
            run_config={"ops": {"backtest": {"config": config}}},
            raise_on_error=False,
        )

    return run


def said(failed):
    (event,) = failed.get_step_failure_events()
    return event.event_specific_data.error_display_string


def test_a_window_is_the_run_of_the_command_line(platform, launch, instance):
    result = launch(strategies=NAMES, **WINDOW)
    assert result.success
    by_hand = run_backtest(
        platform.lake(),
        BacktestRequest(
            Settings(),
            tuple(make(name) for name in NAMES),
            start=micros_of(WINDOW["start"]),
            end=micros_of(WINDOW["end"]),
            final_unrealized=True,
        ),
    )
    assert result.output_for_node("backtest") == by_hand.id
    (event,) = instance.fetch_observations(dg.AssetKey(BACKTESTS), limit=5).records
    told = event.asset_observation.metadata
    assert told["runId"].value == by_hand.id
    assert told["dagster/row_count"].value == by_hand.matches().num_rows > 0
    assert all(name in told["leaderboard"].value for name in NAMES)
    assert told["equity"].value.startswith("![equity and drawdown](data:image/png;base64,")
    assert not Records(platform.folders.partitions, BACKTESTS).all()


def test_the_shared_account_with_a_name_costs_and_a_trace(platform, launch, instance):
    result = launch(
        strategies=NAMES,
        account="shared",
        name="two in one",
        fee_bps=3.0,
        trace=True,
        params={"ema_cross": {"fast": 5}},
        symbols=["ADA"],
        **WINDOW,
    )
    assert result.success
    run = find_run(platform.lake(), "two in one")
    assert run.id == result.output_for_node("backtest")
    assert run.definition["layout"] == "shared"
    assert run.definition["symbols"] == ["ADA"]
    assert run.definition["account"]["fee_rate"] == 30_000
    assert run.table("strategy_signal_history").num_rows > 0
    (event,) = instance.fetch_observations(dg.AssetKey(PORTFOLIO), limit=5).records
    assert event.asset_observation.metadata["runId"].value == run.id


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"start": "2024-02-01", "end": "2024-01-01"}, "end is not after its start"),
        ({"name": "a/b"}, "must be a plain name"),
        ({"start": "2030-01-01"}, "2030"),
    ],
)
def test_what_the_lake_cannot_give_is_refused_by_name(launch, config, message):
    failed = launch(**config)
    assert not failed.success
    assert re.search(message, said(failed))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"start": "tomorrow"}, "start = 'tomorrow': 'tomorrow' is no date or time"),
        ({"strategies": ["ema_cros"]}, "Did you mean ema_cross"),
        ({"strategies": NAMES, "params": {"sma_cross": {"fast": 5}}}, "does not take part"),
        ({"symbols": ["NIX"]}, "no prices of symbol 'NIX'"),
        ({"fee_bps": -1.0}, "fee_bps = -1.0: must be at least 0.0"),
    ],
)
def test_what_cannot_be_meant_never_starts(launch, instance, config, message):
    with pytest.raises(DagsterUserCodeProcessError, match=message):
        launch(**config)
    assert instance.get_runs_count() == 0


@pytest.mark.parametrize(
    ("config", "message"), [({"account": "both"}, "both"), ({"capitol": 1}, "capitol")]
)
def test_what_does_not_fit_the_form_never_starts(launch, config, message):
    with pytest.raises(dg.DagsterInvalidConfigError, match=message):
        launch(**config)
