"""Every table of the contracts, in and out; rows and stores that do not fit; DuckDB on top."""

from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import apsw
import duckdb
import pyarrow as pa
import pytest
from contracts.examples import NOW, as_texts, good_texts, micros

from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    INDICATOR_LATEST,
    OPEN_POSITIONS_ROLLUP,
    RISK_ALERTS_HISTORY,
    STRATEGY_PERF_LATEST,
    TABLES,
    arrow_schema,
    validate,
)
from streaming.errors import ContractError, StoreError
from streaming.store import Commit, StoreReader, TableStore, append, delete, upsert
from streaming.store import schema as store_schema

from .samples import HandClock, arrow, contents, keys_only, minute, money, open_as_dead, samples

ALL = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


@pytest.fixture
def path(folder):
    return folder / "store.db"


@pytest.fixture
def store(path):
    with open_as_dead(path, HandClock()) as store:
        yield store


def good(table, seeds):
    rows, _ = validate(
        table, as_texts(table, [good_texts(table, seed) for seed in seeds]), "f", now=micros(NOW)
    )
    assert rows.num_rows == len(seeds)
    return rows


@ALL
def test_what_goes_in_comes_out_in_the_contracts_schema(store, table):
    given = good(table, range(9))
    store.commit(Commit([(append if table.kind == "log" else upsert)(table, given)]))
    with store.reader() as reader:
        if table.kind == "log":
            assert reader.rows(table).equals(given)
        else:
            assert reader.lookup(table, given).equals(given)
            order = [(name, "ascending") for name in table.primary_key]
            assert reader.latest(table).sort_by(order).equals(given.sort_by(order))
        changes, after = reader.changes(table, 0)
    assert after == 9
    assert changes.select(table.names).equals(given)
    assert changes["offset"].to_pylist() == list(range(9))
    assert changes["op"].to_pylist() == ["+I"] * 9


def test_rows_may_come_in_pieces_slices_and_any_order_of_columns(store):
    given = good(EXEC_REPORT_HISTORY, range(20))
    pieces = pa.concat_tables([given.slice(3, 4), given.slice(0, 0), given.slice(9, 2)])
    store.commit(Commit([append(EXEC_REPORT_HISTORY, pieces.select(pieces.column_names[::-1]))]))
    with store.reader() as reader:
        assert reader.rows(EXEC_REPORT_HISTORY).to_pylist() == pieces.to_pylist()


def test_rows_by_symbol_time_and_offset(store):
    rows = [
        row | {"ts": minute(i)} for i, row in enumerate(samples(EXEC_REPORT_HISTORY, Random(1), 40))
    ]
    store.commit(Commit([append(EXEC_REPORT_HISTORY, arrow(EXEC_REPORT_HISTORY, rows))]))
    held = samples(INDICATOR_LATEST, Random(1), 30)
    store.commit(Commit([upsert(INDICATOR_LATEST, arrow(INDICATOR_LATEST, held))]))
    table = EXEC_REPORT_HISTORY
    with store.reader() as reader:
        found = reader.rows(
            table, equal={"symbol": "S", "side": "BUY"},
            since=micros(minute(5)), until=micros(minute(35)), start=8, limit=3,
        )  # fmt: skip
        wanted = [r for r in rows[8:35] if r["symbol"] == "S" and r["side"] == "BUY"]
        assert found.to_pylist() == wanted[:3]
        assert len(wanted) > 3
        assert reader.rows(table, since=micros(minute(39))).to_pylist() == rows[39:]
        assert reader.rows(INDICATOR_LATEST, equal={"symbol": "T"}).num_rows == 1
        with pytest.raises(StoreError, match="no column colour of texts"):
            reader.rows(table, equal={"colour": "red"})
        with pytest.raises(StoreError, match="no column ts of texts"):
            reader.rows(table, equal={"ts": "red"})
        with pytest.raises(StoreError, match="rows of a latest table have no offset"):
            reader.rows(INDICATOR_LATEST, start=0)
        with pytest.raises(StoreError, match="has no key to look up"):
            reader.lookup(table, found)


def test_duckdb_queries_what_a_reader_gives(store):
    rows = samples(EXEC_REPORT_HISTORY, Random(1), 50)
    store.commit(Commit([append(EXEC_REPORT_HISTORY, arrow(EXEC_REPORT_HISTORY, rows))]))
    with store.reader() as reader:
        fills = reader.rows(EXEC_REPORT_HISTORY)
    found = duckdb.sql("SELECT side, sum(fillQty), max(ts) FROM fills GROUP BY side ORDER BY side")
    for side, quantity, last in found.fetchall():
        mine = [row for row in rows if row["side"] == side]
        assert quantity == sum(row["fillQty"] for row in mine)
        assert isinstance(quantity, Decimal)
        assert last.astimezone(UTC) == max(row["ts"] for row in mine)
    assert fills.num_rows == 50


def test_money_is_whole_units_in_the_file(store, path):
    row = samples(OPEN_POSITIONS_ROLLUP, Random(1), 1)[0]
    row |= {
        "side": "SHORT",
        "netQty": money(-(10**18 - 1)),
        "lastUpdated": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    }
    store.commit(Commit([upsert(OPEN_POSITIONS_ROLLUP, arrow(OPEN_POSITIONS_ROLLUP, [row]))]))
    db = apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY)
    found = db.execute('SELECT "netQty", "lastUpdated" FROM open_positions_rollup').fetchall()
    db.close()
    assert found == [(-(10**18 - 1), 1_000_000)]


class TestRefused:
    """A commit with one wrong row is refused whole, and says which row it is."""

    def refused(self, store, path, changes, match):
        before = contents(path)
        with pytest.raises(ContractError, match=match):
            store.commit(Commit([*changes()], {"s": b"x"}, {"f": "1"}))
        assert contents(path) == before

    def test_a_row_that_breaks_a_rule(self, store, path):
        rows = samples(EXEC_REPORT_HISTORY, Random(1), 9)
        rows[6] = rows[6] | {"fillQty": money(0)}
        self.refused(
            store, path, lambda: [append(EXEC_REPORT_HISTORY, arrow(EXEC_REPORT_HISTORY, rows))],
            "table exec_report_history: row 6 breaks the contract: CHECK.*fillQty",
        )  # fmt: skip

    def test_an_upsert_that_breaks_a_rule_though_a_later_one_mends_it(self, store, path):
        table = OPEN_POSITIONS_ROLLUP
        row = samples(table, Random(1), 1)[0]
        wrong = row | {"avgPrice": money(0)}
        for last in (upsert, delete):
            self.refused(
                store, path,
                lambda last=last: [
                    upsert(table, arrow(table, [wrong])), last(table, arrow(table, [row]))
                ],
                r"table open_positions_rollup: the row of key \('.', '.', 'S'\) breaks",
            )  # fmt: skip

    def test_a_row_that_is_there_already(self, store, path):
        table = TABLES["trade_match_history"]
        store.commit(Commit([append(table, good(table, [1, 2]))]))
        self.refused(
            store, path, lambda: [append(table, good(table, [3, 4, 2]))],
            "trade_match_history: row 2 breaks the contract: UNIQUE",
        )  # fmt: skip

    def test_numbers_that_are_none(self, store, path):
        rows = samples(STRATEGY_PERF_LATEST, Random(1), 2)
        rows[1]["psr"] = float("inf")
        self.refused(
            store, path, lambda: [upsert(STRATEGY_PERF_LATEST, arrow(STRATEGY_PERF_LATEST, rows))],
            "table strategy_perf_latest: column psr: row 1 is not finite",
        )  # fmt: skip
        rows[1]["psr"], rows[1]["shrunkSharpe"] = None, float("nan")
        self.refused(
            store, path, lambda: [upsert(STRATEGY_PERF_LATEST, arrow(STRATEGY_PERF_LATEST, rows))],
            "NOT NULL constraint failed: strategy_perf_latest.shrunkSharpe",
        )  # fmt: skip

    def test_columns_that_are_not_the_contracts(self, store, path):
        table = RISK_ALERTS_HISTORY
        rows = arrow(table, samples(table, Random(1), 2))
        for wrong, match in (
            (rows.drop_columns(["code"]), "column code is missing"),
            (rows.append_column("code", rows["code"]), "column code is there twice"),
            (rows.append_column("colour", rows["code"]), "no column colour in the contract"),
            (
                rows.set_column(1, "code", pa.array([1, 2])),
                "column code is int64, the contract has",
            ),
        ):
            self.refused(store, path, lambda wrong=wrong: [append(table, wrong)], match)

    def test_the_wrong_kind_of_change(self, store, path):
        rows = samples(RISK_ALERTS_HISTORY, Random(1), 1)
        for make in (upsert, delete):
            self.refused(
                store, path,
                lambda make=make: [make(RISK_ALERTS_HISTORY, arrow(RISK_ALERTS_HISTORY, rows))],
                "a log table takes no (upsert|delete)",
            )  # fmt: skip
        self.refused(
            store, path,
            lambda: [append(INDICATOR_LATEST, arrow(INDICATOR_LATEST, []))],
            "a latest table takes no append",
        )  # fmt: skip


class TestAnotherContract:
    """A store that another version of the contracts made is refused by table and column."""

    def changed(self, path, old, new):
        open_as_dead(path, HandClock()).release()
        db = apsw.Connection(str(path))
        db.pragma("writable_schema", True)
        db.execute("UPDATE sqlite_schema SET sql = replace(sql, ?, ?)", (old, new))
        assert db.changes() > 0
        db.close()

    @pytest.mark.parametrize(
        ("old", "new", "match"),
        [
            (
                '"venue" TEXT',
                '"place" TEXT',
                'table exec_report_history: column venue differs.* has "place" TEXT, the contract '
                '"venue" TEXT',
            ),
            (
                '"netQty" INTEGER',
                '"netQty" REAL',
                "table open_positions_rollup: column netQty differs",
            ),
            ("BETWEEN -999999999999999999", "BETWEEN -9", "column .* differs from the contract"),
            ("UNIQUE INDEX", "INDEX", "_unique: .*differs from the contract"),
        ],
    )
    def test_a_column_or_rule_that_differs(self, path, old, new, match):
        self.changed(path, old, new)
        for make in (StoreReader, lambda path: TableStore(path, holder="x")):
            with pytest.raises(StoreError, match=match):
                make(path)

    def test_a_description_may_change(self, path):
        self.changed(path, "-- kind of alert", "-- what kind of alert")
        open_as_dead(path, HandClock()).release()

    def test_a_table_that_is_not_known(self, path):
        open_as_dead(path, HandClock()).release()
        db = apsw.Connection(str(path))
        db.execute("CREATE TABLE of_tomorrow (a)")
        db.close()
        with pytest.raises(StoreError, match="a table of_tomorrow that this code does not"):
            StoreReader(path)

    def test_another_format(self, path, monkeypatch):
        open_as_dead(path, HandClock()).release()
        monkeypatch.setattr(store_schema, "FORMAT", store_schema.FORMAT + 1)
        with pytest.raises(StoreError, match=r"has format (\d+), this code reads format \d+"):
            StoreReader(path)


def test_a_delete_needs_the_key_only(store):
    rows = samples(OPEN_POSITIONS_ROLLUP, Random(1), 1)
    store.commit(Commit([upsert(OPEN_POSITIONS_ROLLUP, arrow(OPEN_POSITIONS_ROLLUP, rows))]))
    store.commit(Commit([delete(OPEN_POSITIONS_ROLLUP, keys_only(OPEN_POSITIONS_ROLLUP, rows))]))
    with store.reader() as reader:
        assert reader.latest(OPEN_POSITIONS_ROLLUP).num_rows == 0
        changes = reader.changes(OPEN_POSITIONS_ROLLUP, 0).rows
        assert changes["op"].to_pylist() == ["+I", "-D"]
        assert changes.drop_columns(["offset", "op"]).to_pylist() == rows * 2
        assert reader.latest(OPEN_POSITIONS_ROLLUP).schema == arrow_schema(OPEN_POSITIONS_ROLLUP)


def test_state_and_positions_come_back_as_they_went_in(store):
    store.commit(Commit(state={"a": b"\x00x", "b": b""}, positions={"f": "12", "g": b"\x00"}))
    store.commit(Commit(state={"b": None, "c": b"1"}, positions={"g": None}, complete_to=7))
    with store.reader() as reader:
        assert (reader.states(), reader.state("a"), reader.state("b")) == (
            ["a", "c"],
            b"\x00x",
            None,
        )
        assert reader.positions() == {"f": "12"}
        assert reader.ticks() == (2, 7, HandClock().wall())


def test_a_table_comes_in_pieces_and_may_be_left_midway(store):
    table = EXEC_REPORT_HISTORY
    rows = samples(table, Random(1), 25)
    store.commit(Commit([append(table, arrow(table, rows))]))
    with store.reader() as reader:
        with reader.snapshot() as view:
            for piece in view.batches(table, 10):
                assert piece.to_pylist() == rows[:10]
                break
        with reader.snapshot() as view:
            pieces = list(view.batches(table, 10))
            assert [piece.num_rows for piece in pieces] == [10, 10, 5]
            assert pa.concat_tables(pieces).to_pylist() == rows
    assert store.checkpoint()  # nothing is left open
