"""`trading live`, `catch-up` and `rebuild`: the live engine on the feed of the settings."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streaming.cli.options import SettingsFile
from streaming.cli.output import JsonFlag, print_json, say
from streaming.cli.stopping import told_to_stop

if TYPE_CHECKING:
    from streaming.runtimes.live.engine import Tick
    from streaming.runtimes.live.running import LiveReport
    from streaming.settings import Settings

_EVERY_SECONDS = 60.0
_ON_A_TERMINAL = 0.25

Folder = Annotated[
    Path | None, typer.Option(help="Folder of lake and store.  [default: data.folder]")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("live")(live)
    app.command("catch-up")(catch_up)
    app.command("rebuild")(rebuild)


def live(
    folder: Folder = None,
    settings: SettingsFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Run the live engine until it is stopped: Ctrl-C, or SIGTERM.

    The settings live.* say what it runs, and on which feed. It ends at a commit and gives
    its lease back; run again, it goes on where it was. Look at it with `trading status
    --watch`, or scrape its metrics.
    """
    _run(settings, folder, until_end=False, as_json=as_json)


def catch_up(
    folder: Folder = None,
    settings: SettingsFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Do what the live engine does up to the end of its input, and stop there."""
    _run(settings, folder, until_end=True, as_json=as_json)


def rebuild(
    folder: Folder = None,
    settings: SettingsFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Move a damaged store aside, and make a new one from the lake and the feed.

    What it does then is `catch-up` from the beginning: all that they still hold is decided
    again, and comes out the same. A store that is whole is left as it is.
    """
    from streaming.runtimes.live.rebuilding import damage_of, move_aside
    from streaming.runtimes.live.running import store_path
    from streaming.settings import load_settings

    held = load_settings(settings)
    store = store_path(held, folder or held.data.folder)
    if store.exists():
        damage = damage_of(store)
        if damage is None:
            say(f"{store}: the store is whole; nothing was moved.")
            return
        say(damage)
        say(f"Moved to {move_aside(store)}.")
    _run(settings, folder, until_end=True, as_json=as_json)


def _run(file: Path | None, folder: Path | None, *, until_end: bool, as_json: bool) -> None:
    from streaming.settings import load_settings

    held = load_settings(file)
    with told_to_stop("Stopping at the next commit; once more stops at once.\n") as stop:
        # Seconds of imports: a stop must not go unheard meanwhile.
        from streaming.runtimes.live.running import run_live

        with _told(held, folder, quiet=as_json) as on_tick:
            report = run_live(
                held,
                folder,
                until_end=until_end,
                holder=f"trading {'catch-up' if until_end else 'live'}",
                on_tick=on_tick,
                stop=stop,
            )
        if as_json:
            print_json(facts_of(report))
        else:
            say(f"{'Stopped' if report.stopped else 'Caught up'}: {words_of(report)}.")
        if report.stopped and until_end:
            stop.as_usual()


@contextmanager
def _told(
    settings: "Settings", folder: Path | None, *, quiet: bool
) -> "Iterator[Callable[[Tick | None], None]]":
    """Say what runs and how far it is: in place on a terminal, else a line now and then."""
    if quiet:
        yield lambda tick: None
        return
    from rich.console import Console

    from streaming.runtimes.live.running import LiveReport, store_path

    live = settings.live
    store = store_path(settings, folder or settings.data.folder)
    say(f"Account {live.account}, feed {live.feed}, store {store}.")
    if live.metrics_port:
        say(f"Metrics: http://127.0.0.1:{live.metrics_port}/metrics")
    report, began, said = LiveReport(), False, time.monotonic()
    terminal = sys.stderr.isatty()
    every = _ON_A_TERMINAL if terminal else _EVERY_SECONDS
    console = Console(stderr=True)
    with console.status("Starting") as line:

        def on_tick(tick: "Tick | None") -> None:
            nonlocal began, said
            if tick is not None:
                report.count(tick)
            now = time.monotonic()
            if began and now - said < every:
                return
            began, said = True, now
            if terminal:
                line.update(words_of(report) if report.ticks else "Waiting for bars")
            elif report.ticks:
                say(f"{words_of(report)}.")

        yield on_tick


def words_of(report: "LiveReport") -> str:
    """Say what a run did, in a line."""
    from streaming.runtimes.backtest.definition import time_text

    reached = "nothing decided yet"
    if report.complete_to is not None:
        reached = f"decided up to {time_text(report.complete_to)}"
    return f"{report.bars:,} bars in {report.ticks:,} ticks, {reached}"


def facts_of(report: "LiveReport") -> dict[str, Any]:
    """Give what a run did as plain values."""
    from streaming.runtimes.backtest.definition import time_text

    return {
        "bars": report.bars,
        "ticks": report.ticks,
        "completeTo": time_text(report.complete_to),
        "stopped": report.stopped,
    }
