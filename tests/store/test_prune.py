"""Pruning: what goes, what waits for a consumer, in small pieces, and the file stays flat."""

from random import Random

import pytest

from streaming.contracts import (
    OPEN_POSITIONS_ROLLUP,
    QUARANTINE_HISTORY,
    REALIZED_PNL_LATEST,
    RISK_ALERTS_HISTORY,
)
from streaming.errors import PrunedError, StoreError
from streaming.store import Commit, StorePruner, StoreReader, append, upsert

from .samples import HandClock, arrow, contents, micros, minute, open_as_dead, samples

ALERTS = RISK_ALERTS_HISTORY.name


@pytest.fixture
def path(folder):
    return folder / "store.db"


@pytest.fixture
def store(path):
    with open_as_dead(path, HandClock()) as store:
        yield store


def alerts(moments):
    random = Random(1)
    rows = [samples(RISK_ALERTS_HISTORY, random, 1, moment)[0] for moment in moments]
    return Commit([append(RISK_ALERTS_HISTORY, arrow(RISK_ALERTS_HISTORY, rows))])


def first_of(store, table):
    with store.reader() as reader:
        return reader.offsets()[table.name].first


def test_old_rows_go_from_the_front_and_a_late_one_with_those_before_it(store, path):
    store.commit(alerts([1, 2, 5, 3, 6, 7]))
    assert store.prune(before=micros(minute(4))).rows == {ALERTS: 2}  # not the late 3
    assert store.prune(before=micros(minute(4))).rows == {}
    assert store.prune(before=micros(minute(6))).rows == {ALERTS: 2}
    assert [row["offset"] for row in contents(path)[f"{ALERTS} changes"]] == [4, 5]
    with store.reader() as reader:
        with pytest.raises(
            PrunedError, match=r"before offset 4 have been pruned, offset 3 "
        ) as error:
            reader.changes(RISK_ALERTS_HISTORY, 3)
        assert error.value.first == 4
        assert reader.changes(RISK_ALERTS_HISTORY, 4).next == 6
    store.prune(before=micros(minute(100)))
    assert store.commit(alerts([9])).next_offsets == {ALERTS: 7}  # no offset twice
    store.prune(before=micros(minute(100)))
    with store.reader() as reader:
        assert reader.changes(RISK_ALERTS_HISTORY, 7) == (
            reader.changes(RISK_ALERTS_HISTORY, 7).rows,
            7,
        )
        assert reader.offsets()[ALERTS] == (7, 7)
        assert reader.verify()


def test_rows_without_a_time_go_with_old_ones_behind_them(store):
    def rows(moments):
        random = Random(1)
        made = samples(QUARANTINE_HISTORY, random, len(moments))
        times = [None if moment is None else minute(moment) for moment in moments]
        return [row | {"ts": ts} for row, ts in zip(made, times, strict=True)]

    given = rows([None, 1, None, None, 2, None])
    store.commit(Commit([append(QUARANTINE_HISTORY, arrow(QUARANTINE_HISTORY, given))]))
    assert store.prune(before=micros(minute(9)), rows=3).rows == {QUARANTINE_HISTORY.name: 3}
    assert store.prune(before=micros(minute(9))).rows == {QUARANTINE_HISTORY.name: 2}
    assert store.prune(before=micros(minute(9))).rows == {}


def test_one_call_drops_no_more_than_a_piece(store):
    store.commit(alerts(range(10)))
    store.commit(Commit([upsert(*positions(4))]))
    seen = []
    while True:
        pruned = store.prune(
            before=micros(minute(7)), offsets={OPEN_POSITIONS_ROLLUP.name: 3}, rows=3
        )
        seen.append(pruned.rows)
        if not pruned.more:
            break
    assert all(sum(rows.values()) <= 3 for rows in seen)
    assert sum(rows.get(ALERTS, 0) for rows in seen) == 7
    assert sum(rows.get(OPEN_POSITIONS_ROLLUP.name, 0) for rows in seen) == 3


def positions(count, table=OPEN_POSITIONS_ROLLUP):
    rows = samples(table, Random(5), 30)
    names = {tuple(row[name] for name in table.primary_key): row for row in rows}
    return table, arrow(table, list(names.values())[:count])


def test_what_a_consumer_has_not_read_stays(store):
    store.commit(alerts(range(10)))
    store.keep("lake", RISK_ALERTS_HISTORY, 4)
    store.keep("bridge", RISK_ALERTS_HISTORY, 6)
    assert store.prune(before=micros(minute(9)), offsets={ALERTS: 8}).rows == {ALERTS: 4}
    with store.reader() as reader:
        assert reader.consumers() == {("lake", ALERTS): 4, ("bridge", ALERTS): 6}
    store.keep("lake", RISK_ALERTS_HISTORY, 9)
    assert store.prune(before=micros(minute(9))).rows == {ALERTS: 2}
    store.forget("bridge")
    assert store.prune(before=micros(minute(9))).rows == {ALERTS: 3}
    assert first_of(store, RISK_ALERTS_HISTORY) == 9


def test_a_consumer_cannot_keep_what_is_gone_or_was_never_there(store):
    store.commit(alerts(range(4)))
    store.prune(offsets={ALERTS: 2})
    with pytest.raises(PrunedError, match="the first that is there is 2"):
        store.keep("lake", RISK_ALERTS_HISTORY, 1)
    with pytest.raises(StoreError, match="the table ends before 4"):
        store.keep("lake", RISK_ALERTS_HISTORY, 5)
    store.keep("lake", RISK_ALERTS_HISTORY, 4)
    with pytest.raises(StoreError, match="there is no table alerts to prune"):
        store.prune(offsets={"alerts": 2})


def test_a_reader_that_was_overtaken_is_told_and_a_snapshot_is_not(store):
    store.commit(alerts(range(6)))
    with store.reader() as reader:
        _, after = reader.changes(RISK_ALERTS_HISTORY, 0, 2)
        with reader.snapshot() as view:
            store.prune(before=micros(minute(4)))
            assert view.changes(RISK_ALERTS_HISTORY, after).rows.num_rows == 4
        with pytest.raises(PrunedError):
            reader.changes(RISK_ALERTS_HISTORY, after)


def day(store, number, symbols=20):
    """A day of the market, an hour at a time, with what is older than a day pruned."""
    for hour in range(24):
        moment = (number * 24 + hour) * 60
        rows = samples(RISK_ALERTS_HISTORY, Random(moment), 10 * symbols, moment)
        realized = samples(REALIZED_PNL_LATEST, Random(moment), symbols)
        store.commit(
            Commit(
                [
                    append(RISK_ALERTS_HISTORY, arrow(RISK_ALERTS_HISTORY, rows)),
                    upsert(REALIZED_PNL_LATEST, arrow(REALIZED_PNL_LATEST, realized)),
                ],
                {"state": Random(moment).randbytes(20_000)},
            )
        )
        with store.reader() as reader:
            end = reader.offsets()[REALIZED_PNL_LATEST.name].next
        while store.prune(
            before=micros(minute(moment - 24 * 60)), offsets={REALIZED_PNL_LATEST.name: end - 200}
        ).more:
            pass


def test_the_file_stays_flat_over_days(store, path):
    sizes = []
    for number in range(5):
        day(store, number)
        assert store.checkpoint()
        sizes.append(path.stat().st_size)
    assert sizes[-1] <= sizes[1] * 1.05
    with StoreReader(path) as reader:
        assert reader.rows(RISK_ALERTS_HISTORY).num_rows <= 26 * 200
        assert reader.verify()


def test_what_a_flood_left_is_given_back_to_the_disk(store, path):
    store.commit(Commit(state={f"{i}": bytes(40_000) for i in range(150)}))
    store.commit(Commit(state={f"{i}": None for i in range(150)}))
    store.checkpoint()
    full = path.stat().st_size
    for _ in range(10):
        store.prune()
    store.checkpoint()
    assert path.stat().st_size < full / 2
    with store.reader() as reader:
        assert reader.verify()


def test_old_changes_of_latest_tables_go_by_the_time_of_their_rows(store, path):
    random = Random(4)
    (row,) = samples(REALIZED_PNL_LATEST, random, 1)
    for moment in (1, 2, 3):
        given = [row | {"ts": minute(moment), "realizedPnl": row["realizedPnl"] + moment}]
        store.commit(Commit([upsert(REALIZED_PNL_LATEST, arrow(REALIZED_PNL_LATEST, given))]))
    name = REALIZED_PNL_LATEST.name
    assert store.prune(before=micros(minute(9))).rows == {}
    # +I of 1, -U of 1, +U of 2, -U of 2, +U of 3: the last two stay.
    pruner = StorePruner(path)
    assert pruner.prune(changes_before=micros(minute(3))).rows == {name: 4}
    pruner.close()
    assert contents(path)[name][0]["ts"] == minute(3)
