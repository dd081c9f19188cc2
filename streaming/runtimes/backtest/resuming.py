"""Go on from the state that the run of an earlier window saved."""

from typing import Any, NamedTuple

from streaming.errors import RunError
from streaming.lake import Lake
from streaming.runtimes.backtest.definition import BacktestRequest, define
from streaming.runtimes.backtest.store import read_states
from streaming.runtimes.runs import Run, find_run


class Saved(NamedTuple):
    """State to start from.

    Attributes
    ----------
    run
        runId that saved it; None: there is none.
    complete_to, end
        Up to where that run knew the bars, and the end of its window; microseconds UTC.
    accounts, symbols
        State bytes by accountId, and by symbol.
    closes
        Each symbol's last (close x 1e8, ts).
    strategies
        Ids of those that took part.
    """

    run: str | None
    complete_to: int
    end: int
    accounts: dict[str, bytes]
    symbols: dict[str, bytes]
    closes: dict[str, tuple[int, int]]
    strategies: list[str]

    def lacks(self, symbols: list[str]) -> list[str]:
        """Give the symbols that were not there yet; none where there is no state."""
        return [name for name in symbols if self.run is not None and name not in self.closes]


def no_state() -> Saved:
    """Give the state of a run that starts flat."""
    return Saved(None, 0, 0, {}, {}, {}, [])


def resume(lake: Lake, request: BacktestRequest, symbols: list[str]) -> Saved:
    """Read the state of the run that a request resumes.

    Raises
    ------
    RunError
        If there is no such run, or it was defined otherwise.
    """
    run = find_run(lake, request.resume or "")
    states, facts = read_states(run.folder, "symbols")
    _check_same(run, request, symbols, facts["complete_to"])
    accounts, taking_part = read_states(run.folder, "accounts")
    return Saved(
        run.id,
        facts["complete_to"],
        facts["end"],
        accounts,
        states,
        {name: (close, ts) for name, (close, ts) in facts["closes"].items()},
        taking_part["strategies"],
    )


def _check_same(run: Run, request: BacktestRequest, symbols: list[str], complete_to: int) -> None:
    """Refuse to go on from a run whose rows this one's would not continue."""
    before: dict[str, Any] = run.definition
    now = define(request, symbols, "", None, None, complete_to)
    differing = [
        name
        for name in ("sources", "strategies", "layout", "account", "instruments", "weights")
        if before[name] != now[name]
    ]
    if (before["signals"] is None) != (request.signals is None):
        differing.append("signals")
    if set(before["symbols"]) - set(symbols):
        differing.append("symbols")
    if differing:
        raise RunError(
            f"Run {run.label} cannot be resumed: {', '.join(differing)} differ from what is asked "
            "for now. Run its window again first, or start without --resume."
        )
