"""Trend: whether prices go somewhere, and how steadily."""

from streaming.rules.bars import Bars, Float
from streaming.rules.compile import inlined, kernel
from streaming.rules.indicators.exact import fma
from streaming.rules.indicators.rows import Out, blank
from streaming.rules.indicators.volatility import true_range


@inlined
def _movements(high: int, low: int, high_before: int, low_before: int) -> tuple[float, float]:
    """Give a bar's upward and downward movement, x 1e8: the larger counts, if above 0."""
    up = high - high_before
    down = low_before - low
    # Choices between numbers, not branches: which way a bar goes cannot be guessed.
    plus = max(up, 0) if up > down else 0
    minus = max(down, 0) if down > up else 0
    return float(plus), float(minus)


@kernel
def adx(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the average directional index, +DI and -DI.

    Wilder (1978); as TA-Lib's ADX, PLUS_DI and MINUS_DI. Movements and ranges are summed
    over the first length - 1 bars and from row `length` on smoothed as sum = sum x
    (length - 1) / length + new: there +DI and -DI begin. DX = 100 |+DI - -DI| / (+DI + -DI);
    ADX begins at row 2 length - 1 as the mean of `length` DX and is then smoothed alike.
    Without range the DIs are 0, without movement DX is. Which movement is larger is decided
    exactly; of two that are equal, TA-Lib on decimals may take one for larger by rounding.

    State: smoothed upward and downward movement and range, x 1e8; ADX, or until it begins
    the sum of the DX.
    """
    length = int(params[0])
    share = 1.0 / length
    keep = 1.0 - share
    blank(out[0], seen, 2 * length - 1)
    start = blank(out[1], seen, length)
    blank(out[2], seen, length)
    plus, minus, span, index = state[0], state[1], state[2], state[3]
    if start == len(out[0]):
        return
    at = first + start
    if seen + start == length:
        plus = minus = span = index = 0.0
        for i in range(at - length + 1, at):
            up, down = _movements(bars.high[i], bars.low[i], bars.high[i - 1], bars.low[i - 1])
            plus += up
            minus += down
            span += float(true_range(bars.high[i], bars.low[i], bars.close[i - 1]))
    highs, lows = bars.high[at:], bars.low[at:]
    old_highs, old_lows, old_closes = bars.high[at - 1 :], bars.low[at - 1 :], bars.close[at - 1 :]
    index_row, plus_row, minus_row = out[0][start:], out[1][start:], out[2][start:]
    begin = 2 * length - 1 - seen - start
    for i in range(len(index_row)):
        up, down = _movements(highs[i], lows[i], old_highs[i], old_lows[i])
        plus = fma(keep, plus, up)
        minus = fma(keep, minus, down)
        span = fma(keep, span, float(true_range(highs[i], lows[i], old_closes[i])))
        # After a thousand bars without range, the sum dwindles beyond what may divide.
        percent = 100.0 / span if span > 1e-300 else 0.0
        rise, fall = plus * percent, minus * percent
        plus_row[i] = rise
        minus_row[i] = fall
        both = rise + fall
        strength = 100.0 * (abs(rise - fall) / both) if both > 0.0 else 0.0
        if i > begin:
            index = fma(keep, index, share * strength)
            index_row[i] = index
        else:
            index += strength
            if i == begin:
                index /= length
                index_row[i] = index
    state[0], state[1], state[2], state[3] = plus, minus, span, index
