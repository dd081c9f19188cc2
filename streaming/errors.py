"""Every error this package raises on purpose, under one root.

A message names the place (file, table, row), the rule that was broken and what to do. The
command line prints it and exits with the error's code; anything that is not a `TradingError` is
a defect.
"""

from typing import ClassVar


class TradingError(Exception):
    """Root of all errors a user can cause or mend."""

    exit_code: ClassVar[int] = 1
    """What the command line exits with: 1 failed, 2 wrong use."""


class ContractError(TradingError):
    """A batch as a whole does not fit its table: a column is missing, doubled or unknown."""


class SettingsError(TradingError):
    """What is asked for cannot be meant, whatever the data: wrong use.

    A setting, option, strategy, parameter or table is unknown, out of its bounds, or
    contradicts another one.
    """

    exit_code = 2


class SourceError(TradingError):
    """An input file is unreadable, empty, or not what its name or mapping says."""


class LakeError(TradingError):
    """The lake cannot be read or written: damaged or foreign file, full disk, lost lock."""


class RunError(TradingError):
    """A backtest cannot start or go on: unknown run, taken name, missing prices."""


class StateError(TradingError):
    """Saved state is damaged, of another kind, or of a version this code does not know."""


class DamagedStateError(StateError):
    """Saved state is damaged: what is there is not what was saved."""


class MoneyError(TradingError):
    """An amount does not fit DECIMAL(18,8)."""


class ScoringError(TradingError):
    """Returns, scores or bounds from which no weights can follow."""


class BrokerError(TradingError):
    """A broker cannot be reached, or is not ours; what was asked may or may not have been done."""


class StoreError(TradingError):
    """The table store cannot be read or written: missing, locked, refused, of another make."""


class LeaseHeldError(StoreError):
    """Another living process holds the store's lease.

    Attributes
    ----------
    holder : str
        The name it gave itself.
    seconds : float
        How long its lease still holds.
    """

    def __init__(self, message: str, holder: str, seconds: float) -> None:
        super().__init__(message)
        self.holder = holder
        self.seconds = seconds


class FencedError(StoreError):
    """The lease went to another process: this one may write no more, and must end."""


class StoreFullError(StoreError):
    """The disk is full: nothing of the commit was written, and it may be done again."""


class StoreDamagedError(StoreError):
    """The store's file is damaged or foreign."""


class PrunedError(StoreError):
    """The offset asked for has been pruned.

    Attributes
    ----------
    first : int
        The first offset of that table that is there.
    """

    def __init__(self, message: str, first: int) -> None:
        super().__init__(message)
        self.first = first
