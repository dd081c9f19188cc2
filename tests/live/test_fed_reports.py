"""Fills of brokers elsewhere, that come by files and messages: each once, to its own account."""

import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from feeds.arriving import write
from feeds.price_server import PriceServer, json_message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streaming.contracts import TABLES
from streaming.feeds.inbox_feed import InboxFeed
from streaming.feeds.socket_feed import SocketFeed
from streaming.instruments import Instruments
from streaming.runtimes.match import MatchRequest, match_file
from streaming.settings import Settings
from streaming.store import StoreReader

from .conftest import NOW
from .fills import END, FILLS, desk_lines, fill, of_no_account
from .test_feeds import HEADER, HOW, contents, positions, run
from .test_feeds import fill as bar_files
from .test_feeds import lines as lines  # a fixture
from .test_recorded import everything, play

OF_POSITIONS = ("open_positions_lots", "open_positions_rollup", "realized_pnl_latest")
SEED = 4


@pytest.fixture(scope="module")
def fills():
    made = desk_lines(SEED)
    assert len(of_no_account(made)) > 3
    return made


def inbox(root, **how):
    return InboxFeed(root, settle_seconds=0.0, follow=False, **how)


def report_files(root, fills, sizes, forms, first=0):
    (root / "reports").mkdir(parents=True, exist_ok=True)
    begin = 0
    for number, (size, form) in enumerate(zip(sizes, forms, strict=True), first):
        path = root / "reports" / f"{number:03d}.x"
        write(path, fills[begin : begin + size], form, FILLS)
        begin += size


@pytest.fixture(scope="module")
def whole(tmp_path_factory, lines, fills, strategies):
    """What one file of bars and one of fills, in one tick, give."""
    folder = tmp_path_factory.mktemp("whole")
    bar_files(folder / "in", lines, [len(lines)], ["parquet"])
    report_files(folder / "in", fills, [len(fills)], ["csv"])
    run(folder / "live.db", inbox(folder / "in"), strategies)
    return contents(folder / "live.db")


def of(tables, name, *accounts):
    return [row for row in tables[name] if any(f"'accountId': '{one}'" in row for one in accounts)]


def test_they_give_what_matching_the_file_gives(tmp_path, whole, fills):
    """Every table of the accounts elsewhere: the live engine's and `trading match`'s."""
    kept = [line for line in fills if line not in of_no_account(fills)]
    write(tmp_path / "fills.csv", kept, "csv", FILLS)
    request = MatchRequest(
        tmp_path / "fills.csv", tmp_path, [], Instruments(), Settings(), None, NOW
    )
    made = match_file(request)
    found = {path.stem: pq.read_table(path).to_pylist() for path in tmp_path.glob("*.parquet")}
    for name in ("trade_match_history", "risk_alerts_history", *OF_POSITIONS):
        rows = sorted(
            repr({key: one for key, one in row.items() if key not in HOW})
            for row in found[name]
            if row["accountId"] != END
        )
        assert of(whole, name, "desk", "other") == rows, name
        assert rows
    counts = made.counts
    assert min(counts.duplicates, counts.late, counts.unattributed, counts.quarantined) > 3
    reasons = Counter(row["reason"] for row in found["quarantine_history"])
    told = [row for row in whole["quarantine_history"] if "exec_report_history" in row]
    assert len(told) == reasons.total() + len(of_no_account(fills))
    for reason in reasons:
        assert any(repr(reason)[1:-1] in row for row in told), reason


def cuts(data, rows, most):
    ends = data.draw(st.lists(st.integers(1, rows - 1), max_size=most, unique=True))
    return np.diff([0, *sorted(ends), rows]).tolist()


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_files_batches_and_restarts_give_the_same_tables(
    data, tmp_path_factory, lines, fills, strategies, whole
):
    folder = tmp_path_factory.mktemp("files")
    forms = st.sampled_from(["csv", "jsonl", "parquet"])
    sizes = cuts(data, len(lines), 3)
    bar_files(folder / "in", lines, sizes, [data.draw(forms) for _ in sizes])
    sizes = cuts(data, len(fills), 6)
    # Some come before the bars, some after them.
    early = data.draw(st.integers(0, len(sizes)))
    report_files(folder / "in", fills, sizes[:early], ["csv"] * early)
    stopped = True
    while stopped:
        feed = inbox(folder / "in", rows=data.draw(st.integers(60, 500)))
        stopped = run(folder / "live.db", feed, strategies, data.draw(st.integers(1, 9)))
    rest = [data.draw(forms) for _ in sizes[early:]]
    report_files(folder / "in", fills[sum(sizes[:early]) :], sizes[early:], rest, first=early)
    stopped = True
    while stopped:
        feed = inbox(folder / "in", rows=data.draw(st.integers(20, 500)))
        stopped = run(folder / "live.db", feed, strategies, data.draw(st.integers(1, 9)))
    assert contents(folder / "live.db") == whole


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_messages_deaths_and_restarts_give_the_same_tables(
    data, tmp_path_factory, lines, fills, strategies, whole
):
    path = tmp_path_factory.mktemp("messages") / "live.db"
    every, number = [], 0
    parts = [(lines, HEADER, {}), (fills, FILLS, {"table": "exec_report_history"})]
    streams = []
    for rows, header, said in parts:
        begin, made = 0, []
        for size in cuts(data, len(rows), 6):
            made.append((rows[begin : begin + size], header, said))
            begin += size
        streams.append(made)
    while any(streams):
        at = data.draw(st.sampled_from([one for one in streams if one]))
        rows, header, said = at.pop(0)
        number += 1
        every.append(json_message(rows, header, position=number, **said))
    how = {
        "die_after": data.draw(st.sampled_from([None, 3])),
        "overlap": data.draw(st.integers(0, 2)),
    }
    with PriceServer(every, finish=True, **how) as server:
        last = 0
        while last < number:
            feed = SocketFeed(server.url, follow=False, backoff=(0.01, 0.05))
            run(path, feed, strategies, data.draw(st.integers(1, 6)))
            last = json.loads(positions(path)["socket"])["position"] if positions(path) else 0
    assert contents(path) == whole


def test_stopped_after_every_tick_and_played_once_more_they_give_the_same(
    tmp_path, lines, fills, strategies, whole
):
    bar_files(tmp_path / "in", lines, [len(lines)], ["csv"])
    report_files(tmp_path / "in", fills, [len(fills)], ["jsonl"])
    while run(tmp_path / "live.db", inbox(tmp_path / "in", rows=40), strategies, 1):
        pass
    assert contents(tmp_path / "live.db") == whole
    ticks = play(tmp_path / "live.db", tmp_path / "again.db", strategies, lambda engine: None)
    assert len(ticks) > 20
    left, right = everything(tmp_path / "live.db"), everything(tmp_path / "again.db")
    for name, table in left.items():
        assert table.equals(right[name]), name
    inputs = left["watermark_history"]
    assert {"s0", "s1", "s2", "s9", None} == set(inputs.column("strategyId").to_pylist())


def test_rows_that_claim_a_simulated_account_are_quarantined_whole(tmp_path, strategies):
    made = [
        fill(name, "o", at, at)
        for at, name in enumerate(("live", "paper:live", "desk", "paper:desk"), 1)
    ]
    report_files(tmp_path / "in", made, [4], ["csv"])
    run(tmp_path / "live.db", inbox(tmp_path / "in"), strategies)
    with StoreReader(tmp_path / "live.db") as reader:
        refused = reader.rows(TABLES["quarantine_history"]).to_pylist()
        taken = reader.rows(TABLES["exec_report_history"]).to_pylist()
    assert [row["accountId"] for row in taken] == ["desk"]
    assert [(row["source"], row["rowNumber"]) for row in refused] == [
        ("000.x", at) for at in (1, 2, 4)
    ]
    rows = [[cell or "" for cell in json.loads(row["row"]).values()] for row in refused]
    assert rows == [made[at].split(",") for at in (0, 1, 3)]
    rules = (
        "its fills are the simulated broker's (live.broker = paper)",
        "fills of paper accounts",
    )
    for row, rule in zip(refused, (rules[0], rules[1], rules[1]), strict=True):
        assert row["reason"].startswith(f"accountId {json.loads(row['row'])['accountId']}: ")
        assert rule in row["reason"]
        assert row["ts"] is not None
