"""Scores and weights worked out one strategy at a time, in plain Python, from SPEC section 4."""

import itertools
import math
from fractions import Fraction
from statistics import NormalDist, median

A = 365
TAU = 1.0


def daily_ratio(r):
    mean = math.fsum(r) / len(r)
    sd = math.sqrt(math.fsum((x - mean) ** 2 for x in r) / (len(r) - 1))
    return mean / sd


def dispersion(r):
    """Give D = T V, clipped."""
    days = len(r)
    mean = math.fsum(r) / days
    sd0 = math.sqrt(math.fsum((x - mean) ** 2 for x in r) / days)
    sr = daily_ratio(r)
    z = [(x - mean) / sd0 for x in r]
    psi = [x - sr / 2 * (x * x - 1) for x in z]
    lag = math.floor(4 * (days / 100) ** (2 / 9))
    long_run = 0.0
    for apart in range(lag + 1):
        g = math.fsum(psi[t] * psi[t - apart] for t in range(apart, days)) / days
        long_run += g * (1 - apart / (lag + 1)) * (2 if apart else 1)
    v = long_run / days
    return min(6.0, max(0.25, days * v))


def scores(returns):
    """Give (SR*, sd*, t*, error) a year for lists of daily returns; None where no score."""
    good = [
        r if len(r) >= 20 and sum(x != 0 for x in r) >= 10 and len(set(r)) > 1 else None
        for r in returns
    ]
    own = [None if r is None else dispersion(r) for r in good]
    known = [d for d in own if d is not None]
    out = []
    for r, d in zip(good, own, strict=True):
        if r is None:
            out.append(None)
            continue
        days = len(r)
        weight = days / (days + 100)
        d = math.exp(weight * math.log(d) + (1 - weight) * math.log(median(known)))
        sr = daily_ratio(r)
        shrunk = sr * days / (days + A * d / TAU**2)
        td2 = TAU**2 / A
        v = d / days
        sd = math.sqrt(td2 * v / (td2 + v))
        year = math.sqrt(A)
        out.append((shrunk * year, sd * year, shrunk / sd, math.sqrt(A * d / days)))
    return out


def deflated(sr, all_sr, trials, skew, kurtosis, days):
    """Give the deflated Sharpe ratio; kurtosis is not in excess; ratios of one day."""
    mean = sum(all_sr) / len(all_sr)
    var = sum((x - mean) ** 2 for x in all_sr) / (len(all_sr) - 1)
    z = NormalDist().inv_cdf
    g = 0.5772156649015328606
    best = math.sqrt(var) * ((1 - g) * z(1 - 1 / trials) + g * z(1 - 1 / (trials * math.e)))
    error = math.sqrt((1 - skew * sr + (kurtosis - 1) / 4 * sr**2) / (days - 1))
    return NormalDist().cdf((sr - best) / error)


def project(target, low, high):
    """Give the projection in Fractions, by trying every piece of the falling sum."""
    target, low, high = ([Fraction(x) for x in side] for side in (target, low, high))
    if sum(low) >= 1:
        return low
    points = sorted({u - b for u, b in zip(target * 2, [*high, *low], strict=True)})

    def at(shift):
        return [min(h, max(lo, u - shift)) for u, lo, h in zip(target, low, high, strict=True)]

    for first, last in itertools.pairwise(points):
        above, below = sum(at(first)), sum(at(last))
        if above >= 1 >= below:
            share = Fraction(0) if above == below else (above - 1) / (above - below)
            return at(first + share * (last - first))
    return at(points[0])


def least_widening(low, high, previous, step):
    """Give the least common widening in Fractions, by trying every point where a sum bends."""
    low, high, previous = ([Fraction(x) for x in side] for side in (low, high, previous))
    step = Fraction(step)

    def holds(d):
        lows = [max(lo, p - step - d) for lo, p in zip(low, previous, strict=True)]
        highs = [min(h, p + step + d) for h, p in zip(high, previous, strict=True)]
        meet = all(lo <= h for lo, h in zip(lows, highs, strict=True))
        return meet and sum(lows) <= 1 <= sum(highs)

    if holds(Fraction(0)):
        return Fraction(0)
    bends = {Fraction(0)}
    for lo, h, p in zip(low, high, previous, strict=True):
        bends |= {p - step - h, lo - p - step, h - p - step, p - step - lo}
    bends = sorted(one for one in bends if one >= 0)
    # Between two bends the sums are straight: the answer is a bend, or where a sum is 1.
    for first, last in itertools.pairwise(bends):
        if not holds(last):
            continue
        lowest = [
            (max(lo, p - step - first), max(lo, p - step - last))
            for lo, p in zip(low, previous, strict=True)
        ]
        highest = [
            (min(h, p + step + first), min(h, p + step + last))
            for h, p in zip(high, previous, strict=True)
        ]
        candidates = [first, last]
        for ends in (lowest, highest):
            begin, end = sum(a for a, _ in ends), sum(b for _, b in ends)
            if begin != end:
                candidates.append(first + (1 - begin) / (end - begin) * (last - first))
        return min(d for d in candidates if first <= d <= last and holds(d))
    return bends[-1]
