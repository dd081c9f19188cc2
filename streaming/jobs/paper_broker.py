"""The paper path: a shadow of an account whose fills are simulated and which nothing holds back.

Strategies are scored on it, so it must not depend on who competed for a place: no cap on open
symbols, no limits, sizes that no weight scales (or the scores would feed on themselves). The
SELL rule is the account's own. It fills like every simulated broker: at the close of the
symbol's next bar, with slippage and fees, and through the same TradingEngine.
"""

import numpy as np
import pyarrow as pa

from streaming.contracts import PAPER_TRADE_MATCH_HISTORY, arrow_schema
from streaming.contracts.arrow import same_text
from streaming.rules.holdings import Rules
from streaming.rules.sizing import NO_LIMIT
from streaming.rules.units import SCALE
from streaming.rules.weights import WeightSchedule

PREFIX = "paper:"
RUN_TAG = "PAPER_LIVE"

_NO_CAP = 10**9


def paper_name(account: str) -> str:
    """Give the paper account of an account."""
    return PREFIX + account


def paper_rules(rules: Rules) -> Rules:
    """Give the rules of an account's paper account."""
    return rules._replace(
        max_open=_NO_CAP, order_limit=NO_LIMIT, symbol_limit=NO_LIMIT, gross_limit=NO_LIMIT
    )


def paper_weights(strategies: list[str]) -> WeightSchedule:
    """Give weight 1 to each strategy (ids, sorted), whatever the time."""
    ones = np.full((1, len(strategies)), SCALE, np.int64)
    return WeightSchedule(np.zeros(1, np.int64), tuple(strategies), ones)


def paper_matches(matches: pa.Table) -> pa.Table:
    """Give rows of `trade_match_history` as rows of `paper_trade_match_history`."""
    tagged = matches.append_column("runTag", same_text(RUN_TAG, matches.num_rows))
    return tagged.cast(arrow_schema(PAPER_TRADE_MATCH_HISTORY))
