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
from typing import NamedTuple

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.contracts import INDICATOR_HISTORY, PRICE_1M_HISTORY, TRADE_MATCH_HISTORY, Table
from streaming.lake import atomic
from trading_assets.analytics import inbox, inbox_listing
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.checks.rows import Keys, runs_of
from trading_assets.analytics.contract_checks import BESIDE_MATCHES, TRACED
from trading_assets.analytics.definitions import definitions
from trading_assets.analytics.equity import LEADERBOARD, METRICS
from trading_assets.analytics.warehouse import WAREHOUSE
from trading_assets.platform import Platform

from .corruptions import Corruption, corruptions, spoil_each_second

DAY, MONTH = "2014-05-06", "2014-05"
EARLIER = "2013-10"
SOME = ("rsi_momentum", "rsi_reversion")
PRICES, INDICATORS = PRICE_1M_HISTORY.name, INDICATOR_HISTORY.name
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


class Case(NamedTuple):
    """A check of a contract: its asset and name, its table, and a partition that has rows.

    `notices` are the checks of the asset that may fail with it: what ties its tables together.
    """

    asset: str
    check: str
    table: Table
    key: str
    notices: tuple[str, ...] = ()


BOOKS = ("books_balance", "open_symbols_within_the_limit", "no_signal_before_its_bar")
CASES = {
    f"{one.asset}.{one.check}": one
    for one in (
        Case(PRICES, "contract", PRICE_1M_HISTORY, DAY),
        Case(INDICATORS, "contract", INDICATOR_HISTORY, MONTH),
        Case(BACKTESTS, "contract", TRADE_MATCH_HISTORY, MONTH,
             ("pnl_of_matches_is_that_of_the_metrics",)),
        Case(PORTFOLIO, "contract", TRADE_MATCH_HISTORY, EARLIER, BOOKS),
        *(
            Case(PORTFOLIO, f"contract_{table.name}", table, EARLIER, BOOKS)
            for table in (*BESIDE_MATCHES, *TRACED)
        ),
    )
}  # fmt: skip


class Real:
    """A data folder with the real bars, and assets and checks run on it by Dagster."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.platform = Platform(folder=str(root))
        self._instance = instance
        self._definitions = definitions(self.platform)
        graph = self._definitions.resolve_asset_graph()
        self._checks = {
            name: self._job(name, dg.AssetSelection.checks_for_assets(name))
            for name in {key.asset_key.path[-1] for key in graph.asset_check_keys}
        }

    def _job(self, name: str, chosen: dg.AssetSelection) -> dg.JobDefinition:
        job = dg.define_asset_job(f"checks_of_{name}", chosen)
        whole = dg.Definitions.merge(self._definitions, dg.Definitions(jobs=[job]))
        return whole.resolve_job_def(job.name)

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

    def check(self, asset: str, key: str | None = None) -> dict[str, dg.AssetCheckEvaluation]:
        """Run every check of an asset, on a partition or on all; give what each found."""
        result = self._checks[asset].execute_in_process(
            instance=self._instance,
            tags={FIRST: key, LAST: key} if key else {},
            raise_on_error=False,  # a check that blocks and fails fails the run, too
        )
        return {one.check_name: one for one in result.get_asset_check_evaluations()}

    def file_of(self, case: Case) -> tuple[Path, str]:
        """A real file that a check reads, the fullest, and its name in the check's metadata."""
        lake = self.platform.folders.lake
        if case.asset == PRICES:
            return lake / PRICES / f"day={DAY}" / "bars.parquet", f"day={DAY}"
        if case.asset == INDICATORS:
            place = f"month={MONTH}/timeframe=M15.parquet"
            return lake / INDICATORS / place, place
        runs = runs_of(self.platform, case.asset, Keys({"dagster/partition": case.key}))
        tables = [
            (run, path)
            for run in runs
            for path in run.folder.rglob("*.parquet")
            if case.table.name in str(path.relative_to(run.folder))
        ]
        run, path = max(tables, key=lambda one: pq.read_metadata(one[1]).num_rows)
        return path, f"{run.id}/{path.relative_to(run.folder)}"


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
        made.materialise(INDICATORS, keys=(MONTH, MONTH))
        for month in (EARLIER, MONTH):
            keys = (f"{month}|{SOME[0]}", f"{month}|{SOME[-1]}")
            made.materialise(BACKTESTS, METRICS, keys=keys)
        # All strategies in one account. Its places are still held in May, by what traded in
        # these days of October alone.
        made.materialise(PORTFOLIO, keys=(EARLIER, EARLIER))
        made.materialise(LEADERBOARD, WAREHOUSE)
        yield made


@pytest.mark.parametrize("asset", sorted({one.asset for one in CASES.values()}))
def test_all_checks_are_green_on_rows_of_every_table(real, asset):
    found = real.check(asset)
    assert {one.check for one in CASES.values() if one.asset == asset} <= set(found)
    for name, one in found.items():
        assert one.passed, (name, one.description)
        assert one.metadata.get("rows", one.metadata.get("compared")).value > 0, name


@pytest.mark.parametrize("name", list(CASES))
def test_each_rule_broken_in_a_real_file_is_told_with_its_row(real, name):
    case = CASES[name]
    path, place = real.file_of(case)
    whole = path.read_bytes()
    rows = pq.read_table(path)
    ways = [one for one in ways_on_disk(case.table) if can_be_written(rows, one, path)]
    # Parquet itself holds no null where its schema has none.
    never = {one.rule for one in ways_on_disk(case.table)} - {one.rule for one in ways}
    assert all(rule.endswith(" is there") for rule in never), never
    most = (rows.num_rows - 2) // 2
    assert most > 0
    try:
        for begin in range(0, len(ways), most):
            spoilt, expected = spoil_each_second(rows, ways[begin : begin + most])
            write(spoilt, path, rows.schema)
            found = real.check(case.asset, case.key)
            failed = {check for check, one in found.items() if not one.passed}
            assert case.check in failed <= {case.check, *case.notices}
            told = found[case.check].metadata
            records = [one.data for one in told["failing rows"].records]
            assert {one["file"] for one in records} == {place}
            shown = Counter(one["rule"] for one in records)
            assert set(shown) == set(expected)
            for one in records:
                assert int(one["row number"]) in expected[one["rule"]], one
            assert told["rows failing"].value == sum(map(len, expected.values()))
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("name", [f"{PRICES}.contract", f"{BACKTESTS}.contract"])
def test_one_cell_alone_fails_its_check_and_no_other(real, name):
    """A row that is not there at the right minute, or a match of nothing: one rule, one row."""
    case = CASES[name]
    path, place = real.file_of(case)
    whole = path.read_bytes()
    rows = pq.read_table(path)
    way = next(one for one in ways_on_disk(case.table) if one.rule.endswith("never is empty"))
    try:
        write(way.spoil(rows, 17), path, rows.schema)
        found = real.check(case.asset, case.key)
    finally:
        path.write_bytes(whole)
    (record,) = found[case.check].metadata["failing rows"].records
    assert (record.data["rule"], record.data["row number"]) == (way.rule, "18")
    assert record.data["file"] == place
    failed = {check for check, one in found.items() if not one.passed}
    assert case.check in failed <= {case.check, *case.notices}


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
