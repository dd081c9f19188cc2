"""Settings: one file, overridable by environment, refused by name where they are wrong.

Names are the specification's (`tradepicker.maxOpenPositions`); attributes are snake_case
(`settings.tradepicker.max_open_positions`). In the environment the same setting is
`TRADING__TRADEPICKER__MAXOPENPOSITIONS`, in any case; it wins over the file.

Beyond the names that the specification lays down there are: `account.capital`, `limits.*`,
`costs.*`, `instruments.file`, `backtest.finalUnrealized`, `metrics.*`, `data.folder`,
`history.start`, `live.*`, `feeds.*`, `exchange.*`, `scoring.*`, `weights.*`.
"""

import os
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streaming.settings_values import (
    AccountName,
    BasisPoints,
    Chance,
    Count,
    Flag,
    Number,
    SecondsRange,
    SocketUrl,
    Speed,
    Zone,
)


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class Engine(_Section):
    """`engine.*`."""

    outputs: Literal["full", "matches-only"] = Field(
        default="full", description="what the engine writes; a backtest writes matches only, always"
    )


class Monitoring(_Section):
    """`monitoring.*`."""

    export: Literal["metrics", "fluss", "both"] = Field(
        default="metrics",
        description="where unrealised PnL goes: gauges, unrealized_pnl_latest, both",
    )


class TradePicker(_Section):
    """`tradepicker.*`: the gate."""

    max_open_positions: Count = Field(
        default=3, ge=1, description="open symbols that a key may have"
    )
    sell_requires_long: Flag = Field(
        default=True, description="a SELL needs a long position of its own strategy"
    )
    reserve_on_open: Flag = Field(default=True, description="a pending BUY holds a place")
    reservation_ttl_ms: Count = Field(
        default=300_000, ge=1, description="event time after which a pending BUY is cancelled, ms"
    )
    key: Literal["account", "account+strategy"] = Field(
        default="account", description="what the limit on open symbols counts by"
    )


class Dedupe(_Section):
    """`dedupe.*`."""

    ttl_days: Count = Field(default=7, ge=1, description="days for which a fill's id is remembered")


class EngineLateness(_Section):
    """`wm.engine.*`."""

    lateness_sec: Count = Field(default=5, ge=0, description="how far fills may be out of order, s")


class MonitorLateness(_Section):
    """`wm.monitor.*`."""

    lateness_sec: Count = Field(
        default=2, ge=0, description="how far rollup and prices may differ, s"
    )


class PriceLateness(_Section):
    """`wm.prices.*`."""

    lateness_sec: Count = Field(default=5, ge=0, description="how far bars may be out of order, s")


class Watermarks(_Section):
    """`wm.*`: watermark = largest event time seen - lateness."""

    engine: EngineLateness = EngineLateness()
    monitor: MonitorLateness = MonitorLateness()
    prices: PriceLateness = PriceLateness()


class Prices(_Section):
    """`prices.*`."""

    timeframe: Literal["1m"] = Field(default="1m", description="length of the bars that come in")


class Freshness(_Section):
    """`fluss.freshness.*`."""

    price: SecondsRange = Field(default="5-15s", description="commit cadence of prices to Fluss")


class Fluss(_Section):
    """`fluss.*`."""

    freshness: Freshness = Freshness()


class Indicators(_Section):
    """`indicators.*`."""

    intrabar: Flag = Field(default=False, description="also rows of bars that are not complete")


class Account(_Section):
    """`account.*`."""

    capital: Number = Field(
        default=Decimal(100_000), gt=0, description="what sizes and returns relate to"
    )


class Limits(_Section):
    """`limits.*`: what an account may hold, as multiples of its capital."""

    per_order: Number = Field(default=Decimal(1), gt=0, description="one order, x capital")
    per_symbol: Number = Field(default=Decimal(1), gt=0, description="one symbol, x capital")
    gross: Number = Field(default=Decimal(1), gt=0, description="all symbols together, x capital")


class Costs(_Section):
    """`costs.*`: what simulated fills cost."""

    slippage_bps: BasisPoints = Field(
        default=Decimal(1), ge=0, description="against the trader, bps"
    )
    fee_bps: BasisPoints = Field(default=Decimal(1), ge=0, description="of the notional, bps")


class Instruments(_Section):
    """`instruments.*`."""

    file: Path | None = Field(
        default=None, description="symbols with their lot sizes; relative to the settings file"
    )


class Backtest(_Section):
    """`backtest.*`."""

    final_unrealized: Flag = Field(
        default=False, description="add an unrealised snapshot where a run does not end flat"
    )


class Metrics(_Section):
    """`metrics.*`: how figures are bucketed and annualised."""

    timezone: Zone = Field(default="Europe/Oslo", description="whose days the daily figures count")
    days_per_year: Count = Field(default=365, ge=1, description="annualises daily figures")


class Data(_Section):
    """`data.*`."""

    folder: Path = Field(
        default=Path("data"),
        description="inbox, lake, warehouse and Dagster's own; relative to the settings file",
    )


class History(_Section):
    """`history.*`."""

    start: date = Field(
        default=date(2024, 1, 1), description="first day and month that have partitions"
    )


class InboxOfFeeds(_Section):
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


class SocketOfFeeds(_Section):
    """`feeds.socket.*`: a server for the live engine."""

    url: SocketUrl | None = Field(
        default=None, description="ws:// or wss://, of a WebSocket server"
    )


class Feeds(_Section):
    """`feeds.*`: where the live engine's bars and exec reports come from."""

    inbox: InboxOfFeeds = InboxOfFeeds()
    socket: SocketOfFeeds = SocketOfFeeds()


class Exchange(_Section):
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


class Live(_Section):
    """`live.*`: what the live engine runs, on which feed, over which store."""

    account: AccountName = Field(
        default="live", description="accountId that trades; paper:<account> is its shadow"
    )
    broker: Literal["paper", "exchange"] = Field(
        default="paper",
        description="who fills the orders: paper at the next bar, exchange as exchange.* has it",
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


class Scoring(_Section):
    """`scoring.*`: how strategies are scored."""

    window_days: Count = Field(default=365, ge=20, description="days that a score looks back on")


class Weighting(_Section):
    """`weights.*`: how scores become weights."""

    score_share: Number = Field(
        default=Decimal("0.5"), ge=0, le=1, description="share that follows the scores"
    )
    floor: Number = Field(
        default=Decimal("0.01"), ge=0, le=1, description="lowest weight; at most 0.2/n"
    )
    cap: Number = Field(
        default=Decimal("0.15"), gt=0, le=1, description="highest weight; at least 3/n"
    )
    max_change: Number = Field(
        default=Decimal("0.02"), ge=0, le=1, description="how far a weight may go in a day"
    )


class SettingLine(NamedTuple):
    """One setting as `describe` lists it; values as plain text, numbers and flags."""

    key: str
    value: Any
    default: Any
    source: str
    description: str


class Settings(BaseSettings):
    """Every setting; `Settings()` has the defaults, `load_settings` what holds here."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    engine: Engine = Engine()
    monitoring: Monitoring = Monitoring()
    tradepicker: TradePicker = TradePicker()
    dedupe: Dedupe = Dedupe()
    wm: Watermarks = Watermarks()
    prices: Prices = Prices()
    fluss: Fluss = Fluss()
    indicators: Indicators = Indicators()
    account: Account = Account()
    limits: Limits = Limits()
    costs: Costs = Costs()
    instruments: Instruments = Instruments()
    backtest: Backtest = Backtest()
    metrics: Metrics = Metrics()
    data: Data = Data()
    history: History = History()
    live: Live = Live()
    feeds: Feeds = Feeds()
    exchange: Exchange = Exchange()
    scoring: Scoring = Scoring()
    weights: Weighting = Weighting()

    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from `load_settings` alone: it knows each one's line, and all names."""
        return (init_settings,)

    def describe(self) -> list[SettingLine]:
        """List every setting: its value, its default, and where the value came from."""
        from streaming.settings_sources import leaves

        return [
            SettingLine(
                key,
                _plain(leaf.value_in(self)),
                _plain(leaf.field.default),
                self._sources.get(key, "default"),
                leaf.field.description or "",
            )
            for key, leaf in leaves(Settings).items()
        ]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value) if isinstance(value, Path | date) else value


def load_settings(
    path: str | Path | None = None,
    environ: Mapping[str, str] = os.environ,
    options: Mapping[str, tuple[str, Any]] | None = None,
) -> Settings:
    """Read the settings that hold here.

    Parameters
    ----------
    path : str or Path, optional
        TOML file. Without it the file that TRADING_SETTINGS names, else `settings.toml` in
        the working directory where there is one.
    environ : mapping
        `TRADING__SECTION__NAME` overrides the file; the process's environment unless given.

    options : mapping, optional
        What a command line sets, over all else: by the setting's name, what the option is
        called and its value, as in `{"costs.feeBps": ("--fee-bps", "0.5")}`.

    Raises
    ------
    SettingsError
        The file is missing or not TOML, or a name or value is wrong; the message names all
        that are, each with its place.
    """
    from streaming.settings_sources import read_sources

    values, sources = read_sources(Settings, path, environ, options or {})
    settings = Settings(**values)
    settings._sources.update(sources)
    return settings
