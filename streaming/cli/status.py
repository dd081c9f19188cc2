"""`trading status`: how the live engine's store stands."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streaming.cli.options import InstrumentsFile, SettingsFile
from streaming.cli.output import JsonFlag, console, print_json
from streaming.cli.stopping import told_to_stop

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from streaming.instruments import Instruments
    from streaming.runtimes.live.status import Halt, Position, Status

_EVERY_SECONDS = 1.0

_IN_PLACE = 12
"""Positions shown where the page must stay on a screen: the largest."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("status")(status)


def status(
    store: Annotated[
        Path | None, typer.Option(help="File of the table store.  [default: live.store]")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh in place until stopped.")] = False,
    instruments: InstrumentsFile = None,
    settings: SettingsFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Show positions, PnL, the last tick, lag, lease, halts and rejections of a store."""
    if watch and as_json:
        raise typer.BadParameter("--json prints once; leave out --watch", param_hint="--json")
    from rich.console import Group

    from streaming.feeds.instruments import load_instruments
    from streaming.runtimes.live.running import store_path
    from streaming.runtimes.live.status import read_status
    from streaming.settings import load_settings

    held = load_settings(settings)
    listed = load_instruments(instruments or held.instruments.file)
    path = store or store_path(held, held.data.folder)
    if as_json:
        print_json(_facts(read_status(path, listed)))
    elif watch:
        _watch(path, listed)
    else:
        console().print(Group(*_page(read_status(path, listed))))


def _watch(store: Path, instruments: "Instruments") -> None:
    from rich.console import Group
    from rich.live import Live

    from streaming.errors import StoreError
    from streaming.runtimes.live.status import read_status

    page = _page(read_status(store, instruments), _IN_PLACE)
    with told_to_stop() as stop, Live(Group(*page), auto_refresh=False) as shown:
        while not stop.wait(_EVERY_SECONDS):
            told: list[RenderableType] = []
            try:
                page = _page(read_status(store, instruments), _IN_PLACE)
            except StoreError as error:
                # Say an engine that starts anew: it will be there again.
                told = [f"Not read now: {error}"]
            shown.update(Group(*page, *told), refresh=True)


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
            "since": _time(found.lease.taken),
            "ageSeconds": found.lease_age,
        },
        "halts": [{**one._asdict(), "since": _time(one.since)} for one in found.halts],
        "positions": [one._asdict() for one in found.positions],
        "realized": [
            {"account": account, "strategy": strategy, "net": net}
            for account, strategy, net in found.realized
        ],
        "accepted": [
            {"account": account, "count": count} for account, count in found.accepted.items()
        ],
        "rejected": [
            {"account": account, "code": code, "count": count}
            for (account, code), count in found.rejected.items()
        ],
        "alerts": [
            {"ts": _time(ts), "code": code, "message": text} for ts, code, text in found.alerts
        ],
        "rows": found.rows,
        "logBytes": found.log_bytes,
    }


def _page(found: "Status", most: int | None = None) -> "list[RenderableType]":
    """Lay out the page; of positions only the `most` largest, and of strategies none then."""
    from streaming.store import LONG_LOG_BYTES

    lag = "" if found.lag_seconds is None else f", {_span(found.lag_seconds)} behind the clock"
    state = (
        f"holds since {_time(found.lease.taken)}, seen {_span(found.lease_age)} ago"
        if found.held
        else "has ended"
    )
    head = (
        f"Decided up to {_time(found.complete_to)}{lag}. {found.commits:,} commits, the last at "
        f"{_time(found.committed)}.\nLease: {found.lease} {state}."
    )
    if found.log_bytes > LONG_LOG_BYTES:
        head += (
            f"\nThe write-ahead log has {found.log_bytes / 1e6:,.0f} MB, and shrinks when some "
            "reader ends the transaction that it keeps open."
        )
    page: list[RenderableType] = [head, *map(_halt, found.halts)]
    page += [_positions(found.positions, most), _accounts(found)]
    if most is None:
        page.append(
            _table(
                "Realised, net of fees",
                ["account", "strategy"],
                ["net PnL"],
                [(account, name, f"{net:,.2f}") for account, name, net in found.realized],
            )
        )
    page.append(
        _table(
            "Rejected signals",
            ["account", "code"],
            ["signals"],
            [(*names, f"{count:,}") for names, count in found.rejected.items()],
        )
    )
    alerts = [f"{_time(ts)} {code}: {text}" for ts, code, text in found.alerts]
    return [*page, *(["Newest alerts:", *alerts] if alerts else [])]


def _halt(one: "Halt") -> str:
    """Say that an account is halted, or is about to be halted or resumed."""
    read = "; the engine has not read it yet" if one.pending else ""
    return f"{one.code}: account {one.account} since {_time(one.since)}: {one.reason}{read}."


def _positions(positions: "Sequence[Position]", most: int | None) -> "Table":
    chosen = list(positions)
    if most is not None and len(chosen) > most:
        chosen.sort(key=lambda one: -abs(one.quantity * (one.price or one.average)))
        chosen = chosen[:most]
    title = "Open positions"
    if len(chosen) < len(positions):
        title += f": the largest {len(chosen)} of {len(positions)}"
    return _table(
        title,
        ["account", "strategy", "symbol"],
        ["quantity", "average", "price", "unrealised"],
        [
            (*one[:3], *("" if value is None else f"{value:,.4f}" for value in one[3:]))
            for one in chosen
        ],
    )


def _accounts(found: "Status") -> "Table":
    """Sum up the accounts: PnL, open positions, signals accepted."""
    names = {one.account for one in found.positions} | {one[0] for one in found.realized}
    lines = []
    for name in sorted(names | set(found.accepted)):
        mine = [one for one in found.positions if one.account == name]
        realized = sum(net for account, _, net in found.realized if account == name)
        unrealized = sum(one.unrealized or 0.0 for one in mine)
        sums = (realized, unrealized, realized + unrealized)
        counts = (len(mine), found.accepted.get(name, 0))
        lines.append((name, *(f"{one:,.2f}" for one in sums), *(f"{one:,}" for one in counts)))
    columns = ["realised net", "unrealised", "PnL", "positions", "signals accepted"]
    return _table("Accounts", ["account"], columns, lines)


def _table(
    title: str, texts: Sequence[str], numbers: Sequence[str], rows: Sequence[Sequence[str]]
) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in texts:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _time(ts: int | None) -> str | None:
    from streaming.runtimes.backtest.definition import time_text

    return time_text(None if ts is None else ts // 1_000_000 * 1_000_000)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 3600:,.1f} h" if seconds < 172_800 else f"{seconds / 86_400:,.0f} days"
