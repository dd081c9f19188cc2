"""The warehouse: a DuckDB file with views over the lake and the metrics, to query with SQL.

Views look at the files when they are asked, so they never lag behind the lake: files that were
not there when a view was made are in it as soon as they are written. They are made anew whenever
this asset is materialised; its writers share a pool of one, because a DuckDB file has one writer
at a time.
"""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pyarrow as pa

from streaming.contracts import PRICE_1M_HISTORY, TRADE_MATCH_HISTORY, arrow_schema
from streaming.errors import LakeError
from streaming.lake.atomic import disk_errors
from trading_assets.analytics.automation import ON_NEWS
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.equity import LEADERBOARD, METRICS, leaderboard_schema, month_schema
from trading_assets.analytics.prices import failures
from trading_assets.contract_metadata import OWNERS
from trading_assets.platform import Folders, PlatformResource

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
        context: dg.AssetExecutionContext, platform: PlatformResource
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

    A table is empty, with its columns, for as long as it has no files. Of the runs in the lake,
    `backtest_trade_matches` and `portfolio_trade_matches` show those that a partition stands
    for; `all_runs_trade_matches` shows every one.
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
    matches = arrow_schema(TRADE_MATCH_HISTORY)
    months = folders.metrics / METRICS / "month=*" / "*.parquet"
    board = folders.metrics / f"{LEADERBOARD}.parquet"
    selected = {
        PRICE_1M_HISTORY.name: _select(arrow_schema(PRICE_1M_HISTORY), days),
        "all_runs_trade_matches": _select(matches, runs),
        METRICS: _select(month_schema(), months),
        LEADERBOARD: _select(leaderboard_schema(), board),
    }
    for name in (BACKTESTS, PORTFOLIO):
        records = _read("json", folders.partitions / name / "*.json", {"run_id": "VARCHAR"})
        only = f' SEMI JOIN ({records}) ON "runId" = run_id'
        selected[name] = _select(matches, runs) + only
    return {name: f'CREATE OR REPLACE VIEW "{name}" AS {query}' for name, query in selected.items()}


def _select(schema: pa.Schema, pattern: Path) -> str:
    """Select columns from a table's files; without any, no rows of these columns."""
    return _read("parquet", pattern, {field.name: _duck_type(field.type) for field in schema})


def _read(kind: str, pattern: Path, columns: Mapping[str, str]) -> str:
    # Without files DuckDB gives a table of another column: the first half keeps those meant.
    cells = ", ".join(f'CAST(NULL AS {of}) AS "{name}"' for name, of in columns.items())
    shown = ", ".join(f'CAST("{name}" AS {of}) AS "{name}"' for name, of in columns.items())
    more = "hive_partitioning = false"
    if kind == "json":
        more = f"columns = {{{', '.join(f'{name}: {_text(of)}' for name, of in columns.items())}}}"
    return (
        f"SELECT {shown} FROM (SELECT {cells} WHERE false UNION ALL BY NAME "  # noqa: S608
        f"SELECT * FROM read_{kind}({_text(pattern)}, allow_empty = true, {more}))"
    )


def _duck_type(arrow: pa.DataType) -> str:
    """Give DuckDB's type for what the Arrow schemas hold."""
    if pa.types.is_list(arrow):
        return f"{_duck_type(arrow.value_type)}[]"
    if pa.types.is_timestamp(arrow):
        return "TIMESTAMPTZ"
    if pa.types.is_decimal(arrow):
        return f"DECIMAL({arrow.precision}, {arrow.scale})"
    plain = {"string": "VARCHAR", "double": "DOUBLE", "bool": "BOOLEAN", "int64": "BIGINT"}
    return plain[str(arrow)]


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
