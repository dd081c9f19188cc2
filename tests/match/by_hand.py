"""Fills written by hand, and the engine's answer to them."""

from oracle.dedupe import Row
from oracle.money import units

from match.engines import Run

SECOND = 1_000_000
KNOWN = dict.fromkeys(["o1", "o2", "o3", "o4"], "s")


def row(order, side, ts, qty="1", price="10", fill="1", fee="0", symbol="A", account="acct"):
    return Row(
        account, order, fill, symbol, side, units(qty), units(price), int(ts * SECOND), units(fee)
    )


def run(*rows, **options):
    return Run(list(rows), orders=KNOWN, **options)


def codes(done):
    return [alert["code"] for alert in done.rows("alerts")]
