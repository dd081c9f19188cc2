"""Fills of the account that trades, told by its broker and by a feed: each counts once."""

import csv

import pytest
from feeds.arriving import REPORTS
from runtimes.markets import day_market, lake_of

from streaming.feeds.inbox_feed import InboxFeed
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings
from streaming.store import TableStore

from .test_broker import TAME, Watched, reports
from .test_broker import run as run_broker
from .test_service import dump


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    market = {name: bars.rows(0, 400) for name, bars in day_market(5).items()}
    return lake_of(tmp_path_factory.mktemp("copies") / "lake", market)


def feed_files(folder, strategies):
    """Go on with the store on the inbox alone."""
    store = TableStore(folder / "live.db", holder="test", lease_seconds=0.0)
    exchange = Watched(folder / "exchange.db", TAME)
    service = LiveService(
        store, LivePlan(Settings(), strategies, broker="exchange"), broker=exchange
    )
    for _ in service.run(InboxFeed(folder / "in", settle_seconds=0.0, follow=False)):
        pass
    store.close()
    exchange.close()


def test_a_copy_of_what_the_broker_said_is_the_same_fill(tmp_path, lake, strategies):
    run_broker(tmp_path, lake, strategies, TAME)
    before = dump(tmp_path / "live.db")
    told = reports(before).select(REPORTS.split(","))
    assert told.num_rows > 20
    (tmp_path / "in" / "reports").mkdir(parents=True)
    with (tmp_path / "in" / "reports" / "copies.csv").open("w") as file:
        lines = csv.writer(file)
        lines.writerow(told.column_names)
        rows = [list(row.values()) for row in told.to_pylist()]
        lines.writerows(rows)
        # One that the broker has not told, of an order that it has.
        cells = dict(zip(told.column_names, rows[0], strict=True))
        lines.writerow([*(cells | {"fillId": "more"}).values()])
    feed_files(tmp_path, strategies)
    after = dump(tmp_path / "live.db")
    new = after["risk_alerts_history"].slice(before["risk_alerts_history"].num_rows)
    codes = set(new.column("code").to_pylist())
    assert reports(after).num_rows == 2 * told.num_rows + 1
    assert not after["quarantine_history"].num_rows
    # The one is applied, late, and found at the broker's next reconciliation.
    assert "LATE_FILL" in codes
    messages = [row["message"] for row in new.to_pylist() if row["code"] == "LATE_FILL"]
    assert len(messages) == 1
    assert messages[0].startswith("fill more of order ")
