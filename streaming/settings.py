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

from pydantic import Field, PrivateAttr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streaming.settings_live import Exchange, Feeds, Live
from streaming.settings_values import (
    BasisPoints,
    Count,
    Flag,
    Number,
    SecondsRange,
    Section,
    Zone,
)


class Engine(Section):
    """`engine.*`."""

    outputs: Literal["full", "matches-only"] = Field(
        default="full", description="what the engine writes; a backtest writes matches only, always"
    )


class Monitoring(Section):
    """`monitoring.*`."""

    export: Literal["metrics", "fluss", "both"] = Field(
        default="metrics",
        description="where unrealised PnL goes: gauges, unrealized_pnl_latest, both",
    )


class TradePicker(Section):
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


class Dedupe(Section):
    """`dedupe.*`."""

    ttl_days: Count = Field(default=7, ge=1, description="days for which a fill's id is remembered")


class EngineLateness(Section):
    """`wm.engine.*`."""

    lateness_sec: Count = Field(default=5, ge=0, description="how far fills may be out of order, s")


class MonitorLateness(Section):
    """`wm.monitor.*`."""

    lateness_sec: Count = Field(
        default=2, ge=0, description="how long a bar waits for others until positions are marked, s"
    )


class PriceLateness(Section):
    """`wm.prices.*`."""

    lateness_sec: Count = Field(default=5, ge=0, description="how far bars may be out of order, s")


class Watermarks(Section):
    """`wm.*`: watermark = largest event time seen - lateness."""

    engine: EngineLateness = EngineLateness()
    monitor: MonitorLateness = MonitorLateness()
    prices: PriceLateness = PriceLateness()


class Prices(Section):
    """`prices.*`."""

    timeframe: Literal["1m"] = Field(default="1m", description="length of the bars that come in")


class Freshness(Section):
    """`fluss.freshness.*`."""

    price: SecondsRange = Field(default="5-15s", description="commit cadence of prices to Fluss")


class Fluss(Section):
    """`fluss.*`."""

    freshness: Freshness = Freshness()


class Indicators(Section):
    """`indicators.*`."""

    intrabar: Flag = Field(default=False, description="also rows of bars that are not complete")


class Account(Section):
    """`account.*`."""

    capital: Number = Field(
        default=Decimal(100_000), gt=0, description="what sizes and returns relate to"
    )


class Limits(Section):
    """`limits.*`: what an account may hold, as multiples of its capital."""

    per_order: Number = Field(default=Decimal(1), gt=0, description="one order, x capital")
    per_symbol: Number = Field(default=Decimal(1), gt=0, description="one symbol, x capital")
    gross: Number = Field(default=Decimal(1), gt=0, description="all symbols together, x capital")


class Costs(Section):
    """`costs.*`: what simulated fills cost."""

    slippage_bps: BasisPoints = Field(
        default=Decimal(1), ge=0, description="against the trader, bps"
    )
    fee_bps: BasisPoints = Field(default=Decimal(1), ge=0, description="of the notional, bps")


class Instruments(Section):
    """`instruments.*`."""

    file: Path | None = Field(
        default=None, description="symbols with their lot sizes; relative to the settings file"
    )


class Backtest(Section):
    """`backtest.*`."""

    final_unrealized: Flag = Field(
        default=False, description="add an unrealised snapshot where a run does not end flat"
    )


class Metrics(Section):
    """`metrics.*`: how figures are bucketed and annualised."""

    timezone: Zone = Field(default="Europe/Oslo", description="whose days the daily figures count")
    days_per_year: Count = Field(default=365, ge=1, description="annualises daily figures")


class Data(Section):
    """`data.*`."""

    folder: Path = Field(
        default=Path("data"),
        description="inbox, lake, warehouse and Dagster's own; relative to the settings file",
    )


class History(Section):
    """`history.*`."""

    start: date = Field(
        default=date(2024, 1, 1), description="first day and month that have partitions"
    )


class Scoring(Section):
    """`scoring.*`: how strategies are scored."""

    window_days: Count = Field(default=365, ge=20, description="days that a score looks back on")


class Weighting(Section):
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
