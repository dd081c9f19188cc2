"""The socket feed against a real server on loopback: nothing lost or doubled, nobody waits."""

import json
import threading
import time

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streaming.errors import SourceError
from streaming.feeds import socket_connection
from streaming.feeds.socket_feed import SocketFeed

from .arriving import REPORTS, START, bar, report, taken
from .price_server import PriceServer, arrow_message, gathered, json_message

QUICK = (0.01, 0.05)
MINUTE_US = 60_000_000


def us(minute):
    return int(START.timestamp()) * 1_000_000 + minute * MINUTE_US


def feed(server, **how):
    return SocketFeed(server.url, backoff=QUICK, **how)


def bars_of(batches):
    """(symbol, minute) of the bars, in order."""
    found = taken(batches)["bars"]
    return [(row[2], int(row[3][14:16]) + 60 * (int(row[3][11:13]) - 12)) for row in found]


def numbered(count, make=json_message):
    """One bar a message, each complete to its own minute."""
    return [
        make([bar(at)], position=at + 1, completeTo=f"2024-03-04 12:{at:02d}")
        for at in range(count)
    ]


def have(count):
    return lambda batches: len(bars_of(batches)) >= count


@pytest.mark.parametrize("make", [json_message, arrow_message])
def test_bars_reports_and_how_far_they_are_complete(make):
    messages = [
        make([bar(0), bar(0, "T")], position=1, completeTo="2024-03-04T12:00Z", stream="a"),
        make(
            [report(70), report(71)], REPORTS, position=2, table="exec_report_history", stream="a"
        ),
    ]
    with PriceServer(messages) as server:
        batches = gathered(feed(server), until=lambda got: sum(len(b.reports) for b in got) == 1)
    found = taken(batches)
    assert [row[:3] for row in found["bars"]] == [
        ("socket message 1", 1, "S"),
        ("socket message 1", 2, "T"),
    ]
    assert set(batches[0].arrivals[0].rows["source"].to_pylist()) == {"socket"}
    assert [row[:4] for row in found["reports"]] == [
        ("socket message 2", 1, "o", "70"),
        ("socket message 2", 2, "o", "71"),
    ]
    assert max(b.complete_to for b in batches if b.complete_to) == us(0)
    assert json.loads(batches[-1].position) == {"stream": "a", "position": 2, "completeTo": us(0)}
    assert server.asked == [{"stream": None, "after": None}]


def test_a_restart_goes_on_after_the_last_batch_that_was_kept():
    with PriceServer(numbered(10)) as server:
        first = gathered(feed(server), until=have(3))
        rest = gathered(feed(server), first[-1].position, until=have(10 - len(bars_of(first))))
        assert server.asked[-1] == {"stream": None, "after": len(bars_of(first))}
    assert bars_of([*first, *rest]) == [("S", at) for at in range(10)]


def test_a_server_that_dies_and_returns_is_found_again():
    with PriceServer(numbered(30), die_after=7, overlap=3) as server:
        reader = feed(server)
        assert bars_of(gathered(reader, until=have(30))) == [("S", at) for at in range(30)]
        assert len(server.asked) >= 7
        assert reader.duplicates >= 3 * (len(server.asked) - 1)


def test_a_server_that_is_away_for_a_while(tmp_path):
    server = PriceServer(numbered(4))
    reader = feed(server)
    running = reader.batches(None)
    got = []

    def read(enough):
        ends = time.monotonic() + 20
        while not enough():
            batch = next(running)
            got.extend([batch] if batch is not None else [])
            time.sleep(0.002)
            assert time.monotonic() < ends

    read(lambda: len(bars_of(got)) == 4)
    assert reader.connected
    server.stop()
    read(lambda: not reader.connected)
    assert reader.trouble
    server.messages += numbered(8)[4:]
    server.start()
    read(lambda: len(bars_of(got)) == 8)
    assert bars_of(got) == [("S", at) for at in range(8)]
    assert (reader.connected, reader.trouble) == (True, "")
    running.close()
    server.stop()
    assert not [one for one in threading.enumerate() if one.name == "socket feed"]


def test_a_gap_is_asked_for_again_and_then_told():
    messages = numbered(6)
    messages[2] = messages[3] = None
    with PriceServer(messages) as server:
        batches = gathered(feed(server), until=have(4))
        assert [one["after"] for one in server.asked] == [None, 2]
    assert bars_of(batches) == [("S", at) for at in (0, 1, 4, 5)]
    (alert,) = [alert for batch in batches for alert in batch.alerts]
    assert alert.code == "FEED_GAP"
    assert "messages 3 to 4 did not come, not even when" in alert.message
    assert alert.ts == us(1)


def test_numbers_that_begin_anew_are_told_and_taken():
    with PriceServer([json_message([bar(0)], position=7, stream="a")]) as server:
        (one,) = gathered(feed(server), until=have(1))
        server.messages = [None] * 7 + [json_message([bar(1)], position=1, stream="b")]
        (other,) = gathered(feed(server), one.position, until=have(1))
    assert bars_of([one, other]) == [("S", 0), ("S", 1)]
    assert [alert.code for alert in other.alerts] == ["FEED_RESTARTED"]
    assert json.loads(other.position)["stream"] == "b"


BAD = {
    "hello": "is neither JSON lines nor an Arrow IPC stream",
    '{"position": 2, ': "begins with a header that is no JSON",
    '{"position": -2}': "has position '-2'",
    '{"position": 2, "completeTo": "soon"}': "time 'soon'",
    '{"position": 2, "table": "orders"}': "is for table 'orders'",
    '{"ts": "2024-03-04", "open": 1}': "header of unknown keys ('ts', 'open')",
    json_message(["1,2"], "a,b", position=2): "has no column ts",
    arrow_message([bar(1)], position=2)[:-60]: "is damaged or cut short",
    b"\xff\xff\xff\xff": "is neither JSON lines nor an Arrow IPC stream",
    '{"position": 2}\n{"a": "\xe9"}'.encode("latin-1"): "has no column ts",
    b'{"position": 2, "stream": "\xe9"}': "begins with a header that is no JSON",
}


@pytest.mark.parametrize("message", BAD, ids=range(len(BAD)))
def test_a_message_that_cannot_be_read_is_quarantined_and_the_next_one_taken(message):
    messages = numbered(3)
    messages[1] = message
    with PriceServer(messages) as server:
        batches = gathered(feed(server), until=have(2))
        assert len(server.asked) == 1
    assert bars_of(batches) == [("S", 0), ("S", 2)]
    found = taken(batches)
    ((source, number, reason),) = found["refused"]
    assert (source, number) == ("socket message 2", 0)
    assert BAD[message] in reason
    assert found["alerts"] == [f"{reason} Nothing of it was used."]


def test_a_message_that_is_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr(socket_connection, "MESSAGE_BYTES", 2_000)
    messages = numbered(3)
    messages[1] = json_message([bar(at) for at in range(100)], position=2)
    with PriceServer(messages) as server:
        batches = gathered(feed(server), until=have(2))
    assert bars_of(batches) == [("S", 0), ("S", 2)]
    assert "socket message 2: is longer than 2000 bytes" in taken(batches)["alerts"][0]


def test_one_bad_row_in_a_thousand_costs_itself_alone():
    lines = [bar(at % 60, f"S{at // 60}") for at in range(1_000)]
    lines[500] = lines[500].replace("2024-", "soon-")
    half = json_message(lines, position=1).split("\n")
    half[900] = half[900][:20]
    with PriceServer(["\n".join(half)]) as server:
        (batch,) = gathered(feed(server), until=bool)
    found = taken([batch])
    assert len(found["bars"]) == 999
    assert [row[1] for row in found["bars"] if row[-1]] == [501]
    ((source, number, reason),) = found["refused"]
    assert (source, number) == ("socket message 1", 900)
    assert "line is no JSON" in reason
    assert not found["alerts"]


def test_nobody_waits_for_a_slow_server_or_one_that_is_not_there():
    with PriceServer(numbered(3), pause=0.8) as server:
        reader = feed(server)
        running = reader.batches(None)
        longest, got = 0.0, []
        while len(got) < 3:
            began = time.monotonic()
            batch = next(running)
            longest = max(longest, time.monotonic() - began)
            got += [] if batch is None else [batch]
            time.sleep(0.001)
        running.close()
        assert longest < 0.7
        assert bars_of(got) == [("S", 0), ("S", 1), ("S", 2)]
    running = reader.batches(None)
    began = time.monotonic()
    assert [next(running) for _ in range(5)] == [None] * 5
    assert time.monotonic() - began < 0.7
    running.close()


def test_what_nobody_takes_waits_at_the_server(monkeypatch):
    monkeypatch.setattr(socket_connection, "MESSAGES", 4)
    rows = [bar(at % 60, f"SYMBOL{at // 60}") for at in range(3_000)]
    text = json_message(rows)
    messages = [f'{{"position": {at + 1}}}{text[2:]}' for at in range(200)]
    with PriceServer(messages) as server:
        running = feed(server).batches(None)
        assert next(running) is None
        time.sleep(1.0)
        assert server.sent < 100
        assert len(pa.concat_tables([one.rows for one in next(running).arrivals])) <= 53_000
        running.close()


def test_messages_are_one_batch_only_where_that_changes_nothing():
    late = [bar(2), bar(0, "LATE")]
    messages = [*numbered(3), json_message(late, position=4), *numbered(6)[4:]]
    with PriceServer(messages) as server:
        reader = feed(server)
        running = reader.batches(None)
        assert next(running) is None
        deadline = time.monotonic() + 10
        while server.sent < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(1.0)
        batches = [batch for batch in (next(running) for _ in range(6)) if batch]
        running.close()
    assert [len(batch.arrivals) for batch in batches] == [3, 3]
    assert [batch.complete_to for batch in batches] == [us(2), us(5)]


def test_catch_up_ends_where_the_server_does_and_says_when_there_is_none(monkeypatch):
    monkeypatch.setattr("streaming.feeds.socket_feed._QUIET_SECONDS", 0.5)
    with PriceServer(numbered(5), finish=True) as server:
        reader = feed(server, follow=False)
        batches = gathered(reader, until=lambda got: False)
        assert bars_of(batches) == [("S", at) for at in range(5)]
        server.finish = False
        assert gathered(reader, batches[-1].position, until=lambda got: False) == []
    with pytest.raises(SourceError, match=r"ws://127.0.0.1:\d+/prices: cannot be reached \(Conn"):
        gathered(reader, until=lambda got: False)


@pytest.mark.parametrize("position", ["12 all abc", "{}", "[1]", "7"])
def test_a_position_of_another_feed_is_refused(position):
    with pytest.raises(SourceError, match="is none of a socket"):
        next(SocketFeed("ws://127.0.0.1:1").batches(position))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_messages_deaths_and_restarts_give_the_same_rows(data):
    messages, wanted, at = [], [], 0
    for number in range(1, data.draw(st.integers(1, 12)) + 1):
        size = data.draw(st.integers(0, 6))
        make = data.draw(st.sampled_from([json_message, arrow_message])) if size else json_message
        if number > 1 and data.draw(st.integers(0, 5)) == 0:
            messages.append("garbage")
            continue
        messages.append(make([bar(one) for one in range(at, at + size)], position=number))
        wanted += [("S", one) for one in range(at, at + size)]
        at += size
    # The end is a bar, to know when all has come.
    messages.append(json_message([bar(at)], position=len(messages) + 1))
    wanted.append(("S", at))
    # What nobody can read is not known when it comes again.
    most = 0 if "garbage" in messages else 2
    how = {"die_after": data.draw(st.integers(3, 6)), "overlap": data.draw(st.integers(0, most))}
    kept, position = [], None
    with PriceServer(messages, **how) as server:
        while bars_of(kept)[-1:] != wanted[-1:]:
            enough = data.draw(st.integers(1, 4))
            got = gathered(
                feed(server),
                position,
                until=lambda got, enough=enough: (
                    len(got) >= enough or bars_of(got)[-1:] == wanted[-1:]
                ),
            )
            if data.draw(st.booleans()):
                got.pop()
            kept += got
            position = got[-1].position if got else position
    assert bars_of(kept) == wanted
    assert len(taken(kept)["refused"]) == messages.count("garbage")
