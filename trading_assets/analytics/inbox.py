"""The inbox: a folder whose files of bars are imported, each content once.

Files stay where they are; the ledger knows what has been imported. A file that cannot be
read at all is moved, whole, to the folder of refused ones, with the reason beside it.

The ledger is written after the lake, so a process that is killed leaves at worst a file to
import again, which adds nothing twice. It is told which contents were begun: of those that
did not come to their end it is not known which days were changed, so all of theirs are
announced. One process at a time works on the inbox.

The first bar of a (symbol, ts) is kept. A person corrects that by saying that a file replaces:
its bars win, and those that the same content gave by other rules of reading are taken out.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from streaming.errors import SettingsError, SourceError
from streaming.feeds.importing import import_files, take_back
from streaming.feeds.reading import Reading
from streaming.feeds.reading_rules import FILE, ReadingRules, read_rules
from streaming.feeds.ready_files import SETTLE_SECONDS, why_not
from streaming.lake import Lake
from trading_assets.analytics.inbox_days import Lost, lost_bars, note_days
from trading_assets.analytics.inbox_files import FreshFile, digest_of, receipt, stamp_of
from trading_assets.analytics.inbox_ledger import WAIT_SECONDS, Entry, Ledger, Seen, Stamp, alone
from trading_assets.analytics.inbox_listing import Listing, list_inbox
from trading_assets.analytics.inbox_reports import InboxReport, held, imported, replacing
from trading_assets.analytics.refusing import reason_file, refuse
from trading_assets.platform import Folders


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
        wait_seconds: float = WAIT_SECONDS,
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
        SettingsError
            If `reading.toml` makes no sense.
        LakeError
            If the folder or the ledger cannot be read, or the folder not be made.
        """
        ledger = Ledger.load(self._folders.ledger)
        rules = read_rules(self._folders.inbox)

        def why(name: str) -> str | None:
            entry, reading = ledger.receipt_of(name), rules.reading_of(name)
            return held(entry, name, reading) if entry and entry.reading != reading else None

        return list_inbox(self._folders.inbox, ledger.seen, self._settle, why)

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

    def import_named(
        self, names: Sequence[str], *, settled: bool = True, replace: bool = False
    ) -> list[InboxReport]:
        """Import files of the inbox, in the order given; one that is refused stops no other.

        Parameters
        ----------
        names
            Names of files in the inbox.
        settled
            Leave files alone that changed a moment ago. False: they are known to be whole.
        replace
            Their bars take the place of those in the lake that differ, and of those that they
            gave by other rules of reading; also where they have been imported before.

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
        with alone(self._folders, self._wait):
            rules = read_rules(self._folders.inbox)
            ledger = Ledger.load(self._folders.ledger)
            wanted = {name: rules.reading_of(name) for name in names}
            fresh, repeated = self._sorted_out(wanted, ledger, settled, replace, reports)
            for reading, group in groupby(fresh, key=lambda file: file.reading):
                reports |= self._import(list(group), reading, ledger, rules, replace)
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
        with alone(self._folders, self._wait):
            ledger = Ledger.load(self._folders.ledger)
            for entry in entries:
                if entry.key in ledger.entries:
                    ledger.entries[entry.key].announced = True
            ledger.save()

    def lost(self) -> Lost:
        """Give by day and symbol how many bars the lake has and had, where it lost some.

        Raises
        ------
        LakeError
            If what was written down, or a file of the lake, is damaged.
        """
        return lost_bars(self._folders.imported_days, self._lake)

    def restoring(self, days: Collection[dt.date]) -> list[str]:
        """Give the names of files that brought bars of days; of those still in the inbox."""
        ledger = Ledger.load(self._folders.ledger)
        wanted = set(days)
        return [
            name
            for name in sorted(ledger.seen)
            if (entry := ledger.receipt_of(name)) is not None
            and not wanted.isdisjoint(entry.covers)
            and (self._folders.inbox / name).exists()
        ]

    def _sorted_out(
        self,
        wanted: dict[str, Reading],
        ledger: Ledger,
        settled: bool,
        replace: bool,
        reports: dict[str, InboxReport],
    ) -> tuple[list[FreshFile], list[FreshFile]]:
        """Give the files whose content is new, and those that repeat one; report the others."""
        fresh: dict[str, FreshFile] = {}
        repeated = []
        lost = set(self.lost())
        for name, reading in wanted.items():
            path = self._folders.inbox / name
            try:
                info = path.lstat()
                why = why_not(name, info, self._settle) if settled else None
                if why:
                    reports[name] = InboxReport(name, "waiting", f"{path}: {why}.")
                    continue
                digest = digest_of(path)
            except FileNotFoundError:
                reports[name] = self._missing(path)
                continue
            except OSError as error:
                reports[name] = self._refuse(path, f"{path}: cannot be read ({error.strerror}).")
                continue
            before = ledger.read_otherwise(name, digest, reading)
            file = FreshFile(path, digest, Stamp.of(info), reading, before)
            entry = ledger.entries.get(file.key)
            if before and not replace:
                # Its old bars must not stay beside the new ones.
                ledger.seen[name] = Seen(file.stamp, before.key)
                reports[name] = InboxReport(name, "held", f"{name}: {held(before, name, reading)}.")
            elif file.key in fresh or (entry and not replace and lost.isdisjoint(entry.covers)):
                repeated.append(file)
            else:
                fresh[file.key] = file
        return list(fresh.values()), repeated

    def _import(
        self,
        files: list[FreshFile],
        reading: Reading,
        ledger: Ledger,
        rules: ReadingRules,
        replace: bool,
    ) -> dict[str, InboxReport]:
        again = {file.key for file in files} & ledger.begun
        ledger.begun |= {file.key for file in files}
        ledger.save()
        for file in files:
            if file.before:
                # Where it cannot be read, the import says so, and everything stays as it is.
                with suppress(SourceError):
                    self._take_back(file, file.before, ledger)
        done = import_files(
            self._lake,
            [file.path for file in files],
            reading,
            symbols=self._symbols,
            replace=replace,
            worded=rules.worded,
        )
        touched = {day for report in done for day in report.days}
        note_days(self._folders.imported_days, self._lake, touched)
        reports = {}
        for file, report in zip(files, done, strict=True):
            name = file.path.name
            stamp = stamp_of(file.path)
            if stamp is None and report.error is not None:
                reports[name] = self._missing(file.path)
            elif stamp != file.stamp:
                # What was read may be neither what was there before nor what is there now.
                reports[name] = InboxReport(
                    name, "waiting", f"{file.path}: changed while it was read; waits for the next."
                )
            elif report.error is not None:
                reports[name] = self._refuse(file.path, report.error)
                ledger.begun.discard(file.key)
            else:
                days = set(report.days if file.key in again else report.changed)
                entry = receipt(file, report, days)
                if file.before:
                    ledger.entries.pop(file.before.key, None)
                ledger.settle(entry)
                ledger.seen[name] = Seen(file.stamp, file.key)
                reports[name] = imported(name, report, entry.taken_out, entry.days)
        ledger.save()
        return reports

    def _take_back(self, file: FreshFile, before: Entry, ledger: Ledger) -> None:
        """Take out what a file gave by other rules; the days are told whatever comes then."""
        taken = take_back(
            self._lake, file.path, before.reading, instead=file.reading, symbols=self._symbols
        )
        note_days(self._folders.imported_days, self._lake, (), fewer=taken.days)
        known = () if before.announced else before.days
        before.days, before.announced = sorted({*known, *taken.days}), False
        before.taken_out += taken.rows
        ledger.save()

    def _repeated(self, file: FreshFile, ledger: Ledger) -> InboxReport:
        name = file.path.name
        entry = ledger.entries.get(file.key)
        if entry is None:
            # The other one of this call was refused, or changed; this one's turn comes next.
            return InboxReport(
                name, "waiting", f"{file.path}: is the same as a file that was not imported."
            )
        ledger.seen[name] = Seen(file.stamp, file.key)
        other = "" if entry.name == name else f" as {entry.name}"
        message = (
            f"{name}: its content was imported already{other}, at {entry.imported} "
            f"({entry.read:,} rows). Nothing was done; to import it all the same, "
            f"{replacing(name)}."
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
