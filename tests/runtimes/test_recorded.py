"""Recorded signals: fed back they give the same matches, and bad rows cost only themselves."""

import gzip
from random import Random

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from streaming.errors import RunError, SettingsError
from streaming.rules.bars import MINUTE_US

from .composed import assert_as_composed, micros, when
from .markets import (
    by_strategy,
    day_market,
    joined,
    lake_of,
    month_market,
    request,
    run,
    settings_of,
    single,
    us,
)
from .recordings import FROM_THE_GATE_ON, STRATEGIES, csv, quarantined, row, signals_of


@pytest.fixture(scope="module")
def market():
    return day_market(8, 500, 3)


@pytest.fixture(scope="module")
def lake(market, tmp_path_factory):
    return lake_of(tmp_path_factory.mktemp("recorded"), market)


class TestFedBack:
    @pytest.mark.parametrize("layout", ["per-strategy", "shared"])
    @pytest.mark.parametrize("form", ["parquet", "csv", "csv.gz", "shuffled", "said twice"])
    def test_traced_signals_give_the_same_rows(self, lake, tmp_path, layout, form):
        rules = settings_of(gate={"sell_requires_long": False}, limits={"gross": 2})
        one = run(lake, STRATEGIES, layout=layout, settings=rules)
        table = signals_of(one)
        if form == "shuffled":
            order = pa.array([i * 7919 % 100_003 for i in range(table.num_rows)])
            table = table.append_column("x", order).sort_by("x").drop_columns(["x"])
        if form == "said twice":
            table = pa.concat_tables([table, table.slice(3, 40)])
        path = tmp_path / f"signals.{form}"
        if form.startswith("csv"):
            text = pa.BufferOutputStream()
            pa.csv.write_csv(table, text)
            data = text.getvalue().to_pybytes()
            path.write_bytes(gzip.compress(data) if form.endswith("gz") else data)
        else:
            pq.write_table(table, path)
        again = run(lake, signals=path, layout=layout, settings=rules)
        for name in FROM_THE_GATE_ON:
            assert joined([again], name) == joined([one], name), name
        assert single(again, "open_positions_lots") == single(one, "open_positions_lots")
        assert again.id != one.id
        assert quarantined(again) == []
        assert again.facts["recordedSignals"] == {
            "used": one.facts["rows"]["strategy_signal_history"],
            "duplicate": 40 if form == "said twice" else 0,
            "quarantined": 0,
        }
        for name, figures in again.facts["figures"].items():
            assert figures == one.facts["figures"][name]

    def test_they_are_cut_like_any_other(self, tmp_path):
        lake = lake_of(tmp_path, month_market(9, 16, 40))
        one = run(lake, STRATEGIES)
        path = tmp_path / "signals.parquet"
        pq.write_table(signals_of(one), path)
        whole = run(lake, signals=path)
        made = []
        for end in (us("2024-01-26T08:19"), us("2024-02-01"), None):
            resume = made[-1].id if made else None
            made.append(run(lake, signals=path, end=end, resume=resume))
        for name in FROM_THE_GATE_ON:
            assert joined(made, name) == joined([whole], name) == joined([one], name), name
        assert single(made[-1], "open_positions_lots") == single(whole, "open_positions_lots")

    @pytest.mark.parametrize("layout", ["per-strategy", "shared"])
    def test_a_file_for_each_window_keeps_the_positions_of_who_falls_silent(self, tmp_path, layout):
        """What a strategy holds or has ordered does not vanish with its last signal."""
        lake = lake_of(tmp_path, month_market(9, 16, 40))
        cut = us("2024-01-26T08:19")
        known = run(lake, STRATEGIES, layout=layout, end=cut)
        holder = single(known, "open_positions_lots")[0]["strategyId"]
        signals = signals_of(run(lake, STRATEGIES, layout=layout))
        first = pa.compute.less_equal(signals["signalTs"].cast(pa.int64()), cut)
        silent = pa.compute.equal(signals["strategyId"], holder)
        late = pa.compute.and_(pa.compute.invert(first), pa.compute.invert(silent))
        whole, *parts = (tmp_path / f"{n}.parquet" for n in range(3))
        pq.write_table(signals.filter(pa.compute.or_(first, late)), whole)
        pq.write_table(signals.filter(first), parts[0])
        pq.write_table(signals.filter(late), parts[1])
        wanted = run(lake, signals=whole, layout=layout)
        one = run(lake, signals=parts[0], layout=layout, end=cut)
        two = run(lake, signals=parts[1], layout=layout, resume=one.id)
        for name in FROM_THE_GATE_ON:
            assert joined([one, two], name) == joined([wanted], name), name
        lots = single(wanted, "open_positions_lots")
        assert single(two, "open_positions_lots") == lots
        assert holder in {row["strategyId"] for row in lots}

    @pytest.mark.parametrize("layout", ["per-strategy", "shared"])
    def test_the_oracle_agrees(self, lake, market, tmp_path, layout):
        """Strategies that nobody knows, many signals at one time, some between bars."""
        rng = Random(5)
        rows: dict[str, list[dict]] = {}
        for strategy in ("Zeta", "alpha", "alpha/2"):
            for symbol in sorted(market):
                first = int(market[symbol].ts[0]) // MINUTE_US
                for minute in rng.sample(range(first, first + 400), 40):
                    signal = {
                        "strategyId": strategy,
                        "symbol": symbol,
                        "timeframe": "M1",
                        "signalTs": when(minute // 3 * 3 * MINUTE_US),
                        "action": rng.choice(["BUY", "SELL"]),
                        "sizeHint": rng.choice([1.0, 0.3, 1e-8]),
                        "confidence": rng.choice([0.0, 0.5, 1.0]),
                        "strategyVersion": "1",
                        "paramsHash": "0",
                    }
                    if signal["signalTs"] >= when(first * MINUTE_US):
                        rows.setdefault(strategy, []).append(signal)
        once = {
            name: list({(row["symbol"], row["signalTs"]): row for row in one}.values())
            for name, one in rows.items()
        }
        path = tmp_path / "signals.parquet"
        pq.write_table(pa.Table.from_pylist([row for one in once.values() for row in one]), path)
        rules = settings_of(gate={"sell_requires_long": False}, limits={"gross": 2})
        given = {"signals": path, "layout": layout, "settings": rules}
        found = run(lake, **given)
        assert found.facts["recordedSignals"]["used"] == sum(map(len, once.values())) > 200
        assert_as_composed(request(**given), found, market, once)


class TestRoster:
    def test_silent_strategies_have_their_part_of_a_shared_account(self, lake, tmp_path):
        path = csv(tmp_path, row(), row("2024-01-22T06:09:00Z", strategy="t"))
        shared = {"signals": path, "layout": "shared"}
        weights = {}
        for roster in (None, ("s", "t"), ("s", "t", "ema_cross", "rsi_reversion"), ("t",)):
            found = run(lake, roster=roster, **shared)
            accepted = by_strategy(found, "accepted_trade_signal_history")
            weights[roster] = {name: rows[0]["weight"] for name, rows in accepted.items() if rows}
            assert list(found.facts["figures"]) == sorted(roster or ("s", "t"))
        assert list(weights.values()) == [
            {"s": 0.5, "t": 0.5},
            {"s": 0.5, "t": 0.5},
            {"s": 0.25, "t": 0.25},
            {"t": 1.0},
        ]

    def test_signals_of_others_are_quarantined(self, lake, tmp_path):
        path = csv(tmp_path, row(), row(strategy="t"), row(strategy="u", action="HOLD"))
        found = run(lake, signals=path, roster=("t",))
        reasons = dict(quarantined(found))
        assert reasons[1] == "the strategy is not among those of this run"
        assert reasons.keys() == {1, 3}
        assert list(found.facts["figures"]) == ["t"]

    def test_it_is_part_of_the_runs_identity_in_any_order(self, lake, tmp_path):
        path = csv(tmp_path, row(), row("2024-01-22T06:09:00Z", strategy="t"))
        ids = [
            run(lake, signals=path, layout="shared", roster=roster).id
            for roster in (None, ("s", "t"), ("t", "s"), ("s", "t", "ema_cross"))
        ]
        assert ids[1] == ids[2]
        assert len(set(ids)) == 3

    def test_it_is_for_recorded_signals(self, lake):
        with pytest.raises(SettingsError, match="roster is for recorded signals"):
            run(lake, STRATEGIES, roster=("s",))

    def test_windows_with_files_of_their_own_give_the_rows_of_one_run(self, lake, tmp_path):
        lines = [row(), row("2024-01-22T07:00:00Z", strategy="t"), row("2024-01-22T07:09:00Z")]
        noon = us("2024-01-22T06:30")
        given = {"layout": "shared", "roster": ("s", "t", "ema_cross")}
        wanted = run(lake, signals=csv(tmp_path, *lines), **given)
        one = run(lake, signals=csv(tmp_path, lines[0]), end=noon, **given)
        path = csv(tmp_path, *lines[1:])
        two = run(lake, signals=path, resume=one.id, **given)
        for name in FROM_THE_GATE_ON:
            assert joined([one, two], name) == joined([wanted], name), name
        left_out = run(lake, signals=path, resume=one.id, layout="shared")
        assert joined([one, left_out], "trade_match_history") == joined(
            [wanted], "trade_match_history"
        )
        with pytest.raises(RunError, match="its strategies are ema_cross, s, t, others"):
            run(lake, signals=path, resume=one.id, layout="shared", roster=("s", "t"))


def test_the_content_of_the_file_is_part_of_the_runs_identity(lake, tmp_path):
    one = run(lake, signals=csv(tmp_path, row()))
    moved = tmp_path / "other.csv"
    moved.write_bytes((tmp_path / "signals.csv").read_bytes())
    assert run(lake, signals=moved).id == one.id
    assert run(lake, signals=csv(tmp_path, row(size="0.4"))).id != one.id


def test_strategies_are_not_asked_where_signals_are_recorded(lake, tmp_path):
    path = csv(tmp_path, row())
    ids = {run(lake, names, signals=path).id for names in ("all", "ema_cross")}
    assert len(ids) == 1


@pytest.mark.parametrize("name", ["a/b", "../../../up", "..", "%41", "x" * 500, "\u00f8" * 90])
def test_a_strategy_may_have_any_name(lake, tmp_path, name):
    path = tmp_path / "deep" / "signals.parquet"
    path.parent.mkdir()
    once = run(lake, signals=csv(tmp_path, row(), row("2024-01-22T06:09:00Z", "SELL")))
    signals = pa.csv.read_csv(tmp_path / "signals.csv")
    signals = signals.set_column(0, "strategyId", pa.array([name] * 2))
    pq.write_table(signals, path)
    before = {one for one in lake.root.rglob("*") if "runs" not in one.parts}
    found = run(lake, signals=path)
    assert found.matches()["strategyId"].to_pylist() == [name]
    assert found.matches()["realizedPnl"] == once.matches()["realizedPnl"]
    assert {one for one in lake.root.rglob("*") if "runs" not in one.parts} == before


def test_signals_outside_the_window_are_not_taken(lake, tmp_path):
    lines = [row(f"2024-01-22T0{hour}:00:00Z") for hour in (6, 7, 8)]
    given = {"start": us("2024-01-22T06:00"), "end": us("2024-01-22T07:00")}
    found = run(lake, signals=csv(tmp_path, *lines), **given)
    taken = by_strategy(found, "accepted_trade_signal_history")["s"]
    assert [micros(one["ts"]) for one in taken] == [us("2024-01-22T07:00")]
