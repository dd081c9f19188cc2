"""The accounts of the live engine: the one that trades, and its paper shadow.

The paper account's orders are filled by the simulated broker inside the rules; so are those of
the one that trades, unless a broker fills them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.instruments import Instruments
from streaming.jobs.allocator import (
    Lead,
    Market,
    Taken,
    TakenByBroker,
    advance,
    follow,
    instruments_of,
    straight,
)
from streaming.jobs.paper_broker import paper_name, paper_rules, paper_weights
from streaming.jobs.strategies.signals import Signals
from streaming.rules.account import Account
from streaming.rules.account_state import AccountState
from streaming.rules.brokered_account import BrokeredAccount
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
    """Accounts whose symbols come as their first bars do.

    Parameters
    ----------
    name
        The account that trades; its paper account is `paper:<name>`.
    strategies
        Ids, sorted.
    brokered
        Whether a broker fills the orders of the one that trades.
    lead
        How the one that trades goes through a slice of time.

    Attributes
    ----------
    symbols : list of str
        Sorted.
    accounts : list of Account
        Those of the simulated broker.
    brokered : BrokeredAccount or None
    """

    def __init__(
        self,
        name: str,
        strategies: Sequence[str],
        rules: Rules,
        instruments: Instruments,
        *,
        brokered: bool = False,
        lead: Lead = straight,
    ) -> None:
        self._strategies = list(strategies)
        self._instruments = instruments
        self._trader = _Member(name, rules, None)
        paper = _Member(paper_name(name), paper_rules(rules), paper_weights(self._strategies))
        self._lead = lead
        self._members = [paper] if brokered else [self._trader, paper]
        self.symbols: list[str] = []
        self.accounts: list[Account] = []
        self._brokered = brokered
        self.brokered: BrokeredAccount | None = None
        self._take_symbols([], {})

    @property
    def trader(self) -> AccountState:
        """The account that trades."""
        return self.accounts[0] if self.brokered is None else self.brokered

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
        states = {account.name: account.to_bytes() for account in self.accounts}
        if self.brokered is not None:
            states[self.brokered.name] = self.brokered.to_bytes()
        return states

    def advance(
        self,
        market: Market,
        found: Mapping[str, list[Signals]],
        weights: WeightSchedule | None,
    ) -> list[tuple[Account, Taken]]:
        """Take every account of the simulated broker to the market's time.

        Parameters
        ----------
        found
            For each strategy its signals on each of `symbols`.
        weights
            Published ones; None: equal.
        """
        return [
            (
                account,
                advance(
                    account,
                    market,
                    dict(found),
                    member.weights or weights,
                    self._lead if account is self.trader else straight,
                ),
            )
            for account, member in zip(self.accounts, self._members, strict=True)
        ]

    def follow(
        self,
        market: Market,
        found: Mapping[str, list[Signals]],
        weights: WeightSchedule | None,
        reported_to: int,
    ) -> tuple[BrokeredAccount, TakenByBroker] | None:
        """Take the account that a broker fills to the market's time; None where none does.

        `reported_to` is the time up to which the broker's reports are known; see `advance`.
        """
        account = self.brokered
        if account is None:
            return None
        return account, follow(account, market, dict(found), weights, reported_to, self._lead)

    def _take_symbols(self, symbols: list[str], states: Mapping[str, bytes]) -> None:
        facts = instruments_of(symbols, self._instruments)
        self.symbols = symbols
        self.accounts = []
        for member in self._members:
            account = Account(member.name, self._strategies, symbols, member.rules, facts)
            if member.name in states:
                account.restore(states[member.name])
            self.accounts.append(account)
        if self._brokered:
            one = self._trader
            self.brokered = BrokeredAccount(one.name, self._strategies, symbols, one.rules, facts)
            if one.name in states:
                self.brokered.restore(states[one.name])
