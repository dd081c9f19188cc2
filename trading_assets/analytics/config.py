"""What a person may set for a run in the UI, over the settings that hold."""

from decimal import Decimal

import dagster as dg
from pydantic import Field

from streaming.errors import SettingsError
from streaming.jobs.strategies import make
from streaming.settings import Settings
from trading_assets.analytics.months import Plan, overridden
from trading_assets.platform import Platform


class BacktestConfig(dg.Config):
    """Overrides for one launch; what is left empty is as the settings say.

    A run with any of them is kept under a runId of its own, beside the partition's standard
    run, which it does not replace.
    """

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

    @property
    def standard(self) -> bool:
        """Whether nothing is overridden that could change a row."""
        return self.model_copy(update={"threads": 2}) == BacktestConfig()

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
        except ValueError as error:
            raise SettingsError(f"Run configuration: {error}") from error
