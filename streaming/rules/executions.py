"""What a fill does to an account: lots, matches, open symbols and exposure, whoever filled it."""

import numpy as np

from streaming.rules.compile import Number, Records, inlined
from streaming.rules.fifo import exposure, match_fill
from streaming.rules.gate import Gates, count_holder
from streaming.rules.holdings import Holdings, Rules, gate_of
from streaming.rules.ids import mix
from streaming.rules.units import LIMIT, MOST_FEE, OVERFLOW
from streaming.rules.wide import U64

FILLED = np.dtype(
    [
        ("strategy", "<i8"),
        ("symbol", "<i8"),
        ("quantity", "<i8"),  # signed units x 1e8
        ("price", "<i8"),
        ("fee", "<i8"),
        ("ts", "<i8"),
        ("id_high", "<u8"),  # of the order
        ("id_low", "<u8"),
    ]
)
"""An execution; its sequence number is its place in the account's history."""

ENDED = np.dtype(
    [("ts", "<i8"), ("id_high", "<u8"), ("id_low", "<u8"), ("strategy", "<i8"), ("symbol", "<i8")]
)
"""Something that happened to an order, such as its cancellation, and when."""

FILLS, MATCHES, BREACHES = range(3)
"""Places in the `counts` of outputs: rows of fills, of matches, and of fills that broke the
limit on open symbols."""


@inlined
def fits(price: int, notional: int, fee: int, after: int) -> bool:
    """Tell whether the amounts of a fill, and the position after it, fit DECIMAL(18,8)."""
    return bool(
        price < LIMIT
        and notional != OVERFLOW
        and -MOST_FEE < fee < MOST_FEE
        and -LIMIT < after < LIMIT
    )


@inlined
def execute(
    fill: Records,
    fill_high: Number,
    fill_low: Number,
    rules: Rules,
    gates: Gates,
    held: Holdings,
    first_ref: int,
    out: Number,
) -> bool:
    """Let an account follow a fill, whose order no longer claims what the fill took.

    Parameters
    ----------
    fill : FILLED
        The next row of `out.fills`, which `fits`.
    fill_high, fill_low : uint64
        The id of its fillId.
    gates, held
        Changed in place; the pool of lots has room for one more.
    first_ref : int
        Sequence number of the first row of `out.fills`.
    out
        With `fills`, `matches`, `breaches` and `counts`; see `FILLS`.

    Returns
    -------
    bool
        False where the cost of the position does not fit.
    """
    strategy = fill["strategy"]
    symbol = fill["symbol"]
    key = strategy * (held.used.shape[0] - 1) + symbol
    net = held.books[key]["net"]
    number = out.counts[FILLS]
    out.counts[FILLS] = number + 1
    high, low = mix(held.keys[key, 0], held.keys[key, 1], fill["id_high"], fill["id_low"])
    high, low = mix(high, low, fill_high, fill_low)
    high, low = mix(high, low, U64(fill["ts"]), U64(0))
    out.counts[MATCHES] = match_fill(
        held.books,
        held.lots,
        held.free,
        key,
        fill["quantity"],
        fill["price"],
        fill["fee"],
        first_ref + number,
        high,
        low,
        out.matches,
        out.counts[MATCHES],
    )
    after = held.books[key]["net"]
    if (net == 0) != (after == 0):
        gate = gate_of(rules, strategy)
        reserve = rules.reserve_on_open != 0
        opened = count_holder(gates, gate, symbol, 1 if net == 0 else -1, reserve)
        if opened and gates.opened[gate] > rules.max_open:
            note(out.breaches, out.counts, BREACHES, fill, fill["ts"])
    cost = exposure(held.books[key])
    held.used[symbol] += cost - held.exposure[key]
    held.used[-1] += cost - held.exposure[key]
    held.exposure[key] = cost
    return bool(cost != OVERFLOW)


@inlined
def note(rows: Records, counts: Number, which: int, what: Records, ts: int) -> None:
    """Add a row to ENDED rows, of which there are `counts[which]`, on an order or its fill."""
    row = rows[counts[which]]
    row["ts"] = ts
    row["id_high"] = what["id_high"]
    row["id_low"] = what["id_low"]
    row["strategy"] = what["strategy"]
    row["symbol"] = what["symbol"]
    counts[which] += 1
