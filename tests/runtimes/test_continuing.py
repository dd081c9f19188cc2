"""Windows of one continuous backtest: in any order, after any stop, the same runs and bytes."""

import json
from itertools import permutations

import pytest

from streaming.errors import RunError, SettingsError
from streaming.jobs.price_rows import rows_of_bars
from streaming.rules.bars import join_bars
from streaming.runtimes.backtest import continuing
from streaming.runtimes.backtest import run as running

from .composed import micros, when
from .markets import (
    HISTORY,
    files,
    forget_runs,
    joined,
    lake_of,
    month_market,
    run,
    settings_of,
    until,
    us,
)

STRATEGIES = "ema_cross,previous_day_breakout,hour_trend_pullback"
EDGES = [us("2024-01-01"), us("2024-02-01"), us("2024-03-01"), us("2024-04-01")]
JANUARY, FEBRUARY, MARCH = range(3)
# So wide that symbols do not get into each other's way.
WIDE = settings_of(gate={"max_open_positions": 10}, capital=10_000)


def month(lake, place, **given):
    given = {"trace": True, "settings": WIDE, **given}
    return run(lake, STRATEGIES, rows_after=EDGES[place], end=EDGES[place + 1], **given)


@pytest.fixture(scope="module")
def market():
    return month_market(6)


@pytest.fixture
def lake(market, tmp_path):
    return lake_of(tmp_path, market)


@pytest.fixture
def begun_from(monkeypatch):
    """What each run took as its beginning, in the order of the runs computed."""
    begun = []

    def newest_state(*given):
        saved = continuing.newest_state(*given)
        begun.append(saved.run)
        return saved

    monkeypatch.setattr(running, "newest_state", newest_state)
    return begun


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
def test_months_in_any_order_are_the_same_runs_to_the_byte(lake, layout, begun_from):
    seen = []
    for order in permutations(range(3)):
        forget_runs(lake)
        made = {place: month(lake, place, layout=layout) for place in order}
        seen.append({place: (one.id, files(one)) for place, one in made.items()})
    assert all(one == seen[0] for one in seen)
    assert begun_from.count(None) == 11  # of 18: the others went on from an earlier month

    whole = run(lake, STRATEGIES, trace=True, settings=WIDE, layout=layout)
    months = [month(lake, place, layout=layout) for place in range(3)]
    for table in HISTORY:
        assert joined(months, table) == joined([whole], table)
        assert joined(months, table)


def test_months_between_are_traded_in_silence(lake, begun_from):
    first, last = month(lake, JANUARY), month(lake, MARCH)
    assert begun_from == [None, first.id]
    assert {key[0] for key in joined([last], "trade_match_history")} == {"2024-03"}
    assert last.facts["window"]["start"] == "2024-03-01T00:00:00Z"


def test_a_window_of_several_months_is_those_months(lake):
    two = run(lake, STRATEGIES, rows_after=EDGES[1], end=EDGES[3], trace=True, settings=WIDE)
    months = [month(lake, FEBRUARY), month(lake, MARCH)]
    for table in HISTORY:
        assert joined([two], table) == joined(months, table)


def test_the_same_month_again_is_there_already(lake, begun_from):
    first = month(lake, FEBRUARY)
    month(lake, JANUARY)
    assert month(lake, FEBRUARY).id == first.id
    assert begun_from == [None, None]


def test_bars_that_come_to_an_earlier_month_make_other_runs(market, tmp_path, begun_from):
    ada = market["ADA"]
    late = {"ADA": ada.rows(40, 50)}
    kept = {**market, "ADA": join_bars([ada.rows(0, 40), ada.rows(50, len(ada))])}
    lake = lake_of(tmp_path / "lake", kept)
    before = [month(lake, place).id for place in range(3)]
    lake.write_prices(rows_of_bars(late, "late"))
    after = [month(lake, place) for place in range(3)]
    assert not {one.id for one in after} & set(before)
    assert begun_from[3:] == [None, after[0].id, after[1].id]
    whole = run(lake, STRATEGIES, trace=True, settings=WIDE)
    for table in HISTORY:
        assert joined(after, table) == joined([whole], table)


@pytest.mark.parametrize("known_to", ["2024-02-13T12:00", "2024-02-13", "2024-02-29T23:58"])
def test_a_month_in_progress_is_run_again_when_more_of_it_has_come(market, tmp_path, known_to):
    lake = lake_of(tmp_path / "lake", until(market, us(known_to)))
    january, begun = month(lake, JANUARY), month(lake, FEBRUARY)
    assert begun.definition["completeTo"] is not None
    lake.write_prices(rows_of_bars(dict(market), "test"))
    ended = [month(lake, place) for place in range(3)]
    assert ended[0].id == january.id
    assert ended[1].id != begun.id
    whole = run(lake, STRATEGIES, trace=True, settings=WIDE)
    for table in HISTORY:
        assert joined(ended, table) == joined([whole], table)


def test_a_symbol_that_lists_later_leaves_earlier_months_alone(market, tmp_path):
    listed = {name: bars for name, bars in market.items() if name != "DOG"}
    lake = lake_of(tmp_path / "lake", listed)
    january = month(lake, JANUARY)
    march = market["DOG"].rows(0, 500)
    march = march._replace(ts=march.ts + EDGES[2] - march.ts[0] + 60_000_000)
    lake.write_prices(rows_of_bars({"DOG": march}, "test"))
    assert month(lake, JANUARY).id == january.id
    months = [month(lake, place) for place in range(3)]
    assert [len(one.definition["symbols"]) for one in months] == [4, 4, 5]
    whole = run(lake, STRATEGIES, trace=True, settings=WIDE)
    for table in HISTORY:
        assert joined(months, table) == joined([whole], table)


@pytest.mark.parametrize("part", ["symbols.bin", "accounts.bin"])
def test_a_damaged_state_is_passed_over(lake, begun_from, part):
    first, second = month(lake, JANUARY), month(lake, FEBRUARY)
    path = second.folder / "state" / part
    path.write_bytes(path.read_bytes()[:-1])
    third = month(lake, MARCH)
    assert begun_from[-1] == first.id
    forget_runs(lake)
    assert files(month(lake, MARCH)) == files(third)


def test_other_parameters_are_another_backtest(lake, begun_from):
    month(lake, JANUARY)
    month(lake, FEBRUARY, settings=settings_of(capital=9_000))
    month(lake, FEBRUARY, symbols=("ADA", "BEE"))
    run(lake, "ema_cross", rows_after=EDGES[1], end=EDGES[2], settings=WIDE)
    assert begun_from == [None] * 4


def test_a_month_after_the_last_bar_is_refused(lake):
    with pytest.raises(RunError, match="has no prices after 2024-05-01"):
        run(lake, STRATEGIES, rows_after=us("2024-05-01"), end=us("2024-06-01"))


def test_a_month_without_bars_before_later_ones_has_no_rows(market, tmp_path):
    moved = {
        name: bars.rows(0, 300)
        if name != "ADA"
        else bars._replace(ts=bars.ts + (bars.ts > EDGES[1]) * (EDGES[3] - EDGES[1]))
        for name, bars in until(market, us("2024-01-30")).items()
    }
    later = market["ADA"]._replace(ts=market["ADA"].ts + EDGES[3] - market["ADA"].ts[0])
    lake = lake_of(tmp_path / "lake", {**moved, "ADA": moved["ADA"]})
    lake.write_prices(rows_of_bars({"ADA": later}, "test"))
    empty = month(lake, FEBRUARY)
    assert empty.facts["rows"].get("trade_match_history", 0) == 0
    assert empty.definition["completeTo"] is None


def test_months_between_symbols_that_ended_and_others_that_list_are_empty(market, tmp_path):
    """What was ordered at the last bar is cancelled in its time, as in one run over all."""
    one = run(lake_of(tmp_path / "all", market), STRATEGIES, trace=True, settings=WIDE)
    accepted = joined([one], "accepted_trade_signal_history").values()
    bought = [row["ts"] for rows in accepted for row in rows if row["action"] == "BUY"]
    last = max(ts for ts in bought if ts < when(us("2024-01-31")))
    ended = until(market, micros(last))
    later = market["BEE"]._replace(ts=market["BEE"].ts + us("2024-04-10") - market["BEE"].ts[0])
    lake = lake_of(tmp_path / "lake", {**ended, "ZOE": later})
    edges = [*EDGES, us("2024-05-01"), us("2024-06-01")]
    months = [
        run(lake, STRATEGIES, rows_after=edges[at], end=edges[at + 1], trace=True, settings=WIDE)
        for at in (4, 2, 1, 3, 0)
    ]
    months.sort(key=lambda one: one.facts["window"]["start"])
    assert [one.definition["completeTo"] is None for one in months] == [True] * 4 + [False]
    assert not sum(months[1].facts["rows"].get(name, 0) for name in HISTORY)
    whole = run(lake, STRATEGIES, trace=True, settings=WIDE)
    for table in HISTORY:
        assert joined(months, table) == joined([whole], table)
    cancelled = joined(months[:1], "order_event_history").values()
    assert any(row["event"] == "CANCELLED" for rows in cancelled for row in rows)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"resume": "x"}, "leave out the run to resume"),
        ({"end": EDGES[1]}, "not after the time whose rows"),
        ({"start": EDGES[2]}, "cannot begin before the window's start"),
    ],
)
def test_what_makes_no_sense_together_is_refused(lake, wrong, message):
    with pytest.raises(SettingsError, match=message):
        run(lake, STRATEGIES, **{"rows_after": EDGES[1], **wrong})


@pytest.mark.parametrize("definition", [[1], None, {"symbols": 3}])
def test_a_neighbour_that_says_nonsense_is_passed_over(lake, begun_from, definition):
    first, second = month(lake, JANUARY), month(lake, FEBRUARY)
    path = second.folder / "run.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "definition": definition}))
    month(lake, MARCH)
    assert begun_from[-1] == first.id


def test_a_table_that_is_empty_in_a_window_counts_alike_in_any_order(lake):
    """Counted or not, whether rows before the window were seen: see the months above."""
    edges = [EDGES[0], us("2024-03-04T23:00"), us("2024-03-05T02:00")]
    seen = []
    for order in ([1], [0, 1]):
        forget_runs(lake)
        made = [
            run(
                lake, "previous_day_breakout", rows_after=edges[at], end=edges[at + 1],
                trace=True, settings=WIDE,
            )
            for at in order
        ]  # fmt: skip
        seen.append(files(made[-1]))
    assert seen[0] == seen[1]
