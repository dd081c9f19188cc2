"""The command line `trading`: one module for each command or small group of commands."""

import importlib
import sys

import typer

from streaming.cli.output import fail
from streaming.errors import TradingError

# What typer makes of a KeyboardInterrupt.
_TYPER_STOPPED = 130

_COMMANDS = (
    "market",
    "import_",
    "backtest",
    "runs",
    "match",
    "metrics",
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
    """Run the command line: exit 0 done, 1 failed, 2 wrong use."""
    try:
        application()()
    except TradingError as error:
        fail(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        fail("Stopped.")
        sys.exit(1)
    except SystemExit as end:
        if end.code != _TYPER_STOPPED:
            raise
        fail("Stopped.")
        sys.exit(1)
    except BrokenPipeError:
        # The reader (head, a pager) has seen enough.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        fail(_told(error))
        sys.exit(1)


def _told(error: OSError) -> str:
    why = error.strerror or str(error) or type(error).__name__
    return why if error.filename is None else f"{error.filename}: {why}"
