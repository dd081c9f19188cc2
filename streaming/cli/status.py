"""`trading status`: how the live engine's store stands."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streaming.cli.options import InstrumentsFile, SettingsFile
from streaming.cli.output import JsonFlag, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from streaming.runtimes.live.status import Status

_EVERY_SECONDS = 1.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("status")(status)


def status(
    store: Annotated[Path, typer.Option(help="File of the table store.")],
    watch: Annotated[bool, typer.Option("--watch", help="Refresh in place until stopped.")] = False,
    instruments: InstrumentsFile = None,
    settings: SettingsFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Show positions, PnL, the last tick, lag, lease and rejections of a store."""
    if watch and as_json:
        raise typer.BadParameter("--json prints once; leave out --watch", param_hint="--json")
    from rich.console import Console, Group
    from rich.live import Live

    from streaming.feeds.instruments import load_instruments
    from streaming.runtimes.live.status import read_status
    from streaming.settings import load_settings

    held = load_settings(settings)
    listed = load_instruments(instruments or held.instruments.file)
    if as_json:
        print_json(_facts(read_status(store, listed)))
        return
    if not watch:
        Console().print(Group(*_tables(read_status(store, listed))))
        return
    with Live(Group(*_tables(read_status(store, listed))), screen=False) as shown:
        while True:
            time.sleep(_EVERY_SECONDS)
            shown.update(Group(*_tables(read_status(store, listed))))


def _facts(found: "Status") -> dict[str, Any]:
    return {
        "completeTo": _time(found.complete_to),
        "committed": _time(found.committed),
        "commits": found.commits,
        "lagSeconds": found.lag_seconds,
        "lease": {
            "holder": found.lease.holder,
            "pid": found.lease.process.pid,
            "epoch": found.lease.epoch,
            "held": found.held,
        },
        "positions": [one._asdict() for one in found.positions],
        "realized": [
            {"account": account, "strategy": strategy, "net": net}
            for account, strategy, net in found.realized
        ],
        "rejected": [
            {"account": account, "code": code, "count": count}
            for (account, code), count in found.rejected.items()
        ],
        "alerts": [
            {"ts": _time(ts), "code": code, "message": text} for ts, code, text in found.alerts
        ],
        "rows": found.rows,
    }


def _tables(found: "Status") -> "list[RenderableType]":
    from rich.table import Table

    lag = "" if found.lag_seconds is None else f", {_span(found.lag_seconds)} behind the clock"
    state = "holds" if found.held else "has ended"
    head = (
        f"Decided up to {_time(found.complete_to)}{lag}. {found.commits:,} commits, the last at "
        f"{_time(found.committed)}.\nLease: {found.lease} {state}."
    )
    positions = Table(title="Open positions", title_justify="left")
    for name in ("account", "strategy", "symbol"):
        positions.add_column(name)
    for name in ("quantity", "average", "price", "unrealised"):
        positions.add_column(name, justify="right")
    for one in found.positions:
        positions.add_row(
            *one[:3], *("" if value is None else f"{value:,.4f}" for value in one[3:])
        )
    realized = Table(title="Realised, net of fees", title_justify="left")
    for name in ("account", "strategy"):
        realized.add_column(name)
    realized.add_column("net PnL", justify="right")
    for account, strategy, net in found.realized:
        realized.add_row(account, strategy, f"{net:,.2f}")
    rejected = Table(title="Rejected signals", title_justify="left")
    for name in ("account", "code"):
        rejected.add_column(name)
    rejected.add_column("signals", justify="right")
    for (account, code), count in found.rejected.items():
        rejected.add_row(account, code, f"{count:,}")
    alerts = [f"{_time(ts)} {code}: {text}" for ts, code, text in found.alerts]
    return [head, positions, realized, rejected, *(["Newest alerts:", *alerts] if alerts else [])]


def _time(ts: int | None) -> str | None:
    from streaming.runtimes.backtest.definition import time_text

    return time_text(None if ts is None else ts // 1_000_000 * 1_000_000)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 3600:,.1f} h" if seconds < 172_800 else f"{seconds / 86_400:,.0f} days"
