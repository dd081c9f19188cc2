"""The state of an account: what it keeps, and whose state and what damage it refuses."""

import pytest
from oracle.samples import MINUTE, START

from rules.fast_account import Fast
from rules.minutes import small
from streaming.errors import StateError


def test_an_account_that_has_done_nothing_keeps_nothing():
    idle = Fast(small({"A": "10 10"}))
    fresh = idle.account.to_bytes()
    idle.advance(idle.case.complete_to)
    assert idle.account.to_bytes() == fresh


def test_another_accounts_state_is_refused():
    one = Fast(small({"A": "10 10"}, (1, "s", "A", "BUY")))
    one.advance(START + 2 * MINUTE)
    other = Fast(small({"A": "10 10", "B": "10 10"}, (1, "s", "A", "BUY")))
    with pytest.raises(StateError, match="B"):
        one.account.restore(other.account.to_bytes())
    stranger = Fast(small({"A": "10 10"}, (1, "t", "A", "BUY")))
    with pytest.raises(StateError, match="strategies"):
        stranger.account.restore(one.account.to_bytes())
    one.account.name = "another"
    with pytest.raises(StateError, match="another"):
        stranger.account.restore(one.account.to_bytes())


def test_damaged_state_is_refused():
    one = Fast(small({"A": "10 10"}, (1, "s", "A", "BUY")))
    one.advance(START + 2 * MINUTE)
    damaged = bytearray(one.account.to_bytes())
    damaged[-1] ^= 1
    with pytest.raises(StateError):
        one.account.restore(bytes(damaged))


@pytest.mark.parametrize("other", ["acc", "accu", "a", "z"])
def test_the_state_of_an_account_of_another_name_is_refused(other):
    one = Fast(small({"A": "10 10"}, (1, "s", "A", "BUY")))
    saved = one.account.to_bytes()
    one.account.name = other
    with pytest.raises(StateError, match=f"not for {other} "):
        one.account.restore(saved)


@pytest.mark.parametrize("others", [["r"], ["t"], [], ["s", "t"]])
def test_the_state_of_other_strategies_is_refused(others):
    one = Fast(small({"A": "10 10"}, (1, "s", "A", "BUY")))
    saved = one.account.to_bytes()
    one.account.strategies = others
    with pytest.raises(StateError, match="strategies"):
        one.account.restore(saved)
