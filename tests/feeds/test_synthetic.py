"""The made-up market is sound, varied, and the same everywhere."""

import datetime as dt
import hashlib

import numpy as np
import pytest

from streaming.feeds.importing import import_files
from streaming.feeds.reading import Reading
from streaming.feeds.synthetic import KINDS, digits_of, make_market
from streaming.feeds.synthetic_files import write_market
from streaming.lake import Lake
from streaming.rules.bars import MINUTE_US
from streaming.rules.units import SCALE


@pytest.fixture(scope="module")
def market():
    return make_market()


def test_it_is_the_same_on_every_machine():
    digest = hashlib.blake2b(digest_size=8)
    for name, bars in make_market(7, 12, 14).items():
        digest.update(name.encode())
        for column in bars:
            digest.update(column.tobytes())
    assert digest.hexdigest() == "297e5c60682ebf68"


def test_another_seed_is_another_market_and_a_longer_one_begins_alike():
    one, other = make_market(1, 3, 3), make_market(2, 3, 3)
    assert not np.array_equal(one["NOVAUSD"].close, other["NOVAUSD"].close)
    assert list(make_market(1, 12, 3)) == sorted(kind.name for kind in KINDS)
    np.testing.assert_array_equal(one["NOVAUSD"].close, make_market(1, 12, 3)["NOVAUSD"].close)


def test_every_bar_keeps_the_contract(market):
    assert len(market) == 12
    assert list(market) == sorted(market)
    for name, bars in market.items():
        assert (np.diff(bars.ts) > 0).all()
        assert (bars.ts % MINUTE_US == 0).all()
        assert (bars.low > 0).all()
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        tick = SCALE // 10 ** digits_of(name)
        assert all((column % tick == 0).all() for column in bars[1:5])
        assert np.isnan(bars.volume).all() or (bars.volume > 0).all()


def test_symbols_trade_in_their_hours(market):
    def local(name, zone):
        times = [dt.datetime.fromtimestamp(ts / 1e6, zone) for ts in market[name].ts[::50]]
        return {(t.weekday(), t.hour * 60 + t.minute) for t in times}

    from zoneinfo import ZoneInfo

    for weekday, minute in local("ACME", ZoneInfo("America/New_York")):
        assert weekday < 5
        assert 570 < minute <= 960
    for weekday, minute in local("DUNE", ZoneInfo("Europe/Oslo")):
        assert weekday < 5
        assert 540 < minute <= 990
    for weekday, minute in local("AURBEX", dt.UTC):
        assert weekday < 4 or (weekday == 4 and minute <= 1320) or (weekday == 6 and minute > 1320)
    assert len(market["NOVAUSD"]) == 60 * 1440


def test_there_are_gaps_a_listing_and_a_delisting(market):
    begin, end = market["NOVAUSD"].ts[0], market["NOVAUSD"].ts[-1]
    third = (end - begin) // 3
    assert market["ORBIUSD"].ts[0] > begin + third * 0.9
    assert market["CRUX"].ts[-1] < end - third * 0.8
    assert np.diff(market["LUMAUSD"].ts).max() >= 400 * MINUTE_US
    assert (np.diff(market["EKKO"].ts) == 2 * MINUTE_US).sum() > 1000


def test_prices_move_like_prices(market):
    """Some move, none run away; there are jumps beyond what the walk alone would give."""
    for name, bars in market.items():
        close = bars.close / SCALE
        moves = np.diff(np.log(close))
        assert 5e-5 < moves.std() < 5e-3, name
        assert 0.2 < close[-1] / close[0] < 5, name
    moves = np.diff(np.log(market["NOVAUSD"].close / SCALE))
    assert np.abs(moves).max() > 8 * np.median(np.abs(moves))


def test_without_gaps_every_minute_is_there():
    market = make_market(1, 14, 2, gaps=False)
    assert len(market) == 14
    assert "LUMAUSD2" in market
    for bars in market.values():
        assert len(bars) == 2880
        assert (np.diff(bars.ts) == MINUTE_US).all()
    assert not np.array_equal(market["LUMAUSD2"].close, market["LUMAUSD"].close)


def test_files_hold_the_market_but_for_the_faulty_rows(tmp_path):
    files = write_market(tmp_path / "files", 5, 4, 3)
    again = write_market(tmp_path / "again", 5, 4, 3)
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    lake = Lake(tmp_path / "lake")
    import_files(lake, files, Reading())
    market = make_market(5, 4, 3)
    got = lake.bars()
    assert list(got) == list(market)
    for name, bars in market.items():
        at = np.searchsorted(bars.ts, got[name].ts)
        assert len(at) == len(bars) - 7
        for column, made in zip(got[name], bars, strict=True):
            np.testing.assert_array_equal(column, made[at])
