"""The real bars through the whole platform: checks green; then each rule broken on the disk.

A real file of each table that Dagster checks is spoilt in every way that its definition
knows, and the check of that table, run by Dagster, tells each rule with its row; the checks of
other tables stay green.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.contracts import INDICATOR_HISTORY, PRICE_1M_HISTORY, TRADE_MATCH_HISTORY, Table
from streaming.lake import atomic
from streaming.runtimes.runs import find_run
from trading_assets.analytics import inbox, inbox_listing
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.definitions import definitions
from trading_assets.analytics.equity import LEADERBOARD, METRICS
from trading_assets.analytics.records import Records
from trading_assets.analytics.warehouse import WAREHOUSE
from trading_assets.platform import Platform

from .corruptions import Corruption, corruptions, spoil_each_second

DAY, MONTH = "2014-05-06", "2014-05"
EARLIER = "2013-10"
SOME = ("rsi_momentum", "rsi_reversion")
PRICES, INDICATORS = PRICE_1M_HISTORY.name, INDICATOR_HISTORY.name
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
# What else notices: a run's statement is held against its matches; signals against bars.
NOTICES = {
    PRICES: set(),
    INDICATORS: set(),
    BACKTESTS: {(BACKTESTS, "pnl_of_matches_is_that_of_the_metrics")},
    PORTFOLIO: {(PORTFOLIO, "books_balance"), (PORTFOLIO, "open_symbols_within_the_limit")},
}


class Real:
    """A data folder with the real bars, and assets and checks run on it by Dagster."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.platform = Platform(folder=str(root))
        self._instance = instance
        self._definitions = definitions(self.platform)
        checks = dg.define_asset_job("checks", dg.AssetSelection.all_asset_checks())
        self._checks = dg.Definitions.merge(self._definitions, dg.Definitions(jobs=[checks]))

    def materialise(self, *names: str, keys: tuple[str, str] | None = None, **config) -> None:
        """Materialise assets with their checks; all succeed, and every check passes."""
        result = dg.materialize(
            [*self._definitions.assets, *self._definitions.asset_checks],
            selection=dg.AssetSelection.assets(*names),
            instance=self._instance,
            resources={"platform": self.platform},
            tags={FIRST: keys[0], LAST: keys[1]} if keys else None,
            run_config={"ops": {names[0]: {"config": config}}} if config else None,
        )
        assert all(one.passed for one in result.get_asset_check_evaluations())

    def check(self, key: str | None = None) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
        """Run every check, on the partitions of a day or its month, or on all."""
        result = self._checks.resolve_job_def("checks").execute_in_process(
            instance=self._instance,
            tags={FIRST: key, LAST: key} if key else {},
            raise_on_error=False,
        )
        found = result.get_asset_check_evaluations()
        assert len(found) == 8
        return {(one.asset_key.path[-1], one.check_name): one for one in found}

    def file_of(self, name: str) -> tuple[Path, str]:
        """A real file of a checked table, the fullest, and its name in a check's metadata."""
        lake = self.platform.folders.lake
        if name == PRICES:
            return lake / PRICES / f"day={DAY}" / "bars.parquet", f"day={DAY}"
        if name == INDICATORS:
            place = f"month={MONTH}/timeframe=M15.parquet"
            return lake / INDICATORS / place, place
        runs = [
            find_run(self.platform.lake(), one.run_id)
            for one in Records(self.platform.folders.partitions, name).all()
            if one.month == KEY_OF[name][:7]
        ]
        tables = [(run, path) for run in runs for path in (run.folder / MATCHES).rglob("*.parquet")]
        run, path = max(tables, key=lambda one: pq.read_metadata(one[1]).num_rows)
        return path, f"{run.id}/{path.parent.name}/{path.name}"


MATCHES = TRADE_MATCH_HISTORY.name
TABLE_OF = {
    PRICES: PRICE_1M_HISTORY,
    INDICATORS: INDICATOR_HISTORY,
    BACKTESTS: TRADE_MATCH_HISTORY,
    PORTFOLIO: TRADE_MATCH_HISTORY,
}


KEY_OF = {PRICES: DAY, INDICATORS: MONTH, BACKTESTS: MONTH, PORTFOLIO: EARLIER}


@pytest.fixture(scope="module")
def real(real_bars_folder, tmp_path_factory) -> Iterator[Real]:
    """Both files imported through the inbox, the assets made of them, all checks green."""
    root = tmp_path_factory.mktemp("real") / "data"
    always = inbox_listing.why_not
    with pytest.MonkeyPatch.context() as patched, dg.DagsterInstance.ephemeral() as instance:
        patched.setenv("TRADING__HISTORY__START", "2013-10-01")
        patched.setattr(atomic, "_flush", lambda path: None)
        for module in (inbox, inbox_listing):
            patched.setattr(module, "why_not", lambda name, info, _: always(name, info, 0.0))
        made = Real(root, instance)
        folder = made.platform.folders.inbox
        folder.mkdir(parents=True)
        (folder / "reading.toml").write_text('label = "open"\n')
        for path in sorted(real_bars_folder.glob("*.parquet")):
            shutil.copyfile(path, folder / path.name)
        made.materialise(PRICES, keys=("2013-10-04", "2013-10-11"))
        made.materialise(INDICATORS, keys=(MONTH, MONTH), timeframes=["M15"])
        for month in (EARLIER, MONTH):
            keys = (f"{month}|{SOME[0]}", f"{month}|{SOME[-1]}")
            made.materialise(BACKTESTS, METRICS, keys=keys)
        # All strategies in one account. Its places are still held in May, by what traded in
        # these days of October alone.
        made.materialise(PORTFOLIO, keys=(EARLIER, EARLIER))
        made.materialise(LEADERBOARD, WAREHOUSE)
        yield made


def test_all_checks_are_green_on_rows_of_every_table(real):
    for key, one in real.check().items():
        assert one.passed, (key, one.description)
        assert one.metadata.get("rows", one.metadata.get("compared")).value > 0, key


@pytest.mark.parametrize("name", list(TABLE_OF))
def test_each_rule_broken_in_a_real_file_is_told_with_its_row(real, name):
    table = TABLE_OF[name]
    path, place = real.file_of(name)
    whole = path.read_bytes()
    rows = pq.read_table(path)
    ways = [one for one in ways_on_disk(table) if can_be_written(rows, one, path)]
    # Parquet itself holds no null where its schema has none.
    never = {one.rule for one in ways_on_disk(table)} - {one.rule for one in ways}
    assert all(rule.endswith(" is there") for rule in never), never
    most = (rows.num_rows - 2) // 2
    try:
        for begin in range(0, len(ways), most):
            spoilt, expected = spoil_each_second(rows, ways[begin : begin + most])
            write(spoilt, path, rows.schema)
            found = real.check(KEY_OF[name])
            failed = {key for key, one in found.items() if not one.passed}
            assert (name, "contract") in failed <= {(name, "contract")} | NOTICES[name]
            told = found[name, "contract"].metadata
            records = [one.data for one in told["failing rows"].records]
            assert {one["file"] for one in records} == {place}
            shown = Counter(one["rule"] for one in records)
            assert set(shown) == set(expected)
            for one in records:
                assert int(one["row number"]) in expected[one["rule"]], one
            assert told["failingRows"].value == sum(map(len, expected.values()))
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("name", [PRICES, BACKTESTS])
def test_one_cell_alone_fails_its_check_and_no_other(real, name):
    """A row that is not there at the right minute, or a match of nothing: one rule, one row."""
    path, place = real.file_of(name)
    whole = path.read_bytes()
    rows = pq.read_table(path)
    way = next(one for one in ways_on_disk(TABLE_OF[name]) if one.rule.endswith("never is empty"))
    try:
        write(way.spoil(rows, 17), path, rows.schema)
        found = real.check(KEY_OF[name])
    finally:
        path.write_bytes(whole)
    (record,) = found[name, "contract"].metadata["failing rows"].records
    assert (record.data["rule"], record.data["row number"]) == (way.rule, "18")
    assert record.data["file"] == place
    failed = {key for key, one in found.items() if not one.passed}
    assert (name, "contract") in failed <= {(name, "contract")} | NOTICES[name]


def ways_on_disk(table: Table) -> list[Corruption]:
    """Every way to break a rule at the time of the clock."""
    return list(corruptions(table, time.time_ns() // 1000))


def can_be_written(rows: pa.Table, way: Corruption, path: Path) -> bool:
    """Whether a file keeps what is spoilt: it has no more than 64 bits for an amount."""
    spoilt = way.spoil(rows, 1).slice(0, 3)
    beside = path.with_name(".beside")
    try:
        write(spoilt, beside, rows.schema)
    except pa.ArrowInvalid:
        return False
    kept = pq.read_table(beside)
    beside.unlink()
    return all(
        str(kept[name].cast(pa.binary()) if kept[name].type == pa.string() else kept[name])
        == str(spoilt[name].cast(pa.binary()) if spoilt[name].type == pa.string() else spoilt[name])
        for name in rows.column_names
    )


def write(rows: pa.Table, path: Path, schema: pa.Schema) -> None:
    """Write rows with the columns of the file that they stand for."""
    rows = pa.Table.from_arrays(rows.columns, schema=schema)
    pq.write_table(rows, path, store_decimal_as_integer=True)
