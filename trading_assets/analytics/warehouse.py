"""The warehouse: a DuckDB file with views over the lake and the metrics, to query with SQL.

Views look at the files when they are asked, so they never lag behind the lake. They are made
anew whenever this asset is materialised; its writers share a pool of one, because a DuckDB
file has one writer at a time.
"""

from pathlib import Path

import dagster as dg

from streaming.contracts import PRICE_1M_HISTORY, TRADE_MATCH_HISTORY, Table, arrow_schema
from streaming.errors import LakeError
from streaming.lake.atomic import disk_errors
from trading_assets.analytics.automation import ON_NEWS
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.equity import LEADERBOARD, METRICS
from trading_assets.analytics.prices import failures
from trading_assets.contract_metadata import OWNERS
from trading_assets.platform import Folders, Platform

WAREHOUSE = "warehouse"
POOL = "warehouse"
GROUP = "warehouse"


def warehouse_asset() -> dg.AssetsDefinition:
    """Make the asset."""

    @dg.asset(
        name=WAREHOUSE,
        description="A DuckDB file with a view for each table of the lake: query it with SQL.",
        deps=[
            dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())
            for name in (PRICE_1M_HISTORY.name, BACKTESTS, PORTFOLIO, METRICS)
        ]
        + [LEADERBOARD],
        automation_condition=ON_NEWS,
        pool=POOL,
        kinds={"duckdb"},
        owners=OWNERS,
        group_name=GROUP,
    )
    def warehouse(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> dg.MaterializeResult[None]:
        folders = platform.folders
        with failures():
            rows = _make_views(folders)
        lines = ["| view | rows |", "|---|---:|"]
        lines += [f"| {name} | {count:,} |" for name, count in rows.items()]
        return dg.MaterializeResult(
            metadata={
                "views": dg.MetadataValue.md("\n".join(lines)),
                "file": dg.MetadataValue.path(str(folders.warehouse)),
            }
        )

    return warehouse


def _make_views(folders: Folders) -> dict[str, int]:
    """Make the views anew, and give the number of rows of each.

    Raises
    ------
    LakeError
        If the file, or what a view looks at, is damaged, or the disk refuses.
    """
    import duckdb
    from dagster_duckdb import DuckDBResource

    with disk_errors(folders.root):
        folders.root.mkdir(parents=True, exist_ok=True)
    statements = views(folders)
    rows, failed = {}, []
    try:
        # The resource tries again for minutes whatever is wrong; only a lock is worth that.
        try:
            duckdb.connect(str(folders.warehouse)).close()
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise
        with DuckDBResource(database=str(folders.warehouse)).get_connection() as connection:
            for name, statement in statements.items():
                try:
                    connection.execute(statement)
                    found = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608
                except duckdb.Error as error:
                    failed.append(f"View {name}: {error}")
                else:
                    rows[name] = found[0]
    except duckdb.Error as error:
        raise LakeError(
            f"{folders.warehouse}: cannot be opened or written ({error}). It holds views alone: if "
            "the disk has room and allows writing, delete the file and materialise it again."
        ) from error
    if failed:
        raise LakeError(
            f"{folders.warehouse}: {len(failed)} of {len(statements)} views could not be made. "
            "Materialise again what is damaged, or free some space if the disk is full; then this "
            "again.\n" + "\n".join(failed)
        )
    return rows


def views(folders: Folders) -> dict[str, str]:
    """Give the statement that makes each view.

    A table whose files are not there yet is an empty view with its columns. Of the runs in
    the lake, `backtest_trade_matches` and `portfolio_trade_matches` show those that a partition
    stands for; `all_runs_trade_matches` shows every one.
    """
    # Names of runs are hexadecimal; what is being written, or was left by a kill, is hidden, and
    # DuckDB's star takes that too.
    runs = (
        folders.lake
        / "runs"
        / "[0-9a-f]*"
        / TRADE_MATCH_HISTORY.name
        / "month=*"
        / "strategy=*.parquet"
    )
    days = folders.lake / PRICE_1M_HISTORY.name / "day=*" / "*.parquet"
    selected = {
        PRICE_1M_HISTORY.name: _select(PRICE_1M_HISTORY, days),
        "all_runs_trade_matches": _select(TRADE_MATCH_HISTORY, runs),
    }
    for name in (BACKTESTS, PORTFOLIO):
        records = folders.partitions / name / "*.json"
        selected[name] = _select(TRADE_MATCH_HISTORY, runs, only=records)
    for name, pattern in (
        (METRICS, folders.metrics / METRICS / "month=*" / "*.parquet"),
        (LEADERBOARD, folders.metrics / f"{LEADERBOARD}.parquet"),
    ):
        if _any(pattern):
            selected[name] = f"SELECT * FROM read_parquet({_text(pattern)}, union_by_name = true)"  # noqa: S608
    return {name: f'CREATE OR REPLACE VIEW "{name}" AS {query}' for name, query in selected.items()}


def _select(table: Table, pattern: Path, only: Path | None = None) -> str:
    """Select a table's columns from its files, of the runs alone that records name."""
    if not _any(pattern) or (only is not None and not _any(only)):
        cells = [
            f'CAST(NULL AS {_duck_type(str(field.type))}) AS "{field.name}"'
            for field in arrow_schema(table)
        ]
        return f"SELECT {', '.join(cells)} WHERE false"
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    query = f"SELECT {names} FROM read_parquet({_text(pattern)}, hive_partitioning = false)"  # noqa: S608
    if only is not None:
        query += (
            f" SEMI JOIN read_json({_text(only)}, columns = {{run_id: 'VARCHAR'}}) "
            'ON "runId" = run_id'
        )
    return query


def _duck_type(arrow: str) -> str:
    """Give DuckDB's type for what the Arrow schemas of the contracts hold."""
    plain = {"string": "VARCHAR", "double": "DOUBLE", "bool": "BOOLEAN", "int64": "BIGINT"}
    if arrow.startswith("timestamp"):
        return "TIMESTAMPTZ"
    return plain.get(arrow, "DECIMAL(18, 8)")


def _any(pattern: Path) -> bool:
    root = Path(pattern.anchor)
    return any(True for _ in root.glob(str(pattern.relative_to(root))))


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
