"""A table store in dicts and lists, with none of the code under test."""

import math

from streaming.contracts import TABLES

from .samples import LATEST, LOGS


def cell(value):
    if isinstance(value, float):
        return None if math.isnan(value) else value + 0.0
    return value


class Oracle:
    def __init__(self):
        self.first = dict.fromkeys(TABLES, 0)
        self.logs = {name: [] for name in TABLES}  # all that ever was, pruned or not
        self.rows = {name: {} for name, table in TABLES.items() if table.kind == "latest"}
        self.state, self.positions, self.kept = {}, {}, {}
        self.number, self.complete_to = 0, None

    def commit(self, changes, state=None, positions=None, complete_to=None):
        """`changes` are (kind, table, rows as dicts)."""
        for kind, table, rows in changes:
            for row in rows:
                self._change(kind, table, {name: cell(value) for name, value in row.items()})
        for store, given in ((self.state, state), (self.positions, positions)):
            for name, value in (given or {}).items():
                store.pop(name, None)
                if value is not None:
                    store[name] = value
        self.number += 1
        self.complete_to = self.complete_to if complete_to is None else complete_to

    def _change(self, kind, table, row):
        if kind == "append":
            self._log(table, "+I", row)
            return
        held = self.rows[table.name]
        key = tuple(row[name] for name in table.primary_key)
        old = held.pop(key, None)
        if kind == "delete":
            if old is not None:
                self._log(table, "-D", old)
            return
        held[key] = row
        if old is None:
            self._log(table, "+I", row)
        elif old != row:
            self._log(table, "-U", old)
            self._log(table, "+U", row)

    def _log(self, table, op, row):
        row = {name: row[name] for name in table.names}
        self.logs[table.name].append({"offset": len(self.logs[table.name]), "op": op} | row)

    def prune(self, before=None, offsets=None):
        """All that may go, however often the store has to be asked."""
        for name, table in TABLES.items():
            log = self.logs[name]
            limit = min([after for (_, of), after in self.kept.items() if of == name] + [len(log)])
            end = min((offsets or {}).get(name, 0), limit)
            if before is not None and table.kind == "log":
                old = self.first[name]
                for row in log[old:]:
                    moment = row[table.event_time]
                    if moment is None:
                        continue
                    if moment >= before:
                        break
                    old = row["offset"] + 1
                end = max(end, min(old, limit))
            self.first[name] = max(self.first[name], end)

    def contents(self):
        """What `samples.contents` gives of a store that holds the same."""
        held = {
            "offsets": {name: (self.first[name], len(self.logs[name])) for name in TABLES},
            "state": self.state,
            "positions": self.positions,
            "ticks": (self.number, self.complete_to),
            "consumers": self.kept,
        }
        for table in (*LOGS, *LATEST):
            name = table.name
            log = self.logs[name][self.first[name] :]
            held[f"{name} changes"] = log
            if table.kind == "log":
                held[name] = [{column: row[column] for column in table.names} for row in log]
            else:
                # SQLite orders texts by their bytes.
                ordered = sorted(
                    self.rows[name].items(), key=lambda item: [t.encode() for t in item[0]]
                )
                held[name] = [{c: row[c] for c in table.names} for _, row in ordered]
        return held


def replayed(table, changes):
    """The latest table that a changelog leads to; every step has to fit."""
    rows = {}
    gone = None
    for change in changes:
        row = {name: change[name] for name in table.names}
        key = tuple(row[name] for name in table.primary_key)
        match change["op"]:
            case "+I":
                assert key not in rows
                rows[key] = row
            case "-U" | "-D":
                assert rows.pop(key) == row
            case "+U":
                assert gone == key and key not in rows
                rows[key] = row
        gone = key if change["op"] == "-U" else None
    return rows
