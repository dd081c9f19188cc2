"""The accounts of the live engine: the one that trades, and its paper shadow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.instruments import Instruments
from streaming.jobs.allocator import Market, Taken, advance, instruments_of
from streaming.jobs.paper_broker import paper_name, paper_rules, paper_weights
from streaming.jobs.strategies.signals import Signals
from streaming.rules.account import Account
from streaming.rules.holdings import Rules
from streaming.rules.weights import WeightSchedule

Int = NDArray[np.int64]


@dataclass(frozen=True)
class _Member:
    """An account's name, rules, and the weights that it always has (None: the published)."""

    name: str
    rules: Rules
    weights: WeightSchedule | None


class AccountBook:
    """Accounts over the simulated broker, whose symbols come as their first bars do.

    Parameters
    ----------
    name
        The account that trades; its paper account is `paper:<name>`.
    strategies
        Ids, sorted.
    """

    def __init__(
        self, name: str, strategies: Sequence[str], rules: Rules, instruments: Instruments
    ) -> None:
        self._strategies = list(strategies)
        self._instruments = instruments
        self._members = [
            _Member(name, rules, None),
            _Member(paper_name(name), paper_rules(rules), paper_weights(self._strategies)),
        ]
        self.symbols: list[str] = []
        self.accounts: list[Account] = []
        self._take_symbols([], {})

    def include(self, symbols: Sequence[str]) -> None:
        """Make sure that symbols (any order) take part; new ones start flat."""
        wanted = sorted({*self.symbols, *symbols})
        if wanted != self.symbols:
            self._take_symbols(wanted, self.to_bytes())

    def restore(self, symbols: Sequence[str], states: Mapping[str, bytes]) -> None:
        """Take over what `to_bytes` gave, with the symbols (sorted) of then."""
        self._take_symbols(list(symbols), states)

    def to_bytes(self) -> dict[str, bytes]:
        """Give each account's state, by its name."""
        return {account.name: account.to_bytes() for account in self.accounts}

    def advance(
        self,
        market: Market,
        found: Mapping[str, list[Signals]],
        weights: WeightSchedule | None,
    ) -> list[tuple[Account, Taken]]:
        """Take every account to the market's time.

        Parameters
        ----------
        found
            For each strategy its signals on each of `symbols`.
        weights
            Published ones; None: equal.
        """
        return [
            (account, advance(account, market, dict(found), member.weights or weights))
            for account, member in zip(self.accounts, self._members, strict=True)
        ]

    def _take_symbols(self, symbols: list[str], states: Mapping[str, bytes]) -> None:
        facts = instruments_of(symbols, self._instruments)
        self.symbols = symbols
        self.accounts = []
        for member in self._members:
            account = Account(member.name, self._strategies, symbols, member.rules, facts)
            if member.name in states:
                account.restore(states[member.name])
            self.accounts.append(account)
