"""Exec reports as they come: checked, and made into arrays."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import EXEC_REPORT_HISTORY, money_values, time_values, validate
from streaming.contracts.keys import ORDER, STRATEGY
from streaming.contracts.quarantine import shown
from streaming.contracts.signals import ACCEPTED_TRADE_SIGNAL_HISTORY
from streaming.errors import ContractError
from streaming.jobs.trading_engine.attribution import Orders
from streaming.jobs.trading_engine.fills import Fills, Int, Mask, Part, ids_of_texts, whole
from streaming.jobs.trading_engine.refusals import Refusals
from streaming.jobs.trading_engine.state import EngineState
from streaming.rules.intake import NO_TIME, notionals
from streaming.rules.memory import UNATTRIBUTED
from streaming.rules.units import MOST_FEE, OVERFLOW, money_text

if TYPE_CHECKING:
    from streaming.instruments import Instruments

REPORTS = replace(
    EXEC_REPORT_HISTORY,
    columns=(*EXEC_REPORT_HISTORY.columns, replace(STRATEGY, nullable=True)),
)
"""The contract of exec reports as they come: a source may say whose they are."""

_ORDERS = replace(
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    columns=(ORDER, STRATEGY),
    unique=(ORDER.name,),
    bucket_by=(ORDER.name,),
    ordered_by=None,
)
"""What attribution needs of an order."""


class ReportBatch(NamedTuple):
    """Exec reports in order of arrival, n rows.

    Attributes
    ----------
    rows
        The columns of `exec_report_history`, and `strategyId` where the source says whose a
        fill is; of any type that the contract can read.
    source
        File or feed, for quarantine.
    number
        int64[n], the rows' numbers in the source; from 1 unless given.
    originals
        The rows as they came, where `rows` is not that, for quarantine to keep.
    problems
        For some rows (by place), whose `ts` is null, why it is.
    not_text
        By column, the rows (by place) whose text stands for bytes that are not UTF-8.
    """

    rows: pa.Table
    source: str
    number: Int | None = None
    originals: pa.Table | None = None
    problems: Mapping[int, str] | None = None
    not_text: Mapping[str, list[int]] | None = None

    def take(self, places: Int) -> "ReportBatch":
        """Give some of the rows (places ascending), each with everything that is told of it."""
        if len(places) == self.rows.num_rows:
            return self
        at = pa.array(places, pa.int64())
        moved = {place: new for new, place in enumerate(places.tolist())}
        number = np.arange(1, self.rows.num_rows + 1) if self.number is None else self.number
        return self._replace(
            rows=self.rows.take(at),
            number=number[places],
            originals=None if self.originals is None else self.originals.take(at),
            problems={moved[at]: why for at, why in (self.problems or {}).items() if at in moved},
            not_text={
                name: [moved[at] for at in odd if at in moved]
                for name, odd in (self.not_text or {}).items()
            },
        )


class Came(NamedTuple):
    """A batch read: its fills in order of arrival, its rows as they came, and those taken in.

    `rows` has the columns of `REPORTS`, a row for each fill.
    """

    fills: Fills
    part: Part
    rows: pa.Table


def read_orders(batch: ReportBatch, orders: Orders) -> pa.Table:
    """Add orders to those that are known.

    Parameters
    ----------
    batch
        Rows with the columns orderId and strategyId, such as accepted trade signals.
    orders
        Changed in place.

    Returns
    -------
    pyarrow.Table
        Quarantine of the rows without one of the two, and of those that give an order to
        another strategy than it has.

    Raises
    ------
    ContractError
        If a column is missing or there twice.
    """
    part = _part_of(batch)
    good, refused = validate(
        _ORDERS, batch.rows, batch.source, first_row=0, not_text=batch.not_text
    )
    refusals = Refusals(ACCEPTED_TRADE_SIGNAL_HISTORY)
    _refuse_broken(refusals, refused, part, None)
    kept = np.delete(np.arange(batch.rows.num_rows), refused.column("rowNumber").to_numpy())
    pairs = (good.column(name).to_pylist() for name in ("orderId", "strategyId"))
    for at, order, strategy in zip(kept.tolist(), *pairs, strict=True):
        true = orders.add(order, strategy)
        if true != strategy:
            reason = (
                f"orderId {shown(order)} is of strategy {true} by a row before, and cannot be of "
                f"{strategy}"
            )
            refusals.add(at, part, at, None, reason)
    return refusals.table()


def read_reports(
    batch: ReportBatch,
    part: int,
    state: EngineState,
    orders: Orders,
    instruments: "Instruments",
    refusals: Refusals,
    now: int,
) -> Came:
    """Turn exec reports into fills, in order of arrival; new claims enter the state.

    Parameters
    ----------
    part
        The number by which the fills name these rows.
    refusals
        Receives the rows that break the contract, whose symbol is not known, or whose
        notional does not fit; the moment of a refusal is the row's place.
    now
        The clock, microseconds UTC.

    Raises
    ------
    ContractError
        If a column is missing or there twice.
    """
    came = _part_of(batch)
    rows = batch.rows
    if rows.column_names.count(STRATEGY.name) > 1:
        raise ContractError(f"{batch.source}: column strategyId is there twice; keep one.")
    good, refused = validate(
        REPORTS, rows, batch.source, first_row=0, now=now, not_text=batch.not_text
    )
    _refuse_broken(refusals, refused, came, batch.problems)
    kept = np.delete(np.arange(rows.num_rows), refused.column("rowNumber").to_numpy())
    ts, fees = time_values(good.column("ts")), money_values(good.column("fees"), null=0)
    size, price = (money_values(good.column(name)) for name in ("fillQty", "fillPrice"))
    symbols = whole(good.column("symbol")).dictionary_encode()
    known, point_values = _known_symbols(symbols.dictionary.to_pylist(), instruments)
    code = symbols.indices.to_numpy()
    notional = np.empty(len(ts), np.int64)
    notionals(price, size, point_values[code], notional)
    fits = known[code] & (notional != OVERFLOW) & (np.abs(fees) < MOST_FEE)
    for at in np.flatnonzero(~fits).tolist():
        if not known[code[at]]:
            reason = f"symbol {symbols[at].as_py()!r} is not in the instruments file"
        elif notional[at] == OVERFLOW:
            reason = (
                f"fillPrice {money_text(int(price[at]))} x fillQty {money_text(int(size[at]))} x "
                f"point value {money_text(int(point_values[code[at]]))} does not fit DECIMAL(18,8)"
            )
        else:
            reason = (
                f"fees {money_text(int(fees[at]))} are not within {money_text(MOST_FEE)} of 0: "
                "a match adds those of two fills, which must fit DECIMAL(18,8)"
            )
        refusals.add(int(kept[at]), came, int(kept[at]), int(ts[at]), reason)
    if not fits.all():
        good, kept = good.filter(pa.array(fits)), kept[fits]
        ts, size, price, notional = ts[fits], size[fits], price[fits], notional[fits]
        fees = fees[fits]
    order, fill = (whole(good.column(name)) for name in ("orderId", "fillId"))
    said = whole(good.column(STRATEGY.name))
    said = pc.if_else(pc.equal(said, pa.scalar("")), pa.scalar(UNATTRIBUTED), said)
    said, known = (
        pc.fill_null(one, pa.scalar(UNATTRIBUTED)) for one in (said, orders.strategies(order))
    )
    bought = np.asarray(pc.equal(good.column("side"), pa.scalar("BUY")))
    fills = Fills(
        state.claims.codes(good.column("accountId"), good.column("symbol"), said, known),
        np.full(len(ts), -1, np.int64),
        np.full(len(ts), -1, np.int32),
        ts,
        np.where(bought, size, -size),
        price,
        fees,
        notional,
        ids_of_texts(order),
        ids_of_texts(fill),
        np.full(len(ts), NO_TIME, np.int64),
        order,
        fill,
        np.full(len(ts), part, np.int32),
        kept.astype(np.int64),
    )
    return Came(fills, came, good)


def _part_of(batch: ReportBatch) -> Part:
    rows = batch.rows if batch.originals is None else batch.originals
    number = np.arange(1, rows.num_rows + 1) if batch.number is None else batch.number
    return Part(batch.source, number, rows)


def _refuse_broken(
    refusals: Refusals, refused: pa.Table, part: Part, problems: Mapping[int, str] | None
) -> None:
    """Take over what the contract refused, with the known reasons of bad times."""
    places = refused.column("rowNumber").to_pylist()
    times = refused.column("ts").cast(pa.int64()).to_pylist()
    for at, ts, reason in zip(places, times, refused.column("reason").to_pylist(), strict=True):
        refusals.add(at, part, at, ts, (problems or {}).get(at, reason))


def _known_symbols(symbols: list[str], instruments: "Instruments") -> tuple[Mask, Int]:
    """Say which symbols are known, and give their point values."""
    known = np.array([symbol in instruments for symbol in symbols], np.bool_)
    values = [
        instruments[symbol].point_value if there else 0
        for symbol, there in zip(symbols, known, strict=True)
    ]
    return known, np.array(values, np.int64)
