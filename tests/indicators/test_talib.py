"""Every indicator that TA-Lib has, against TA-Lib, on seeded and on real bars."""

import numpy as np
import pytest
import talib

from streaming.rules import indicators
from streaming.rules.bars import MINUTE_US, Bars, join_bars
from streaming.rules.indicators import Feature, advance, new_series
from streaming.rules.units import SCALE

from .samples import real_bars, some_bars


def talib_values(bars: Bars) -> dict[Feature, np.ndarray]:
    high, low, close = (column / SCALE for column in (bars.high, bars.low, bars.close))
    own = indicators
    values = {}
    for n in (2, 5, 20, 50, 200):
        values[own.sma(n)] = talib.SMA(close, n)
        values[own.ema(n)] = talib.EMA(close, n)
        values[own.donchian_upper(n)] = talib.MAX(high, n)
        values[own.donchian_lower(n)] = talib.MIN(low, n)
    # Whether a bar moved further up or down is decided exactly here. TA-Lib subtracts doubles:
    # of two equal movements in decimals, rounding makes one the larger. Given as multiples of
    # 1e-8, which doubles hold exactly, the prices tie there too; the results have no unit.
    exact = [column.astype(float) for column in (bars.high, bars.low, bars.close)]
    for n in (2, 7, 14, 30):
        values[own.rsi(n)] = talib.RSI(close, n)
        values[own.atr(n)] = talib.ATR(high, low, close, n)
        values[own.adx(n)] = talib.ADX(*exact, n)
        values[own.plus_di(n)] = talib.PLUS_DI(*exact, n)
        values[own.minus_di(n)] = talib.MINUS_DI(*exact, n)
    for n in (1, 12, 60, 240):
        values[own.roc(n)] = talib.ROC(close, n)
    for lengths in ((12, 26, 9), (3, 10, 1), (5, 35, 5)):
        makers = (own.macd, own.macd_signal, own.macd_histogram)
        outputs = talib.MACD(close, *lengths)
        values.update((make(*lengths), out) for make, out in zip(makers, outputs, strict=True))
    for n, width in ((20, 2.0), (50, 1.5)):
        makers = (own.bollinger_upper, own.bollinger_middle, own.bollinger_lower)
        outputs = talib.BBANDS(close, n, width, width)
        values.update((make(n, width), out) for make, out in zip(makers, outputs, strict=True))
    return values


def compare(bars: Bars) -> None:
    theirs = talib_values(bars)
    own = advance(new_series(theirs), bars, theirs)
    price = bars.close.max() / SCALE
    for feature, right in theirs.items():
        in_price = feature.name.startswith(("macd", "atr"))
        right = np.where(np.isnan(right), np.nan, right)
        np.testing.assert_array_equal(np.isnan(own[feature]), np.isnan(right), str(feature))
        np.testing.assert_allclose(
            own[feature],
            right,
            rtol=1e-9,
            # Where a value passes through zero, only its size against the price counts.
            atol=1e-12 * price if in_price else 1e-9,
            err_msg=str(feature),
        )


@pytest.mark.parametrize("seed", range(3))
def test_seeded_bars(seed):
    compare(some_bars(seed, 3000, moves=9))


def test_a_market_of_large_numbers():
    compare(some_bars(11, 3000, level=60_000 * SCALE, tick=SCALE // 10, moves=90, still=0.0))


@pytest.mark.parametrize("reach", [0, SCALE // 64])
def test_a_market_that_comes_to_rest(reach):
    moving = some_bars(12, 200, tick=SCALE // 64)
    rest = np.full(700, moving.close[-1])
    ts = moving.ts[-1] + MINUTE_US * np.arange(1, len(rest) + 1)
    compare(
        join_bars([moving, Bars(ts, rest, rest + reach, rest - reach, rest, np.ones(len(rest)))])
    )


def test_a_market_that_never_moves():
    flat = np.full(600, 100 * SCALE)
    compare(some_bars(13, 600)._replace(open=flat, high=flat, low=flat, close=flat))


def test_real_bars(real_bars_folder):
    found = real_bars(real_bars_folder)
    assert len(found) >= 11
    for bars in found.values():
        compare(bars)
