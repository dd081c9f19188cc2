"""A live period played once more from what its store has recorded: every table, byte for byte."""

import numpy as np
import pyarrow as pa
import pytest

from streaming.contracts import (
    QUARANTINE_HISTORY,
    RISK_ALERTS_HISTORY,
    STRATEGY_WEIGHTS_LATEST,
    TABLES,
    arrow_schema,
)
from streaming.errors import RunError
from streaming.feeds.feed import Arrival, Batch
from streaming.jobs.price_rows import table_of_rows
from streaming.rules.bars import MINUTE_US
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.recorded import play_recorded
from streaming.settings import Settings
from streaming.store import StorePublisher, StoreReader, TableStore, upsert

from .timed import SECOND, Timed, came


class Careless(Timed):
    """Breaks some rows, and says now and then how far it is complete."""

    def __init__(self, clock, name, rows, came, seed, cut=()):
        super().__init__(clock, name, rows, came, cut)
        self._rng = np.random.default_rng(seed)

    def batches(self, position):
        for batch in super().batches(position):
            if batch is None:
                yield None
                continue
            (arrival,) = batch.arrivals
            high = arrival.rows.column("high").to_pylist()
            high = [None if self._rng.random() < 0.1 else one for one in high]
            at = arrival.rows.column_names.index("high")
            broken = arrival.rows.set_column(at, "high", pa.array(high, pa.decimal128(18, 8)))
            said = int(self._rng.integers(0, 2)) and int(self._clock.now) - 40 * SECOND
            yield Batch([Arrival(broken, self.name, arrival.number)], said or None, batch.position)


def disordered(rng, rows, share):
    """Some of the rows, some of them twice, at times that put some of them late."""
    taken = np.flatnonzero(rng.random(len(rows)) < share)
    taken = np.concatenate([taken, rng.choice(taken, 10)])
    wait = np.where(rng.random(len(taken)) < 0.1, rng.integers(5, 200, len(taken)), rng.random())
    at = rows.ts[taken] + np.rint(wait * SECOND).astype(np.int64)
    order = np.argsort(at, kind="stable")
    return rows.take(taken[order]), at[order]


def published(weights, effective_from):
    now = np.datetime64(effective_from, "us").item()
    rows = [
        {
            "strategyId": name, "weight": weight, "previousWeight": None, "equalPart": 0.1,
            "scorePart": 0.1, "asOf": now, "effectiveFrom": now, "reason": None,
        }
        for name, weight in weights.items()
    ]  # fmt: skip
    return [upsert(STRATEGY_WEIGHTS_LATEST, pa.Table.from_pylist(
        rows, schema=arrow_schema(STRATEGY_WEIGHTS_LATEST)))]  # fmt: skip


def everything(path):
    with StoreReader(path) as reader, reader.snapshot() as view:
        found = {name: view.changes(table, 0, 10**9).rows for name, table in TABLES.items()}
        latest = {
            f"{name} now": view.rows(table)
            for name, table in TABLES.items() if table.kind == "latest"
        }  # fmt: skip
    found |= latest
    return {
        name: rows.drop([one for one in ("calcTs",) if one in rows.column_names])
        for name, rows in found.items()
    }


def play(path, target, strategies, warm_up):
    with TableStore(target, holder="test") as store:
        plan = LivePlan(Settings(), strategies)
        return list(play_recorded(path, store, plan, warm_up=warm_up))


@pytest.mark.parametrize("seed", range(3))
def test_played_once_more_every_table_is_the_same(
    seed,
    live,
    rows,
    strategies,
    warm_up,
    tmp_path,
):
    rng = np.random.default_rng(seed)
    first, last = int(rows.ts[0]), int(rows.ts[-1])
    parts = [disordered(rng, rows, share) for share in (0.9, 0.3)]
    away = [(first + 20 * MINUTE_US, first + 24 * MINUTE_US)]
    half = first + 30 * MINUTE_US
    path = tmp_path / "live.db"
    plans = [(10, [0.7, 0.2, 0.1]), (35, [0.1, 0.8, 0.1])]

    def publish(clock):
        clock.off = int(rng.choice([0, 0, 3600, -3600]))
        while plans and clock.now > first + plans[0][0] * MINUTE_US:
            minute, shares = plans.pop(0)
            names = [one.id for one in strategies]
            publisher = StorePublisher(path, name="test")
            weights = dict(zip(names, shares, strict=True))
            publisher.publish(published(weights, first + (minute + 2) * MINUTE_US), f"{minute}")
            publisher.close()

    def make(clock):
        (one, one_at), (other, other_at) = parts
        return [Careless(clock, "a", one, one_at, seed, away), Timed(clock, "b", other, other_at)]

    live(make, half, watch=publish)
    # The other feed is gone after a stop.
    live(lambda clock: make(clock)[:1], last + 10 * SECOND, begin=half, watch=publish)
    ticks = play(path, tmp_path / "again.db", strategies, warm_up)
    left, right = everything(path), everything(tmp_path / "again.db")
    for name, table in left.items():
        assert table.equals(right[name]), name
    assert len(ticks) > 60
    for name in (RISK_ALERTS_HISTORY.name, QUARANTINE_HISTORY.name, "trade_match_history"):
        assert left[name].num_rows, name
    accepted = left["accepted_trade_signal_history"].to_pylist()
    weights = {row["weight"] for row in accepted if row["accountId"] == "live"}
    assert {round(one, 2) for one in weights} & {0.7, 0.2, 0.1, 0.8}
    assert 0.33 in {round(one, 2) for one in weights}


def test_a_store_that_has_commits_is_not_played_into(
    live,
    rows,
    strategies,
    warm_up,
    tmp_path,
):
    few = rows.take(slice(0, 20))
    path, _ = live(lambda clock: [Timed(clock, "a", few, came(few))], int(few.ts[-1]) + 5 * SECOND)
    play(path, tmp_path / "again.db", strategies, warm_up)
    with pytest.raises(RunError, match="has commits already"):
        play(path, tmp_path / "again.db", strategies, warm_up)
    assert table_of_rows(few).num_rows == 20
