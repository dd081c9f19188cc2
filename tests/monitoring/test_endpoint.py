"""The endpoint over HTTP: every name as the specification has it, and nothing else."""

import socket
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from runtimes.markets import us

from streaming.monitoring.definitions import METRICS, metrics_markdown
from streaming.monitoring.endpoint import Board, Endpoint
from streaming.monitoring.figures import (
    BUCKETS,
    Booked,
    Durations,
    Figures,
    OwnerFigures,
    SymbolFigures,
    Tally,
)

from .scraping import fetch, scrape

OWNER = ["account", "strategy"]
SPECIFIED = {
    "te_unrealized_pnl_total": ("gauge", OWNER),
    "te_realized_pnl_total": ("gauge", OWNER),
    "te_net_exposure": ("gauge", OWNER),
    "te_open_positions_count": ("gauge", OWNER),
    "tp_signals_accepted_total": ("counter", ["account", "reason"]),
    "tp_signals_rejected_total": ("counter", ["code"]),
    "engine_matches_emitted_total": ("counter", []),
    "te_rollup_staleness_seconds": ("gauge", ["symbol"]),
    "prices_bar_delay_seconds": ("gauge", ["symbol"]),
}
MINUTE, HOUR = 60_000_000, 3_600_000_000
NOW = 1_711_969_200_000_000
"""Monday 2024-04-01 11:00 UTC."""

FIGURES = Figures(
    owners=(
        OwnerFigures("live", "a", 2, 12.5, -300.0),
        OwnerFigures("paper:live", "a", 1, -0.25, 99.0),
    ),
    booked=(Booked("live", "a", 7.0, 0.5), Booked("live", "gone", -3.0, 0.25)),
    symbols=(
        SymbolFigures("ANT", NOW - 2 * MINUTE, None, True),
        SymbolFigures('B"E\nE', NOW - MINUTE, None, False),
    ),
    tally=Tally(
        accepted={"live": 4, "paper:live": 9},
        rejected={"live": {"OPEN_LIMIT_EXCEEDED": 3}, "paper:live": {"OPEN_LIMIT_EXCEEDED": 1}},
        late={"bar": 1, "fill": 2},
        duplicates={"bar": 5, "fill": 6},
        matches=11,
        quarantined=8,
    ),
    commits=Durations().plus(0.004).plus(0.3).plus(99.0),
    committed=NOW - MINUTE,
    decided_to=NOW - 3 * MINUTE,
)


@pytest.fixture
def board():
    return Board(lambda: 1.5, clock=lambda: NOW)


@pytest.fixture
def port(board):
    with Endpoint(board, 0) as endpoint:
        yield endpoint.port


def test_names_kinds_and_labels_are_the_specified_ones(board, port):
    board.publish(FIGURES)
    values, kinds = scrape(port)
    text = fetch(port)[2]
    labels = {
        sample.name: sorted(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    for name, (kind, wanted) in SPECIFIED.items():
        assert kinds[name] == kind, name
        assert labels[name] == wanted, name
    own = {name for name in values if not name.startswith("process_")}
    histogram = "engine_checkpoint_duration_seconds"
    expected = {one.name for one in METRICS if one.kind != "histogram"}
    assert own == expected | {f"{histogram}_{part}" for part in ("bucket", "count", "sum")}
    assert "process_resident_memory_bytes" in values


def test_every_figure_is_told(board, port):
    board.publish(FIGURES)
    values, _ = scrape(port)
    assert values["te_unrealized_pnl_total"] == {("live", "a"): 12.5, ("paper:live", "a"): -0.25}
    assert values["te_net_exposure"] == {("live", "a"): -300.0, ("paper:live", "a"): 99.0}
    assert values["te_open_positions_count"] == {("live", "a"): 2, ("paper:live", "a"): 1}
    assert values["te_realized_pnl_total"] == {("live", "a"): 7.0, ("live", "gone"): -3.0}
    assert values["te_fees_total"] == {("live", "a"): 0.5, ("live", "gone"): 0.25}
    assert values["tp_signals_accepted_total"] == {("live", "OK"): 4, ("paper:live", "OK"): 9}
    assert values["tp_signals_rejected_total"] == {("OPEN_LIMIT_EXCEEDED",): 4}
    assert values["engine_matches_emitted_total"] == {(): 11}
    assert values["engine_late_events_total"] == {("bar",): 1, ("fill",): 2}
    assert values["engine_duplicates_dropped_total"] == {("bar",): 5, ("fill",): 6}
    assert values["engine_quarantined_rows_total"] == {(): 8}
    assert values["te_rollup_staleness_seconds"] == {("ANT",): 180.0}
    assert values["prices_bar_delay_seconds"] == {("ANT",): 120.0, ('B"E\nE',): 60.0}
    assert values["engine_lease_age_seconds"] == {(): 1.5}
    assert values["engine_last_tick_timestamp_seconds"] == {(): (NOW - MINUTE) / 1e6}
    assert values["engine_decided_to_timestamp_seconds"] == {(): (NOW - 3 * MINUTE) / 1e6}
    buckets = values["engine_checkpoint_duration_seconds_bucket"]
    assert len(buckets) == len(BUCKETS) + 1
    assert (buckets["0.005",], buckets["0.25",], buckets["0.5",]) == (1, 1, 2)
    assert (buckets["10.0",], buckets["+Inf",]) == (2, 3)
    assert values["engine_checkpoint_duration_seconds_sum"] == {(): pytest.approx(99.304)}


def test_what_is_no_more_leaves_no_series_behind(board, port):
    board.publish(FIGURES)
    scrape(port)
    board.publish(Figures(booked=FIGURES.booked, tally=FIGURES.tally))
    values, kinds = scrape(port)
    gone = {"te_unrealized_pnl_total", "te_net_exposure", "te_open_positions_count"}
    gone |= {"te_rollup_staleness_seconds", "prices_bar_delay_seconds"}
    assert gone & set(values) == set()
    assert gone < set(kinds)
    assert values["te_realized_pnl_total"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pandas, in exchange_calendars
@pytest.mark.parametrize(
    ("last", "now", "seconds"),
    [
        ("2024-03-28T20:00", "2024-03-29T15:00", 0),  # Good Friday
        ("2024-03-28T20:00", "2024-04-01T13:30", 0),  # until the bell on Monday
        ("2024-03-28T20:00", "2024-04-01T13:31:30", 90),
        ("2024-03-28T19:58", "2024-03-31T12:00", 120),  # the session's last minutes missed
        ("2024-04-01T14:00", "2024-04-01T14:03", 180),
    ],
)
def test_while_the_calendar_is_closed_nothing_gets_stale(last, now, seconds):
    at = us(now)
    board = Board(lambda: None, clock=lambda: at)
    figures = (
        SymbolFigures("SPY", us(last), "XNYS", True),
        SymbolFigures("BTC", us(last), None, True),
    )
    board.publish(Figures(symbols=figures, decided_to=us(last)))
    with Endpoint(board, 0) as endpoint:
        values, _ = scrape(endpoint.port)
    always = (at - us(last)) / 1e6
    for name in ("prices_bar_delay_seconds", "te_rollup_staleness_seconds"):
        assert values[name] == {("SPY",): seconds, ("BTC",): always}
    assert "engine_lease_age_seconds" not in values


def test_scrapers_that_ask_for_openmetrics_get_what_allows_our_names(board, port):
    asked = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
    status, kind, text = fetch(port, **asked)
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "# EOF" not in text


def test_only_loopback_is_served_and_only_metrics(board):
    with Endpoint(board, 0) as endpoint:
        assert fetch(endpoint.port, "/")[0] == 404
        with socket.socket() as other, pytest.raises(OSError, match="refused"):
            other.connect(("127.0.0.2", endpoint.port))
        with pytest.raises(OSError, match="in use"):
            Endpoint(board, endpoint.port)
    with pytest.raises(ConnectionRefusedError):
        fetch(endpoint.port)


def test_scrapes_amid_publishing_are_each_of_one_moment(board, port):
    """All of a scrape is of one published set of figures, however they change meanwhile."""
    done = threading.Event()

    def publish():
        number = 0
        while not done.is_set():
            number += 1
            owners = tuple(OwnerFigures("live", f"s{at}", 1, number, number) for at in range(50))
            board.publish(Figures(owners=owners, tally=Tally(matches=number)))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        for _ in range(20):
            values, _ = scrape(port)
            seen = {*values.get("te_net_exposure", {}).values()}
            assert len(seen) <= 1
            if seen:
                assert values["engine_matches_emitted_total"] == {(): seen.pop()}
    finally:
        done.set()
        thread.join()


def test_the_page_of_metrics_is_up_to_date():
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text() == metrics_markdown(), "make docs"
