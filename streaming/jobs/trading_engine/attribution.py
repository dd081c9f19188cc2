"""Whose a fill is: what signals say of its order, or else what its rows say.

"The strategy that a row names" is its cell `strategyId`; an empty one names none, and so does
UNATTRIBUTED, which is what tables have where nobody knows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.jobs.trading_engine.fills import Fills, Int, Mask, whole
from streaming.rules.ids import Words, mix_rows, text_ids
from streaming.rules.memory import NOBODY, UNATTRIBUTED

if TYPE_CHECKING:
    from streaming.instruments import Instruments
    from streaming.jobs.trading_engine.state import EngineState


class Orders:
    """Which strategy each order is of, by its signal.

    Parameters
    ----------
    strategies
        strategyId by orderId.
    """

    def __init__(self, strategies: Mapping[str, str] | None = None) -> None:
        self._strategies = dict(strategies or {})

    def __len__(self) -> int:
        return len(self._strategies)

    def add(self, order: str, strategy: str) -> str:
        """Add an order, and give the strategy that it is of: the first that it was added with."""
        return self._strategies.setdefault(order, strategy)

    def strategies(self, orders: Any) -> Any:
        """Give the strategy of each order, null where it is not known, as Arrow strings."""
        if not self._strategies:
            return pa.nulls(len(orders), pa.string())
        return pa.array([self._strategies.get(one) for one in orders.to_pylist()], pa.string())


class Claim(NamedTuple):
    """What a row says of whose its fill is.

    `said` is the strategy that the row names and `known` the one that signals give its order,
    UNATTRIBUTED where there is none.
    """

    account: str
    symbol: str
    said: str
    known: str


class Claims:
    """Claims, and the strategies in them, numbered as they come.

    Attributes
    ----------
    rows : list of Claim
    strategies : list of str
        The first, UNATTRIBUTED, is no strategy (`NOBODY`).
    said, known : int64[claims]
        Places in `strategies`.
    accounts, pairs : uint64[claims, 2]
        Ids of the account, and of account and symbol.
    """

    def __init__(self, rows: Iterable[Claim] = ()) -> None:
        self.rows: list[Claim] = []
        self._code: dict[Claim, int] = {}
        self.strategies = [UNATTRIBUTED]
        self._strategy = {UNATTRIBUTED: NOBODY}
        self.said: Int = np.empty(0, np.int64)
        self.known: Int = np.empty(0, np.int64)
        self.accounts: Words = np.empty((0, 2), np.uint64)
        self.pairs: Words = np.empty((0, 2), np.uint64)
        self._add(rows)

    def codes(self, account: Any, symbol: Any, said: Any, known: Any) -> NDArray[np.int32]:
        """Give the codes of claims, row by row; new ones are added as they come.

        All are Arrow strings, n rows, none null.
        """
        columns = [whole(column) for column in (account, symbol, said, known)]
        code, first = _distinct(columns)
        texts = [column.take(pa.array(first)).to_pylist() for column in columns]
        found = [Claim(*row) for row in zip(*texts, strict=True)]
        self._add(row for row in found if row not in self._code)
        given: NDArray[np.int32] = np.array([self._code[row] for row in found], np.int32)[code]
        return given

    def ranks(self) -> Int:
        """Give each claim's place in the order of the text, those that name nobody last."""
        ranks = np.empty(len(self.rows), np.int64)
        order = sorted(
            range(len(ranks)),
            key=lambda at: (*self.rows[at][:2], self.said[at] == NOBODY, self.rows[at]),
        )
        ranks[order] = np.arange(len(ranks))
        return ranks

    def _add(self, rows: Iterable[Claim]) -> None:
        new = list(rows)
        if not new:
            return
        for row in new:
            self._code[row] = len(self.rows)
            self.rows.append(row)
        # Row by row, so that the codes do not depend on how the input was cut.
        pairs = np.array([[self._place(row.said), self._place(row.known)] for row in new])
        self.said = np.concatenate([self.said, pairs[:, 0]])
        self.known = np.concatenate([self.known, pairs[:, 1]])
        accounts = text_ids([row.account for row in new])
        self.accounts = np.concatenate([self.accounts, accounts])
        both = text_ids([f"{row.account}\x1f{row.symbol}" for row in new])
        self.pairs = np.concatenate([self.pairs, both])

    def _place(self, strategy: str) -> int:
        if strategy not in self._strategy:
            self._strategy[strategy] = len(self.strategies)
            self.strategies.append(strategy)
        return self._strategy[strategy]


def _distinct(columns: list[Any]) -> tuple[Int, Int]:
    """Give distinct rows numbers as they come: each row's, and where each number came first."""
    rows = len(columns[0])
    code = np.zeros(rows, np.int64)
    for column in columns:
        coded = column.dictionary_encode()
        if len(coded.dictionary) > 1:
            joined = code * len(coded.dictionary) + coded.indices.to_numpy()
            # Anew after each column, so that the numbers stay small.
            code = pa.array(joined).dictionary_encode().indices.to_numpy().astype(np.int64)
    first = np.empty(int(code.max()) + 1 if rows else 0, np.int64)
    first[code[::-1]] = np.arange(rows - 1, -1, -1)
    return code, first


def attributed(state: "EngineState", fills: Fills, instruments: "Instruments") -> Fills:
    """Give fills with their strategies and position keys; new keys enter the state.

    Parameters
    ----------
    state
        Its memory of orders learns what rows say. What a row says of its order counts whatever
        becomes of its fill.
    fills
        In order of application.
    instruments
        For the point values of new keys.
    """
    claims = state.claims
    strategy = state.orders.attribute(
        mix_rows(claims.accounts[fills.claim], fills.order_id),
        fills.ts,
        claims.said[fills.claim],
        claims.known[fills.claim],
        fills.watermark - state.orders.ttl,
    )
    key = state.codes(fills.claim, strategy, instruments)
    return replace(fills, strategy=strategy, key=key)


def disputed(state: "EngineState", fills: Fills) -> Mask:
    """Tell which rows name another strategy than the one that their order is of."""
    said = state.claims.said[fills.claim]
    other: Mask = (said != NOBODY) & (said != fills.strategy)
    return other
