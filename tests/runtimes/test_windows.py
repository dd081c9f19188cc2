"""Where a run starts and ends: warm features, flat positions, gaps that are run in silence."""

import json

import numpy as np
import pytest

from streaming.errors import RunError, SettingsError, StateError
from streaming.jobs.price_rows import rows_of_bars
from streaming.lake import Lake
from streaming.rules.bars import MINUTE_US
from streaming.rules.units import SCALE
from streaming.rules.weights import WeightSchedule

from .composed import micros
from .markets import (
    HISTORY,
    by_strategy,
    joined,
    lake_of,
    listed,
    month_market,
    request,
    run,
    settings_of,
    single,
    states,
    until,
    us,
)

STRATEGIES = "ema_cross,roc_momentum,previous_day_breakout,hour_trend_pullback,day_trend_entry"
# So wide that symbols do not get into each other's way.
WIDE = settings_of(
    gate={"max_open_positions": 10}, limits={"gross": 100, "per_symbol": 100}, capital=10_000
)
START = us("2024-02-12T08:37")


@pytest.fixture(scope="module")
def market():
    return month_market(6)


@pytest.fixture(scope="module")
def lake(market, tmp_path_factory):
    return lake_of(tmp_path_factory.mktemp("windows"), market)


@pytest.fixture(scope="module")
def full(lake):
    return run(lake, STRATEGIES)


def after(rows: dict[str, list[dict]], column: str, ts: int) -> dict[str, list[dict]]:
    """Rows later than a time; strategies without any are left out."""
    kept = {name: [row for row in one if micros(row[column]) > ts] for name, one in rows.items()}
    return {name: one for name, one in kept.items() if one}


@pytest.mark.parametrize("start", [START, START + 1, START - 30_000_000, us("2024-02-11T03:00")])
def test_features_are_warm_and_positions_flat_where_a_run_starts(lake, full, start):
    late = run(lake, STRATEGIES, start=start)
    wanted = after(by_strategy(full, "strategy_signal_history"), "signalTs", start)
    assert by_strategy(late, "strategy_signal_history") == wanted
    assert "day_trend_entry" in wanted
    for table in ("exec_report_history", "order_event_history", "trade_match_history"):
        for rows in by_strategy(late, table).values():
            column = "openTs" if table == "trade_match_history" else "ts"
            assert min(micros(row[column]) for row in rows) > start
    held = [one for rows in by_strategy(full, "trade_match_history").values() for one in rows]
    assert any(micros(row["openTs"]) <= start < micros(row["matchTimestamp"]) for row in held)


def test_a_start_before_the_first_bar_is_the_whole(lake, full):
    early = run(lake, STRATEGIES, start=us("2020-01-01"))
    for table in HISTORY:
        assert joined([early], table) == joined([full], table)
    assert early.id != full.id


class TestBarsThatCameLater:
    """A lake that grows between the windows."""

    CUT = us("2024-02-12T08:43")

    def first(self, folder, market):
        lake = lake_of(folder, until(market, self.CUT))
        return lake, run(lake, STRATEGIES)

    def test_on_the_day_on_which_the_run_ended_they_are_gone_on_with(self, market, tmp_path, full):
        lake, first = self.first(tmp_path, market)
        lake.write_prices(rows_of_bars(dict(market), "test"))
        second = run(lake, STRATEGIES, resume=first.id)
        for table in HISTORY:
            assert joined([first, second], table) == joined([full], table), table
        # Its window begins where the first one's bars ended, not where its day did.
        assert us(second.facts["window"]["start"][:-1]) == self.CUT
        counted = sum(one["trades"] for one in second.facts["figures"].values())
        kept = by_strategy(second, "trade_match_history").values()
        assert counted == len({row["sellOrderId"] for rows in kept for row in rows})

    @pytest.mark.parametrize("when", ["2024-02-12T08:41", "2024-02-07T08:12"])
    def test_behind_its_end_they_are_refused(self, market, tmp_path, when):
        late = us(when)
        kept = dict(market)
        bee = market["BEE"]
        rest = np.flatnonzero(bee.ts != bee.ts[np.searchsorted(bee.ts, late)])
        kept["BEE"] = type(bee)(*(column[rest] for column in bee))
        lake, first = self.first(tmp_path, kept)
        lake.write_prices(rows_of_bars(dict(market), "test"))
        with pytest.raises(RunError, match=r"cannot be resumed: bars of BEE up to .*08:43"):
            run(lake, STRATEGIES, resume=first.id)


def test_the_window_says_what_was_asked_and_what_was_known(lake, market):
    found = run(lake, "ema_cross", start=START, end=us("2030-01-01"))
    last = max(int(bars.ts[-1]) for bars in market.values())
    window = found.facts["window"]
    assert (window["start"], window["end"]) == ("2024-02-12T08:37:00Z", "2030-01-01T00:00:00Z")
    assert us(window["completeTo"][:-1]) == last


def test_the_window_is_that_of_the_symbols_that_take_part(lake, market):
    found = run(lake, "ema_cross", symbols=("DOG",))
    window = found.facts["window"]
    assert us(window["start"][:-1]) == market["DOG"].ts[0] - MINUTE_US
    assert us(window["completeTo"][:-1]) == market["DOG"].ts[-1]


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
def test_a_gap_is_run_in_silence(lake, layout):
    given = {"layout": layout, "settings": WIDE}
    first = run(lake, STRATEGIES, end=us("2024-02-01"), **given)
    middle = run(lake, STRATEGIES, end=START, resume=first.id, **given)
    wanted = run(lake, STRATEGIES, end=us("2024-03-02"), resume=middle.id, **given)
    leap = run(lake, STRATEGIES, start=START, end=us("2024-03-02"), resume=first.id, **given)
    for table in HISTORY:
        assert joined([leap], table) == joined([wanted], table), table
    assert single(leap, "open_positions_lots") == single(wanted, "open_positions_lots")
    assert states(leap) == states(wanted)
    assert leap.facts["figures"] == wanted.facts["figures"]
    crossing = [
        row
        for rows in by_strategy(leap, "trade_match_history").values()
        for row in rows
        if micros(row["openTs"]) <= START
    ]
    assert crossing, "no position was carried over the gap"


TWO = "ema_cross,roc_momentum"


def weights_from(*times: int) -> WeightSchedule:
    """Weights that change at some times."""
    weight = [[SCALE // (2 + place), SCALE // (4 + place)] for place in range(len(times))]
    return WeightSchedule(np.array(times), ("ema_cross", "roc_momentum"), np.array(weight))


def test_a_schedule_of_weights_may_grow_from_window_to_window(lake):
    middle = us("2024-02-13T10:00")
    first = run(lake, TWO, layout="shared", end=START, weights=weights_from(0))
    grown = {"layout": "shared", "weights": weights_from(0, START + 1, middle)}
    assert run(lake, TWO, end=START, **grown).id == first.id
    second = run(lake, TWO, resume=first.id, **grown)
    whole = run(lake, TWO, **grown)
    for table in HISTORY:
        assert joined([first, second], table) == joined([whole], table), table


def test_what_is_counted_is_what_is_kept(lake):
    """Rows, figures and totals tell one story, after a gap too."""
    first = run(lake, STRATEGIES, end=us("2024-02-01"))
    for found in (first, run(lake, STRATEGIES, start=START, resume=first.id)):
        kept = {table: by_strategy(found, table) for table in HISTORY}
        for name, one in found.facts["figures"].items():
            matches = kept["trade_match_history"].get(name, [])
            cancelled = [
                row
                for row in kept["order_event_history"].get(name, [])
                if row["event"] == "CANCELLED"
            ]
            assert one["matches"] == len(matches)
            assert one["fills"] == len(kept["exec_report_history"].get(name, []))
            assert one["cancelled"] == len(cancelled)
            signals = len(kept["strategy_signal_history"].get(name, []))
            assert sum(one["signals"].values()) == signals
            assert one["trades"] == len({row["sellOrderId"] for row in matches})
            fees = sum(row["fees"] for row in matches)
            net = sum(row["realizedPnl"] - row["fees"] for row in matches)
            assert float(one["fees"]) == pytest.approx(float(fees), abs=1e-9)
            assert float(one["netPnl"]) == pytest.approx(float(net), abs=1e-9)
        for table, count in found.facts["rows"].items():
            if table in kept:
                assert count == sum(len(rows) for rows in kept[table].values()), table


def test_a_symbol_that_joins_later_is_warm_and_flat(lake, market):
    """Its bars from before are read once more; at first it trades at the last of their closes."""
    cut = us("2024-02-12T08:43")
    others = tuple(sorted(set(market) - {"ADA"}))
    first = run(lake, STRATEGIES, symbols=others, end=cut, settings=WIDE)
    joint = run(lake, STRATEGIES, resume=first.id, settings=WIDE)
    alone = run(lake, STRATEGIES, symbols=("ADA",), start=cut, settings=WIDE)
    for table in HISTORY[:-1]:
        if table == "order_event_history":
            continue  # has no symbol
        mine = {
            name: [row for row in rows if row["symbol"] == "ADA"]
            for name, rows in by_strategy(joint, table).items()
        }
        assert {name: rows for name, rows in mine.items() if rows} == by_strategy(alone, table)


def test_bars_of_a_symbol_that_joins_later_are_part_of_the_runs_identity(market, tmp_path):
    cut = us("2024-02-12T08:43")
    bee = market["BEE"]
    ids = []
    for factor in (1, 2):
        lake = lake_of(tmp_path / str(factor), {"ADA": market["ADA"]})
        first = run(lake, "ema_cross", end=cut)
        prices = [column.copy() for column in (bee.open, bee.high, bee.low, bee.close)]
        for column in prices:
            column[0] *= factor  # a bar of the time before
        changed = type(bee)(bee.ts, *prices, bee.volume)
        lake_of(tmp_path / str(factor), {"BEE": changed})
        ids.append(run(lake, "ema_cross", resume=first.id).id)
    assert ids[0] != ids[1]


def test_the_first_price_of_a_symbol_that_joins_later_is_its_last_before(market, tmp_path):
    """A signal can come before its first new bar; it is sized at the last close there was."""
    lake = lake_of(tmp_path, market)
    signals = tmp_path / "signals.csv"
    signals.write_text(
        "strategyId,symbol,timeframe,signalTs,action,sizeHint,confidence,strategyVersion,paramsHash\n"
        "s,ADA,M1,2024-02-05T08:30:00Z,BUY,0.5,1,1,0\n"
        "s,BEE,H1,2024-02-12T11:00:00Z,BUY,0.5,1,1,0\n"
    )
    cut = us("2024-02-12T10:10")
    first = run(lake, symbols=("ADA",), end=cut, signals=signals)
    found = run(lake, symbols=("ADA", "BEE"), resume=first.id, signals=signals)
    (row,) = by_strategy(found, "accepted_trade_signal_history")["s"]
    assert int(row["refPrice"].scaleb(8)) == until(market, cut)["BEE"].close[-1]


class TestRefused:
    def test_unknown_symbols_and_windows_without_prices(self, lake, tmp_path):
        with pytest.raises(RunError, match=r"has no prices. Import some"):
            run(Lake(tmp_path / "nothing"), "ema_cross")
        with pytest.raises(RunError, match=r"no prices of symbol 'ADDA'\. Near: ADA"):
            run(lake, "ema_cross", symbols=("ADDA",))
        with pytest.raises(RunError, match="has no prices between"):
            run(lake, "ema_cross", start=us("2025-01-01"))
        with pytest.raises(RunError, match="has no prices between"):
            run(lake, "ema_cross", end=us("2020-01-01"))
        with pytest.raises(SettingsError, match="not after its start"):
            request("ema_cross", start=START, end=START)

    def test_a_symbol_outside_the_instruments_file(self, lake):
        with pytest.raises(RunError, match="'BEE' is not in the instruments file"):
            run(lake, "ema_cross", instruments=listed(ADA={}))

    def test_an_unknown_run_to_resume(self, lake, full):
        with pytest.raises(RunError, match="has no run 'what'"):
            run(lake, STRATEGIES, resume="what")
        with pytest.raises(RunError, match="has no run ''"):
            run(lake, STRATEGIES, resume="")

    def test_a_start_before_the_end_of_what_is_resumed(self, lake):
        first = run(lake, "ema_cross", end=START)
        with pytest.raises(RunError, match="cannot start before"):
            run(lake, "ema_cross", resume=first.id, start=START - 1)

    def test_nothing_new_to_resume_on(self, lake, full):
        with pytest.raises(RunError, match="has no prices between"):
            run(lake, STRATEGIES, resume=full.id)

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            ({"settings": settings_of(costs={"fee_bps": 2})}, "account"),
            ({"settings": settings_of(gate={"max_open_positions": 4})}, "account"),
            ({"layout": "shared"}, "layout"),
            ({"symbols": ("ADA",)}, "symbols"),
            ({"strategies": "ema_cross,roc_momentum"}, "strategies"),
            ({"strategies": "ema_cross,sma_cross"}, "strategies"),
        ],
    )
    def test_another_definition_than_that_of_what_is_resumed(self, lake, changed, named):
        first = run(lake, "ema_cross", end=START, name="first")
        given = {"strategies": "ema_cross", "resume": first.id, **changed}
        with pytest.raises(RunError, match=rf"first cannot be resumed.*{named}"):
            run(lake, given.pop("strategies"), **given)

    def test_weights_that_were_others_then(self, lake):
        first = run(lake, TWO, layout="shared", end=START, weights=weights_from(0))
        others = weights_from(0)._replace(weight=np.array([[SCALE, SCALE]]))
        with pytest.raises(RunError, match=r"cannot be resumed.*weights"):
            run(lake, TWO, layout="shared", resume=first.id, weights=others)

    def test_instruments_that_changed(self, lake):
        first = run(lake, "ema_cross", symbols=("ADA",), end=START)
        with pytest.raises(RunError, match="instruments"):
            run(lake, "ema_cross", symbols=("ADA",), resume=first.id, instruments=listed(ADA={}))

    def test_code_that_changed(self, lake):
        first = run(lake, "ema_cross", end=START)
        path = first.folder / "run.json"
        facts = json.loads(path.read_text())
        facts["definition"]["sources"] = "0" * 32
        path.write_text(json.dumps(facts))
        with pytest.raises(RunError, match="cannot be resumed: sources differ"):
            run(lake, "ema_cross", resume=first.id)

    @pytest.mark.parametrize("damage", ["gone", "cut short", "altered"])
    @pytest.mark.parametrize("part", ["accounts", "symbols"])
    def test_saved_state_that_is_damaged(self, market, tmp_path, part, damage):
        lake = lake_of(tmp_path, {"DOG": market["DOG"]})
        first = run(lake, "ema_cross", end=START)
        path = first.folder / "state" / f"{part}.bin"
        data = bytearray(path.read_bytes())
        path.unlink()
        if damage != "gone":
            data[-1] ^= 1
            path.write_bytes(data[: len(data) // 2] if damage == "cut short" else data)
        with pytest.raises(StateError, match=rf"state/{part}.bin: cannot be resumed"):
            run(lake, "ema_cross", resume=first.id)
