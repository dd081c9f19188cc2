"""Runs of the live location's jobs in processes of their own, on a data folder with a market."""

import os
import signal
import time
from pathlib import Path

import dagster as dg
from runtimes.markets import lake_of

from streaming.contracts import TABLES
from streaming.store import StoreReader
from trading_assets.home import make_home
from trading_assets.live.definitions import definitions
from trading_assets.live.engine import ENGINE_JOB, store_of
from trading_assets.live.keeper import KEEPER
from trading_assets.platform import Platform

INSTANCE = Path(__file__).parents[2] / "dagster.yaml"
STRATEGIES = "bollinger_reversion,ema_cross,roc_momentum"
_MOST_SECONDS = 120
FAST = 6_000
"""Seconds of the market in one: some ticks a second."""


class LiveFolder:
    """A data folder, and what runs on it.

    Parameters
    ----------
    root
        Made with the bars of a market.
    """

    def __init__(self, root: Path, market, speed=FAST, lease_seconds=15) -> None:
        self.root = root
        root.mkdir(parents=True)
        lake_of(root / "data" / "lake", market)
        self.settle(speed=speed, lease_seconds=lease_seconds)
        make_home(self.platform, INSTANCE)

    def settle(self, speed=FAST, lease_seconds=15) -> None:
        """Write the settings."""
        file = self.root / "settings.toml"
        file.write_text(
            f'[live]\nstrategies = "{STRATEGIES}"\nspeed = "{speed}"\n'
            f"leaseSeconds = {lease_seconds}\nmetricsPort = 0\n"
        )
        self.platform = Platform(settings_file=str(file), folder=str(self.root / "data"))

    @property
    def store(self) -> Path:
        """The store's file."""
        return store_of(self.platform)

    def opened(self) -> dg.DagsterInstance:
        """Open the instance."""
        return dg.DagsterInstance.from_config(str(self.platform.folders.dagster))

    def start(self, job: str = ENGINE_JOB, before=lambda platform: None) -> int:
        """Begin a run of a job, and give its process."""
        pid = os.fork()
        if pid:
            return pid
        signal.alarm(_MOST_SECONDS)
        log = os.open(self.root / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            before(self.platform)
            with self.opened() as instance:
                made = definitions(self.platform).resolve_job_def(job)
                made.execute_in_process(instance=instance, raise_on_error=False)
        finally:
            os._exit(0)

    def runs(self) -> list[dg.DagsterRun]:
        """Give all runs, the newest first."""
        with self.opened() as instance:
            return list(instance.get_runs())

    def run_of(self, pid: int, seconds=60) -> str:
        """Wait until the run of a process has the lease and has committed; give its id."""
        self.until(lambda: self._lease_of(pid), seconds)
        seen = self.commits()
        self.until(lambda: self.commits() > seen, seconds)
        return self._lease_of(pid)

    def _lease_of(self, pid: int) -> str:
        if not self.store.exists():
            return ""
        try:
            with StoreReader(self.store) as reader:
                lease = reader.lease()
        except Exception:  # its tables are being made
            return ""
        mine = lease.process.pid == pid and not lease.released
        return lease.holder.split()[-1] if mine else ""

    def commits(self) -> int:
        """How many commits the store has."""
        with StoreReader(self.store) as reader:
            return reader.ticks().number

    def status(self, run_id: str) -> str:
        """Give the status that Dagster has of a run."""
        with self.opened() as instance:
            return instance.get_run_by_id(run_id).status.value

    def said(self, run_id: str) -> str:
        """Everything that the events of a run say."""
        with self.opened() as instance:
            events = [(one.message, one.dagster_event) for one in instance.all_logs(run_id)]
        return "\n".join(f"{text} {event and event.event_specific_data}" for text, event in events)

    def keep(self) -> dg.RunRequest | dg.SkipReason:
        """Do one tick of the keeper."""
        with self.opened() as instance:
            sensor = definitions(self.platform).get_repository_def().get_sensor_def(KEEPER)
            context = dg.build_sensor_context(
                instance=instance, resources={"platform": self.platform}
            )
            return sensor(context)

    @staticmethod
    def until(true, seconds=60):
        """Wait until something is true."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.05)

    @staticmethod
    def wait(pid: int) -> int:
        """Give what a process exited with."""
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def dump(store: Path) -> dict:
    """Every table of a store, but for the wall clock and the order of input."""
    with StoreReader(store) as reader, reader.snapshot() as view:
        tables = {}
        for name, table in TABLES.items():
            if name == "watermark_history":
                continue
            rows = view.rows(table)
            tables[name] = rows.drop([one for one in ("calcTs",) if one in rows.column_names])
        return tables
