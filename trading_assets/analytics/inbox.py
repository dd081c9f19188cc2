"""The inbox: a folder whose files of bars are imported, each content once.

Files stay where they are; the ledger knows what has been imported. A file that cannot be
read at all is moved, whole, to the folder of refused ones, with the reason beside it.

The ledger is written after the lake, so a process that is killed leaves at worst a file to
import again, which adds nothing twice. It is told which contents were begun: of those that
did not come to their end it is not known which days were changed, so all of theirs are
announced. One process at a time works on the inbox.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

from streaming.errors import SettingsError
from streaming.feeds.bar_files import Reading
from streaming.feeds.importing import ImportReport, Reason, import_files
from streaming.feeds.reading_rules import FILE, read_rules
from streaming.feeds.ready_files import SETTLE_SECONDS, why_not
from streaming.lake import Lake, sweep, table_lock
from streaming.lake.atomic import disk_errors
from trading_assets.analytics.inbox_ledger import Entry, Ledger, Stamp
from trading_assets.analytics.inbox_listing import Listing, list_inbox
from trading_assets.analytics.refusing import reason_file, refuse
from trading_assets.platform import Folders

_WAIT_SECONDS = 3600.0
Fate = Literal["imported", "duplicate", "refused", "waiting", "missing"]


class InboxReport(NamedTuple):
    """What became of one file.

    Attributes
    ----------
    name
        The file's name.
    fate
        "imported"; "duplicate": its content was imported before; "refused": it cannot be
        read and was moved; "waiting": it is still being written; "missing": it is not there.
    message
        All of it in a sentence or two.
    read, written, duplicate, quarantined
        Rows; read is the sum of the others.
    days
        UTC days of which the lake may hold other bars than before.
    reasons
        Why the first few rows were quarantined.
    moved_to
        Where a refused file lies now.
    """

    name: str
    fate: Fate
    message: str
    read: int = 0
    written: int = 0
    duplicate: int = 0
    quarantined: int = 0
    days: tuple[dt.date, ...] = ()
    reasons: tuple[Reason, ...] = ()
    moved_to: Path | None = None


class _Fresh(NamedTuple):
    path: Path
    digest: str
    stamp: Stamp


class Inbox:
    """The inbox of a data folder.

    Parameters
    ----------
    folders
        The data folder.
    lake
        Where bars go.
    symbols
        The symbols that are known; rows of others are quarantined. None: all are known.
    settle_seconds
        For how long a file must not have changed before it is taken for whole.
    wait_seconds
        How long to wait for another process that works on the inbox.
    """

    def __init__(
        self,
        folders: Folders,
        lake: Lake,
        *,
        symbols: Collection[str] | None = None,
        settle_seconds: float = SETTLE_SECONDS,
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        self._folders = folders
        self._lake = lake
        self._symbols = symbols
        self._settle = settle_seconds
        self._wait = wait_seconds

    def listing(self) -> Listing:
        """List the files that have not been imported; reads none of them.

        Raises
        ------
        LakeError
            If the folder or the ledger cannot be read, or the folder not be made.
        """
        seen = Ledger.load(self._folders.ledger).seen
        return list_inbox(self._folders.inbox, seen, self._settle)

    def import_ready(self, also: Collection[str] = ()) -> list[InboxReport]:
        """Import the files that are ready, in order of their names; see `import_named`.

        Parameters
        ----------
        also
            Names of files that the caller has just put there, and knows to be whole.
        """
        ready = {file.name for file in self.listing().ready}
        return self.import_named(sorted(ready | set(also)), settled=False)

    def import_one(self, path: Path) -> InboxReport:
        """Import one file of the inbox; see `import_named`."""
        return self.import_named([path.name])[0]

    def import_named(self, names: Sequence[str], *, settled: bool = True) -> list[InboxReport]:
        """Import files of the inbox, in the order given; one that is refused stops no other.

        Parameters
        ----------
        names
            Names of files in the inbox.
        settled
            Leave files alone that changed a moment ago. False: they are known to be whole.

        Returns
        -------
        list of InboxReport
            One for each name.

        Raises
        ------
        SettingsError
            If `reading.toml` makes no sense, or a name is none of a file in the inbox.
        LakeError
            If lake or ledger are damaged, the disk full or read-only, or another process
            works on the inbox for too long. The same call again does what is left.
        """
        for name in names:
            if Path(name).name != name or name in ("", ".."):
                raise SettingsError(
                    f"{name!r}: is not the name of a file in {self._folders.inbox}. Give the name "
                    "alone, without folders."
                )
        if not names:
            return []
        reports: dict[str, InboxReport] = {}
        with self._alone():
            rules = read_rules(self._folders.inbox)
            ledger = Ledger.load(self._folders.ledger)
            fresh, repeated = self._sorted_out(names, ledger, settled, reports)
            plan = [(file, rules.reading_of(file.path.name)) for file in fresh]
            for reading, group in groupby(plan, key=lambda each: each[1]):
                files = [file for file, _ in group]
                reports |= self._import(files, reading, ledger)
            for file in repeated:
                reports[file.path.name] = self._repeated(file, ledger)
            ledger.save()
        return [reports[name] for name in names]

    def unannounced(self) -> list[Entry]:
        """Give what was imported and whose days nobody has been told of yet."""
        entries = Ledger.load(self._folders.ledger).entries.values()
        return [entry for entry in entries if not entry.announced]

    def announce(self, entries: Sequence[Entry]) -> None:
        """Note that the days of these have been told."""
        if not entries:
            return
        with self._alone():
            ledger = Ledger.load(self._folders.ledger)
            for entry in entries:
                if entry.digest in ledger.entries:
                    ledger.entries[entry.digest].announced = True
            ledger.save()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        root = self._folders.root
        with (
            disk_errors(root, "The inbox's files are where they were"),
            table_lock(root, "inbox", self._wait),
        ):
            sweep(self._folders.ledger.parent)
            sweep(self._folders.refused)
            yield

    def _sorted_out(
        self, names: Sequence[str], ledger: Ledger, settled: bool, reports: dict[str, InboxReport]
    ) -> tuple[list[_Fresh], list[_Fresh]]:
        """Give the files whose content is new, and those that repeat one; report the others."""
        fresh: dict[str, _Fresh] = {}
        repeated = []
        for name in dict.fromkeys(names):
            path = self._folders.inbox / name
            try:
                info = path.lstat()
                why = why_not(name, info, self._settle) if settled else None
                if why:
                    reports[name] = InboxReport(name, "waiting", f"{path}: {why}.")
                    continue
                digest = _digest(path)
            except FileNotFoundError:
                reports[name] = self._missing(path)
                continue
            except OSError as error:
                reports[name] = self._refuse(path, f"{path}: cannot be read ({error.strerror}).")
                continue
            file = _Fresh(path, digest, Stamp(info.st_size, info.st_mtime_ns))
            if digest in fresh or self._is_in_the_lake(ledger.entries.get(digest)):
                repeated.append(file)
            else:
                fresh[digest] = file
        return list(fresh.values()), repeated

    def _is_in_the_lake(self, entry: Entry | None) -> bool:
        """Tell whether a content was imported, and the lake has its days still.

        A day whose file was damaged and deleted comes back with the files that made it.
        """
        if entry is None:
            return False
        return {dt.date.fromisoformat(str(day)) for day in entry.days} <= {
            info.day for info in self._lake.days()
        }

    def _import(
        self, files: list[_Fresh], reading: Reading, ledger: Ledger
    ) -> dict[str, InboxReport]:
        again = {file.digest for file in files} & ledger.begun
        ledger.begun |= {file.digest for file in files}
        ledger.save()
        paths = [file.path for file in files]
        done = import_files(self._lake, paths, reading, symbols=self._symbols)
        reports = {}
        for file, report in zip(files, done, strict=True):
            name = file.path.name
            stamp = _stamp(file.path)
            if stamp is None and report.error is not None:
                reports[name] = self._missing(file.path)
            elif stamp != file.stamp:
                # What was read may be neither what was there before nor what is there now.
                reports[name] = InboxReport(
                    name, "waiting", f"{file.path}: changed while it was read; waits for the next."
                )
            elif report.error is not None:
                reports[name] = self._refuse(file.path, report.error)
                ledger.begun.discard(file.digest)
            else:
                days = report.days if file.digest in again else report.changed
                ledger.settle(_entry(file, report, days))
                ledger.seen[name] = file.stamp
                reports[name] = _imported(name, report, days)
        ledger.save()
        return reports

    def _repeated(self, file: _Fresh, ledger: Ledger) -> InboxReport:
        name = file.path.name
        entry = ledger.entries.get(file.digest)
        if entry is None:
            # The other one of this call was refused, or changed; this one's turn comes next.
            return InboxReport(
                name, "waiting", f"{file.path}: is the same as a file that was not imported."
            )
        ledger.seen[name] = file.stamp
        other = "" if entry.name == name else f" as {entry.name}"
        message = (
            f"{name}: its content was imported already{other}, at {entry.imported} "
            f"({entry.read:,} rows). Nothing was done."
        )
        return InboxReport(name, "duplicate", message)

    def _missing(self, path: Path) -> InboxReport:
        reason = reason_file(self._folders.refused / path.name)
        hint = f" One of that name was refused: see {reason}." if reason.exists() else ""
        return InboxReport(path.name, "missing", f"{path}: there is no such file.{hint}")

    def _refuse(self, path: Path, why: str) -> InboxReport:
        moved = refuse(path, self._folders.refused, why, self._folders.inbox / FILE)
        message = f"{why} Nothing of it was imported; it was moved to {moved}."
        return InboxReport(path.name, "refused", message, moved_to=moved)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _stamp(path: Path) -> Stamp | None:
    try:
        info = path.lstat()
    except FileNotFoundError:
        return None
    return Stamp(info.st_size, info.st_mtime_ns)


def _entry(file: _Fresh, report: ImportReport, days: Sequence[dt.date]) -> Entry:
    return Entry(
        file.path.name,
        file.digest,
        file.stamp.size,
        dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        report.read,
        report.written,
        report.duplicate,
        report.quarantined,
        list(days),
    )


def _imported(name: str, report: ImportReport, days: Sequence[dt.date]) -> InboxReport:
    message = (
        f"{name}: {report.read:,} rows read, {report.written:,} written, "
        f"{report.duplicate:,} duplicate, {report.quarantined:,} quarantined."
    )
    if report.reasons:
        first = report.reasons[0]
        message += f" First one: row {first.row}: {first.reason}"
    return InboxReport(
        name,
        "imported",
        message,
        report.read,
        report.written,
        report.duplicate,
        report.quarantined,
        tuple(days),
        report.reasons,
    )
