"""The accounts of a backtest's layout."""

from streaming.rules.account import Account
from streaming.rules.holdings import Instruments, Rules
from streaming.runtimes.backtest.definition import SHARED_ACCOUNT


def accounts_of(
    layout: str, strategies: list[str], symbols: list[str], rules: Rules, facts: Instruments
) -> list[Account]:
    """Give the accounts of a layout, each with its strategies."""
    if layout == "shared":
        return [Account(SHARED_ACCOUNT, strategies, symbols, rules, facts)]
    return [Account(f"bt:{one}", [one], symbols, rules, facts) for one in strategies]
