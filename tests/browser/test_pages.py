"""What a person does every day: look at the lineage, launch, read checks and pictures."""

import re

import dagster as dg
import pyarrow.parquet as pq
import pytest

from browser.instances import instance_of, run_of
from browser.pages import expect
from streaming.contracts import TABLES
from streaming.runtimes.runs import find_run
from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.definitions import defs
from trading_assets.analytics.equity import LEADERBOARD, METRICS
from trading_assets.analytics.records import Records
from trading_assets.live.definitions import defs as live_defs
from trading_assets.platform import Platform

pytestmark = pytest.mark.browser
KEY = "2024-02|ema_cross"


def wide(pattern):
    """A regular expression for a name whose middle may be cut out."""
    return re.compile("^" + ".*".join(map(re.escape, pattern.split("…"))) + "$")


def test_the_lineage_shows_every_asset(pages):
    pages.open("/")
    boxes = pages.lineage()
    made = {
        key.path[-1]
        for one in (defs, live_defs)
        for key in one.resolve_asset_graph().materializable_asset_keys
    }
    expected = made | set(TABLES)
    assert made > {"history_to_lake", "warehouse"}
    expect(boxes).to_have_count(len(expected))
    shown = boxes.all_inner_texts()
    for name in expected:
        assert [text for text in shown if wide(text).match(name)], name
    assert len(set(shown)) == len(expected)
    pages.picture("lineage")


@pytest.fixture(scope="module")
def launched(server, chromium):
    """The run that materialised one partition of the backtests, from the asset's page."""
    from browser.pages import Pages

    context = chromium.new_context(viewport={"width": 1500, "height": 1000})
    pages = Pages(context.new_page(), server.url)
    number = pages.materialise(BACKTESTS, "2024-02", ["ema_cross"])
    expect(pages.page.get_by_text("Success", exact=True).first).to_be_visible()
    pages.picture("run")
    context.close()
    assert pages.errors == []
    return number


def test_a_partition_launched_from_its_page_is_there(server, launched, pages):
    platform = Platform(folder=str(server.data))
    record = Records(platform.folders.partitions, BACKTESTS).get(*KEY.split("|"))
    rows = find_run(platform.lake(), record.run_id).matches().num_rows
    assert rows > 0
    with instance_of(server) as instance:
        run = run_of(instance, launched)
        assert run.status == dg.DagsterRunStatus.SUCCESS
        assert run.tags["dagster/partition"] == KEY
        found = instance.get_materialized_partitions(dg.AssetKey(BACKTESTS))
        assert found == {KEY}
    page = pages.partition(BACKTESTS, KEY)
    expect(page).to_contain_text(record.run_id)
    expect(page).to_contain_text(f"dagster/row_count\n{rows}", use_inner_text=True)
    pages.picture("partition")
    pages.page.get_by_text("[Show Markdown]").click()
    table = pages.page.get_by_role("dialog").get_by_role("table")
    expect(table).to_contain_text("realizedPnl")
    assert table.locator("tbody tr").count() == min(rows, 10)
    pages.picture("best-and-worst")


def test_a_check_that_passed_says_what_it_looked_at(launched, pages):
    page = pages.checks(BACKTESTS, "contract")
    expect(page).to_contain_text("Every row keeps the contract of trade_match_history")
    expect(page).to_contain_text("This is a blocking asset check.")
    expect(page.get_by_text("Passed", exact=True)).to_be_visible()
    expect(page).to_contain_text(re.compile(r"trade_match_history: \d+ rows keep \d+ rules\."))
    pages.picture("checks")


def test_an_equity_picture_opens_whole(server, launched, pages):
    pages.materialise(METRICS, "2024-02", ["ema_cross"])
    expect(pages.page.get_by_text("Success", exact=True).first).to_be_visible()
    pages.partition(METRICS, KEY)
    pages.page.get_by_text("[Show Markdown]").click()
    dialog = pages.page.get_by_role("dialog")
    image = dialog.locator("img")
    expect(image).to_be_visible()
    pages.page.wait_for_function("() => document.querySelector('[role=dialog] img').complete")
    assert image.evaluate("one => one.naturalWidth") > 300
    inner = dialog.bounding_box()
    drawn = image.bounding_box()
    assert drawn["x"] + drawn["width"] <= inner["x"] + inner["width"]
    pages.picture("equity")


def test_the_leaderboard_is_a_table_on_its_page(server, launched, pages):
    pages.open(f"/assets/{LEADERBOARD}")
    pages.page.get_by_role("button", name=re.compile("Materialize")).first.click()
    confirm = pages.page.get_by_role("button", name="Confirm")
    toast = pages.page.get_by_text(re.compile("^Launched run "))
    expect(confirm.or_(toast)).to_be_visible()
    if confirm.is_visible():
        confirm.click()
    number = toast.inner_text().split()[2]
    pages.open(f"/runs/{instance_run_id(server, number)}")
    expect(pages.page.get_by_text("Success", exact=True).first).to_be_visible()
    rows = pq.read_table(server.data / "metrics" / f"{LEADERBOARD}.parquet")
    assert rows["name"].to_pylist() == ["ema_cross"]
    pages.open(f"/assets/{LEADERBOARD}")
    # A short table is shown where it stands, a long one on a click.
    table = pages.page.get_by_role("table").filter(has_text="profit factor").last
    expect(table).to_contain_text("ema_cross")
    pages.picture("leaderboard")
    pages.page.get_by_text("[Show Markdown]").click()
    image = pages.page.get_by_role("dialog").locator("img")
    expect(image).to_be_visible()
    assert image.evaluate("one => one.naturalWidth") > 300


def instance_run_id(server, number):
    with instance_of(server) as instance:
        return run_of(instance, number).run_id


def test_a_configuration_out_of_its_limits_is_named_and_launches_nothing(server, launched, pages):
    config = f"ops:\n  {BACKTESTS}:\n    config:\n      fee_bps: -1\n"
    with instance_of(server) as instance:
        before = instance.get_runs_count()
        shown = pages.launchpad(BACKTESTS, KEY, config)
        # What the form offers is the quant's: nothing of where the platform lies.
        assert "threads" in shown and "platform" not in shown and "folder" not in shown
        page = pages.page.locator("body")
        expect(page).to_contain_text(
            "Nothing was launched. Run configuration: fee_bps = -1.0: must be at least 0.0."
        )
        pages.picture("refused-configuration")
        assert instance.get_runs_count() == before
    # The server answers so to what it refuses.
    assert len(pages.errors) == 2 and all("500" in one for one in pages.errors)
    pages.errors.clear()
    expect(pages.checks(BACKTESTS, "contract").get_by_text("Passed", exact=True)).to_be_visible()


def test_a_damaged_file_fails_the_check_and_is_named(server, launched, pages):
    platform = Platform(folder=str(server.data))
    record = Records(platform.folders.partitions, BACKTESTS).get(*KEY.split("|"))
    folder = find_run(platform.lake(), record.run_id).folder
    (path,) = (folder / "trade_match_history").glob("*/*.parquet")
    whole = path.read_bytes()
    middle = len(whole) // 3
    path.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    try:
        page = pages.checks(BACKTESTS, "contract")
        page.get_by_role("button", name=re.compile("Execute$")).click()
        expect(page.get_by_text("Failed", exact=True).first).to_be_visible()
        expect(page).to_contain_text(path.name)
        expect(page).to_contain_text("cannot be read")
        expect(page).to_contain_text("Materialise that partition again.")
        pages.picture("failed-check")
    finally:
        path.write_bytes(whole)
