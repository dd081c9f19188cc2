"""Tables as Apache Fluss needs them: log tables and primary-key tables.

Two forms of the same: `fluss_table`, the plain data from which a client creates a table,
and `fluss_ddl`, the statement for Flink SQL under a Fluss catalog. With pyfluss::

    described = fluss_table(TRADE_MATCH_HISTORY)
    descriptor = fluss.TableDescriptor(
        fluss.Schema(described.schema, primary_keys=list(described.primary_key)),
        bucket_count=described.bucket_count,
        bucket_keys=list(described.bucket_key),
        comment=described.comment,
        properties=described.properties,
    )
    await admin.create_table(fluss.TablePath(database, described.name), descriptor)

Fluss keeps rows in order within a bucket only, so every table has a bucket key. For a
primary-key table it must be part of the primary key, and the number of buckets cannot
change later. `table.log.ttl` bounds a log, and the changelog of a primary-key table; its
rows stay. Rows are `DECIMAL(18, 8)` (a client that writes more places loses them without a
word: validate before) and `TIMESTAMP_LTZ(6)`.
"""

from dataclasses import dataclass

import pyarrow as pa

from streaming.contracts.arrow import arrow_schema
from streaming.contracts.columns import Type
from streaming.contracts.sql import backticks, literal, options
from streaming.contracts.table import Table

FLUSS_TYPES = {
    Type.TEXT: "STRING",
    Type.MONEY: "DECIMAL(18, 8)",
    Type.DOUBLE: "DOUBLE",
    Type.TIME: "TIMESTAMP_LTZ(6)",
    Type.BOOL: "BOOLEAN",
    Type.INT: "BIGINT",
}
"""The types of Fluss and of Flink SQL, which bear the same names."""


@dataclass(frozen=True)
class FlussTable:
    """What a Fluss client needs to create a table.

    `schema` is the Arrow schema; `primary_key` is empty for a log table; `properties` are
    the table's own (`table.*`).
    """

    name: str
    schema: pa.Schema
    primary_key: tuple[str, ...]
    bucket_key: tuple[str, ...]
    bucket_count: int
    properties: dict[str, str]
    comment: str


def fluss_table(table: Table) -> FlussTable:
    """Describe a table for a Fluss client."""
    return FlussTable(
        name=table.name,
        schema=arrow_schema(table),
        primary_key=table.primary_key,
        bucket_key=table.bucket_by,
        bucket_count=table.buckets,
        properties={"table.log.ttl": f"{table.ttl_days} d"},
        comment=table.description,
    )


def fluss_ddl(table: Table) -> str:
    """Give the statement that creates a table under a Fluss catalog, as it is stored."""
    return create_table(table, ())


def create_table(table: Table, event_time: tuple[str, ...]) -> str:
    """Lay out a CREATE TABLE for Flink SQL; `event_time` are clauses after the columns."""
    described = fluss_table(table)
    clauses = [
        f"{backticks(column.name)} {FLUSS_TYPES[column.type]}"
        f"{'' if column.nullable else ' NOT NULL'} COMMENT {literal(column.description)}"
        for column in table.columns
    ]
    clauses += event_time
    if described.primary_key:
        names = ", ".join(map(backticks, described.primary_key))
        clauses.append(f"PRIMARY KEY ({names}) NOT ENFORCED")
    body = ",\n".join(f"  {clause}" for clause in clauses)
    settings = options(
        [
            ("bucket.num", str(described.bucket_count)),
            ("bucket.key", ",".join(described.bucket_key)),
            *described.properties.items(),
        ]
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {backticks(table.name)} (\n{body}\n)\n"
        f"COMMENT {literal(described.comment)}\nWITH (\n{settings}\n);\n"
    )
