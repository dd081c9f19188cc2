"""What is written is read back, fast paths and windows included, and equal rows are equal bytes."""

import datetime as dt
import json

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from streaming.contracts import PRICE_1M_HISTORY, arrow_schema
from streaming.errors import LakeError
from streaming.jobs.price_rows import rows_of_table, table_of_rows
from streaming.lake import Lake, prices
from streaming.rules.bars import MINUTE_US, Bars, no_bars

from .samples import MONDAY, assert_same_bars, files_of, random_bars, random_market, rows_of

DAY = 1440


@pytest.fixture
def market():
    return random_market(7, 5, 3 * DAY)


def test_bars_come_back_as_written(tmp_path, market):
    report = Lake(tmp_path).write_prices(rows_of(market))
    assert report.written == sum(map(len, market.values()))
    lake = Lake(tmp_path)
    assert_same_bars(lake.bars(), market)
    assert lake.symbols() == sorted(market)


def test_some_symbols_come_back_alone_whatever_the_row_groups(tmp_path, market, monkeypatch):
    monkeypatch.setattr(prices, "_GROUP_ROWS", 2000)
    lake = Lake(tmp_path)
    lake.write_prices(rows_of(market))
    file = next(tmp_path.glob("price_1m_history/*/bars.parquet"))
    assert pq.ParquetFile(file).num_row_groups > 1
    for names in (["S03"], ["S04", "S00"], ["S01", "S02", "S03"], []):
        assert_same_bars(lake.bars(names), {name: market[name] for name in names})


def test_a_window_holds_what_comes_after_its_start_up_to_its_end(tmp_path, market):
    lake = Lake(tmp_path)
    lake.write_prices(rows_of(market))
    midnight = MONDAY + DAY * MINUTE_US
    edges = [MONDAY, MONDAY + 5 * MINUTE_US, midnight, midnight + MINUTE_US, MONDAY + 10**13]
    for start in [None, *edges]:
        for end in [None, *edges]:
            want = {
                name: Bars(
                    *(
                        column[
                            (bars.ts > (-1 if start is None else start))
                            & (bars.ts <= (2**62 if end is None else end))
                        ]
                        for column in bars
                    )
                )
                for name, bars in market.items()
            }
            assert_same_bars(lake.bars(None, start, end), want)


def test_a_symbol_without_bars_in_the_window_is_there_and_empty(tmp_path):
    rng = np.random.default_rng(0)
    ts = MONDAY + np.arange(1, 4) * MINUTE_US
    market = {"A": random_bars(rng, ts), "B": random_bars(rng, ts + 5 * DAY * MINUTE_US)}
    lake = Lake(tmp_path)
    lake.write_prices(rows_of(market))
    got = lake.bars(["A", "B"], MONDAY, MONDAY + DAY * MINUTE_US)
    assert_same_bars(got, {"A": market["A"], "B": no_bars()})


def test_an_unknown_symbol_is_refused_with_the_near_ones(tmp_path, market):
    lake = Lake(tmp_path)
    lake.write_prices(rows_of(market))
    with pytest.raises(LakeError, match=r"no prices of 'S3'.*S03"):
        lake.bars(["S00", "S3"])


def test_an_empty_lake_has_nothing_and_writes_nothing(tmp_path):
    lake = Lake(tmp_path / "none")
    assert (lake.bars(), lake.days(), lake.symbols()) == ({}, [], [])
    assert lake.quarantine().num_rows == 0
    assert not (tmp_path / "none").exists()


def test_a_file_is_no_lake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match="is a file"):
        Lake(tmp_path / "file")
    with pytest.raises(LakeError, match="cannot be written"):
        Lake(tmp_path / "file" / "below").write_prices(rows_of(random_market(1, 1, 5)))


def test_days_tell_rows_symbols_and_times(tmp_path, market):
    lake = Lake(tmp_path)
    lake.write_prices(rows_of(market))
    days = lake.days()
    assert [info.day for info in days] == [dt.date(2024, 3, d) for d in (4, 5, 6)]
    for at, info in enumerate(days):
        low, high = MONDAY + at * DAY * MINUTE_US, MONDAY + (at + 1) * DAY * MINUTE_US
        inside = {n: b.ts[(b.ts > low) & (b.ts <= high)] for n, b in market.items()}
        assert {n: rows for n, (rows, _) in info.symbols.items()} == {
            n: len(ts) for n, ts in inside.items()
        }
        assert list(info.symbols) == sorted(inside)
        assert info.rows == sum(map(len, inside.values()))
        assert info.first_ts == min(ts[0] for ts in inside.values())
        assert info.last_ts == max(ts[-1] for ts in inside.values())


def test_a_digest_changes_with_any_value_of_its_symbol_alone(tmp_path):
    def digests(market):
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        lake = Lake(root)
        lake.write_prices(rows_of(market))
        return {name: digest for name, (_, digest) in lake.days()[0].symbols.items()}

    market = random_market(3, 2, 30, absent=0)
    before = digests(market)
    assert digests(market) == before
    for at in range(6):
        column = market["S00"][at].copy()
        column[4] += 1 if at else 30 * MINUTE_US
        changed = digests(
            {**market, "S00": Bars(**{**market["S00"]._asdict(), Bars._fields[at]: column})}
        )
        assert changed["S00"] != before["S00"]
        assert changed["S01"] == before["S01"]


def test_days_are_read_again_only_when_a_file_has_changed(tmp_path, market, monkeypatch):
    lake = Lake(tmp_path)
    lake.write_prices(rows_of(market))
    read = []
    original = prices.read_info
    monkeypatch.setattr(prices, "read_info", lambda path: (read.append(path), original(path))[1])
    lake.days()
    lake.days()
    assert len(read) == 3
    more = {"NEW": random_bars(np.random.default_rng(0), np.array([MONDAY + MINUTE_US]))}
    lake.write_prices(rows_of(more))
    assert "NEW" in lake.symbols()
    assert len(read) == 4


def test_equal_rows_give_equal_bytes_in_whatever_order_they_came(tmp_path, market):
    rows = rows_of(market)
    Lake(tmp_path / "a").write_prices(rows)
    shuffled = rows.take(np.random.default_rng(1).permutation(len(rows)))
    lake = Lake(tmp_path / "b")
    for part in range(3):
        lake.write_prices(shuffled.take(slice(part, None, 3)))
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_a_day_to_which_nothing_is_added_is_not_touched(tmp_path, market):
    lake = Lake(tmp_path)
    lake.write_prices(rows_of(market))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("price_1m_history/*/*")}
    report = lake.write_prices(rows_of(market))
    assert (report.written, report.duplicates) == (0, sum(map(len, market.values())))
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.glob("price_1m_history/*/*")}


def test_conflicts_are_given_back_with_the_bar_that_is_kept(tmp_path, market):
    lake = Lake(tmp_path)
    lake.write_prices(rows_of(market, "first"))
    bars = market["S02"]
    other = Bars(**{**bars._asdict(), "high": bars.high + (np.arange(len(bars)) % 100 == 0)})
    report = lake.write_prices(rows_of({"S02": other}, "second"))
    n = len(range(0, len(bars), 100))
    assert (report.written, report.duplicates) == (0, len(bars) - n)
    assert report.conflicts.number.tolist() == list(range(1, len(bars) + 1, 100))
    np.testing.assert_array_equal(report.conflicts.high, report.kept.high + 1)
    assert report.kept.sources == ["first"]
    assert_same_bars(lake.bars(), market)


def test_tables_are_taken_as_well_as_arrays(tmp_path, market):
    table = table_of_rows(rows_of(market)).cast(arrow_schema(PRICE_1M_HISTORY))
    Lake(tmp_path / "a").write_prices(table)
    Lake(tmp_path / "b").write_prices(rows_of(market))
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_anybody_can_read_the_files(tmp_path, market):
    """The schema is the contract's, for a reader that knows nothing of this program."""
    # duckdb stands for other readers.
    Lake(tmp_path).write_prices(rows_of(market))
    file = next(tmp_path.glob("price_1m_history/day=2024-03-04/bars.parquet"))
    table = pq.read_table(file, partitioning=None)
    assert table.schema.remove_metadata().equals(arrow_schema(PRICE_1M_HISTORY))
    assert pq.ParquetFile(file).schema.column(2).physical_type == "INT64"
    (found,) = (
        duckdb.sql(
            f"select count(*), sum(price)::varchar, count(volume), min(symbol) "
            f"from '{tmp_path}/price_1m_history/*/bars.parquet'"
        )
        .limit(2)
        .fetchall()
    )
    rows = rows_of_table(table)
    assert rows.sources == ["test"]
    total = sum(int(bars.close.sum()) for bars in market.values())
    known = sum(int((~np.isnan(bars.volume)).sum()) for bars in market.values())
    assert found == (
        sum(map(len, market.values())),
        f"{total // 10**8}.{total % 10**8:08d}",
        known,
        "S00",
    )


def test_the_footer_is_signed_with_what_the_file_holds(tmp_path, market):
    Lake(tmp_path).write_prices(rows_of(market))
    file = next(tmp_path.glob("price_1m_history/day=2024-03-04/bars.parquet"))
    footer = json.loads(pq.ParquetFile(file).metadata.metadata[b"trading:bars"])
    assert [name for name, _, _ in footer["symbols"]] == sorted(market)


def test_foreign_folders_do_not_disturb(tmp_path, market):
    lake = Lake(tmp_path)
    lake.write_prices(rows_of(market))
    (tmp_path / "price_1m_history" / "day=soon").mkdir()
    (tmp_path / "price_1m_history" / "day=2024-03-09").mkdir()
    (tmp_path / "price_1m_history" / "notes.txt").write_text("")
    assert len(Lake(tmp_path).days()) == 3
