"""Who may write: one process at a time, under an epoch that grows with every change of hands.

A lease lasts `ttl` from its last heartbeat. It is free at once when its holder released it or
is gone: the machine was started anew since, or its process is there no more. The lease is
there to be quick and clear; what keeps the tables right is the epoch, which every transaction
of the writer checks: a process that slept past its lease finds another epoch and is refused.

Ages are measured on CLOCK_BOOTTIME, which counts on through suspension and which no change of
the wall clock moves. All of this is of one machine: SQLite's WAL mode works on no other.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import apsw

from streaming.errors import LeaseHeldError


class Clock:
    """The clocks of this machine."""

    def wall(self) -> int:
        """Give the wall clock, in microseconds UTC."""
        return time.time_ns() // 1000

    def uptime(self) -> int:
        """Give a clock that all processes share and nobody sets, in microseconds.

        Where the system has none (not Linux) it is the wall clock: a clock that is set back
        then makes a lease of a living process last longer by as much.
        """
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        return self.wall()


@dataclass(frozen=True)
class Process:
    """A process, told from any later one that gets its number.

    Attributes
    ----------
    pid : int
        Its number.
    started : int
        Clock ticks from boot to its start; 0 where the system does not say.
    boot : str
        Id of the machine's boot; "" where the system does not say.
    space : str
        Its namespace of numbers: a container cannot see the processes of another one.
    """

    pid: int
    started: int
    boot: str
    space: str

    @classmethod
    def this(cls) -> "Process":
        """Describe the process that asks."""
        pid = os.getpid()
        return cls(pid, (_stat(pid) or ("", 0))[1], _boot(), _space())

    def gone(self, here: "Process") -> bool:
        """Tell whether the process has surely ended; False where that cannot be known."""
        if self.boot != here.boot and self.boot and here.boot:
            return True
        if self.space != here.space:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # another user's: it is there
        found = _stat(self.pid)
        if found is None:
            return False
        state, started = found
        # A killed process that its parent has not waited for yet is "Z": it runs no more.
        return state in ("Z", "X") or bool(self.started and started != self.started)


def _stat(pid: int) -> tuple[str, int] | None:
    """Give a process's state letter and start in clock ticks since boot, where told."""
    with suppress(OSError):
        # The name, in brackets, may hold blanks and brackets itself.
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return words[0], int(words[19])
    return None


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _space() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


@dataclass(frozen=True)
class Lease:
    """The lease as the store has it.

    Attributes
    ----------
    epoch : int
        Grows by one whenever a process takes the lease; 0: nobody ever did.
    holder : str
        The name the holder gave itself.
    process : Process
        The holder.
    heartbeat : int
        When it last showed itself, in microseconds of `Clock.uptime`.
    wall : int
        The same on the wall clock, in microseconds UTC, for people.
    ttl : int
        Microseconds for which the lease holds from a heartbeat.
    released : bool
        The holder gave it back.
    taken : int
        Since when it is this holder's: wall clock, microseconds UTC; 0: nobody ever took it.
    """

    epoch: int
    holder: str
    process: Process
    heartbeat: int
    wall: int
    ttl: int
    released: bool
    taken: int = 0

    def age(self, clock: Clock) -> int:
        """Give the microseconds since the last heartbeat."""
        return clock.uptime() - self.heartbeat

    def remaining(self, clock: Clock, here: Process | None = None) -> int:
        """Give the microseconds for which the lease still holds; 0: anyone may take it."""
        if self.released or self.process.gone(here or Process.this()):
            return 0
        # A heartbeat from the future was not measured on this clock.
        age = self.age(clock)
        return self.ttl - age if 0 <= age < self.ttl else 0

    def __str__(self) -> str:
        return f"{self.holder} (process {self.process.pid}, epoch {self.epoch})"


def read_lease(db: apsw.Connection) -> Lease:
    """Read the lease."""
    row = db.execute(
        "SELECT epoch, holder, pid, started, boot, space, heartbeat, wall, ttl, released, taken "
        "FROM store_lease"
    ).get
    epoch, holder, pid, started, boot, space, heartbeat, wall, ttl, released, taken = row
    process = Process(pid, started, boot, space)
    return Lease(epoch, holder, process, heartbeat, wall, ttl, bool(released), taken)


def take_lease(db: apsw.Connection, path: Path, lease: Lease, clock: Clock) -> Lease:
    """Take the lease over, in the caller's transaction.

    Parameters
    ----------
    lease
        Who wants it; its epoch and when it was taken do not matter.

    Returns
    -------
    Lease
        The lease with its epoch.

    Raises
    ------
    LeaseHeldError
        A living process has it.
    """
    held = read_lease(db)
    seconds = held.remaining(clock, lease.process) / 1e6
    if seconds > 0:
        raise LeaseHeldError(
            f"{path}: the store is held by {held} since {_words(held.taken)}, and for another "
            f"{seconds:.1f} s. Stop that process, or wait until its lease has passed.",
            held.holder,
            seconds,
        )
    process = lease.process
    db.execute(
        "UPDATE store_lease SET epoch = ?, holder = ?, pid = ?, started = ?, boot = ?, space = ?, "
        "heartbeat = ?, wall = ?, ttl = ?, released = 0, taken = ?",
        (
            held.epoch + 1,
            lease.holder,
            process.pid,
            process.started,
            process.boot,
            process.space,
            lease.heartbeat,
            lease.wall,
            lease.ttl,
            lease.wall,
        ),
    )
    return read_lease(db)


def _words(wall: int) -> str:
    return f"{datetime.fromtimestamp(wall // 1_000_000, UTC):%Y-%m-%d %H:%M:%SZ}"


def beat(db: apsw.Connection, clock: Clock) -> None:
    """Write a heartbeat, in the caller's transaction."""
    db.execute("UPDATE store_lease SET heartbeat = ?, wall = ?", (clock.uptime(), clock.wall()))
