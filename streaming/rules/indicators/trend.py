"""Trend: whether prices go somewhere, and how steadily."""

from streaming.rules.bars import Bars, Float
from streaming.rules.compile import inlined, kernel
from streaming.rules.indicators.exact import fma
from streaming.rules.indicators.oscillators import STILL
from streaming.rules.indicators.rows import Out, blank
from streaming.rules.indicators.volatility import true_range


@inlined
def _directional(bars: Bars, at: int) -> tuple[float, float, float]:
    """Give upward movement, downward movement and true range of a bar, x 1e8."""
    up = bars.high[at] - bars.high[at - 1]
    down = bars.low[at - 1] - bars.low[at]
    plus = float(up) if up > 0 and up > down else 0.0
    minus = float(down) if down > 0 and down > up else 0.0
    return plus, minus, float(true_range(bars.high[at], bars.low[at], bars.close[at - 1]))


@kernel
def adx(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Average directional index, +DI and -DI.

    Wilder (1978); as TA-Lib's ADX, PLUS_DI and MINUS_DI. Movements and ranges are summed
    over the first length - 1 bars and from row `length` on smoothed as sum = sum x
    (length - 1) / length + new: there +DI and -DI begin. DX = 100 |+DI - -DI| / (+DI + -DI);
    ADX begins at row 2 length - 1 as the mean of `length` DX and is then smoothed alike.
    Without range the DIs are 0; without direction ADX stays as it is.

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
    begin = 2 * length - 1 - seen
    for i in range(start, len(out[0])):
        if seen + i == length:
            plus = minus = span = index = 0.0
            for at in range(first + i - length + 1, first + i):
                up, down, wide = _directional(bars, at)
                plus += up
                minus += down
                span += wide
        up, down, wide = _directional(bars, first + i)
        plus = fma(keep, plus, up)
        minus = fma(keep, minus, down)
        span = fma(keep, span, wide)
        rise = fall = 0.0
        if span >= STILL:
            rise = 100.0 * (plus / span)
            fall = 100.0 * (minus / span)
        out[1][i] = rise
        out[2][i] = fall
        both = rise + fall
        directed = both >= 1e-14
        strength = 100.0 * (abs(rise - fall) / both) if directed else 0.0
        if i > begin:
            if directed:
                index = fma(keep, index, share * strength)
            out[0][i] = index
        else:
            index += strength
            if i == begin:
                index /= length
                out[0][i] = index
    state[0], state[1], state[2], state[3] = plus, minus, span, index
