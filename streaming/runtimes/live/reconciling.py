"""Our books against a broker's: orders that may still fill, and positions."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from streaming.brokers.broker import BrokerOrder
from streaming.jobs.trading_engine import EngineState, unsettled
from streaming.rules.brokered import END
from streaming.rules.brokered_account import BrokeredAccount
from streaming.rules.ids import id_text, id_words
from streaming.rules.units import money_text


class Difference(NamedTuple):
    """A difference, as an alert has it: its code, and words for a person."""

    code: str
    words: str


def known_orders(account: BrokeredAccount, state: EngineState) -> dict[str, int]:
    """Give what is left of each order that may still fill, as far as the broker has told.

    Fills and ends that were told count here as they came, also where an earlier one may still
    follow, for which the account waits.

    Returns
    -------
    dict
        Signed units x 1e8 by orderId; none are 0.
    """
    live = account.waiting
    ids = id_text(id_words(live)).to_pylist()
    left = dict(zip(ids, live["quantity"].tolist(), strict=True))
    pending = account.pending
    fills = unsettled(state)
    told = zip(
        [*id_text(id_words(pending)).to_pylist(), *id_text(fills.order_id).to_pylist()],
        [*pending["quantity"].tolist(), *fills.quantity.tolist()],
        [*(pending["kind"] == END).tolist(), *[False] * len(fills)],
        strict=True,
    )
    for order, quantity, ended in told:
        if left.get(order):
            rest = 0 if ended else left[order] - quantity
            # More than was left is a fill too much, not an order the other way round.
            left[order] = rest if (rest > 0) == (left[order] > 0) else 0
    return {order: quantity for order, quantity in left.items() if quantity}


def order_differences(
    ours: Mapping[str, int], theirs: Mapping[str, BrokerOrder], sent: Callable[[str], bool]
) -> list[Difference]:
    """Give the differences between orders that may still fill.

    Parameters
    ----------
    ours
        What is left of each, by orderId.
    theirs
        The broker's.
    sent
        Tells whether an order was ever ours.
    """
    found = []
    for order in sorted({*ours, *theirs}):
        if order not in theirs:
            code, words = "MISSING_ORDER", "is open here and not at the broker, which says no more"
        elif order in ours:
            left, other = ours[order], theirs[order].quantity
            if left == other:
                continue
            code = "ORDER_QUANTITY"
            words = f"has {_units(other)} left at the broker, and {_units(left)} here"
        elif sent(order):
            code, words = "ENDED_ORDER", "is over here and open at the broker"
        else:
            code, words = "UNKNOWN_ORDER", "is open at the broker and was never sent from here"
        found.append(Difference(f"RECONCILIATION_{code}", f"order {order} {words}"))
    return found


def position_differences(
    account: str, state: EngineState, theirs: Mapping[str, int]
) -> list[Difference]:
    """Give the differences between positions, of all strategies together by symbol.

    Parameters
    ----------
    state
        Its fills that wait count too: the broker has told them.
    theirs
        Signed units x 1e8 by symbol.
    """
    ours: dict[str, int] = {}
    for (owner, _, symbol), net in zip(state.keys, state.lots.books["net"].tolist(), strict=True):
        if owner == account:
            ours[symbol] = ours.get(symbol, 0) + net
    fills = unsettled(state)
    for claim, quantity in zip(fills.claim.tolist(), fills.quantity.tolist(), strict=True):
        said = state.claims.rows[claim]
        if said.account == account:
            ours[said.symbol] = ours.get(said.symbol, 0) + quantity
    return [
        Difference(
            "RECONCILIATION_POSITION",
            f"the broker holds {_units(theirs.get(symbol, 0))} of {symbol}, and we hold "
            f"{_units(ours.get(symbol, 0))}",
        )
        for symbol in sorted({*ours, *theirs})
        if ours.get(symbol, 0) != theirs.get(symbol, 0)
    ]


def _units(quantity: int) -> str:
    return money_text(quantity)
