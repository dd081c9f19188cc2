"""Input with gaps and bad rows, and a server that dies: all else is as if they were not there."""

import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from feeds.price_server import PriceServer
from runtimes.markets import lake_of, month_market, until

from streaming.feeds.feed import Arrival, Batch, Feed
from streaming.feeds.socket_feed import SocketFeed
from streaming.jobs.price_rows import rows_of_bars, table_of_rows
from streaming.rules.bars import MINUTE_US
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings
from streaming.store import TableStore

from .test_engine import MAPPED, in_order
from .test_feeds import contents, lines, messages, positions, run, whole
from .test_service import dump

__all__ = ["lines", "whole"]  # fixtures


class Given(Feed):
    """Gives tables of bars, each complete up to its end."""

    name = "given"

    def __init__(self, tables):
        self._tables = tables

    def batches(self, position):
        for at in range(int(position or 0), len(self._tables)):
            rows, number, complete_to = self._tables[at]
            yield Batch([Arrival(rows, self.name, number)], complete_to, str(at + 1))


def fed(path, tables, strategies):
    with TableStore(path, holder="test") as store:
        service = LiveService(store, LivePlan(Settings(), strategies))
        for _ in service.run(Given(tables)):
            pass
        service.close()
    return dump(path)


def parts(stream, size):
    """The stream in tables of about so many rows, cut between minutes."""
    made, begin = [], 0
    while begin < len(stream):
        end = min(begin + size, len(stream))
        end = int(np.searchsorted(stream.ts, stream.ts[end - 1], side="right"))
        part = stream.take(slice(begin, end))
        made.append((table_of_rows(part), np.arange(begin, end), int(part.ts[-1])))
        begin = end
    return made


BREAKS = {
    "price": lambda row: {"price": None},
    "high": lambda row: {"high": row["low"] / 2},
    "volume": lambda row: {"volume": -1.0},
    "symbol": lambda row: {"symbol": None},
    "minute": lambda row: {"ts": row["ts"].replace(second=17)},
    "open": lambda row: {"open": -row["open"]},
}


def spoiled(rng, rows, number, share):
    """Rows with bad ones put between them; their numbers count on."""
    names = list(BREAKS)
    chosen = np.flatnonzero(rng.random(rows.num_rows) < share)
    bad = rows.take(pa.array(chosen)).to_pylist()
    for place, row in enumerate(bad):
        row |= BREAKS[names[place % len(names)]](row)
    worse = pa.Table.from_pylist(bad, schema=rows.schema)
    order = np.argsort(np.concatenate([np.arange(rows.num_rows), chosen - 0.5]), kind="stable")
    return pa.concat_tables([rows, worse]).take(pa.array(order)), len(bad)


@pytest.mark.slow
def test_one_bad_row_in_a_thousand_costs_itself_alone(tmp_path, strategies):
    market = month_market(4, days=64, minutes=240)
    stream = rows_of_bars(market, "given")
    stream = stream.take(np.argsort(stream.ts, kind="stable"))
    assert len(stream) > 50_000
    clean, rng, bad = parts(stream, 5_000), np.random.default_rng(1), 0
    soiled = []
    for rows, number, complete_to in clean:
        worse, count = spoiled(rng, rows, number, 0.001)
        soiled.append((worse, np.arange(worse.num_rows) + number[0] + bad, complete_to))
        bad += count
    wanted = fed(tmp_path / "clean.db", clean, strategies)
    found = fed(tmp_path / "soiled.db", soiled, strategies)
    assert 30 < bad < 80
    refused = found.pop("quarantine_history")
    assert refused.num_rows == bad
    assert len(set(refused.column("reason").to_pylist())) >= len(BREAKS)
    assert wanted.pop("quarantine_history").num_rows == 0
    for tables in (wanted, found):
        del tables["watermark_history"]  # tells of the refused rows
    for name, rows in wanted.items():
        assert rows.equals(found[name]), name
    assert wanted["trade_match_history"].num_rows > 500


def without(stream, name, begin, end):
    """The stream without a stretch of minutes of a symbol; None: of all."""
    ts = (stream.ts - stream.ts[0]) // MINUTE_US
    gone = (ts >= begin) & (ts < end)
    if name is not None:
        gone &= stream.symbol == stream.symbols.index(name)
    return stream.take(~gone)


@pytest.mark.parametrize("who", ["ADA", pytest.param(None, marks=pytest.mark.slow)])
def test_a_gap_is_decided_like_a_backtest_of_what_there_is(
    tmp_path, market, stream, strategies, who
):
    market = {name: bars.rows(0, 300) for name, bars in market.items()}
    stream = stream.take(stream.ts <= min(int(bars.ts[-1]) for bars in market.values()))
    market = until(market, int(stream.ts[-1]))
    busy = int(np.bincount((stream.ts - stream.ts[0]) // MINUTE_US // 60).argmax()) * 60
    gappy = without(stream, who, busy, busy + 35)
    assert len(stream) - len(gappy) > 20
    kept = {
        name: bars.rows(0, 10**9)
        if who not in (name, None)
        else type(bars)(*(column[np.isin(bars.ts, gappy.ts[
            gappy.symbol == gappy.symbols.index(name)])] for column in bars))
        for name, bars in market.items()
    }  # fmt: skip
    tables = fed(tmp_path / "live.db", parts(gappy, 500), strategies)
    lake = lake_of(tmp_path / "lake", kept)
    wanted = run_backtest(lake, BacktestRequest(Settings(), strategies, layout="shared")).matches()
    found = tables["trade_match_history"].drop(["offset", "op"])
    assert in_order(found.drop(MAPPED)).equals(in_order(wanted.drop(MAPPED)))
    assert tables["risk_alerts_history"].num_rows == 0
    if who is None:
        return
    # Other symbols know nothing of it.
    full = fed(tmp_path / "full.db", parts(stream, 500), strategies)
    for name in ("indicator_history", "paper_trade_match_history"):
        for symbol in set(market) - {who}:
            one, other = (
                [row for row in made[name].drop(["offset"]).to_pylist() if row["symbol"] == symbol]
                for made in (full, tables)
            )
            assert one == other, (name, symbol)


def test_a_gap_that_is_filled_on_request_is_none_and_one_that_is_not_is_told(
    tmp_path, lines, strategies, whole
):
    every = messages(lines, [100] * 9)

    class Forgetful(PriceServer):
        """Leaves a message out the first time."""

        def _serve(self, client):
            if self.asked:
                self.messages[4] = every[4]
            super()._serve(client)

    with Forgetful([*every[:4], None, *every[5:]], finish=True) as server:
        feed = SocketFeed(server.url, follow=False, backoff=(0.01, 0.05))
        run(tmp_path / "live.db", feed, strategies)
        assert len(server.asked) > 1
    assert contents(tmp_path / "live.db") == whole
    # One that nobody fills: what came is decided as if no more had been there.
    for name, given in (
        ("gap", [*every[:4], None, *every[5:]]),
        ("less", messages(lines[:400] + lines[500:], [100] * 8)),
    ):
        with PriceServer(given, finish=True) as server:
            feed = SocketFeed(server.url, follow=False, backoff=(0.01, 0.05))
            run(tmp_path / f"{name}.db", feed, strategies)
    gap, less = contents(tmp_path / "gap.db"), contents(tmp_path / "less.db")
    (alert,) = gap.pop("risk_alerts_history")
    assert "FEED_GAP" in alert
    assert less.pop("risk_alerts_history") == []
    assert gap == less


def test_a_server_that_dies_under_the_engine_and_returns_is_gone_on_with(
    tmp_path, lines, strategies, whole
):
    """It is away for a while, twice, while the same engine runs on."""
    every, path = messages(lines, [50] * 18), tmp_path / "live.db"
    server = PriceServer(every[:5])
    done = threading.Event()

    def serve():
        for upto in (5, 12):
            _until(lambda upto=upto: server.sent >= upto)
            server.stop()
            time.sleep(0.2)
            server.messages = every[: 12 if upto == 5 else 18]
            server.start()
        _until(lambda: server.sent >= 18)
        done.set()

    thread = threading.Thread(target=serve)
    thread.start()
    store = TableStore(path, holder="test")
    service = LiveService(store, LivePlan(Settings(), strategies))
    feed = SocketFeed(server.url, backoff=(0.01, 0.05))
    for tick in service.run(feed, until_end=False):
        if tick is None and done.is_set() and '"position": 18' in positions(path)["socket"]:
            break
    thread.join()
    service.close()
    store.close()
    server.stop()
    assert contents(path) == whole


def _until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)
