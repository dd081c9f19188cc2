"""What every asset needs: the settings that hold, and the one folder that keeps everything."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import dagster as dg

from streaming.instruments import Instruments
from streaming.lake import Lake
from streaming.settings import Settings, load_settings


@dataclass(frozen=True)
class Folders:
    """The data folder, and what lies where in it. Deleting it starts afresh.

    Attributes
    ----------
    root
        The setting `data.folder`, absolute.
    """

    root: Path

    @property
    def inbox(self) -> Path:
        """Files of bars that people and feeds drop; each is imported once."""
        return self.root / "inbox"

    @property
    def refused(self) -> Path:
        """Files of the inbox that could not be read, each with the reason beside it."""
        return self.root / "refused"

    @property
    def ledger(self) -> Path:
        """Which files of the inbox have been imported, by content."""
        return self.root / "imported" / "ledger.json"

    @property
    def imported_days(self) -> Path:
        """What the lake is to have of each day of prices, by month."""
        return self.root / "imported" / "days"

    @property
    def lake(self) -> Path:
        """History as Parquet: see `streaming.lake`."""
        return self.root / "lake"

    @property
    def partitions(self) -> Path:
        """Which run or file each partition of an asset stands for."""
        return self.root / "partitions"

    @property
    def verdicts(self) -> Path:
        """Which partitions passed which check as they are; deleting it costs time alone."""
        return self.root / "verdicts"

    @property
    def metrics(self) -> Path:
        """Equity metrics as Parquet, by asset and partition."""
        return self.root / "metrics"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file with views over all of it."""
        return self.root / "warehouse.duckdb"

    @property
    def dagster(self) -> Path:
        """Dagster's own: runs, events, schedules (DAGSTER_HOME)."""
        return self.root / "dagster"


@dataclass(frozen=True)
class Platform:
    """Settings, folders and lake, for the functions that assets call.

    To Dagster it is a resource without configuration: a launch cannot turn it to another
    folder, and its form shows what a person sets and nothing else.

    Attributes
    ----------
    settings_file : str
        TOML file; empty: as for the command line (TRADING_SETTINGS, else settings.toml).
    folder : str
        The data folder; empty: the setting `data.folder`.
    """

    settings_file: str = ""
    folder: str = ""

    @cached_property
    def settings(self) -> Settings:
        """The settings that hold here, read once."""
        return load_settings(self.settings_file or None)

    @cached_property
    def folders(self) -> Folders:
        """What lies where."""
        return Folders(Path(self.folder or self.settings.data.folder).resolve())

    @cached_property
    def instruments(self) -> Instruments:
        """Facts of each symbol, from the file that the settings name."""
        from streaming.feeds.instruments import load_instruments

        return load_instruments(self.settings.instruments.file)

    def lake(self) -> Lake:
        """Open the lake."""
        return Lake(self.folders.lake)


def platform_resource(platform: Platform) -> dg.ResourceDefinition:
    """Give the platform of a location to its runs, and to each tick of a sensor.

    It has no configuration, and reads the settings anew each time: who has edited them need not
    start the UI again.
    """
    return dg.ResourceDefinition(
        lambda _: replace(platform), description="The data folder, and the settings that hold."
    )


PlatformResource = dg.ResourceParam[Platform]
"""How a function that Dagster calls asks for the platform of its location."""


def rules_are_new() -> bool:
    """Tell whether the rules as they are now have never been compiled for this user."""
    from streaming.rules.compile import numba

    return not any(Path(numba.config.CACHE_DIR).rglob("*.nbi"))
