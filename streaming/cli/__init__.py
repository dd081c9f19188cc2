"""The command line `trading`: one module for each command or small group of commands."""

import importlib
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from streaming.cli.output import fail
from streaming.cli.stopping import STOPS
from streaming.errors import TradingError

_DONE, _FAILED = 0, 1
_CLEAN_UP_SECONDS = 3.0

# What typer makes of a KeyboardInterrupt.
_TYPER_STOPPED = 130

_COMMANDS = (
    "market",
    "import_",
    "backtest",
    "runs",
    "match",
    "live",
    "replay",
    "status",
    "halt",
    "export",
    "metrics",
    "scores",
    "strategies",
    "tables",
    "settings",
)


def application() -> typer.Typer:
    """Build the application with all of its commands."""
    app = typer.Typer(
        name="trading",
        help="Many trading strategies on 1-minute bars: import, backtest, match, measure.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in _COMMANDS:
        importlib.import_module(f"streaming.cli.{name}").register(app)
    return app


def main() -> None:
    """Run the command line, and exit with one of the codes that README.md lists."""
    with _stopped_by() as numbers:
        try:
            application()()
        except TradingError as error:
            fail(str(error))
            code = error.exit_code
        except (KeyboardInterrupt, SystemExit) as end:
            if isinstance(end, SystemExit) and end.code != _TYPER_STOPPED:
                raise
            fail("Stopped.")
            code = 128 + (numbers[0] if numbers else signal.SIGINT)
        except BrokenPipeError:
            # The reader (head, a pager) has seen enough.
            sys.stderr.close()
            code = _DONE
        except OSError as error:
            fail(_told(error))
            code = _FAILED
        else:
            code = _DONE
    sys.exit(code)


@contextmanager
def _stopped_by() -> Iterator[list[int]]:
    """Let a stop by a service manager or a closed terminal clean up like one by hand.

    Gives the list that the numbers of the signals go to. A signal that whoever started the
    process has it ignore (nohup) stays ignored.
    """
    numbers: list[int] = []

    since = -_CLEAN_UP_SECONDS

    def stop(number: int, frame: object) -> None:
        nonlocal since
        numbers.append(number)
        # A second signal must not end what the first one's clean-up is at. But the first may
        # have come where nobody could hear it (in a callback from C), so not for long.
        if time.monotonic() - since >= _CLEAN_UP_SECONDS:
            since = time.monotonic()
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in STOPS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield numbers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _told(error: OSError) -> str:
    why = error.strerror or str(error) or type(error).__name__
    return why if error.filename is None else f"{error.filename}: {why}"
