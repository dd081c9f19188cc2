"""Fluss and Flink DDL: every table keeps the rules that their servers document.

Apache Fluss: columns STRING, DECIMAL, DOUBLE, BOOLEAN, BIGINT, TIMESTAMP_LTZ; a bucket key
is made of columns, on a primary-key table of columns of the primary key; names of tables
are letters, digits, _ and -; names of columns do not begin with two underscores. Flink SQL:
a watermark stands on a time of at most three places.
"""

import re

import pytest

from streaming.contracts import (
    OPEN_POSITIONS_LOTS,
    PRICE_1M_HISTORY,
    TABLES,
    Type,
    arrow_schema,
    flink_ddl,
    fluss_ddl,
    fluss_table,
)
from streaming.contracts.columns import key, text, time
from streaming.contracts.table import latest_table, log_table

ALL = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
TYPES = {
    Type.TEXT: "STRING",
    Type.MONEY: "DECIMAL(18, 8)",
    Type.DOUBLE: "DOUBLE",
    Type.TIME: "TIMESTAMP_LTZ(6)",
    Type.BOOL: "BOOLEAN",
    Type.INT: "BIGINT",
}
COLUMN = re.compile(
    r"^  `(\w+)` ([A-Z_]+(?:\([0-9, ]+\))?)( NOT NULL)? COMMENT '((?:[^']|'')*)',?$"
)


def parsed(ddl):
    """Take a statement apart: columns, other clauses, comment, options."""
    head, body, comment, options = re.fullmatch(
        r"CREATE TABLE IF NOT EXISTS `(\w+)` \(\n(.*)\n\)\nCOMMENT '((?:[^']|'')*)'\n"
        r"WITH \(\n(.*)\n\);\n",
        ddl,
        re.DOTALL,
    ).groups()
    lines = body.split("\n")
    columns = [COLUMN.match(line).groups() for line in lines if COLUMN.match(line)]
    others = [line.strip().rstrip(",") for line in lines if not COLUMN.match(line)]
    assert all(line.endswith(",") for line in lines[:-1])
    assert not lines[-1].endswith(",")
    pairs = re.findall(r"  '([^']+)' = '([^']+)'", options)
    return head, columns, others, comment, dict(pairs)


@ALL
def test_the_fluss_statement_says_all_that_the_contract_says(table):
    name, columns, others, comment, options = parsed(fluss_ddl(table))
    assert name == table.name
    assert comment == table.description.replace("'", "''")
    assert columns == [
        (
            column.name,
            TYPES[column.type],
            None if column.nullable else " NOT NULL",
            column.description.replace("'", "''"),
        )
        for column in table.columns
    ]
    keys = ", ".join(f"`{name}`" for name in table.primary_key)
    assert others == ([f"PRIMARY KEY ({keys}) NOT ENFORCED"] if keys else [])
    assert options == {
        "bucket.num": str(table.buckets),
        "bucket.key": ",".join(table.bucket_by),
        "table.log.ttl": f"{table.ttl_days} d",
    }


@ALL
def test_the_flink_statement_adds_event_time_to_ordered_logs_and_nothing_else(table):
    flink, fluss = parsed(flink_ddl(table, lateness_sec=7)), parsed(fluss_ddl(table))
    event_time = []
    if table.ordered_by:
        event_time = [
            f"`eventTime` AS CAST(`{table.ordered_by}` AS TIMESTAMP_LTZ(3))",
            "WATERMARK FOR `eventTime` AS `eventTime` - INTERVAL '7' SECOND",
        ]
    assert flink[2] == event_time + fluss[2]
    assert (*flink[:2], *flink[3:]) == (*fluss[:2], *fluss[3:])
    assert "eventTime" not in table.names


@ALL
def test_every_table_keeps_the_servers_rules(table):
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,200}", table.name)
    assert not table.name.startswith("__")
    for column in table.columns:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", column.name)
        if table.kind == "latest":
            assert not (column.name in table.primary_key and column.nullable)
    assert table.bucket_by
    assert set(table.bucket_by) <= set(table.primary_key or table.names)
    # Lookups by a prefix of the key need the bucket key first.
    if table.kind == "latest":
        assert table.primary_key[: len(table.bucket_by)] == table.bucket_by


@ALL
def test_statements_are_plain_ascii(table):
    assert fluss_ddl(table).isascii()
    assert flink_ddl(table).isascii()


@ALL
def test_a_client_is_told_the_same_as_the_statement(table):
    described = fluss_table(table)
    assert described.name == table.name
    assert described.schema.equals(arrow_schema(table))
    assert described.primary_key == table.primary_key
    assert described.bucket_key == table.bucket_by
    assert described.bucket_count == table.buckets
    assert described.properties == {"table.log.ttl": f"{table.ttl_days} d"}
    assert described.comment == table.description


def test_quotes_and_backticks_do_not_break_a_statement():
    odd = log_table("odd", "the table's own", [key("row", "it's `quoted`"), time("select", "")],
                    bucket_by=["row"], ordered_by="select", ttl_days=3)  # fmt: skip
    name, columns, others, comment, _ = parsed(flink_ddl(odd))
    assert name == "odd"
    assert columns[0] == ("row", "STRING", " NOT NULL", "it''s `quoted`")
    assert others[0] == "`eventTime` AS CAST(`select` AS TIMESTAMP_LTZ(3))"
    assert comment == "the table''s own"


def test_a_log_reads_as_documented():
    assert (
        flink_ddl(PRICE_1M_HISTORY)
        == """\
CREATE TABLE IF NOT EXISTS `price_1m_history` (
  `symbol` STRING NOT NULL COMMENT 'instrument',
  `ts` TIMESTAMP_LTZ(6) NOT NULL COMMENT 'close of the bar: the moment from which it may be known',
  `open` DECIMAL(18, 8) NOT NULL COMMENT 'first price',
  `high` DECIMAL(18, 8) NOT NULL COMMENT 'highest price',
  `low` DECIMAL(18, 8) NOT NULL COMMENT 'lowest price',
  `price` DECIMAL(18, 8) NOT NULL COMMENT 'last price: the close',
  `volume` DOUBLE COMMENT 'traded in the minute; null where the source has none',
  `source` STRING NOT NULL COMMENT 'file or feed that the bar came from',
  `eventTime` AS CAST(`ts` AS TIMESTAMP_LTZ(3)),
  WATERMARK FOR `eventTime` AS `eventTime` - INTERVAL '5' SECOND
)
COMMENT 'One row for each symbol and minute with a trade: a 1-minute bar, labelled by its close.'
WITH (
  'bucket.num' = '8',
  'bucket.key' = 'symbol',
  'table.log.ttl' = '30 d'
);
"""
    )


def test_a_primary_key_table_reads_as_documented():
    ddl = fluss_ddl(OPEN_POSITIONS_LOTS)
    assert "  PRIMARY KEY (`accountId`, `strategyId`, `symbol`, `lotId`) NOT ENFORCED\n)" in ddl
    assert "'bucket.key' = 'accountId,strategyId,symbol'" in ddl
    assert "`lotId` STRING NOT NULL" in ddl


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bucket_by": ["b"]}, "bucket_by must be part of the primary key"),
        ({"key": [text("a", "", nullable=True)], "bucket_by": None}, "key column a may be null"),
        ({"columns": [text("a", "")]}, "a column is defined twice"),
        ({"buckets": 0}, "buckets and ttl_days must be at least 1"),
        ({"bucket_by": ["c"]}, "no column c"),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(changes, message):
    whole = {"key": [key("a", "")], "columns": [text("b", "")], "bucket_by": ["a"]}
    latest_table("t", "", **whole)
    with pytest.raises(ValueError, match=f"t: {message}"):
        latest_table("t", "", **whole | changes)


def test_a_log_is_ordered_by_a_time_that_is_always_there():
    for column in (time("at", "", nullable=True), text("at", "")):
        with pytest.raises(ValueError, match="t: at is no time that is always there"):
            log_table("t", "", [key("a", ""), column], bucket_by=["a"], ordered_by="at", ttl_days=1)
