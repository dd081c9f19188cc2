"""Whether tables agree with each other, exactly: PnL, quantities and fees.

Plain functions on Arrow tables. Those that follow fills need the trace of a run
(`exec_report_history`), from a time at which nothing was open; where it is not there, they
check what matches and lots allow, and say so. `orderly` has those about time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import money_array, money_values, time_values
from streaming.rules.ids import fill_ids, fill_names, id_text, position_id, text_ids
from streaming.rules.money import share

Int = NDArray[np.int64]

SAMPLE = 20
"""Differences that a report shows."""

_ACCOUNT_SYMBOL = ["accountId", "symbol"]
_FILL = ["accountId", "symbol", "orderId", "fillId"]
_WIDE = pa.decimal128(34, 8)  # sums may be larger than any amount; sums of these still fit


@dataclass(frozen=True)
class Reconciliation:
    """What comparing tables gave.

    Attributes
    ----------
    name : str
        What should hold.
    compared : int
        Keys, rows or moments compared.
    differing : int
        How many of them differ.
    rows : pyarrow.Table
        The first of these.
    note : str
        What could not be compared, and why; "" where everything was.
    """

    name: str
    compared: int
    differing: int
    rows: pa.Table = field(repr=False)
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return self.differing == 0

    @property
    def summary(self) -> str:
        """One sentence for a person."""
        told = (
            f"{self.name}: {self.differing:,} of {self.compared:,} differ"
            if self.differing
            else f"{self.name}: holds for {self.compared:,}"
        )
        return f"{told}. {self.note}".rstrip()


def reconciled(name: str, compared: int, rows: pa.Table, note: str = "") -> Reconciliation:
    """Report rows that differ."""
    return Reconciliation(name, compared, rows.num_rows, rows.slice(0, SAMPLE), note)


def pnl_of_matches(
    matches: pa.Table, net_pnl: Mapping[str, int], *, by: str = "strategyId"
) -> Reconciliation:
    """Compare the net PnL that metrics state with the sum over the matches.

    Parameters
    ----------
    matches : pyarrow.Table
        `trade_match_history`.
    net_pnl : mapping of str to int
        Net PnL x 1e8 by strategy (`Figures.net_pnl`), or by what `by` names.
    by : str
        The column of the matches that holds the keys. A key without matches has PnL 0.
    """
    sums = _sums(matches, [by], ["realizedPnl", "fees"])
    gross, fees = sums["realizedPnl"], sums["fees"]
    net = pa.table({by: sums[by], "netPnlOfMatches": pc.subtract(gross, fees).cast(_WIDE)})
    names = pa.array(list(net_pnl), pa.string())
    stated = pa.table({by: names, "netPnlOfMetrics": _wide(list(net_pnl.values()))})
    both = _joined(net, stated, [by])
    wrong = both.filter(pc.not_equal(both["netPnlOfMatches"], both["netPnlOfMetrics"]))
    return reconciled("PnL of the matches = PnL of the metrics", both.num_rows, wrong)


def fees_in_and_out(
    matches: pa.Table, lots: pa.Table, exec_reports: pa.Table | None
) -> Reconciliation:
    """Compare the fees of fills with those of matches and of what is still open.

    Parameters
    ----------
    matches, lots : pyarrow.Table
        `trade_match_history` and, after it, `open_positions_lots`.
    exec_reports : pyarrow.Table or None
        `exec_report_history` of the same accounts and time, each fill once, from a time at
        which nothing was open; None: not kept.

    Returns
    -------
    Reconciliation
        By account and symbol.
    """
    name = "fees in = fees of matches + fees of open lots"
    if exec_reports is None:
        return _without_trace(name)
    carried, unknown = _fees_of_lots(lots, exec_reports)
    keys = _ACCOUNT_SYMBOL
    both = _sums(exec_reports, keys, ["fees"]).rename_columns([*keys, "feesIn"])
    out = _sums(matches, keys, ["fees"]).rename_columns([*keys, "feesOfMatches"])
    kept = _sums(carried, keys, ["fees"]).rename_columns([*keys, "feesOfOpenLots"])
    both = _joined(_joined(both, out, keys), kept, keys)
    rest = pc.subtract(both["feesIn"], pc.add(both["feesOfMatches"], both["feesOfOpenLots"]))
    both = both.append_column("difference", rest.cast(_WIDE))
    wrong = both.filter(pc.not_equal(both["difference"], _nothing()))
    note = f"{unknown} open lots are of fills that the trace does not have." if unknown else ""
    return reconciled(name, both.num_rows, wrong, note)


def quantities(matches: pa.Table, lots: pa.Table, exec_reports: pa.Table | None) -> Reconciliation:
    """Compare what was bought and sold with what was matched and what stays open.

    With the trace every fill is followed: its quantity is what matches took of it and what
    is left of its lot. Without, every open lot is: what it was opened with is what is left
    of it and what the matches of its fill took.

    Parameters
    ----------
    matches, lots, exec_reports
        See `fees_in_and_out`.
    """
    if exec_reports is None:
        return _lots_and_matches(matches, lots)
    taken = pa.concat_tables([_taken(matches, side) for side in ("BUY", "SELL")])
    keys = [*_FILL, "side"]
    both = _sums(exec_reports, keys, ["fillQty"])
    both = _joined(both, _sums(taken, keys, ["matchedQty"]), keys)
    found, strange = _fills_of_lots(lots, exec_reports)
    # A lot that no fill has opened stands under its own id.
    strange = strange.rename_columns({"lotId": "orderId"})
    strange = strange.append_column("fillId", pa.repeat(pa.scalar(""), strange.num_rows))
    left = pa.concat_tables([rows.select([*keys, "qtyRem"]) for rows in (found, strange)])
    both = _joined(both, _sums(left, keys, ["qtyRem"]), keys)
    rest = pc.subtract(both["fillQty"], pc.add(both["matchedQty"], both["qtyRem"]))
    both = both.append_column("difference", rest.cast(_WIDE))
    wrong = both.filter(pc.not_equal(both["difference"], _nothing()))
    return reconciled("quantity filled = matched + open", both.num_rows, wrong)


def _lots_and_matches(matches: pa.Table, lots: pa.Table) -> Reconciliation:
    long = pc.equal(matches["direction"], "LONG")
    opening = {
        name: pc.if_else(long, matches[f"buy{name}"], matches[f"sell{name}"])
        for name in ("OrderId", "FillId")
    }
    ids = _lot_ids(matches, opening["OrderId"], opening["FillId"], matches["openTs"])
    taken = pa.table({"lotId": ids, "matchedQty": matches["matchedQty"]})
    both = _sums(lots, ["lotId"], ["qtyOpen", "qtyRem"])
    both = both.join(_sums(taken, ["lotId"], ["matchedQty"]), "lotId", join_type="left outer")
    both = _filled(both).sort_by("lotId")
    gone = pc.subtract(both["qtyOpen"], both["qtyRem"])
    both = both.append_column("difference", pc.subtract(gone, both["matchedQty"]).cast(_WIDE))
    wrong = both.filter(pc.not_equal(both["difference"], _nothing()))
    return reconciled(
        "quantity of open lots = matched + open",
        both.num_rows,
        wrong,
        "Without the trace of fills only lots that are still open could be followed.",
    )


def _taken(matches: pa.Table, side: str) -> pa.Table:
    """Give what matches took of the fills of one side."""
    of = side.lower()
    return pa.table(
        {
            "accountId": matches["accountId"],
            "symbol": matches["symbol"],
            "orderId": matches[f"{of}OrderId"],
            "fillId": matches[f"{of}FillId"],
            "side": pa.repeat(pa.scalar(side), matches.num_rows),
            "matchedQty": matches["matchedQty"],
        }
    )


def _fees_of_lots(lots: pa.Table, exec_reports: pa.Table) -> tuple[pa.Table, int]:
    """Give the part of its fill's fee that each open lot still carries."""
    found, strange = _fills_of_lots(lots, exec_reports)
    fee = money_values(found["fees"], null=0)
    whole, left = money_values(found["fillQty"]), money_values(found["qtyRem"])
    # The units of a fill meet others in order; the last ones are open.
    carried = [
        amount - int(share(amount, size - rest, size))
        for amount, size, rest in zip(fee.tolist(), whole.tolist(), left.tolist(), strict=True)
    ]
    return (
        pa.table(
            {
                "accountId": found["accountId"],
                "symbol": found["symbol"],
                "fees": money_array(np.array(carried, np.int64)),
            }
        ),
        strange.num_rows,
    )


def _fills_of_lots(lots: pa.Table, exec_reports: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Find the fill that opened each lot: fills with `qtyRem`; and the lots without one.

    A lot's id is a function of the fill's position key, ids and time; the strategy is the
    lot's, for an exec report does not know it.
    """
    sides = pc.if_else(pc.equal(lots["side"], "LONG"), "BUY", "SELL")
    own = pa.table(
        {
            "accountId": lots["accountId"],
            "strategyId": lots["strategyId"],
            "symbol": lots["symbol"],
            "side": sides,
            "ts": lots["tsOpen"],
            "lotId": lots["lotId"],
            "qtyRem": lots["qtyRem"],
        }
    )
    keys = ["accountId", "symbol", "side", "ts"]
    fills = exec_reports.select([*keys, "orderId", "fillId", "fillQty", "fees"])
    pairs = own.join(fills, keys, join_type="inner")
    ids = _lot_ids(pairs, pairs["orderId"], pairs["fillId"], pairs["ts"])
    found = pairs.filter(pc.equal(pairs["lotId"], ids))
    return found, own.join(found.select(["lotId"]), "lotId", join_type="left anti")


def _lot_ids(rows: pa.Table, orders: Any, fills: Any, ts: Any) -> Any:
    """Give the ids of lots from the fills that opened them."""
    names = zip(
        *(rows[name].to_pylist() for name in ("accountId", "strategyId", "symbol")), strict=True
    )
    keys = np.array([position_id(*name) for name in names], np.uint64).reshape(-1, 2)
    named = fill_names(keys, text_ids(orders.to_pylist()), text_ids(fills.to_pylist()))
    times = time_values(ts)
    return id_text(fill_ids(named, times, np.zeros(len(times), np.int64)))


def _without_trace(name: str) -> Reconciliation:
    note = "Not compared: the run keeps no trace, so that nothing says what its fills cost."
    return Reconciliation(name, 0, 0, pa.table({}), note)


def _sums(rows: pa.Table, keys: Sequence[str], amounts: Sequence[str]) -> pa.Table:
    wide = rows.select(list(keys))
    for name in amounts:
        wide = wide.append_column(name, rows[name].cast(_WIDE))
    sums = wide.group_by(list(keys)).aggregate([(name, "sum") for name in amounts])
    sums = sums.select([*keys, *(f"{name}_sum" for name in amounts)])
    return _filled(sums.rename_columns([*keys, *amounts]))


def _joined(left: pa.Table, right: pa.Table, keys: list[str]) -> pa.Table:
    both = left.join(right, keys, join_type="full outer", coalesce_keys=True)
    return _filled(both).sort_by([(name, "ascending") for name in keys])


def _filled(rows: pa.Table) -> pa.Table:
    """Put 0 where there is no amount."""
    for at, name in enumerate(rows.column_names):
        if pa.types.is_decimal(rows.schema.field(name).type):
            rows = rows.set_column(at, name, rows[name].cast(_WIDE).fill_null(_nothing()))
    return rows


def _nothing() -> Any:
    # Not a constant: making a scalar imports pandas, and importing this module must not.
    return pa.scalar(0, _WIDE)


def _wide(amounts: Sequence[int]) -> Any:
    """Give amounts x 1e8 of any size as decimals."""
    return pa.array([Decimal(int(amount)).scaleb(-8) for amount in amounts], _WIDE)
