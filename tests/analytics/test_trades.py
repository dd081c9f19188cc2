"""Figures of trades, by hand and against naive sums."""

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.analytics.trades import MatchArrays, exposure, trade_figures
from streaming.errors import MoneyError

E8 = 10**8
MINUTE = 60_000_000


def arrays(rows):
    """Give matches from (closing, quantity, gross, fees, is_long, minutes held)."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    closing, quantity, gross, fees, is_long, held = columns
    ts = np.arange(len(rows), dtype=np.int64) * MINUTE + 10**15
    return MatchArrays(
        ts=ts,
        open_ts=ts - np.array(held, np.int64) * MINUTE,
        quantity=np.array(quantity, np.int64),
        gross=np.array(gross, np.int64),
        fees=np.array(fees, np.int64),
        is_long=np.array(is_long, np.bool_),
        closing=np.array(closing, np.int64),
    )


def test_a_trade_is_the_matches_closed_by_one_order():
    figures = trade_figures(
        arrays(
            [
                (1, 1 * E8, 10 * E8, 1 * E8, True, 10),
                (1, 3 * E8, 10 * E8, 1 * E8, True, 50),
                (2, 2 * E8, -4 * E8, 2 * E8, False, 5),
                (3, 1 * E8, 1 * E8, 1 * E8, True, 7),
                (4, 1 * E8, 6 * E8, 3 * E8, False, 3),
            ]
        )
    )
    assert (figures.matches, figures.trades, figures.wins, figures.losses) == (5, 4, 2, 1)
    assert figures.win_rate == 0.5  # the third trade ends at exactly 0 and is neither
    assert figures.gross_pnl == 23 * E8
    assert figures.fees == 8 * E8
    assert figures.net_pnl == 15 * E8
    assert figures.profit_factor == 21 / 6
    assert figures.payoff == 10.5 / 6
    assert figures.expectancy == 15 / 4
    assert (figures.average_win, figures.average_loss) == (10.5, -6.0)
    assert figures.fee_share == 8 / 27
    assert figures.holding_seconds == 60 * (40 + 5 + 7 + 3) / 4  # the first: (10 + 3 x 50) / 4
    assert (figures.long.trades, figures.long.net_pnl, figures.long.win_rate) == (2, 18 * E8, 0.5)
    assert (figures.short.trades, figures.short.net_pnl, figures.short.fees) == (
        2,
        -3 * E8,
        5 * E8,
    )


def test_no_matches_leave_ratios_undefined():
    figures = trade_figures(arrays([]))
    assert (figures.matches, figures.trades, figures.net_pnl) == (0, 0, 0)
    assert figures.win_rate is figures.profit_factor is figures.payoff is None
    assert figures.expectancy is figures.fee_share is figures.holding_seconds is None
    assert figures.long.win_rate is None


def test_without_losses_there_is_no_profit_factor():
    figures = trade_figures(arrays([(1, E8, E8, 0, True, 1)]))
    assert figures.profit_factor is figures.payoff is figures.average_loss is None
    assert figures.win_rate == 1.0


def test_the_smallest_gain_wins_and_the_smallest_loss_loses():
    figures = trade_figures(arrays([(1, E8, 1, 0, True, 1), (2, E8, -1, 0, False, 1)]))
    assert (figures.wins, figures.losses) == (1, 1)
    assert (figures.long.wins, figures.short.wins) == (1, 0)
    assert (figures.profit_factor, figures.fee_share) == (1.0, 0.0)


def test_a_rebate_is_a_negative_fee():
    figures = trade_figures(arrays([(1, E8, E8, -E8, True, 1)]))
    assert (figures.net_pnl, figures.fee_share) == (2 * E8, -1.0)


MATCH = st.tuples(
    st.integers(0, 8),
    st.integers(1, 10**18 - 1),
    st.integers(-(10**16), 10**16),
    st.integers(-(10**14), 10**14),
    st.booleans(),
    st.integers(0, 10**6),
)


@given(st.lists(MATCH, max_size=40), st.randoms(use_true_random=False))
def test_sums_are_exact_and_nothing_depends_on_the_order_of_rows(rows, random):
    # One order closes one side.
    rows = [(2 * row[0] + row[4], *row[1:]) for row in rows]
    figures = trade_figures(arrays(rows))
    trades = defaultdict(list)
    for row in rows:
        trades[row[0]].append(row)
    nets = {key: sum(row[2] - row[3] for row in group) for key, group in trades.items()}
    assert figures.net_pnl == sum(nets.values())
    assert figures.long.net_pnl == sum(net for key, net in nets.items() if key % 2)
    assert figures.fees == sum(row[3] for row in rows)
    assert figures.gross_pnl == sum(row[2] for row in rows)
    assert figures.wins == sum(net > 0 for net in nets.values())
    lost = -sum(net for net in nets.values() if net < 0)
    won = sum(net for net in nets.values() if net > 0)
    assert figures.profit_factor == (won / lost if lost else None)
    if trades:
        held = sum(
            Fraction(sum(row[1] * row[5] for row in group), sum(row[1] for row in group))
            for group in trades.values()
        )
        assert figures.holding_seconds == pytest.approx(float(60 * held / len(trades)), abs=1e-3)
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)
    assert trade_figures(arrays(rows).rows(np.array(shuffled, np.int64))) == figures


def test_sums_that_would_wrap_are_refused():
    with pytest.raises(MoneyError, match="gross PnL"):
        trade_figures(arrays([(1, E8, 10**18 - 1, 0, True, 1)] * 10))


def test_exposure_counts_shared_time_once_and_cuts_at_the_window():
    opened = np.array([5, 0, 20, 90, 200])
    closed = np.array([15, 10, 20, 150, 300])
    # Within 0..100: 0 to 15 and 90 to 100.
    assert exposure(opened, closed, 0, 100) == 0.25
    assert exposure(opened[:0], closed[:0], 0, 100) == 0.0


@given(st.lists(st.tuples(st.integers(-10, 40), st.integers(0, 25)), max_size=15))
def test_exposure_equals_counting_ticks(spans):
    held = {tick for open_, length in spans for tick in range(open_, open_ + length)}
    opened = np.array([span[0] for span in spans], np.int64)
    closed = np.array([span[0] + span[1] for span in spans], np.int64)
    expected = len(held & set(range(30))) / 30
    assert exposure(opened, closed, 0, 30) == pytest.approx(expected)
