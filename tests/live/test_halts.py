"""A person's halt: nothing opens from the tick on that reads it, whatever stops the process."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from runtimes.markets import lake_of

from streaming.contracts import TRADING_HALTS_LATEST, arrow_schema
from streaming.feeds.replay import LakeReplay
from streaming.instruments import Instruments
from streaming.runtimes.live.engine import LiveEngine, LivePlan, Tick
from streaming.runtimes.live.halting import say, was_read
from streaming.runtimes.live.recorded import play_recorded
from streaming.runtimes.live.service import LiveService
from streaming.runtimes.live.status import read_status
from streaming.settings import Settings, load_settings
from streaming.store import StoreReader, TableStore

from .conftest import NOW, by_row, histories, ticks
from .test_daily_loss import of_live, us
from .test_recorded import everything
from .test_service import KilledError, dump, same
from .timed import SECOND, Timed, came

CODE = "TRADING_HALTED"


def said(engine, *, halted, account="live", reason="drill", ts=NOW):
    """A tick in which the engine reads what a person has said, as the store gives it."""
    row = {"accountId": account, "halted": halted, "reason": reason, "ts": ts}
    changes = pa.Table.from_pylist([row], schema=arrow_schema(TRADING_HALTS_LATEST))
    tick = Tick()
    changes = changes.append_column("op", pa.array(["+I"]))
    engine.publish(tick, TRADING_HALTS_LATEST, changes)
    engine.advance(tick, NOW)
    return tick


def parts_at(stream, *times):
    """The stream cut behind some times."""
    ends = [0, *(int(np.searchsorted(stream.ts, ts, side="right")) for ts in times), len(stream)]
    return [stream.take(slice(a, b)) for a, b in pairwise(ends)]


def fed(engine, stream, pieces=1):
    """Ticks over a stretch; cut only between minutes, or a bar would be late."""
    ends = np.flatnonzero(np.diff(stream.ts)) + 1
    chosen = ends[np.linspace(0, len(ends) - 1, pieces).astype(int)[1:-1]].tolist()
    return list(ticks(engine, stream, [*chosen, len(stream)]))


def halted_run(strategies, stream, halt, resume, pieces=1, **settings):
    """Halted behind one time of bars, resumed behind another."""
    environ = {f"TRADING__{name.upper()}": str(value) for name, value in settings.items()}
    engine = LiveEngine(LivePlan(load_settings(environ=environ), strategies))
    first, middle, last = parts_at(stream, halt, resume)
    made = fed(engine, first, pieces)
    made.append(said(engine, halted=True))
    made += fed(engine, middle, pieces)
    made.append(said(engine, halted=False, reason=None))
    return made + fed(engine, last, pieces)


@pytest.fixture(scope="module")
def free(strategies, stream):
    return fed(LiveEngine(LivePlan(Settings(), strategies)), stream)


@pytest.fixture(scope="module")
def moments(free):
    """A time at which a BUY and a SELL were accepted, or soon after, and one days later."""
    rows = of_live(free, "accepted_trade_signal_history")
    middle = rows[len(rows) // 3 :]
    buys = {row["ts"] for row in middle if row["action"] == "BUY"}
    filled = {row["orderId"] for row in of_live(free, "exec_report_history")}
    halt = min(
        row["ts"]
        for row in middle
        if row["ts"] in buys and row["action"] == "BUY" and row["orderId"] in filled
    )
    resume = rows[2 * len(rows) // 3]["ts"]
    return us(halt), us(resume)


@pytest.fixture(scope="module")
def halted(strategies, stream, moments):
    return halted_run(strategies, stream, *moments)


def test_buys_are_rejected_and_sells_go_on_until_the_resume(halted, free, moments):
    halt, resume = moments
    accepted = of_live(halted, "accepted_trade_signal_history")
    rejected = of_live(halted, "rejected_trade_signal_history")
    during = [row for row in accepted if halt < us(row["ts"]) <= resume]
    assert {row["action"] for row in during} == {"SELL"}
    stopped = [row for row in rejected if row["action"] == "BUY" and halt < us(row["ts"]) <= resume]
    assert {row["code"] for row in stopped} == {CODE}
    assert len(stopped) > 20
    assert sum(row["code"] == CODE for row in rejected) == len(stopped)
    assert "BUY" in {row["action"] for row in accepted if us(row["ts"]) > resume}

    def before(made, table):
        return [row for row in of_live(made, table) if us(row["ts"]) <= halt]

    for name in ("accepted_trade_signal_history", "rejected_trade_signal_history"):
        assert before(halted, name) == before(free, name)


def test_halt_and_resume_are_alerted_at_the_event_time_that_they_hold_from(halted, moments):
    alerts = of_live(halted, "risk_alerts_history")
    assert [(row["code"], us(row["ts"]), row["message"]) for row in alerts] == [
        (CODE, moments[0], "drill"),
        ("TRADING_RESUMED", moments[1], "no reason was given"),
    ]


def test_a_buy_that_waits_for_its_bar_is_cancelled_and_never_fills(halted, free, moments):
    halt, _ = moments
    events = of_live(halted, "order_event_history")
    ended = {r["orderId"] for r in events if r["reason"] == "trading is halted"}
    assert all(us(r["ts"]) == halt for r in events if r["orderId"] in ended and r["reason"])
    waited = {
        row["orderId"]
        for row in of_live(free, "accepted_trade_signal_history")
        if row["action"] == "BUY" and us(row["ts"]) == halt
    }
    assert waited
    assert waited <= ended
    assert not ended & {row["orderId"] for row in of_live(halted, "exec_report_history")}
    # What sells goes on: none of its orders is touched.
    sells = {
        row["orderId"]
        for row in of_live(halted, "accepted_trade_signal_history")
        if row["action"] == "SELL"
    }
    assert not sells & ended


def test_places_and_budgets_of_cancelled_orders_are_free_again(strategies, stream, moments):
    """Resumed at once the account is as if its waiting orders had never been."""
    halt, _ = moments
    made = halted_run(strategies, stream, halt, halt, tradepicker__maxopenpositions=1)
    accepted = of_live(made, "accepted_trade_signal_history")
    assert [row for row in accepted if us(row["ts"]) > halt and row["action"] == "BUY"]
    rejected = of_live(made, "rejected_trade_signal_history")
    assert CODE not in {row["code"] for row in rejected}


def test_the_paper_account_goes_on(halted, free):
    for name in ("paper_trade_match_history", "strategy_signal_history"):
        assert histories(halted)[name].equals(histories(free)[name]), name


def test_where_shorts_are_allowed_sells_that_would_open_one_are_rejected(
    strategies, stream, moments
):
    words = {"tradepicker__sellrequireslong": "false"}
    made = halted_run(strategies, stream, *moments, **words)
    codes = [r for r in of_live(made, "rejected_trade_signal_history") if r["code"] == CODE]
    assert {row["action"] for row in codes} == {"BUY", "SELL"}
    during = [
        row["action"]
        for row in of_live(made, "accepted_trade_signal_history")
        if moments[0] < us(row["ts"]) <= moments[1]
    ]
    assert "BUY" in during  # it covers


@pytest.mark.parametrize("pieces", [5, 40])
def test_the_cut_changes_nothing(strategies, stream, moments, halted, pieces):
    made = halted_run(strategies, stream, *moments, pieces=pieces)
    assert by_row(histories(made)) == by_row(histories(halted))


def test_an_account_that_does_not_trade_here_is_alerted_and_nothing_stops(strategies, stream, free):
    engine = LiveEngine(LivePlan(Settings(), strategies))
    tick = said(engine, halted=True, account="other")
    made = fed(engine, stream)
    (alert,) = of_live([tick], "risk_alerts_history")
    assert (alert["code"], us(alert["ts"])) == ("UNKNOWN_ACCOUNT", NOW)
    assert by_row(histories(made)) == by_row(histories(free))


@pytest.fixture(scope="module")
def lake(tmp_path_factory, market):
    return lake_of(tmp_path_factory.mktemp("halts") / "lake", market)


SPEAKS = {3: True, 8: False, 12: True}
"""After which commits a person says what."""


def run(path, lake, strategies, *, stop_after=None, at=None, limit="200", speak=None):
    """Replay the lake into a store; a person halts and resumes by number of commits."""
    speak, number = speak or speak_up, 0
    settings = load_settings(environ={"TRADING__LIVE__DAILYLOSSLIMIT": limit})
    store = TableStore(path, holder="test", lease_seconds=0.0, **({"at": at} if at else {}))
    try:
        service = LiveService(store, LivePlan(settings, strategies))
        speak(path)
        for number, _ in enumerate(service.run(LakeReplay(lake, lake.symbols(), rows=500)), 1):
            speak(path)
            if number == stop_after:
                break
    finally:
        store.close()
    return number


def speak_up(path):
    """Say what is due; said twice it would stand there twice."""
    with StoreReader(path) as reader:
        number, said_so_far = (
            reader.ticks().number,
            reader.changes(TRADING_HALTS_LATEST, 0).rows.num_rows,
        )
    done = {0: 0, 1: 1, 3: 2, 5: 3}[said_so_far]  # an update is two changes
    for turn, (commit, halted) in enumerate(SPEAKS.items()):
        if number == commit and turn == done:
            say(path, "live", f"word {turn}", halted=halted, now=NOW + turn)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, lake, strategies):
    path = tmp_path_factory.mktemp("halts") / "live.db"
    run(path, lake, strategies)
    tables = dump(path)
    codes = tables["rejected_trade_signal_history"].column("code").to_pylist()
    assert {CODE, "DAILY_LOSS_EXCEEDED"} <= set(codes)
    alerts = tables["risk_alerts_history"].column("code").to_pylist()
    assert [one for one in alerts if one.startswith("TRADING")] == [
        CODE, "TRADING_RESUMED", CODE,
    ]  # fmt: skip
    return tables


def test_stopped_and_started_again_at_every_tick(tmp_path, lake, strategies, undisturbed):
    stops = 0
    while run(tmp_path / "live.db", lake, strategies, stop_after=1):
        stops += 1
    assert stops > 12
    same(dump(tmp_path / "live.db"), undisturbed)


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_step_and_started_again(tmp_path, lake, strategies, undisturbed, seed):
    rng = np.random.default_rng(seed)
    kills = 0
    for _ in range(40):
        left = int(rng.integers(1, 400))

        def at(step):
            nonlocal left
            left -= 1
            if left == 0:
                raise KilledError(step)

        try:
            run(tmp_path / "live.db", lake, strategies, at=at)
        except KilledError:
            kills += 1
        else:
            break
    run(tmp_path / "live.db", lake, strategies)
    assert kills > 2
    same(dump(tmp_path / "live.db"), undisturbed)


def test_where_the_limit_is_taken_away_what_it_stopped_goes_on(tmp_path, lake, strategies):
    path = tmp_path / "live.db"
    run(path, lake, strategies, limit="0.01", stop_after=6, speak=lambda path: None)
    (halt,) = read_status(path, Instruments()).halts
    assert (halt.account, halt.code, halt.pending) == ("live", "DAILY_LOSS_EXCEEDED", False)
    store = TableStore(path, holder="test", lease_seconds=0.0)
    service = LiveService(store, LivePlan(Settings(), strategies))
    assert service.engine.halts.why == 0
    service.close()
    store.close()


def test_with_no_bar_to_come_a_halt_is_committed_at_once_and_played_again(
    live, rows, strategies, warm_up, tmp_path
):
    """Byte for byte, from what the store has recorded."""
    first, last = int(rows.ts[0]), int(rows.ts[-1])
    path = tmp_path / "live.db"
    times = [first + 10 * 60 * SECOND + 20 * SECOND, first + 31 * 60 * SECOND + 17 * SECOND]
    words = [(times[0], True), (times[1], False), (last + 30 * SECOND, True)]
    read = []

    def watch(clock):
        if words and clock.now > words[0][0]:
            ts, halted = words.pop(0)
            read.append((say(path, "live", "drill", halted=halted, now=ts), clock.now))
        elif read and isinstance(read[-1], tuple) and was_read(path, read[-1][0], 0.0):
            read[-1] = clock.now - read[-1][1]

    live(lambda clock: [Timed(clock, "a", rows, came(rows))], last + 40 * SECOND, watch=watch)
    assert len(read) == 3
    assert max(read) <= 2 * SECOND
    with TableStore(tmp_path / "again.db", holder="test") as store:
        plan = LivePlan(Settings(), strategies)
        list(play_recorded(path, store, plan, warm_up=warm_up))
    left, right = everything(path), everything(tmp_path / "again.db")
    for name, table in left.items():
        assert table.equals(right[name]), name
    codes = left["rejected_trade_signal_history"].column("code").to_pylist()
    assert CODE in codes
    assert left["trading_halts_latest"].num_rows == 5
