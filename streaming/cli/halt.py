"""`trading halt` and `trading resume`: stop an account from opening positions, and let it again."""

from pathlib import Path
from typing import Annotated

import typer

from streaming.cli.options import SettingsFile
from streaming.cli.output import JsonFlag, print_json, say

_WAIT_SECONDS = 10.0

Account = Annotated[str | None, typer.Option(help="accountId.  [default: live.account]")]
Store = Annotated[Path | None, typer.Option(help="File of the table store.  [default: live.store]")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("halt")(halt)
    app.command("resume")(resume)


def halt(
    reason: Annotated[str, typer.Option(help="Why, for people: it stands in the alert.")],
    account: Account = None,
    store: Store = None,
    settings: SettingsFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Open no position any more, at once and until `trading resume`.

    What closes goes on. Orders that would open or add and are not filled are cancelled. It
    holds over restarts; where no engine runs, from the next start on.
    """
    _say(account, reason, store, settings, halted=True, as_json=as_json)


def resume(
    reason: Annotated[str | None, typer.Option(help="Why, for people.")] = None,
    account: Account = None,
    store: Store = None,
    settings: SettingsFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Let an account open positions again, also where its daily loss has stopped that."""
    _say(account, reason, store, settings, halted=False, as_json=as_json)


def _say(
    account: str | None,
    reason: str | None,
    store: Path | None,
    settings: Path | None,
    *,
    halted: bool,
    as_json: bool,
) -> None:
    import time

    from streaming.runtimes.live import halting
    from streaming.settings import load_settings

    if reason is not None and not reason.strip():
        raise typer.BadParameter("says nothing", param_hint="--reason")
    held = load_settings(settings)
    path = store or held.live.store_in(held.data.folder)
    name = account or held.live.account
    now = time.time_ns() // 1000
    offset = halting.say(path, name, reason, halted=halted, now=now)
    # It is true already: whoever stops waiting here stops nothing else.
    read = halting.was_read(path, offset, _WAIT_SECONDS)
    if as_json:
        print_json({"account": name, "halted": halted, "reason": reason, "read": read})
        return
    what = "halted: it opens nothing" if halted else "resumed: it may open positions again"
    when = "The engine goes by it" if read else "The engine has not read it: its next tick will"
    say(f"Account {name} is {what}. {when}.")
