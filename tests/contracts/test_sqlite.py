"""SQLite DDL, run in a real SQLite: it takes what keeps the contract and nothing else."""

import sqlite3
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import pytest

from contracts.examples import NOW, as_texts, breakages, good_texts, micros
from streaming.contracts import (
    INDICATOR_HISTORY,
    OPEN_POSITIONS_ROLLUP,
    PRICE_1M_HISTORY,
    TABLES,
    Type,
    money_values,
    sqlite_ddl,
    time_values,
    validate,
)
from streaming.contracts.sqlite import changes_name, sqlite_changes_ddl
from streaming.rules.bars import MINUTE_US

ALL = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


class Named(NamedTuple):
    name: str


@pytest.fixture
def store():
    connection = sqlite3.connect(":memory:")
    for table in TABLES.values():
        connection.executescript(sqlite_ddl(table))
    yield connection
    connection.close()


def stored(table, seed, **changes):
    """One good row as the store holds it: money x 1e8, microseconds, 0 and 1."""
    batch = as_texts(table, [good_texts(table, seed)])
    good, _ = validate(table, batch, "f", now=micros(NOW))
    row = {}
    for column in table.columns:
        cells = good[column.name]
        if cells.null_count:
            row[column.name] = None
        elif column.type is Type.MONEY:
            row[column.name] = int(money_values(cells)[0])
        elif column.type is Type.TIME:
            row[column.name] = int(time_values(cells)[0])
        else:
            value = cells[0].as_py()
            row[column.name] = int(value) if isinstance(value, bool) else value
    return row | changes


def insert(store, table, row, how="INSERT"):
    names = ", ".join(f'"{name}"' for name in row)
    holes = ", ".join("?" * len(row))
    store.execute(f'{how} INTO "{table.name}" ({names}) VALUES ({holes})', list(row.values()))


@ALL
def test_every_table_is_created_with_its_columns_and_key(store, table):
    found = store.execute(f'PRAGMA table_info("{table.name}")').fetchall()
    assert [row[1] for row in found] == table.names
    required = [bool(row[3]) for row in found]
    assert required == [not column.nullable for column in table.columns]
    key = sorted((row[5], row[1]) for row in found if row[5])
    assert [name for _, name in key] == list(table.primary_key)
    store.executescript(sqlite_ddl(table))  # there already: nothing happens


@ALL
def test_good_rows_are_taken_and_read_back_unchanged(store, table):
    rows = [stored(table, seed) for seed in range(10)]
    for row in rows:
        insert(store, table, row)
    found = store.execute(f'SELECT * FROM "{table.name}"').fetchall()
    assert sorted(map(str, found)) == sorted(str(tuple(row.values())) for row in rows)


@ALL
def test_rows_that_break_the_contract_are_refused(store, table):
    for column in table.columns:
        for value in _bad_values(column):
            with pytest.raises(sqlite3.IntegrityError):
                insert(store, table, stored(table, 3, **{column.name: value}))
    for breakage in breakages(table):
        if breakage.label in [rule.words for rule in table.rules]:
            texts = good_texts(table, 3)
            breakage.apply(texts)
            names = {name for rule in table.rules for name in rule.columns}
            changes = {name: _as_stored(table.column(name), texts[name]) for name in names}
            with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
                insert(store, table, stored(table, 3, **changes))


def _bad_values(column):
    if not column.nullable:
        yield None
    if column.one_of:
        yield "NEITHER"
    elif column.type is Type.TEXT and not column.nullable:
        yield ""
    if column.type is Type.BOOL:
        yield 2
    if column.type is Type.TIME:
        yield -MINUTE_US
        if column.minute:
            yield MINUTE_US + 1
    scale = 1
    if column.type is Type.MONEY:
        scale = 10**8
        yield from (10**18, -(10**18), 2**63 - 1, -(2**63))
    for operator, bound in column.bounds:
        yield {">": bound, ">=": bound - 1, "<": bound, "<=": bound + 1}[operator] * scale


def _as_stored(column, text):
    if column.type is Type.MONEY:
        return int(Decimal(text) * 10**8)
    if column.type is Type.TIME:
        return micros(datetime.fromisoformat(text))
    return int(text) if column.type is Type.INT else text


def test_the_types_are_strict(store):
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"):
        insert(store, PRICE_1M_HISTORY, stored(PRICE_1M_HISTORY, 1, price="17.20 USD"))
    with pytest.raises(sqlite3.IntegrityError, match="cannot store REAL"):
        insert(store, PRICE_1M_HISTORY, stored(PRICE_1M_HISTORY, 1, price=17.2))


def test_a_flag_is_0_or_1(store):
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        insert(store, INDICATOR_HISTORY, stored(INDICATOR_HISTORY, 1, final=2))


def test_a_log_is_unique_where_the_contract_says_so(store):
    for table in TABLES.values():
        if table.unique and not table.unique_where:
            insert(store, table, stored(table, 1))
            with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
                insert(store, table, stored(table, 1))


def test_intrabar_rows_may_repeat_but_final_ones_may_not(store):
    for _ in range(2):
        insert(store, INDICATOR_HISTORY, stored(INDICATOR_HISTORY, 1, final=0))
    insert(store, INDICATOR_HISTORY, stored(INDICATOR_HISTORY, 1, final=1))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        insert(store, INDICATOR_HISTORY, stored(INDICATOR_HISTORY, 1, final=1))


def test_a_latest_table_holds_one_row_for_each_key(store):
    table = OPEN_POSITIONS_ROLLUP
    row = stored(table, 1)
    insert(store, table, row)
    with pytest.raises(sqlite3.IntegrityError):
        insert(store, table, row)
    insert(store, table, row | {"avgPrice": 5}, how="INSERT OR REPLACE")
    assert store.execute('SELECT "avgPrice" FROM open_positions_rollup').fetchall() == [(5,)]
    store.execute("DELETE FROM open_positions_rollup WHERE symbol = ?", [row["symbol"]])
    assert store.execute("SELECT count(*) FROM open_positions_rollup").fetchone() == (0,)


@ALL
def test_a_log_with_offsets_and_a_changelog_hold_the_same_columns(table):
    connection = sqlite3.connect(":memory:")
    connection.executescript(sqlite_ddl(table, offsets=True))
    name = table.name
    if table.kind == "latest":
        connection.executescript(sqlite_changes_ddl(table))
        name = changes_name(table)
    found = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
    head = ["offset", "op"] if table.kind == "latest" else ["offset"]
    assert [row[1] for row in found] == [*head, *table.names]
    assert [row[1] for row in found if row[5]] == ["offset"]
    plain = sqlite3.connect(":memory:")
    plain.executescript(sqlite_ddl(table))
    kinds = plain.execute(f'PRAGMA table_info("{table.name}")').fetchall()
    assert [row[2] for row in found[len(head) :]] == [row[2] for row in kinds]
    row = {"offset": 7, "op": "+U"} if table.kind == "latest" else {"offset": 7}
    insert(connection, Named(name), row | stored(table, 1))
    with pytest.raises(sqlite3.IntegrityError):
        insert(connection, Named(name), row | stored(table, 2))
    if table.kind == "latest":
        with pytest.raises(sqlite3.IntegrityError):
            insert(connection, Named(name), {"offset": 8, "op": "U"} | stored(table, 2))
