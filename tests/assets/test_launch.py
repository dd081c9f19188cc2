"""The command line that launches: what it prints, and what it exits with."""

import os
import re
import subprocess
import sys

import dagster as dg
import pytest
import yaml
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap
from runtimes.markets import lake_of

from streaming.contracts import TABLES
from trading_assets import launch
from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.definitions import defs
from trading_assets.analytics.equity import METRICS
from trading_assets.analytics.records import Records
from trading_assets.platform import Folders
from trading_assets.terminal import LOGGER, terminal_logger

STRATEGY = "ema_cross"


@pytest.fixture(scope="module")
def folder(market, tmp_path_factory):
    """A data folder with a market, for launches in processes of their own."""
    root = tmp_path_factory.mktemp("launch") / "data"
    lake_of(Folders(root).lake, market)
    return root


@pytest.fixture
def trading(folder):
    """Run the command: its exit code, its output, and the lines of its error output."""

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "trading_assets.launch", *words],
            env=os.environ | {"TRADING__DATA__FOLDER": str(folder), "COLUMNS": "300"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert "Traceback" not in done.stderr and "Stack Trace" not in done.stderr
        return done.returncode, done.stdout, done.stderr.splitlines()

    return run


def records_of(folder):
    return {one.month: one.run_id for one in Records(Folders(folder).partitions, BACKTESTS).all()}


def backfill(first, last):
    return ("backfill", "--from", first, "--to", last, "--strategies", STRATEGY)


def test_months_without_prices_are_named_and_the_others_go_on(folder, trading):
    """One after the other: of nothing but such months, then of some."""
    code, shown, lines = trading(*backfill("2024-05", "2024-06"))
    what = f"put files with their bars into {folder}/inbox, and do the same again."
    assert code == 1
    assert [line for line in lines if "error" in line] == [
        f"error: no prices in 2024-05, 2024-06: {what}"
    ]
    assert "leaderboard" not in shown
    assert records_of(folder) == {"2024-05": None, "2024-06": None}

    code, shown, lines = trading(*backfill("2024-03", "2024-05"))
    assert code == 0
    assert f"note: no prices in 2024-04, 2024-05: {what}" in lines
    assert not [line for line in lines if "error" in line]
    assert re.search(rf"{STRATEGY} .*", shown.partition("checks")[0])
    assert records_of(folder)["2024-03"] and records_of(folder)["2024-04"] is None
    assert (Folders(folder).warehouse).exists()


def test_materialise_prints_the_checks_of_its_run_alone(trading):
    trading(*backfill("2024-02", "2024-02"))
    code, shown, _ = trading("materialise", METRICS, "--partition", f"2024-02|{STRATEGY}")
    assert code == 0
    assert re.findall(r"│ (\w+) +│ (\w+) +│ (\w+) ", shown) == [
        (METRICS, "metrics_are_of_their_runs", "passed")
    ]


def location(*, passed, blocking, severity):
    """A location of one asset, whose check finds this."""

    @dg.asset
    def made():
        return None

    @dg.asset_check(asset=made, blocking=blocking)
    def looked_at():
        return dg.AssetCheckResult(passed=passed, severity=severity, description="so it is")

    loggers = {LOGGER: terminal_logger}
    return dg.Definitions([made], asset_checks=[looked_at], loggers=loggers)


@pytest.mark.parametrize(
    ("passed", "blocking", "severity", "state", "code"),
    [
        (True, False, "ERROR", "passed", 0),
        (False, False, "WARN", "warning", 0),
        (False, False, "ERROR", "FAILED", 3),
        (False, True, "ERROR", "FAILED", 1),
    ],
)
def test_a_check_that_fails_is_an_exit_code_of_its_own(
    tmp_path, monkeypatch, capsys, passed, blocking, severity, state, code
):
    monkeypatch.setenv("TRADING__DATA__FOLDER", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    made = location(passed=passed, blocking=blocking, severity=dg.AssetCheckSeverity[severity])
    monkeypatch.setattr(launch, "_definitions", lambda: made)
    monkeypatch.setattr("sys.argv", ["launch", "materialise", "made"])
    with pytest.raises(SystemExit) as end:
        launch.main()
    assert end.value.code == code
    shown = capsys.readouterr()
    assert re.search(rf"│ made +│ looked_at +│ {state} +│ so it is +│", shown.out)
    assert ("error: checks failed: looked_at of made." in shown.err) is (code > 0)
    assert "Stack Trace" not in shown.err


def test_a_run_that_fails_says_why_in_a_line(folder, trading):
    (day,) = Folders(folder).lake.glob("price_1m_history/day=2024-02-14/*.parquet")
    whole = day.read_bytes()
    day.write_bytes(whole[:100])
    try:
        code, shown, lines = trading(*backfill("2024-02", "2024-03"))
    finally:
        day.write_bytes(whole)
    assert code == 1
    assert lines[-1] == "error: a run failed; `make ui` shows why."
    assert any(BACKTESTS in line and "2024-02-14" in line for line in lines)
    assert re.search(rf"│ {BACKTESTS} +│ contract +│ not run", shown)
    assert "leaderboard  " not in shown.partition("checks")[0]


MADE = {key.path[-1] for key in defs.resolve_asset_graph().materializable_asset_keys}


@pytest.mark.parametrize("name", sorted(set(TABLES) - MADE))
def test_what_only_others_write_is_told(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["launch", "materialise", name])
    with pytest.raises(SystemExit) as end:
        launch.main()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    by = "the live engine writes it"
    if name == "quarantine_history":
        by = "importing prices writes it, so materialise price_1m_history"
    elif name in ("strategy_perf_latest", "strategy_weights_latest"):
        by = "nothing makes it yet"
    elif name == "trading_halts_latest":
        by = "people write it, with `trading halt` and `trading resume`"
    assert line.startswith(f"error: {name} is not materialised: {by}")


@pytest.mark.parametrize("job", ["__ASSET_JOB", "backtest_window", "import_inbox"])
def test_the_form_of_a_launch_has_what_a_person_sets_and_no_more(job):
    form = launch._definitions().resolve_job_def(job).run_config_schema.run_config_schema_type
    shown = yaml.safe_load(default_values_yaml_from_type_snap(form.schema_snapshot, form.snapshot))
    assert not shown.get("resources")
    assert not {"folder", "settings_file"} & set(str(shown).replace("'", " ").split())
