"""Made-up books of matches for tests, and the same figures worked out naively."""

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SCALE = 10**8
OSLO = "Europe/Oslo"
# Days of the random books; on the third, Oslo goes back to winter time.
START, END = dt.date(2013, 10, 25), dt.date(2013, 10, 30)
# The column of the name that a report is for.
GROUP = {"strategy": "strategyId", "account": "accountId", "symbol": "symbol", "run": "runId"}


def us(text):
    """Give an ISO time (UTC where it names no offset) as microseconds UTC."""
    time = dt.datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=dt.UTC)
    return (time - EPOCH) // dt.timedelta(microseconds=1)


def local_day(ts, tz):
    """Give the day of an instant; midnight is of the day that ends."""
    return (EPOCH + dt.timedelta(microseconds=ts - 1)).astimezone(ZoneInfo(tz)).date()


def rounded(value):
    """Round a Fraction half-even to an integer."""
    return round(value)


def a_match(**cells):
    """Give one match as integers x 1e8 and texts; anything may be overridden."""
    match = {
        "accountId": "a",
        "strategyId": "s",
        "symbol": "X",
        "buyOrderId": "b1",
        "sellOrderId": "s1",
        "matchedQty": 2 * SCALE,
        "buyPrice": 100 * SCALE,
        "sellPrice": 110 * SCALE,
        "matchTimestamp": us("2013-10-07T15:00"),
        "openTs": us("2013-10-07T14:00"),
        "direction": "LONG",
        "fees": 0,
        "runId": "r",
    } | cells
    gross = Fraction(match["sellPrice"] - match["buyPrice"]) * match["matchedQty"] / SCALE
    match.setdefault("realizedPnl", rounded(gross * cells.get("pointValue", SCALE) / SCALE))
    return match


def money(values):
    """Give integers x 1e8 as decimals."""
    return pa.array([Decimal(value).scaleb(-8) for value in values], pa.decimal128(18, 8))


MONEY = ["matchedQty", "buyPrice", "sellPrice", "realizedPnl", "fees"]
TEXT = ["accountId", "strategyId", "symbol", "buyOrderId", "sellOrderId", "direction", "runId"]
TIME = ["matchTimestamp", "openTs"]


def match_table(matches):
    """Give matches as an Arrow table of the contract's types."""
    columns = {name: money([m[name] for m in matches]) for name in MONEY}
    columns |= {name: pa.array([m[name] for m in matches], pa.string()) for name in TEXT}
    columns |= {
        name: pa.array([m[name] for m in matches], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        for name in TIME
    }
    columns["matchId"] = pa.array([f"{i:032x}" for i in range(len(matches))], pa.string())
    for side in ("buy", "sell"):
        columns[f"{side}FillId"] = pa.array([m[f"{side}OrderId"] + "/1" for m in matches])
    return pa.table(columns)


def a_lot(**cells):
    """Give one open lot; anything may be overridden."""
    return {
        "accountId": "a",
        "strategyId": "s",
        "symbol": "X",
        "lotId": "l1",
        "side": "LONG",
        "qty": SCALE,
        "price": 100 * SCALE,
        "tsOpen": us("2013-10-07T14:00"),
    } | cells


def lot_table(lots):
    """Give lots as `open_positions_lots`."""
    opened = pa.array([lot["tsOpen"] for lot in lots], pa.int64())
    return pa.table(
        {
            name: pa.array([lot[name] for lot in lots], pa.string())
            for name in ("accountId", "strategyId", "symbol", "lotId", "side")
        }
        | {"qtyOpen": money([lot["qty"] for lot in lots])}
        | {"qtyRem": money([lot["qty"] for lot in lots])}
        | {"avgPrice": money([lot["price"] for lot in lots])}
        | dict.fromkeys(("tsOpen", "tsUpdated"), opened.cast(pa.timestamp("us", tz="UTC")))
    )


def random_book(seed, count=60, lots=6, point_values=None):
    """Give (matches, lots, bars by symbol) around the end of summer time in 2013."""
    random = np.random.default_rng(seed)
    begin, end = us("2013-10-24T22:00"), us("2013-10-30T23:00")
    minutes = (end - begin) // 60_000_000
    symbols = ["X", "Y", "Z"]
    prices = {}
    for symbol in symbols:
        ts = begin + 60_000_000 * np.sort(random.choice(minutes, 300, replace=False))
        prices[symbol] = (ts, random.integers(90 * SCALE, 110 * SCALE, 300))
    matches, open_lots = [], []
    for number in range(count + lots):
        symbol = symbols[random.integers(3)]
        opened, closed = sorted(begin + 60_000_000 * random.integers(0, minutes, 2))
        is_long = bool(random.random() < 0.6)
        keys = {
            "accountId": f"a{random.integers(2)}",
            "strategyId": f"s{random.integers(3)}",
            "symbol": symbol,
        }
        quantity = int(random.integers(1, 5 * SCALE))
        if number >= count:
            side = "LONG" if is_long else "SHORT"
            price = int(random.integers(90 * SCALE, 110 * SCALE))
            lot = a_lot(**keys, side=side, qty=quantity, price=price, tsOpen=int(opened))
            open_lots.append(lot)
            continue
        matches.append(
            a_match(
                **keys,
                direction="LONG" if is_long else "SHORT",
                buyOrderId=f"b{random.integers(count // 2)}",
                sellOrderId=f"s{random.integers(count // 2)}",
                matchedQty=quantity,
                buyPrice=int(random.integers(90 * SCALE, 110 * SCALE)),
                sellPrice=int(random.integers(90 * SCALE, 110 * SCALE)),
                openTs=int(opened),
                matchTimestamp=int(closed),
                fees=int(random.integers(0, SCALE)),
                pointValue=(point_values or {}).get(symbol, SCALE),
            )
        )
    return matches, open_lots, prices


def open_at(instant, matches, lots):
    """Give (symbol, signed quantity, open price) of what is open at an instant."""
    found = []
    for match in matches:
        if match["openTs"] <= instant < match["matchTimestamp"]:
            is_long = match["direction"] == "LONG"
            price = match["buyPrice"] if is_long else match["sellPrice"]
            sign = 1 if is_long else -1
            found.append((match["symbol"], sign * match["matchedQty"], price))
    for lot in lots:
        if lot["tsOpen"] <= instant:
            sign = 1 if lot["side"] == "LONG" else -1
            found.append((lot["symbol"], sign * lot["qty"], lot["price"]))
    return found


def open_pnl_at(instant, matches, lots, prices, point_values=None):
    """Give the open PnL at an instant, rounded once for each symbol, x 1e8."""
    gains = defaultdict(Fraction)
    for symbol, quantity, price in open_at(instant, matches, lots):
        close = None
        for ts, value in zip(*prices[symbol], strict=True):
            if ts <= instant:
                close = int(value)
        if close is not None:
            gains[symbol] += Fraction((close - price) * quantity, SCALE)
    values = point_values or {}
    return sum(rounded(gain * values.get(s, SCALE) / SCALE) for s, gain in gains.items())
