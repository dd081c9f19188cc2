"""P1, vectorbt: fills to exit trades, through its Rust engine or its bare numba kernel.

`--part whole` is `Portfolio.from_orders` and then its exit trades, in Rust: what a user
calls. `--part kernel` is `get_exit_trades` in numba on order records made beforehand.

vectorbt matches against the average entry price in floats, so its PnL per trade differs
from FIFO's. But it too reports one closing trade for each fill that reduces a position, so
the number of those, the units they close, and the profit of all trades with the open rest
at its last price must equal ours.
"""

import argparse

import numpy as np
import vectorbt as vbt
from vectorbt.portfolio import dispatch

from benchmarks.contender import Work, serve
from benchmarks.inputs import FEE_BPS, SCALE, digest, fills

CLOSED = 1  # vectorbt's TradeStatus; the open rest of a position is also a row


def prepare(part: str, count: int, keys: int) -> Work:
    """Lay the fills out as (rounds x keys) matrices and choose what to run."""
    flow = fills(count, keys)
    size = (flow.qty / SCALE).reshape(-1, keys)
    price = (flow.price / SCALE).reshape(-1, keys)

    def portfolio() -> vbt.Portfolio:
        return vbt.Portfolio.from_orders(
            price,
            size,
            price=price,
            size_type="amount",
            direction="both",
            fees=FEE_BPS / 1e4,
            init_cash=1e12,
            freq="1min",
            engine="rust",
        )

    if part == "whole":

        def run() -> np.ndarray:
            return portfolio().exit_trades.values
    else:
        made = portfolio()
        records, columns = made.order_records, made.orders.col_mapper.col_map
        if len(records) != len(flow.key):
            raise RuntimeError(f"vectorbt filled {len(records)} of {len(flow.key)} orders")
        del made

        def run() -> np.ndarray:
            return dispatch.get_exit_trades(records, price, columns, engine="numba")

    return Work(run, _facts, len(flow.key), digest(*flow[:4]), ["vectorbt", "vectorbt-rust"])


def _facts(trades: np.ndarray) -> dict[str, float]:
    closed = trades[trades["status"] == CLOSED]
    return {
        "closing_fills": len(closed),
        "closed_units": float(closed["size"].sum()),
        "profit": float(trades["pnl"].sum()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["whole", "kernel"], required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--keys", type=int, required=True)
    given = parser.parse_args()
    serve(prepare, {"count": 20 * given.keys}, **vars(given))
