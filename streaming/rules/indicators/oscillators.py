"""Oscillators: how fast and how one-sidedly the close moves."""

from streaming.rules.bars import Bars, Float
from streaming.rules.compile import kernel
from streaming.rules.indicators.averages import seed_gap
from streaming.rules.indicators.exact import fma
from streaming.rules.indicators.rows import UNIT, Out, blank


@kernel
def rsi(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the relative strength index: 100 x average gain / (average gain + average loss).

    Wilder, New Concepts in Technical Trading Systems (1978); as TA-Lib's RSI. The averages
    start as means of the first `length` changes (first value at row `length`), then
    average = (average x (length - 1) + change) / length. While nothing has moved at all, the
    value is 0, as in TA-Lib.

    State: average gain and average loss, x 1e8.
    """
    length = int(params[0])
    share = 1.0 / length
    keep = 1.0 - share
    row = out[0]
    start = blank(row, seen, length)
    closes = bars.close
    if start == len(row):
        return
    gain, loss = state[0], state[1]
    if seen + start == length:
        gain = loss = 0.0
        for i in range(first + start - length + 1, first + start + 1):
            change = closes[i] - closes[i - 1]
            gain += float(max(change, 0))
            loss += float(max(-change, 0))
        gain /= length
        loss /= length
        moved = gain + loss
        row[start] = 100.0 * (gain / moved) if moved > 0.0 else 0.0
        start += 1
    new = closes[first + start :]
    old = closes[first + start - 1 :]
    rest = row[start:]
    for i in range(len(rest)):
        change = new[i] - old[i]
        gain = fma(keep, gain, share * float(max(change, 0)))
        loss = fma(keep, loss, share * float(max(-change, 0)))
        moved = gain + loss
        rest[i] = 100.0 * (gain / moved) if moved > 0.0 else 0.0
    state[0], state[1] = gain, loss


@kernel
def roc(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the rate of change: (close / close `length` bars ago - 1) x 100. As TA-Lib's ROC."""
    length = int(params[0])
    start = blank(out[0], seen, length)
    new = bars.close[first + start :]
    row = out[0][start:]
    if len(row) == 0:
        return
    old = bars.close[first + start - length :]
    for i in range(len(row)):
        row[i] = 100.0 * (float(new[i] - old[i]) / float(old[i]))


@kernel
def macd(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the MACD line, signal and histogram.

    The line is EMA(fast) - EMA(slow), the signal its EMA, the histogram line - signal. As
    TA-Lib's MACD: both averages start at row slow - 1, each as the mean of the last `fast`
    or `slow` closes; the signal starts as the mean of the first `signal` lines; all three
    have their first value with it, at row slow + signal - 2.

    Notes
    -----
    State: the averages less the close (see `averages.ema`; the close drops out of their
    difference) and the histogram, x 1e8. The histogram follows h = (1 - a) (h + change of
    the line). While the signal starts, its place holds the sum of the lines.
    """
    fast, slow, signal = int(params[0]), int(params[1]), int(params[2])
    keep_fast = 1.0 - 2.0 / (fast + 1)
    keep_slow = 1.0 - 2.0 / (slow + 1)
    keep = 1.0 - 2.0 / (signal + 1)
    lines, signals, histograms = out[0], out[1], out[2]
    ready = slow + signal - 2
    for k in range(3):
        start = blank(out[k], seen, ready)
    closes = bars.close
    quick, sluggish, histogram = state[0], state[1], state[2]
    # Rows on the way to the first value, from the one where the averages start.
    for i in range(max(slow - 1 - seen, 0), min(ready + 1 - seen, len(lines))):
        at = first + i
        if seen + i == slow - 1:
            quick = seed_gap(closes, at, fast)
            sluggish = seed_gap(closes, at, slow)
            histogram = quick - sluggish
        else:
            change = float(closes[at - 1] - closes[at])
            quick = fma(keep_fast, quick, keep_fast * change)
            sluggish = fma(keep_slow, sluggish, keep_slow * change)
            histogram += quick - sluggish
        if seen + i == ready:
            histogram = (quick - sluggish) - histogram / signal
            lines[i] = (quick - sluggish) * UNIT
            signals[i] = ((quick - sluggish) - histogram) * UNIT
            histograms[i] = histogram * UNIT
            start = i + 1
    if seen + start > ready:
        new = closes[first + start :]
        old = closes[first + start - 1 :]
        line = quick - sluggish
        rows = lines[start:]
        smooth = signals[start:]
        rest = histograms[start:]
        for i in range(len(rows)):
            change = float(old[i] - new[i])
            quick = fma(keep_fast, quick, keep_fast * change)
            sluggish = fma(keep_slow, sluggish, keep_slow * change)
            before = line
            line = quick - sluggish
            histogram = fma(keep, histogram, keep * (line - before))
            rows[i] = line * UNIT
            smooth[i] = (line - histogram) * UNIT
            rest[i] = histogram * UNIT
    state[0], state[1], state[2] = quick, sluggish, histogram
