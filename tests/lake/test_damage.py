"""A damaged file is an error that names it, never wrong bars; a full disk changes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.errors import LakeError
from streaming.jobs.price_rows import rows_of_table
from streaming.lake import Lake

from .samples import assert_same_bars, files_of, random_market, rows_of


@pytest.fixture
def small(tmp_path):
    market = random_market(5, 3, 300)
    Lake(tmp_path).write_prices(rows_of(market))
    return tmp_path, next(tmp_path.glob("price_1m_history/*/bars.parquet")), market


def test_any_damaged_byte_is_noticed_or_harmless(small):
    root, file, market = small
    good = file.read_bytes()
    rng = np.random.default_rng(2)
    # All of the footer's end, where lengths and the list of symbols are, and a sample before.
    places = [*rng.integers(0, len(good), 500), *range(len(good) - 300, len(good))]
    noticed = 0
    for at in places:
        damaged = bytearray(good)
        damaged[at] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        try:
            assert_same_bars(Lake(root).bars(), market)
        except LakeError as error:
            assert str(file) in str(error)
            noticed += 1
    assert noticed > 0.9 * len(places)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_a_file_cut_short_is_named(small, part):
    root, file, _ = small
    good = file.read_bytes()
    file.write_bytes(good[: int(len(good) * part)])
    with pytest.raises(LakeError, match=r"bars.parquet: is damaged .*import the files"):
        Lake(root).bars()


def test_damage_is_noticed_when_merging(small):
    root, file, _ = small
    good = bytearray(file.read_bytes())
    good[200] ^= 16
    file.write_bytes(good)
    with pytest.raises(LakeError, match="is damaged"):
        Lake(root).write_prices(rows_of(random_market(6, 2, 10)))
    assert file.read_bytes() == good


def test_another_programs_parquet_is_named(small):
    root, file, _ = small
    pq.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(LakeError, match="is no file of bars that this program wrote"):
        Lake(root).days()


@pytest.mark.parametrize("number", [2, 5, 13, 24])
def test_a_file_that_cannot_be_read_is_not_called_damaged(small, monkeypatch, number):
    root, file, _ = small
    why = os.strerror(number)

    def failing(path, **options):
        raise OSError(number, why)

    monkeypatch.setattr("streaming.lake.prices.pq.ParquetFile", failing)
    with pytest.raises(LakeError) as error:
        Lake(root).bars()
    assert str(error.value).startswith(f"{file}: cannot be read ({why})")
    assert "damaged" not in str(error.value)


def test_a_file_in_the_folder_of_another_day_is_named(small):
    root, file, _ = small
    other = file.parents[1] / "day=2024-03-09"
    file.parent.rename(other)
    with pytest.raises(LakeError, match=r"holds the bars of 2024-03-04"):
        Lake(root).bars()


def test_a_file_replaced_while_it_is_read_is_an_error_not_a_mixture(small):
    root = small[0]
    lake = Lake(root)
    days = lake.days()
    Lake(root).write_prices(rows_of(random_market(6, 5, 10)))
    lake.days = lambda: days
    with pytest.raises(LakeError, match="was replaced"):
        lake.bars()


@pytest.fixture
def disk(small_disk) -> Path:
    """A disk of one MiB."""
    return small_disk("1m")


def test_a_full_disk_leaves_every_day_whole_or_as_it_was(disk):
    lake = Lake(disk)
    first = random_market(1, 2, 1440)
    lake.write_prices(rows_of(first))
    before = files_of(disk)
    more = rows_of(random_market(2, 30, 4 * 1440))
    with pytest.raises(LakeError, match=r"the disk is full.*free some space"):
        lake.write_prices(more)
    after = files_of(disk)
    for name, content in before.items():
        assert name in after
        if after[name] != content:
            # Written whole before the disk was full: then it holds the new rows too.
            assert len(after[name]) > len(content)
    got = Lake(disk).bars()
    for name, bars in first.items():
        at = np.searchsorted(got[name].ts, bars.ts)
        np.testing.assert_array_equal(got[name].ts[at], bars.ts)
        np.testing.assert_array_equal(got[name].close[at], bars.close)
    assert not [name for name in after if "partial" in name]


def test_after_a_full_disk_the_same_call_writes_the_rest(disk, tmp_path):
    rows = rows_of(random_market(2, 6, 2 * 1440))
    filler = disk / "filler"
    lake = Lake(disk)
    with filler.open("wb") as file:
        file.write(b"\1" * 960_000)
    with pytest.raises(LakeError, match="the disk is full"):
        lake.write_prices(rows)
    filler.unlink()
    report = lake.write_prices(rows)
    assert report.written + report.duplicates == len(rows)
    Lake(tmp_path / "clean").write_prices(rows)
    assert files_of(disk) == files_of(tmp_path / "clean")


def test_a_limit_on_file_sizes_is_told_like_a_full_disk(tmp_path):
    """RLIMIT_FSIZE needs no root, so this runs everywhere."""
    code = (
        "import resource, signal, sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from lake.samples import random_market, rows_of\n"
        "from streaming.errors import LakeError\n"
        "from streaming.lake import Lake\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "rows = rows_of(random_market(2, 6, 1440))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        "    Lake(sys.argv[1]).write_prices(rows)\n"
        "except LakeError as error:\n"
        "    print(error)\n"
    )
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), tests], capture_output=True, text=True
    )
    assert "cannot be written" in done.stdout, done.stderr
    assert files_of(tmp_path) == {}


def test_rows_of_a_whole_file_equal_what_was_written(small):
    _, file, market = small
    rows = rows_of_table(pq.read_table(file, partitioning=None))
    np.testing.assert_array_equal(rows.price, np.concatenate([b.close for b in market.values()]))
