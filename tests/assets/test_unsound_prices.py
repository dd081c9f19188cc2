"""Prices that cannot be trusted stop what rests on them, in whatever run, until they are mended."""

import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.definitions import definitions
from trading_assets.analytics.records import Records

from .test_asset_checks import with_first

DAY = "2024-02-14"
INDICATORS = "indicator_history"


def said(failed):
    (event,) = failed.get_step_failure_events()
    return event.event_specific_data.error_display_string


def day_of(platform):
    return platform.folders.lake / "price_1m_history" / f"day={DAY}" / "bars.parquet"


def spoil(path, column="high", value=lambda high: high / 2):
    """Write a day's file anew, with one cell changed."""
    rows = pq.read_table(path, partitioning=None)
    changed = with_first(rows, column, value)
    table = pa.Table.from_arrays(changed.columns, schema=rows.schema)
    pq.write_table(table, path, store_decimal_as_integer=True)


@pytest.mark.parametrize(
    ("asset", "key"),
    [(BACKTESTS, "2024-02|squeeze"), (PORTFOLIO, "2024-03"), (INDICATORS, "2024-02")],
)
def test_a_later_run_refuses_them_with_day_row_rule_and_what_to_do(
    platform, materialise, asset, key
):
    path = day_of(platform)
    whole = path.read_bytes()
    spoil(path)
    told = said(materialise(asset, keys=key, ok=False))
    assert f"day={DAY}" in told
    assert re.search(r"row 1: high .* is below", told)
    assert "import the files of that day again" in told
    assert key[:7] in told
    # Whatever is remembered: it was never a good one.
    materialise(asset, keys=key, ok=False)
    path.write_bytes(whole)
    materialise(asset, keys=key)


def test_a_month_before_them_is_run(platform, materialise):
    spoil(day_of(platform))
    materialise(BACKTESTS, keys="2024-01|squeeze")
    materialise(INDICATORS, keys="2024-01")


def test_bars_changed_within_their_contract_are_refused_too(platform, materialise):
    """Their digests in the footer are what a runId is made of: it would stand for other bars."""
    spoil(day_of(platform), "volume", lambda volume: volume + 1)
    told = said(materialise(BACKTESTS, keys="2024-02|squeeze", ok=False))
    assert "are not those that were imported" in told


def test_bars_spoilt_after_a_month_was_run_are_refused_when_it_is_run_again(platform, materialise):
    materialise(BACKTESTS, keys="2024-02|squeeze")
    before = Records(platform.folders.partitions, BACKTESTS).all()
    spoil(day_of(platform))
    materialise(BACKTESTS, keys="2024-02|squeeze", ok=False)
    assert Records(platform.folders.partitions, BACKTESTS).all() == before


def test_nothing_hangs_on_what_is_remembered(platform, materialise):
    materialise(BACKTESTS, keys="2024-02|squeeze")
    assert any(platform.folders.verdicts.iterdir())
    shutil.rmtree(platform.folders.verdicts)
    spoil(day_of(platform))
    materialise(BACKTESTS, keys="2024-02|ema_cross", ok=False)
    shutil.rmtree(platform.folders.verdicts, ignore_errors=True)
    materialise(BACKTESTS, keys="2024-02|ema_cross", ok=False)
    for path in platform.folders.verdicts.glob("*"):
        path.write_text("[1]")
    materialise(BACKTESTS, keys="2024-02|ema_cross", ok=False)


def test_a_sound_day_is_looked_at_once(platform, materialise, monkeypatch):
    from trading_assets.analytics import sound_prices

    asked = []
    always = sound_prices.verify_day
    monkeypatch.setattr(sound_prices, "verify_day", lambda path: asked.append(path) or always(path))
    materialise(BACKTESTS, keys="2024-02|squeeze")
    days = platform.lake().days()
    before = [info for info in days if info.day.isoformat() < "2024-03"]
    assert len(asked) == len(before) < len(days)
    asked.clear()
    materialise(BACKTESTS, keys=("2024-01|ema_cross", "2024-02|ema_cross"))
    assert not asked
    day_of(platform).touch()
    materialise(BACKTESTS, keys="2024-02|squeeze")
    assert asked == [day_of(platform)]


def test_a_window_over_them_is_refused(platform, instance):
    spoil(day_of(platform))
    job = definitions(platform).resolve_job_def("backtest_window")

    def run(end):
        config = {"strategies": ["squeeze"], "end": end}
        return job.execute_in_process(
            instance=instance,
            run_config={"ops": {"backtest": {"config": config}}},
            raise_on_error=False,
        )

    assert run("2024-02-10").success
    assert f"day={DAY}" in said(run("2024-02-20"))
