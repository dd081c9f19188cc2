"""Matches to measure: notes on what lies outside their window, and groups that never traded."""

from analytics.books import a_lot, a_match, lot_table, match_table, us
from streaming.analytics.sources import Source


def test_each_group_notes_its_own_matches_outside():
    early = a_match(openTs=us("2013-10-06T14:00"), matchTimestamp=us("2013-10-06T15:00"))
    late = a_match(strategyId="t", matchTimestamp=us("2013-10-08T15:00"))
    source = Source(
        match_table([a_match(), early, late, late]),
        window=(us("2013-10-07T08:00"), us("2013-10-07T16:00")),
    )
    assert [report.notes for report in source.reports(tz="UTC")] == [
        ("1 match before 2013-10-07, the first day of the run, does not count",),
        ("2 matches after 2013-10-07, the last day of the run, do not count",),
    ]


def test_a_run_without_a_match_has_one_report_with_its_lots():
    source = Source(
        match_table([]),
        lot_table([a_lot()]),
        window=(us("2013-10-07T08:00"), us("2013-10-07T16:00")),
        groups={"run": ["r1"]},
    )
    [report] = source.reports(by="run")
    assert report.name == "r1"
    assert report.exposure > 0
