"""Exec reports of a desk elsewhere as lines of a file: late, twice, wrong, of any account."""

import datetime as dt

import numpy as np
from feeds.arriving import REPORTS
from runtimes.markets import START

FILLS = f"{REPORTS},strategyId"
END = "end"
"""The account of the last fill, an hour after the others: those are all applied."""

REFUSED = ("live", "paper:live", "paper:desk")


def fill(account, order, number, at, *, side="BUY", qty="1", price="100", said=""):
    """A line; `at` is in seconds from the market's start."""
    ts = dt.datetime.fromtimestamp(START / 1e6 + at, dt.UTC)
    when = ts.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return f"{account},{order},{number},ANT,{side},{qty},{price},{when},0.01,X,{said}"


def desk_lines(seed, count=240, claims=REFUSED):
    """Lines of two accounts in order of arrival; most are within five seconds of their order."""
    rng = np.random.default_rng(seed)
    lines, now = [], 100.0
    for number in range(count):
        now += float(rng.choice([0.0, 0.5, 1.5, 4.0]))
        late = 60.0 if rng.random() < 0.04 else float(rng.uniform(0, 4.9))
        order = int(rng.integers(0, count // 4))
        line = fill(
            ("desk", "other")[order % 2],
            f"o{order}",
            number,
            round(now - late, 3),
            side=("BUY", "SELL")[order // 2 % 2],
            qty=f"{rng.integers(1, 500) / 100}",
            price=f"{rng.integers(9000, 11000) / 100}",
            said=str(rng.choice(["", f"s{order % 3}", "s9"], p=[0.5, 0.45, 0.05])),
        )
        lines.append(line)
        again = rng.random()
        if again < 0.06:
            lines.append(lines[int(rng.integers(0, len(lines)))])
        elif again < 0.1:
            lines.append(line.replace(",ANT,", ",BEE,") if again < 0.07 else _priced(line, "7.25"))
        elif again < 0.13:
            lines.append(_priced(line, "-1" if again < 0.12 else "soon"))
        elif again < 0.16 and claims:
            lines.append(fill(str(rng.choice(claims)), f"c{number}", 1, now))
    return [*lines, fill(END, "last", 1, now + 3600)]


def _priced(line, price):
    cells = line.split(",")
    return ",".join([*cells[:6], price, *cells[7:]])


def of_no_account(lines):
    """Those that claim an account whose fills are the simulated broker's."""
    return [line for line in lines if line.split(",")[0] in REFUSED]
