"""What a broker is to the live engine: orders go out, reports come back whenever they come.

The broker of the paper accounts is none of these: it fills inside the rules, at the close of
the symbol's next bar (`streaming.rules.simulation`). `live.broker` says which one trades.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from streaming.rules.bars import Bars

PAPER = "paper"
"""What `live.broker` calls the broker inside the rules."""


class BrokerOrder(NamedTuple):
    """An order to buy (`quantity` > 0) or sell (< 0) at the market: units x 1e8.

    `ts` is the event time of its signal, microseconds UTC.
    """

    order_id: str
    symbol: str
    quantity: int
    ts: int


class Said(NamedTuple):
    """What a broker has to say, in the order in which it said it.

    Attributes
    ----------
    fills, events : pyarrow.Table
        Columns of `exec_report_history` and of `order_event_history`.
    complete_to : int or None
        Microseconds UTC: no fill at or before it is still to be told; None: it does not say.
    position : str
        Where to go on, in the broker's own terms.
    """

    fills: pa.Table
    events: pa.Table
    complete_to: int | None
    position: str


class Broker(ABC):
    """An account at a broker.

    Every method may raise a `BrokerError` where the broker cannot be reached; it is then asked
    again later, and what was asked may or may not have been done.

    Attributes
    ----------
    name : str
        Under which the position of its reports is kept.
    """

    name: str

    @abstractmethod
    def submit(self, orders: Sequence[BrokerOrder]) -> None:
        """Take orders; one whose orderId it has, or ever had, is the same order."""

    @abstractmethod
    def cancel(self, order_ids: Sequence[str]) -> None:
        """Ask for orders to be cancelled; those that it does not have are no error."""

    @abstractmethod
    def reports(self, after: str | None) -> Said:
        """Give what it said after a position; None: from the beginning."""

    @abstractmethod
    def open_orders(self) -> Mapping[str, BrokerOrder]:
        """Give the orders that may still fill, by orderId, with what is left as of its reports."""

    @abstractmethod
    def positions(self) -> Mapping[str, int]:
        """Give what the account holds by symbol, signed units x 1e8, as of its last report."""

    def show(self, bars: Mapping[str, Bars], complete_to: int) -> None:  # noqa: B027  # optional
        """Show the market up to a time (microseconds UTC), before the signals of that time.

        A simulated broker lives on it; a real one has eyes of its own.

        Parameters
        ----------
        bars
            By symbol, ascending; those that are known already may be among them.
        """

    def close(self) -> None:  # noqa: B027  # optional
        """Let go of what it holds open."""
