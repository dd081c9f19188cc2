"""What holds in every backtest: no look-ahead, no place too many, no unit and no fee lost."""

import os
from collections import defaultdict
from random import Random

import numpy as np
import pytest
from oracle import ids
from oracle.money import fee_share

from streaming.errors import MoneyError
from streaming.rules.bars import MINUTE_US, Bars, join_bars
from streaming.rules.units import SCALE
from streaming.runtimes.runs import Run, runs

from .composed import micros
from .markets import (
    HISTORY,
    by_strategy,
    day_market,
    lake_of,
    listed,
    month_market,
    run,
    settings_of,
    single,
    traces_of_work,
    us,
)

SEVERAL = "ema_cross,roc_momentum,donchian_breakout,vwap_reversion,previous_day_breakout"
TIMES = {
    "strategy_signal_history": "signalTs",
    "trade_match_history": "matchTimestamp",
}


def seeds(few: int) -> list:
    """Seeds: a few in every run of the tests, and more, each worth five thousand of the soak's."""
    more = int(os.environ.get("SOAK", "4000")) // 5000
    return [*range(few), *(pytest.param(s, marks=pytest.mark.slow) for s in range(few, few + more))]


def units(amount) -> int:
    return int(amount.scaleb(8))


def up_to(found: Run, ts: int) -> dict[str, dict[str, list[dict]]]:
    """A run's rows up to a time, without what says which run."""
    kept: dict[str, dict[str, list[dict]]] = {}
    for table in HISTORY:
        column = TIMES.get(table, "ts")
        rows = {
            name: [row for row in one if micros(row[column]) <= ts]
            for name, one in by_strategy(found, table).items()
        }
        kept[table] = {name: one for name, one in rows.items() if one}
    return kept


def altered_after(market: dict[str, Bars], ts: int, seed: int) -> dict[str, Bars]:
    """The same bars up to a time, others after it: other prices, other minutes."""
    rng = np.random.default_rng(seed)
    changed = {}
    for name, bars in market.items():
        cut = int(np.searchsorted(bars.ts, ts, side="right"))
        rest = bars.rows(cut, len(bars))
        some = rng.random(len(rest)) < 0.8
        rest = Bars(*(column[some] for column in rest))
        factor = 1 + int(rng.integers(1, 4))
        prices = [column * factor for column in (rest.open, rest.high, rest.low, rest.close)]
        changed[name] = join_bars([bars.rows(0, cut), Bars(rest.ts, *prices, rest.volume)])
    return changed


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
@pytest.mark.parametrize("seed", seeds(3))
def test_nothing_after_a_moment_changes_what_was_up_to_it(tmp_path, layout, seed):
    market = month_market(20 + seed, 12, 60)
    rng = Random(seed)
    bars = market[rng.choice(sorted(market)[:3])]
    ts = int(bars.ts[rng.randrange(len(bars) // 3, len(bars) - 20)]) + rng.choice([0, 1, MINUTE_US])
    given = {"layout": layout, "settings": settings_of(gate={"sell_requires_long": False})}
    one = run(lake_of(tmp_path / "a", market), SEVERAL, **given)
    other = run(lake_of(tmp_path / "b", altered_after(market, ts, seed)), SEVERAL, **given)
    wanted = up_to(one, ts)
    assert up_to(other, ts) == wanted
    assert all(wanted.values()), "nothing had happened yet"
    assert up_to(other, 2**62) != up_to(one, 2**62), "nothing was altered"


def check_accounts(found: Run, places: int, *, by_strategy_key: bool, shorts: bool) -> None:
    """Replay exec reports in order: places taken, units held, fees paid."""
    owner = {
        row["orderId"]: row["strategyId"]
        for rows in by_strategy(found, "accepted_trade_signal_history").values()
        for row in rows
    }
    reports = [row for rows in by_strategy(found, "exec_report_history").values() for row in rows]
    reports.sort(key=lambda row: (row["ts"], row["orderId"]))
    held: dict[tuple, int] = defaultdict(int)
    fees: dict[tuple, int] = defaultdict(int)
    bought: dict[tuple, int] = defaultdict(int)
    for row in reports:
        strategy = owner[row["orderId"]]
        key = row["accountId"], strategy, row["symbol"]
        signed = units(row["fillQty"]) * (1 if row["side"] == "BUY" else -1)
        before = held[key]
        held[key] += signed
        bought[key] += signed
        fees[key] += units(row["fees"])
        if not shorts:
            assert held[key] >= 0, f"sold more than was held: {row}"
        assert before * held[key] >= 0, f"flipped: {row}"
        opened = defaultdict(set)
        for (account, name, symbol), net in held.items():
            if net:
                opened[account, name if by_strategy_key else ""].add(symbol)
        assert all(len(symbols) <= places for symbols in opened.values()), row

    lots = single(found, "open_positions_lots")
    left: dict[tuple, int] = defaultdict(int)
    fills = {}
    for row in reports:
        key = ids.position_id(row["accountId"], owner[row["orderId"]], row["symbol"])
        fill = ids.fill_id(key, row["orderId"], row["fillId"], micros(row["ts"]))
        fills[ids.id_text(fill)] = row
    paid: dict[tuple, int] = defaultdict(int)
    for lot in lots:
        key = lot["accountId"], lot["strategyId"], lot["symbol"]
        left[key] += units(lot["qtyRem"]) * (1 if lot["side"] == "LONG" else -1)
        opener = fills[lot["lotId"]]
        size = units(opener["fillQty"])
        paid[key] += fee_share(units(opener["fees"]), size, size - units(lot["qtyRem"]), size)
        assert units(lot["avgPrice"]) == units(opener["fillPrice"])
    assert {key: net for key, net in held.items() if net} == dict(left)
    for rows in by_strategy(found, "trade_match_history").values():
        for row in rows:
            paid[row["accountId"], row["strategyId"], row["symbol"]] += units(row["fees"])
    assert {key: one for key, one in paid.items() if one} == {
        key: one for key, one in fees.items() if one
    }


@pytest.mark.parametrize("seed", seeds(6))
def test_places_units_and_fees(tmp_path, seed):
    rng = Random(seed)
    places = rng.choice([1, 2, 3])
    shorts = rng.random() < 0.4
    key = rng.choice(["account", "account+strategy"])
    rules = settings_of(
        gate={
            "max_open_positions": places,
            "sell_requires_long": not shorts,
            "reservation_ttl_ms": rng.choice([60_000, 150_000, 300_000]),
            "key": key,
        },
        costs={"fee_bps": rng.choice(["1", "7.7777"]), "slippage_bps": rng.choice(["0", "5"])},
        limits={"gross": rng.choice(["0.7", "1", "5"])},
    )
    facts = {"lot_size": 7, "min_qty": 7, "point_value": 12_345_678}
    instruments = listed(**dict.fromkeys(("ANT", "BAT", "COD", "DOE", "ELK"), facts))
    market = day_market(40 + seed, 500, 5)
    layout = ("shared", "per-strategy")[seed % 2]
    found = run(
        lake_of(tmp_path, market), SEVERAL, settings=rules, layout=layout, instruments=instruments
    )
    # Of many thousand markets some have little to trade.
    assert found.facts["rows"]["trade_match_history"] > (20 if seed < 6 else 0)
    check_accounts(found, places, by_strategy_key=key != "account", shorts=shorts)


def test_the_check_of_places_would_notice(tmp_path):
    """Without reservations the limit breaks, and the run counts it."""
    rules = settings_of(gate={"max_open_positions": 1, "reserve_on_open": False})
    found = run(lake_of(tmp_path, day_market(3, 420, 4)), SEVERAL, settings=rules, layout="shared")
    with pytest.raises(AssertionError):
        check_accounts(found, 1, by_strategy_key=False, shorts=False)
    assert sum(one["openLimitBreached"] for one in found.facts["figures"].values()) > 0


class TestWhatDoesNotFit:
    """Amounts beyond DECIMAL(18,8) stop the run with their names, and leave nothing."""

    def market(self) -> dict[str, Bars]:
        ts = us("2024-01-22T08:00") + np.arange(1, 300) * MINUTE_US
        # From nearly nothing to a lot, so that what was bought for little is worth too much.
        close = np.concatenate([np.full(100, 2), np.full(199, 5 * SCALE)]).astype(np.int64)
        return {"TINY": Bars(ts, close, close, close, close, np.ones(len(ts)))}

    def signals(self, folder, action="BUY"):
        path = folder / "signals.csv"
        path.write_text(
            "strategyId,symbol,timeframe,signalTs,action,sizeHint,confidence,strategyVersion,"
            "paramsHash\n"
            "reckless,TINY,M1,2024-01-22T08:10:00Z,BUY,1,1,1,0\n"
            "reckless,TINY,M1,2024-01-22T09:40:00Z,SELL,1,1,1,0\n"
        )
        return path

    @pytest.mark.parametrize("layout", ["per-strategy", "shared"])
    def test_a_fill(self, tmp_path, layout):
        lake = lake_of(tmp_path, self.market())
        rules = settings_of(capital="120")
        account = "bt:reckless" if layout == "per-strategy" else "bt:shared"
        wanted = rf"Account {account}, strategy reckless, symbol TINY: .*2024-01-22T09:40:00"
        with pytest.raises(MoneyError, match=wanted):
            run(lake, signals=self.signals(tmp_path), layout=layout, settings=rules)
        assert runs(lake) == []
        assert traces_of_work(lake) == []

    def test_one_that_just_fits(self, tmp_path):
        lake = lake_of(tmp_path, self.market())
        rules = settings_of(capital="39", costs={"slippage_bps": 0, "fee_bps": 0})
        found = run(lake, signals=self.signals(tmp_path), settings=rules)
        (row,) = found.matches().to_pylist()
        assert row["realizedPnl"] == row["matchedQty"] * (row["sellPrice"] - row["buyPrice"])
        assert row["realizedPnl"] > 9 * 10**9

    def test_figures_that_do_not_fit_either(self, tmp_path):
        """Many fitting matches can add up to more than 92 billion: an error, never wrapped."""
        market = self.market()
        tiny = market["TINY"]
        market = {f"T{n:02d}": tiny for n in range(12)}
        lines = (self.signals(tmp_path)).read_text().splitlines()
        text = [lines[0]]
        text += [line.replace("TINY", name) for name in market for line in lines[1:]]
        path = tmp_path / "many.csv"
        path.write_text("\n".join(text) + "\n")
        rules = settings_of(
            capital="39",
            costs={"slippage_bps": 0, "fee_bps": 0},
            gate={"max_open_positions": 100},
            limits={"gross": 100},
        )
        lake = lake_of(tmp_path, market)
        with pytest.raises(MoneyError):
            run(lake, signals=path, settings=rules)
        assert runs(lake) == []

    def test_a_hundred_thousand_times_the_capital(self, tmp_path):
        """The largest capital that settings take, on ordinary prices: sizes, never wrapped."""
        lake = lake_of(tmp_path, day_market(3, 300, 2))
        rules = settings_of(capital="9999999999.99999999", limits={"per_order": "0.01"})
        found = run(lake, "ema_cross,roc_momentum", settings=rules)
        for rows in by_strategy(found, "exec_report_history").values():
            for row in rows:
                assert 0 < row["fillQty"] * row["fillPrice"] < 10**9
        assert found.facts["rows"]["exec_report_history"] > 10
