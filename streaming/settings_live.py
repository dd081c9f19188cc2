"""Settings of the live engine: its feeds, its brokers, and itself."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field

from streaming.settings_values import AccountName, Chance, Count, Number, Section, SocketUrl, Speed


class InboxOfFeeds(Section):
    """`feeds.inbox.*`: files for the live engine."""

    folder: Path | None = Field(
        default=None, description="where they are put; none: live-inbox in data.folder"
    )
    settle_seconds: Count = Field(
        default=1, ge=0, description="how long a file must be unchanged before it is taken, s"
    )

    def folder_in(self, data: Path) -> Path:
        """Give the inbox of a data folder."""
        return self.folder or data / "live-inbox"


class SocketOfFeeds(Section):
    """`feeds.socket.*`: a server for the live engine."""

    url: SocketUrl | None = Field(
        default=None, description="ws:// or wss://, of a WebSocket server"
    )


class Feeds(Section):
    """`feeds.*`: where the live engine's bars and exec reports come from."""

    inbox: InboxOfFeeds = InboxOfFeeds()
    socket: SocketOfFeeds = SocketOfFeeds()


class Exchange(Section):
    """`exchange.*`: how the simulated exchange behaves; costs are those of `costs.*`."""

    seed: Count = Field(default=0, ge=0, description="of all that it leaves to chance")
    reject: Chance = Field(default=Decimal(0), description="chance that an order is rejected")
    expire: Chance = Field(default=Decimal(0), description="chance that a bar ends an order")
    wait: Chance = Field(default=Decimal(0), description="chance that a bar passes an order by")
    part: Chance = Field(default=Decimal(0), description="chance that a bar fills only a part")
    twice: Chance = Field(default=Decimal(0), description="chance that a fill is told twice")
    delay_ms: Count = Field(
        default=0, ge=0, description="event time that a report takes at most, each its own, ms"
    )


class Live(Section):
    """`live.*`: what the live engine runs, on which feed, over which store."""

    account: AccountName = Field(
        default="live", description="accountId that trades; paper:<account> is its shadow"
    )
    broker: Literal["paper", "exchange"] = Field(
        default="paper",
        description="who fills the orders: paper at the next bar, exchange as exchange.* has it",
    )
    daily_loss_limit: Number | None = Field(
        default=None,
        gt=0,
        description="loss of a day, realised and unrealised, at which nothing new is opened, "
        "currency; none: no limit",
    )
    strategies: str = Field(default="all", description="ids with commas between them, or all")
    feed: Literal["replay", "inbox", "socket"] = Field(
        default="replay",
        description="where bars come from: the lake, played again; files of an inbox; a server",
    )
    speed: Speed = Field(
        default="max", description="of a replay: seconds of the market in one, or max"
    )
    start: date | None = Field(
        default=None, description="first UTC day that is traded; features see the lake before it"
    )
    store: Path | None = Field(
        default=None, description="the table store; none: store/live.db in data.folder"
    )
    lease_seconds: Count = Field(
        default=15, ge=1, description="how long the lease outlives its last heartbeat, s"
    )
    run_hours: Count = Field(
        default=6, ge=1, description="after which Dagster's run ends at a commit, and is renewed"
    )
    report_seconds: Count = Field(
        default=300,
        ge=60,
        description="between two events of a table in Dagster's pages, at least, s",
    )
    keep_days: Count = Field(
        default=1, ge=1, description="ended UTC days of history that stay in the store"
    )
    metrics_port: Count = Field(
        default=9464, ge=0, le=65_535, description="Prometheus on 127.0.0.1; 0: none"
    )
    top_symbols: Count = Field(
        default=20, ge=0, description="symbols with a series of their own, the largest first"
    )

    def store_in(self, folder: Path) -> Path:
        """Give the table store of a data folder."""
        return self.store or folder / "store" / "live.db"

    @property
    def market_seconds(self) -> float | None:
        """Seconds of the market in one; None: as fast as can be."""
        return None if self.speed == "max" else float(self.speed)
