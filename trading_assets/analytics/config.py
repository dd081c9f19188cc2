"""What a person may set for a run in the UI, over the settings that hold."""

from collections.abc import Collection, Iterable
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from streaming.errors import SettingsError
from streaming.jobs.strategies import Strategy, make, select
from streaming.moments import micros_of
from streaming.settings import Settings
from streaming.settings_sources import problem
from trading_assets.analytics.forms import Checked
from trading_assets.analytics.months import Plan, overridden
from trading_assets.platform import Platform

if TYPE_CHECKING:
    from streaming.runtimes.backtest import BacktestRequest


class Overrides(Checked):
    """What one launch may have otherwise; what is left empty is as the settings say."""

    capital: float | None = Field(
        default=None,
        gt=0,
        lt=1e10,
        description="Capital of an account, in its currency; more than 0.",
    )
    slippage_bps: float | None = Field(
        default=None,
        ge=0,
        lt=1e4,
        description="Slippage against the trader, basis points; 0 to below 10000.",
    )
    fee_bps: float | None = Field(
        default=None,
        ge=0,
        lt=1e4,
        description="Fees, basis points of the notional; 0 to below 10000.",
    )
    max_open_positions: int | None = Field(
        default=None, ge=1, description="How many symbols an account may hold at once; 1 or more."
    )
    symbols: list[str] = Field(
        default_factory=list, description="Symbols that take part; empty: all with prices."
    )
    params: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="Parameters by strategy, as {'sma_cross': {'fast': 20}}.",
    )
    threads: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Strategies run side by side, 1 to 64; rows do not depend on it.",
    )

    def check(self, platform: Platform) -> None:
        """Refuse what no partition could be run with; see `plan`."""
        self.plan(platform)
        if self.symbols:
            # It brings numba: only for a launch that names symbols.
            from streaming.runtimes.backtest.window import check_symbols

            lake = platform.lake()
            check_symbols(lake, lake.days(), self.symbols, platform.instruments)

    def plan(self, platform: Platform) -> Plan:
        """Give what the months are run with.

        Raises
        ------
        SettingsError
            If a value, a strategy or a parameter is out of its limits; it is named.
        """
        for name, params in self.params.items():
            make(name, **params)
        return Plan(
            settings=self._settings(platform.settings),
            instruments=platform.instruments,
            symbols=tuple(sorted(set(self.symbols))) or None,
            params=self.params,
            threads=self.threads,
        )

    def _settings(self, settings: Settings) -> Settings:
        changes: dict[str, dict[str, object]] = {
            "account": {"capital": self.capital},
            "costs": {"slippage_bps": self.slippage_bps, "fee_bps": self.fee_bps},
            "tradepicker": {"max_open_positions": self.max_open_positions},
        }
        given = {
            section: {
                name: Decimal(repr(value)) if isinstance(value, float) else value
                for name, value in values.items()
                if value is not None
            }
            for section, values in changes.items()
        }
        try:
            return overridden(settings, **{name: one for name, one in given.items() if one})
        except ValidationError as error:
            found = (problem(str(one["loc"][-1]), one["input"], one) for one in error.errors())
            raise SettingsError(f"{'; '.join(found)}.") from error

    def _strangers(self, taking_part: Iterable[str]) -> list[str]:
        """Give the strategies with parameters here that do not take part."""
        return sorted(set(self.params) - set(taking_part))


class BacktestConfig(Overrides):
    """Overrides for one launch of partitions.

    A run with any of them is kept under a runId of its own, beside the partition's standard
    run, which it does not replace. Values that hold anyway override nothing.
    """

    @property
    def given(self) -> dict[str, object]:
        """What was set that could change a row."""
        return {
            name: value
            for name, value in self.model_dump(exclude_defaults=True).items()
            if name != "threads"
        }

    def check_taking_part(self, strategies: Collection[str]) -> None:
        """Refuse parameters of a strategy that is not among those of the launch.

        Raises
        ------
        SettingsError
            It is named.
        """
        if strangers := self._strangers(strategies):
            raise SettingsError(
                f"params: strategy {strangers[0]} is not in this launch, which is of "
                f"{', '.join(sorted(strategies))}. Leave it out, or launch its partition."
            )


class Account(Enum):
    """Who trades in an account."""

    per_strategy = "per-strategy"
    shared = "shared"


class WindowConfig(Overrides):
    """A backtest of any window, in either account layout."""

    start: str = Field(
        default="", description="Signals after this time (ISO, UTC); empty: from the first bar."
    )
    end: str = Field(default="", description="Up to this time (ISO, UTC); empty: to the last bar.")
    strategies: list[str] = Field(
        default_factory=list, description="Strategies that take part; empty: all."
    )
    account: Account = Field(
        default=Account.per_strategy,
        description="per_strategy: each strategy alone in an account; shared: all in one.",
    )
    trace: bool = Field(
        default=False, description="Keep signals, orders and fills too, not matches alone."
    )
    name: str = Field(default="", description="A name to keep with the runId; empty: none.")

    def check(self, platform: Platform) -> None:
        """Refuse times and strategies that are none, too."""
        super().check(platform)
        self._chosen()
        _moment("start", self.start)
        _moment("end", self.end)

    def request(self, platform: Platform) -> "BacktestRequest":
        """Give what `trading backtest` would be asked for.

        Raises
        ------
        SettingsError
            If a value, a time, a strategy or a parameter cannot be meant; it is named.
        """
        from streaming.runtimes.backtest import BacktestRequest

        plan = self.plan(platform)
        chosen = self._chosen()
        return BacktestRequest(
            settings=plan.settings,
            strategies=tuple(make(one.id, **self.params.get(one.id, {})) for one in chosen),
            symbols=plan.symbols,
            start=_moment("start", self.start),
            end=_moment("end", self.end),
            layout=self.account.value,
            instruments=plan.instruments,
            name=self.name or None,
            trace=self.trace,
            final_unrealized=True,
            threads=self.threads,
        )

    def _chosen(self) -> list[Strategy]:
        chosen = select(",".join(self.strategies) or "all")
        if strangers := self._strangers(one.id for one in chosen):
            raise SettingsError(f"params: strategy {strangers[0]} does not take part.")
        return chosen


def _moment(field: str, text: str) -> int | None:
    try:
        return micros_of(text) if text else None
    except ValueError as error:
        raise SettingsError(f"{field} = {text!r}: {error}") from error
