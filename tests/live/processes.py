"""`trading live` as a process that starts at once, on a data folder with a lake."""

import os
import signal

from runtimes.markets import lake_of
from store.zygote import Zygote, lines, until

from streaming.errors import StoreError
from streaming.store import Process, StoreReader

from .conftest import NAMES


class Engines:
    """Data folders, and engines on them.

    Parameters
    ----------
    root
        Where things are put.
    market
        Whose compiled rules are loaded before the first engine starts.
    """

    def __init__(self, root, market):
        self.root = root
        self._number = 0
        self._zygote = Zygote("tests.live.commands", self.folder("first", market))

    def __enter__(self):
        self._zygote.__enter__()
        return self

    def __exit__(self, *why):
        self._zygote.__exit__(*why)

    def folder(self, name, market, **live):
        """Make a folder of that name with the bars of a market, and its settings."""
        made = self.root / name
        lake_of(made / "data" / "lake", market)
        self.settle(made, **live)
        return made

    @staticmethod
    def settle(folder, more="", **live):
        """Write the settings."""
        words = {"strategies": ",".join(NAMES), "metricsPort": 0, "speed": "max"} | live
        text = "".join(f"{key} = {value!r}\n" for key, value in words.items())
        (folder / "settings.toml").write_text(f"[live]\n{text}{more}")

    def start(self, folder, *words):
        """Start `trading` in a folder."""
        self._number += 1
        return Engine(self._zygote, folder, words, self._number)


class Engine:
    """A process of `trading` with some words."""

    def __init__(self, zygote, folder, words, number):
        self._told = folder / f"told{number}"
        self._log = folder / f"log{number}"
        self.pid = zygote.fork("trading", folder, self._told, words=words, log=str(self._log))
        here = Process.this()
        self._process = Process(self.pid, 0, here.boot, here.space)
        self._here = here

    @property
    def gone(self):
        return self._process.gone(self._here)

    @property
    def said(self):
        """What it has printed."""
        return self._log.read_text() if self._log.exists() else ""

    def kill(self, number=signal.SIGKILL):
        """Send it a signal, and wait until it has ended."""
        os.kill(self.pid, number)
        until(lambda: self.gone)

    def ended(self, seconds=120):
        """Wait for its end; give what it exited with."""
        until(lambda: self.gone, seconds)
        (word,) = lines(self._told) or ["exit nothing"]
        assert word.startswith("exit "), f"{word}\n{self.said}"
        return int(word.removeprefix("exit "))


def store_of(folder):
    return folder / "data" / "store" / "live.db"


def commits(store):
    """How many commits a store has; 0 where it is still being made."""
    try:
        with StoreReader(store) as reader:
            return reader.ticks().number
    except StoreError:
        return 0
