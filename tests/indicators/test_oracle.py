"""Every indicator against exact arithmetic in plain Python."""

import numpy as np
import pytest

from streaming.rules import indicators
from streaming.rules.bars import Bars
from streaming.rules.indicators import INDICATORS, Feature, advance, new_series
from streaming.rules.units import LIMIT, SCALE

from .oracle import ORACLES
from .samples import some_bars, wild_bars

# Published lengths need long series; these reach every branch of a kernel within 90 rows.
SMALL = {
    0: [()],
    1: [(1,), (2,), (3,), (7,), (16,), (31,)],
    2: [(2, 2.0), (5, 1.5), (20, 2.0)],
    3: [(1, 2, 1), (3, 6, 4), (5, 17, 1), (2, 3, 9)],
}

CASES = [
    pytest.param(indicator, params, id=f"{indicator.name}-{'-'.join(map(str, params))}")
    for indicator in INDICATORS
    for params in dict.fromkeys(SMALL[len(indicator.params)] + indicator.published)
    if not params or params[0] >= indicator.least
]


def compute(bars: Bars, indicator, params) -> list[np.ndarray]:
    features = [Feature(name, params) for name in indicator.features]
    values = advance(new_series(features), bars, features)
    return [values[feature] for feature in features]


def expected(bars: Bars, indicator, params) -> list[np.ndarray]:
    return [
        np.array([np.nan if x is None else x for x in column], float)
        for column in ORACLES[indicator.name](bars, *params)
    ]


def rows_for(params) -> int:
    longest = sum(int(p) for p in params)
    return 90 if longest <= 40 else longest + 60


@pytest.mark.parametrize(("indicator", "params"), CASES)
def test_indicator_equals_exact_arithmetic(indicator, params):
    bars = some_bars(7, rows_for(params))
    for own, right in zip(
        compute(bars, indicator, params), expected(bars, indicator, params), strict=True
    ):
        # Against the size of a price (100): a MACD passes through zero.
        np.testing.assert_allclose(own, right, rtol=2e-12, atol=1e-12)


@pytest.mark.parametrize(("indicator", "params"), CASES)
def test_warm_up_is_as_long_as_the_registry_says(indicator, params):
    bars = some_bars(8, indicator.silent(params) + 3, still=0.0, gaps=0.0)
    bars = bars._replace(volume=np.ones(len(bars)))
    first = compute(bars, indicator, params)[0]
    assert np.isnan(first).tolist() == [True] * indicator.silent(params) + [False] * 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("indicator", "params"), [case for case in CASES if sum(case.values[1]) <= 40]
)
def test_prices_anywhere_below_the_limit(indicator, params, seed):
    bars = wild_bars(seed, 60)
    scale = 1e-12 * float(bars.close.max()) / SCALE
    for own, right in zip(
        compute(bars, indicator, params), expected(bars, indicator, params), strict=True
    ):
        bounded = indicator.name in ("rsi", "zscore", "bollinger_shape", "adx")
        np.testing.assert_allclose(own, right, rtol=1e-9, atol=1e-9 if bounded else scale)


@pytest.mark.parametrize("bars", [wild_bars(3, 200), some_bars(3, 200, level=LIMIT - 1, tick=1)])
@pytest.mark.parametrize("length", [1, 2, 9, 10, 64, 150])
def test_a_mean_is_the_double_nearest_to_the_exact_mean(bars, length):
    indicator = indicators.BY_FEATURE["sma"]
    [own] = compute(bars, indicator, (length,))
    [right] = expected(bars, indicator, (length,))
    np.testing.assert_array_equal(own, right)


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
def test_a_price_is_the_double_nearest_to_its_decimal(name):
    bars = wild_bars(5, 3000)
    [own] = compute(bars, indicators.BY_FEATURE[name], ())
    assert own.tolist() == [int(x) / SCALE for x in getattr(bars, name)]


@pytest.mark.parametrize("price", [1, 7, 123_456_789, 10_000 * SCALE, LIMIT - 1])
def test_equal_prices_give_equal_averages_and_no_deviation(price):
    rows = 300
    flat = np.full(rows, price)
    bars = some_bars(1, rows)._replace(
        open=flat, high=flat, low=flat, close=flat, volume=np.linspace(1.1, 9.7, rows)
    )
    lengths = (3, 9, 20, 26, 50, 127, 200)
    close = indicators.close()
    same = [make(n) for n in lengths for make in (indicators.sma, indicators.ema)]
    bands = [
        make(20, 2)
        for make in (
            indicators.bollinger_upper,
            indicators.bollinger_middle,
            indicators.bollinger_lower,
        )
    ]
    still = [
        indicators.zscore(20),
        indicators.bollinger_width(20, 2),
        indicators.atr(14),
        indicators.roc(12),
        indicators.rsi(14),
        indicators.macd(12, 26, 9),
        indicators.macd_signal(12, 26, 9),
        indicators.macd_histogram(12, 26, 9),
        indicators.adx(14),
        indicators.realised_volatility(60),
    ]
    means = [indicators.vwap(), indicators.vwap_rolling(60)]
    features = [close, *same, *bands, *still, *means]
    values = advance(new_series(features), bars, features)
    for feature in (*same, *bands):
        assert set(values[feature][~np.isnan(values[feature])]) == {price / SCALE}, feature
    for feature in still:
        assert set(values[feature][~np.isnan(values[feature])]) == {0.0}, feature
    if price < 2**53 // 3:
        # The typical price times three is a double up to here.
        for feature in means:
            assert set(values[feature][~np.isnan(values[feature])]) == {price / SCALE}, feature


def test_averages_of_different_length_never_cross_while_prices_stand_still():
    close = np.concatenate((np.full(100, 100 * SCALE), np.full(900, 101 * SCALE + 1)))
    bars = some_bars(1, 1000)._replace(open=close, high=close, low=close, close=close)
    features = [indicators.ema(12), indicators.ema(26), indicators.macd_histogram(12, 26, 9)]
    values = advance(new_series(features), bars, features)
    fast, slow = values[features[0]][100:], values[features[1]][100:]
    assert (fast >= slow).all()
    assert (np.diff(fast) >= 0).all()
    assert (np.diff(slow) >= 0).all()


def test_unknown_volume_stays_in_its_windows():
    bars = some_bars(2, 40)._replace(volume=np.ones(40))
    bars.volume[10] = np.nan
    features = [indicators.volume_sma(5), indicators.vwap_rolling(5), indicators.volume()]
    values = advance(new_series(features), bars, features)
    assert np.flatnonzero(np.isnan(values[features[0]])).tolist() == [0, 1, 2, 3, *range(10, 15)]
    assert np.flatnonzero(np.isnan(values[features[1]])).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(np.isnan(values[features[2]])).tolist() == [10]


def test_without_any_volume_there_is_no_vwap():
    bars = some_bars(2, 40, volumes=False)
    features = [indicators.vwap(), indicators.vwap_rolling(5), indicators.volume_sma(5)]
    values = advance(new_series(features), bars, features)
    assert all(np.isnan(values[feature]).all() for feature in features)


def test_every_indicator_has_an_oracle():
    assert sorted(ORACLES) == sorted(indicator.name for indicator in INDICATORS)
