"""The engine driven as tests like it: rows of the oracle in, plain rows out."""

import json

import numpy as np
import pyarrow as pa
from oracle.dedupe import Row
from oracle.money import SCALE

from streaming.contracts import money_array, money_values
from streaming.instruments import Instrument, Instruments
from streaming.jobs.trading_engine import (
    Counts,
    EngineState,
    Orders,
    Outcome,
    ReportBatch,
    TradingEngine,
    lots_table,
    realized_table,
    rollup_table,
)

NOW = 4_000_000_000_000_000
ORDERS = {"o1": "s", "o2": "t", "o10": "s"}
POINT_VALUES = {"A": SCALE, "B": SCALE // 4}
LATEST = {
    "open_positions_lots": lots_table,
    "open_positions_rollup": rollup_table,
    "realized_pnl_latest": realized_table,
}


def engine(point_values=POINT_VALUES, **settings):
    listed = {name: Instrument(name, point_value=value) for name, value in point_values.items()}
    return TradingEngine(Instruments(listed), **settings)


def report_table(rows: list[Row]) -> pa.Table:
    return pa.table(
        {
            "accountId": pa.array([row.account for row in rows], pa.string()),
            "orderId": pa.array([row.order_id for row in rows], pa.string()),
            "fillId": pa.array([row.fill_id for row in rows], pa.string()),
            "symbol": pa.array([row.symbol for row in rows], pa.string()),
            "side": pa.array([row.side for row in rows], pa.string()),
            "fillQty": amounts([row.qty for row in rows]),
            "fillPrice": amounts([row.price for row in rows]),
            "ts": pa.array([row.ts for row in rows], pa.int64()).cast(pa.timestamp("us", "UTC")),
            "fees": amounts([row.fee for row in rows]),
            "strategyId": pa.array([row.said for row in rows], pa.string()),
        }
    )


def amounts(units):
    return money_array(np.array(units, np.int64))


def batch(rows, first=1, source="fills.csv"):
    return ReportBatch(report_table(rows), source, np.arange(first, first + len(rows)))


class Run:
    """Rows fed in parts, the state going through bytes between them if asked."""

    def __init__(
        self,
        rows,
        cuts=(slice(None),),
        *,
        saved=False,
        complete=True,
        job=None,
        orders=ORDERS,
        lateness_sec=5,
        ttl_days=7,
    ):
        self.job = job or engine()
        self.state = EngineState(lateness_sec, ttl_days)
        self.outcomes: list[Outcome] = []
        known = Orders(orders)
        for cut in cuts:
            part = batch(rows[cut], (cut.start or 0) + 1)
            self.outcomes.append(self.job.step(self.state, part, known, now=NOW))
            if saved:
                data = self.state.to_bytes()
                self.state = EngineState.from_bytes(data, lateness_sec, ttl_days)
                assert self.state.to_bytes() == data
        if complete:
            self.outcomes.append(self.job.complete(self.state))

    @property
    def counts(self):
        return sum((outcome.counts for outcome in self.outcomes), Counts())

    def rows(self, name):
        """Rows of `matches`, `alerts` or `quarantine`, or of a latest table as it stands."""
        if name in LATEST:
            return plain(LATEST[name](self.state))
        return plain(pa.concat_tables([getattr(outcome, name) for outcome in self.outcomes]))

    def everything(self):
        names = ["matches", "alerts", "quarantine", *LATEST]
        return {name: self.rows(name) for name in names} | {"counts": self.counts}


def plain(table: pa.Table) -> list[dict]:
    """Give rows with amounts in 1e-8 and times in microseconds."""
    for at, field in enumerate(table.schema):
        column = table.column(at)
        if pa.types.is_decimal(field.type):
            table = table.set_column(at, field.name, pa.array(money_values(column)))
        elif pa.types.is_timestamp(field.type):
            table = table.set_column(at, field.name, column.cast(pa.int64()))
    return table.to_pylist()


def row_of(quarantined: dict) -> dict:
    return json.loads(quarantined["row"])
