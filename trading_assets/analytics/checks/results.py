"""What checks report, as Dagster shows it: counts, failing rules, failing rows."""

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from streaming.contracts.quarantine import json_cells, shown
from streaming.feeds.utf8 import text_of_parquet
from trading_assets.analytics.checks.contracts import ContractReport
from trading_assets.analytics.checks.looking import Look
from trading_assets.analytics.checks.partwise import PartsReport
from trading_assets.analytics.checks.reconciliations import Reconciliation

_MOST_ROWS = 100
"""Failing rows in one result: an event of Dagster is kept in its database."""


def as_check_result(
    report: ContractReport,
    *,
    partitions: str | None = None,
    name: str | None = None,
    asset: dg.AssetKey | None = None,
) -> dg.AssetCheckResult:
    """Turn the report on a table's contract into an asset check's result.

    Parameters
    ----------
    report : ContractReport
        From `contracts.check_rows`.
    partitions : str, optional
        Which it looked at, for people.
    name, asset
        Of the check; needed where one function has several.
    """
    metadata: dict[str, Any] = {
        **({} if partitions is None else {"partitions": partitions}),
        "rows": report.rows,
        "rules": report.rules,
        "seconds": round(report.seconds, 3),
        "rules broken": len(report.broken),
        "rows failing": sum(rule.count for rule in report.broken),
    }
    if report.broken:
        metadata["failing rules"] = dg.MetadataValue.md(_rules_markdown(report))
        records = list(_records(report))
        if records:
            metadata["failing rows"] = _table(records)
    if report.not_asked:
        metadata["rules not asked"] = dg.MetadataValue.md(
            "\n".join(f"- {rule}" for rule in report.not_asked)
        )
    return dg.AssetCheckResult(
        passed=report.passed,
        check_name=name,
        asset_key=asset,
        severity=dg.AssetCheckSeverity.ERROR,
        description=report.summary,
        metadata=metadata,
    )


def parts_result(found: PartsReport, chosen: Look) -> dg.AssetCheckResult:
    """Turn what a look at partitions gave into an asset check's result."""
    result = as_check_result(found.report, partitions=chosen.told)
    metadata: dict[str, Any] = {
        **(result.metadata or {}),
        "partitions passed before": chosen.known,
    }
    if found.failed:
        metadata["partitions failing"] = sorted(found.failed)[:_MOST_ROWS]
    if found.faults:
        lines = [f"- {why}" for why in list(found.faults.values())[:_MOST_ROWS]]
        metadata["not readable or not as written"] = dg.MetadataValue.md("\n".join(lines))
    also = f" {chosen.known:,} more partitions passed before." if chosen.known else ""
    return result._replace(
        passed=not found.failed, description=found.summary + also, metadata=metadata
    )


def reconciliation_result(
    reports: Reconciliation | Sequence[Reconciliation],
    *,
    name: str | None = None,
    asset: dg.AssetKey | None = None,
) -> dg.AssetCheckResult:
    """Turn reconciliations, one or several of one check, into an asset check's result."""
    every = [reports] if isinstance(reports, Reconciliation) else list(reports)
    metadata: dict[str, Any] = {
        "compared": sum(each.compared for each in every),
        "differing": sum(each.differing for each in every),
    }
    for each in every:
        if not each.passed:
            metadata[each.name] = _table(list(_cells(each.rows)))
    return dg.AssetCheckResult(
        passed=all(each.passed for each in every),
        check_name=name,
        asset_key=asset,
        severity=dg.AssetCheckSeverity.ERROR,
        description=" ".join(each.summary for each in every),
        metadata=metadata,
    )


def _rules_markdown(report: ContractReport) -> str:
    lines = ["| rule | columns | failing rows | first |", "|---|---|---:|---|"]
    for rule in report.broken:
        first = f"row {rule.numbers[0]:,}" if rule.numbers else rule.found
        if rule.files:
            first = f"{rule.files[0]}, {first}"
        columns = ", ".join(rule.columns) if len(rule.columns) <= 4 else "all"
        cells = (rule.rule, columns, f"{rule.count:,}", first)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _records(report: ContractReport) -> Iterable[dict[str, str]]:
    """Give the failing rows whole, each with its rule and place; every rule has its first."""
    share = max(_MOST_ROWS // len(report.broken), 1)
    for rule in report.broken[:_MOST_ROWS]:
        for at, cells in enumerate(_cells(rule.sample.slice(0, share))):
            place = {"row number": str(rule.numbers[at])}
            if rule.files:
                place["file"] = rule.files[at]
            yield {"rule": rule.rule, **place, **cells}


def _cells(rows: pa.Table) -> Iterable[dict[str, str]]:
    """Give rows as texts; a name met again keeps its last cell, as mappings do."""
    # Text that is none is shown by escapes.
    readable = [text_of_parquet(column.combine_chunks())[0] for column in rows.columns]
    columns = [json_cells(column) for column in readable]
    for row in zip(*columns, strict=True):
        texts = ("" if cell is None else shown(cell) for cell in row)
        yield dict(zip(rows.column_names, texts, strict=True))


def _table(records: list[dict[str, str]]) -> dg.TableMetadataValue:
    names = list(records[0])
    return dg.MetadataValue.table(
        records=[dg.TableRecord(record) for record in records],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in names]),
    )
