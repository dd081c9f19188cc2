"""Recorded signals that cannot be used: bad rows cost only themselves, bad files are named."""

import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from streaming.contracts import STRATEGY_SIGNAL_HISTORY, arrow_schema
from streaming.errors import ContractError, RunError, SourceError
from streaming.runtimes.runs import runs

from .composed import micros
from .markets import (
    by_strategy,
    day_market,
    lake_of,
    run,
    single,
    us,
)
from .recordings import HEADER, STRATEGIES, csv, quarantined, row


@pytest.fixture(scope="module")
def market():
    return day_market(8, 500, 3)


@pytest.fixture(scope="module")
def lake(market, tmp_path_factory):
    return lake_of(tmp_path_factory.mktemp("recorded"), market)


class TestBadRows:
    def test_each_costs_only_itself_and_tells_its_row_and_why(self, lake, tmp_path):
        path = csv(
            tmp_path,
            row(),  # 1
            row("2024-01-22T06:01:00Z", "HOLD"),
            row("2024-01-22T06:02:00Z", size="0"),
            row("2024-01-22T06:03:00Z", size="1.5"),
            row("2024-01-22T06:04:00Z", size="nan"),
            row("2024-01-22T06:05:00Z", confidence="-0.1"),
            row("2024-01-22T06:06:30Z"),
            row("yesterday"),
            row("2024-01-22T06:08:00Z", symbol="CAB"),
            row("2024-01-22T05:00:00Z"),
            "too,few,cells",
            row("2024-01-22T06:10:00Z", "SELL"),
            row("2999-01-22T06:10:00Z", "SELL"),
            row("1969-01-22T06:10:00Z", "SELL"),
            row(strategy=""),
            row("2024-01-22T06:00:00Z"),  # says again what the first says
            row("2024-01-22T06:00:00Z", size="0.4"),  # says otherwise
            row("2024-01-22T06:12:00Z", size="0.000000004"),
        )
        found = run(lake, signals=path)
        reasons = dict(quarantined(found))
        told = {
            2: "action",
            3: "sizeHint",
            4: "sizeHint",
            5: "sizeHint",
            6: "confidence",
            7: "whole minute",
            8: "signalTs",
            9: "no prices of this symbol",
            10: "no price yet",
            11: "3 cells for 9 columns",
            13: "future",
            14: "before 1970",
            15: "strategyId",
            17: "differs",
            18: "nothing once rounded to 1e-8",
        }
        assert reasons.keys() == told.keys()
        for number, words in told.items():
            assert words in reasons[number], (number, reasons[number])
        assert found.facts["recordedSignals"] == {
            "used": 2,
            "duplicate": 1,
            "quarantined": len(told),
        }
        used = [r["action"] for r in by_strategy(found, "accepted_trade_signal_history")["s"]]
        assert used == ["BUY", "SELL"]

    def test_they_are_kept_whole(self, lake, tmp_path):
        header = HEADER + ",note"
        lines = [
            row() + ",good",
            row("2024-01-22T06:01:00Z", "HOLD") + ",bad cell",
            row("2024-01-22T05:00:00Z") + ",too early",
            row(size="0.7") + ",differs",
        ]
        found = run(lake, signals=csv(tmp_path, *lines, header=header))
        kept = single(found, "quarantine_history")
        assert [json.loads(one["row"])["note"] for one in kept] == [
            "bad cell",
            "too early",
            "differs",
        ]
        assert [json.loads(one["row"])["sizeHint"] for one in kept] == ["0.5", "0.5", "0.7"]
        assert {one["tableName"] for one in kept} == {"strategy_signal_history"}
        assert {one["source"] for one in kept} == {"signals.csv"}
        assert [micros(one["ts"]) for one in kept] == [
            us("2024-01-22T06:01"),
            us("2024-01-22T05:00"),
            us("2024-01-22T06:00"),
        ]

    def test_of_differing_ones_the_first_in_the_file_counts(self, lake, tmp_path):
        lines = [
            row(size="0.7"),
            row("2024-01-22T06:30:00Z", "SELL"),
            row(size="0.1"),
            row("2024-01-22T06:00:00Z", "SELL"),
        ]
        found = run(lake, signals=csv(tmp_path, *lines))
        assert [number for number, _ in quarantined(found)] == [3, 4]
        sizes = [r["sizeHint"] for r in by_strategy(found, "accepted_trade_signal_history")["s"]]
        assert sizes[0] == 0.7

    def test_symbols_that_are_left_out_are_told_from_unknown_ones(self, lake, tmp_path):
        path = csv(tmp_path, row(), row(symbol="BAT"), row(symbol="BATT"))
        found = run(lake, signals=path, symbols=("ANT",))
        assert quarantined(found) == [
            (2, "the symbol is not among those of this run"),
            (3, "the lake has no prices of this symbol"),
        ]

    def test_a_signal_at_the_first_bar_is_the_first_that_can_be_used(self, lake, market, tmp_path):
        first = market["ANT"].ts[0]
        times = [
            pa.scalar(int(ts), pa.timestamp("us", "UTC")) for ts in (first - 60_000_000, first)
        ]
        lines = [row(time.as_py().isoformat()) for time in times]
        found = run(lake, signals=csv(tmp_path, *lines))
        assert [number for number, _ in quarantined(found)] == [1]
        (order,) = by_strategy(found, "accepted_trade_signal_history")["s"]
        assert micros(order["ts"]) == first


class TestRefused:
    def test_a_file_that_is_not_there_or_no_file(self, lake, tmp_path):
        before = runs(lake)
        with pytest.raises(SourceError, match=r"nowhere\.csv"):
            run(lake, signals=tmp_path / "nowhere.csv")
        with pytest.raises(SourceError, match=str(tmp_path)):
            run(lake, signals=tmp_path)
        assert runs(lake) == before

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00\x01\x02", b"PAR1 not really", b"{}"])
    def test_a_file_that_is_no_table(self, lake, tmp_path, content):
        path = tmp_path / "signals"
        path.write_bytes(content)
        with pytest.raises(SourceError, match=str(path)):
            run(lake, signals=path)

    def test_a_header_and_no_rows(self, lake, tmp_path):
        with pytest.raises(SourceError, match=r"no (rows|signal)"):
            run(lake, signals=csv(tmp_path))
        path = tmp_path / "empty.parquet"
        pq.write_table(arrow_schema(STRATEGY_SIGNAL_HISTORY).empty_table(), path)
        with pytest.raises(SourceError, match="no rows"):
            run(lake, signals=path)

    def test_no_row_that_can_be_used(self, lake, tmp_path):
        path = csv(tmp_path, row(symbol="ZZZ"), row("2024-01-22T06:00:00Z", "HOLD"))
        with pytest.raises(SourceError, match=r"no signal that can be used. Row 1: the lake has"):
            run(lake, signals=path)

    def test_a_column_that_is_missing_or_doubled(self, lake, tmp_path):
        lines = [row()]
        missing = HEADER.replace("confidence", "trust")
        with pytest.raises(ContractError, match=r"column confidence.*is missing"):
            run(lake, signals=csv(tmp_path, *lines, header=missing))
        doubled = HEADER.replace("paramsHash", "action")
        with pytest.raises(ContractError, match=r"column \w+ .*is (there 2 times|missing)"):
            run(lake, signals=csv(tmp_path, *lines, header=doubled))

    def test_to_go_on_from_signals_with_strategies_and_the_other_way(self, lake, tmp_path):
        path = csv(tmp_path, row())
        noon = us("2024-01-22T08:00")
        recorded = run(lake, signals=path, end=noon)
        made = run(lake, STRATEGIES, end=noon)
        with pytest.raises(RunError, match="signals"):
            run(lake, STRATEGIES, resume=recorded.id)
        with pytest.raises(RunError, match="signals"):
            run(lake, signals=path, resume=made.id)
