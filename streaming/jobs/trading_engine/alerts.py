"""What is worth a person's look: unknown orders, late fills, fills that contradict others."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import (
    RISK_ALERTS_HISTORY,
    arrow_schema,
    empty_table,
    money_array,
    time_array,
)
from streaming.jobs.trading_engine.applying import Applied
from streaming.jobs.trading_engine.attribution import disputed
from streaming.jobs.trading_engine.fills import Fills, Int
from streaming.jobs.trading_engine.refusals import Refusals
from streaming.jobs.trading_engine.state import EngineState
from streaming.jobs.trading_engine.tables import key_columns
from streaming.rules.compile import Records
from streaming.rules.intake import NO_TIME
from streaming.rules.memory import DIFFERENT, NOBODY
from streaming.rules.units import money_text


class Alert(NamedTuple):
    """Alerts of one kind, each on a fill.

    `places` int64[n] are the fills' places in the order of application; `words` follow what
    the fill is: a string for all, or an Arrow string array of n.
    """

    code: str
    places: Int
    words: Any


def refuse(
    state: EngineState, fills: Fills, applied: Applied, moment: Int, refusals: Refusals
) -> list[Alert]:
    """Refuse the fills that contradict an applied one, and those with which sums do not fit.

    Parameters
    ----------
    fills
        In order of application; `moment` int64[n] says when each is.
    """
    differing = np.flatnonzero(applied.verdicts == DIFFERENT)
    reasons = {
        at: f" came before with other content: {_difference(state, fills, applied.earlier, at)}"
        for at in differing.tolist()
    }
    reasons |= {
        at: f" takes {what} past what DECIMAL(18,8) holds" for at, what in applied.refused.items()
    }
    if not reasons:
        return []
    odd = sorted(reasons)
    names = described(state, fills.take(np.array(odd, np.int64))).to_pylist()
    for at, name in zip(odd, names, strict=True):
        refusals.add(
            int(moment[at]),
            state.parts[fills.part[at]],
            int(fills.place[at]),
            int(fills.ts[at]),
            name + reasons[at],
        )
    return [
        Alert(code, places, pa.array([reasons[at] for at in places.tolist()], pa.string()))
        for code, places in (
            ("CONFLICTING_FILL", differing),
            ("AMOUNT_OVERFLOW", np.array(sorted(applied.refused), np.int64)),
        )
    ]


def notice(state: EngineState, fills: Fills, done: NDArray[np.bool_]) -> list[Alert]:
    """Find what is odd about fills that were applied (where `done`, in that order)."""
    late = np.flatnonzero(done & (fills.watermark != NO_TIME))
    gap = fills.watermark[late] - fills.ts[late]
    words = pc.binary_join_element_wise(
        " came ",
        pa.array(-(-gap // 1000)).cast(pa.string()),
        pc.if_else(
            pa.array(gap > state.memory.ttl),
            " ms after the watermark and was applied; so long after, nobody knows whether it"
            " had come before",
            " ms after the watermark and was applied",
        ),
        "",
    )
    other = np.flatnonzero(done & disputed(state, fills))
    return [
        Alert("LATE_FILL", late, words),
        Alert(
            "UNKNOWN_ORDER",
            np.flatnonzero(done & (fills.strategy == NOBODY)),
            " is of an order that is not known, and went to strategy UNATTRIBUTED",
        ),
        Alert("DISPUTED_ORDER", other, _true_strategies(state, fills.take(other))),
    ]


def alert_table(state: EngineState, fills: Fills, alerts: list[Alert]) -> pa.Table:
    """Give `risk_alerts_history` rows in the order of the fills, those of one fill as listed."""
    alerts = [alert for alert in alerts if len(alert.places)]
    if not alerts:
        return empty_table(RISK_ALERTS_HISTORY)
    parts = [_rows(state, fills, alert) for alert in alerts]
    places = np.concatenate([alert.places for alert in alerts])
    order = np.argsort(places, kind="stable")
    return pa.concat_tables(parts).take(pa.array(order)).combine_chunks()


def described(state: EngineState, fills: Fills) -> Any:
    """Say what fills are: "fill 7 of order o1 (BUY 10 SPY at 99.5)"."""
    return pc.binary_join_element_wise(
        "fill ",
        fills.fill,
        " of order ",
        fills.order,
        pc.if_else(pa.array(fills.quantity > 0), " (BUY ", " (SELL "),
        _amounts(np.abs(fills.quantity)),
        " ",
        key_columns(state, fills.key)["symbol"],
        " at ",
        _amounts(fills.price),
        ")",
        "",
    )


def _rows(state: EngineState, fills: Fills, alert: Alert) -> pa.Table:
    mine = fills.take(alert.places)
    columns = {
        "accountId": key_columns(state, mine.key)["accountId"],
        "code": pa.repeat(alert.code, len(mine)),
        "message": pc.binary_join_element_wise(described(state, mine), alert.words, ""),
        "ts": time_array(mine.ts),
    }
    return pa.table(columns, schema=arrow_schema(RISK_ALERTS_HISTORY))


def _amounts(units: Int) -> Any:
    texts: Any = money_array(units).cast(pa.string())
    return pc.replace_substring_regex(texts, r"\.?0+$", "")


def _true_strategies(state: EngineState, fills: Fills) -> Any:
    strategies = key_columns(state, fills.key)["strategyId"]
    return pc.binary_join_element_wise(
        " names another strategy than the order's, ", strategies, ", which got it", ""
    )


def _difference(state: EngineState, fills: Fills, earlier: Records, at: int) -> str:
    """Say how a fill differs from the applied one of its id."""
    then = earlier[at]
    differing = []
    if (fills.quantity[at] > 0) != (then["quantity"] > 0):
        differing.append(f"side {_side(fills.quantity[at])} against {_side(then['quantity'])}")
    for name, now, before in (
        ("fillQty", abs(fills.quantity[at]), abs(then["quantity"])),
        ("fillPrice", fills.price[at], then["price"]),
        ("fees", fills.fee[at], then["fee"]),
    ):
        if now != before:
            differing.append(f"{name} {money_text(int(now))} against {money_text(int(before))}")
    if fills.ts[at] != then["ts"]:
        differing.append(f"ts {_time(fills.ts[at])} against {_time(then['ts'])}")
    said, named = state.claims.said[fills.claim[at]], then["named"]
    if said not in (NOBODY, named):
        names = state.claims.strategies
        differing.append(f"strategyId {names[said]} against {names[named]}")
    return ", ".join(differing)


def _side(quantity: int) -> str:
    return "BUY" if quantity > 0 else "SELL"


def _time(micros: int) -> str:
    return f"{np.datetime64(int(micros), 'us')}Z"
