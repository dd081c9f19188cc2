"""What the engine keeps from batch to batch, and its bytes."""

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import POSITION_KEY
from streaming.jobs.trading_engine.attribution import Claim, Claims
from streaming.jobs.trading_engine.changes import Change, changes_between, latest
from streaming.jobs.trading_engine.fills import Fills, Int, Part, no_fills
from streaming.rules.bars import DAY_US
from streaming.rules.ids import Words, position_id
from streaming.rules.intake import NO_TIME
from streaming.rules.lot_books import LotBooks
from streaming.rules.memory import ENTRY, ORDER, FillMemory, OrderMemory
from streaming.rules.state import pack, unpack

if TYPE_CHECKING:
    from streaming.instruments import Instruments
    from streaming.rules.compile import Records

_KIND, _VERSION = "trading engine", 2
_LONGEST_US = 2**59  # of a setting: sums with event times stay within int64
_SECOND_US = 1_000_000

PositionKey = tuple[str, str, str]
"""accountId, strategyId, symbol."""

_KEY_NAMES = [column.name for column in POSITION_KEY]


class Openings(NamedTuple):
    """The fills behind lots, by sequence number, n of them.

    `ref` int64[n] ascending; `key` int32[n]; `ts`, `price`, `opened` (units x 1e8 that did
    not close anything) and `updated` (the latest time of a fill that changed the lot)
    int64[n]; `order` and `fill` string arrays.
    """

    ref: Int
    key: NDArray[np.int32]
    ts: Int
    price: Int
    opened: Int
    updated: Int
    order: Any
    fill: Any

    def take(self, places: Int) -> "Openings":
        """Give some of them."""
        where = pa.array(places)
        columns = [column[places] for column in self[:6]]
        return Openings._make([*columns, self.order.take(where), self.fill.take(where)])

    def places(self, ref: Int) -> Int:
        """Give the places of sequence numbers, all of which are there."""
        found: Int = np.searchsorted(self.ref, ref)
        return found

    def followed_by(self, fills: Fills, first_ref: int) -> "Openings":
        """Give these and fills that were applied after them, numbered from `first_ref`."""
        return Openings(
            np.concatenate([self.ref, first_ref + np.arange(len(fills))]),
            np.concatenate([self.key, fills.key]),
            np.concatenate([self.ts, fills.ts]),
            np.concatenate([self.price, fills.price]),
            np.concatenate([self.opened, np.abs(fills.quantity)]),
            np.concatenate([self.updated, fills.ts]),
            pa.concat_arrays([self.order, fills.order]),
            pa.concat_arrays([self.fill, fills.fill]),
        )


class EngineState:
    """State of one engine: lots, what is remembered, what waits, and totals by position key.

    Parameters
    ----------
    lateness_sec
        `wm.engine.latenessSec`.
    ttl_days
        `dedupe.ttlDays`.

    Attributes
    ----------
    keys : list of PositionKey
        In the order in which they were first seen; codes are places in it.
    key_ids : uint64[keys, 2]
    lots : LotBooks
    realized, fees, last_match, last_fill : int64[keys]
        Realised PnL and fees x 1e8 of all matches; latest times of a match and of a fill,
        NO_TIME where there was none.
    fees_seen : float64[keys]
        At least the sum of the magnitudes of all fees that matches carry or will carry.
    claims : Claims
    memory : FillMemory
    orders : OrderMemory
    watermark : int
        Microseconds UTC.
    waiting : Fills, parts : list of Part
        Fills that the watermark has not passed, in order of arrival, and their rows.
    openings : Openings
        The fills behind the open lots.
    """

    def __init__(self, lateness_sec: int = 5, ttl_days: int = 7) -> None:
        self.lateness = min(lateness_sec * _SECOND_US, _LONGEST_US)
        self.keys: list[PositionKey] = []
        self._code: dict[PositionKey, int] = {}
        self.key_ids: Words = np.empty((0, 2), np.uint64)
        self.lots = LotBooks(0)
        none, no_text = np.empty(0, np.int64), pa.array([], pa.string())
        self._names: dict[str, Any] = dict.fromkeys(_KEY_NAMES, no_text)
        self.realized: Int = none
        self.fees: Int = none
        self.last_match: Int = none
        self.last_fill: Int = none
        self.fees_seen: NDArray[np.float64] = np.empty(0, np.float64)
        self.claims = Claims()
        self.memory = FillMemory(min(ttl_days * DAY_US, _LONGEST_US))
        self.orders = OrderMemory(self.memory.ttl)
        self.watermark = NO_TIME
        self.waiting: Fills = no_fills()
        self.parts: list[Part] = []
        no_key = np.empty(0, np.int32)
        self.openings = Openings._make([none, no_key, *[none] * 4, no_text, no_text])
        self._published = latest(self)

    def codes(
        self, claim: NDArray[np.int32], strategy: Int, instruments: "Instruments"
    ) -> NDArray[np.int32]:
        """Give the codes of position keys, row by row; new ones are added as they come.

        Parameters
        ----------
        claim, strategy
            Places in `claims` of whose account and symbol, and of the strategy.
        instruments
            For the point values of new keys.
        """
        names = self.claims.strategies
        # Arrow numbers distinct values as they come, so that codes do not depend on cuts.
        both: Any = pa.array(claim * len(names) + strategy).dictionary_encode()
        found = []
        for at, owner in (divmod(one, len(names)) for one in both.dictionary.to_pylist()):
            said = self.claims.rows[at]
            found.append((said.account, names[owner], said.symbol))
        self._add(dict.fromkeys(key for key in found if key not in self._code), instruments)
        codes = np.array([self._code[key] for key in found], np.int32)
        given: NDArray[np.int32] = codes[both.indices.to_numpy()]
        return given

    def _add(self, keys: Iterable[PositionKey], instruments: "Instruments") -> None:
        """Add position keys, flat."""
        keys = list(keys)
        if not keys:
            return
        for key in keys:
            self._code[key] = len(self.keys)
            self.keys.append(key)
        point_values = np.array([instruments[key[2]].point_value for key in keys], np.int64)
        self.lots.grow(len(self.keys), point_values)
        ids = np.array([position_id(*key) for key in keys], np.uint64)
        self.key_ids = np.concatenate([self.key_ids, ids])
        zeros, never = np.zeros(len(keys), np.int64), np.full(len(keys), NO_TIME, np.int64)
        self.realized = np.concatenate([self.realized, zeros])
        self.fees = np.concatenate([self.fees, zeros])
        self.last_match = np.concatenate([self.last_match, never])
        self.last_fill = np.concatenate([self.last_fill, never])
        self.fees_seen = np.concatenate([self.fees_seen, zeros.astype(np.float64)])

    def key_names(self) -> dict[str, Any]:
        """Give the columns accountId, strategyId and symbol of all position keys."""
        if len(self._names["symbol"]) != len(self.keys):
            columns = zip(*self.keys, strict=True)
            self._names = {
                name: pa.array(list(texts), pa.string())
                for name, texts in zip(self._names, columns, strict=True)
            }
        return self._names

    def open_lots(self) -> tuple[NDArray[np.int32], "Records", Int]:
        """Give open lots by key and oldest first: keys, LOT[n], and places in `openings`."""
        key, lots = self.lots.open_lots()
        return key, lots, self.openings.places(lots["ref"])

    def book(self, fills: Fills, matches: "Records", first_ref: int) -> None:
        """Add applied fills, whose first has sequence number `first_ref`, to the totals."""
        key = fills.key[matches["close_ref"] - first_ref]
        np.add.at(self.realized, key, matches["pnl"])
        np.add.at(self.fees, key, matches["fees"])
        np.add.at(self.fees_seen, fills.key, np.abs(fills.fee).astype(np.float64))
        np.maximum.at(self.last_fill, fills.key, fills.ts)

    def changes(self) -> dict[str, Change]:
        """Give what changed in each latest table since this was last asked, by the table's name.

        What is saved as bytes counts as asked for: commit the changes together with them.
        """
        then, self._published = self._published, latest(self)
        return changes_between(self, then, self._published)

    def publish_anew(self) -> None:
        """Let the next changes be those from empty tables."""
        self._published = latest(EngineState())

    def to_bytes(self) -> bytes:
        """Give the state as bytes; the same fills, cut in any way, give equal bytes."""
        waiting = self.waiting
        rows = list(zip(waiting.part.tolist(), waiting.place.tolist(), strict=True))
        texts = {
            "keys": self.keys,
            "claims": self.claims.rows,
            "sources": [self.parts[part].source for part, _ in rows],
            "rows": _row_texts(self.parts, waiting),
            "waiting": [waiting.order.to_pylist(), waiting.fill.to_pylist()],
            "openings": [self.openings.order.to_pylist(), self.openings.fill.to_pylist()],
        }
        arrays: dict[str, NDArray[Any]] = {
            "lots": np.frombuffer(self.lots.to_bytes(), np.uint8),
            "texts": np.frombuffer(json.dumps(texts).encode(), np.uint8),
            "number": np.array([self.parts[part].number[at] for part, at in rows], np.int64),
        }
        arrays |= {name: getattr(self, name) for name in _TOTALS}
        arrays |= {f"waiting.{name}": getattr(waiting, name) for name in _WAITING}
        for held, memory in (("memory", self.memory), ("orders", self.orders)):
            remembered = memory.arrays(self.watermark)
            arrays |= {f"{held}.{name}": column for name, column in remembered.items()}
        arrays |= {f"openings.{name}": getattr(self.openings, name) for name in _OPENINGS}
        return pack(_KIND, _VERSION, arrays, watermark=self.watermark)

    @classmethod
    def from_bytes(cls, data: bytes, lateness_sec: int = 5, ttl_days: int = 7) -> "EngineState":
        """Restore what `to_bytes` gave, under the settings of now.

        Raises
        ------
        StateError
            If the bytes are damaged, or of another kind or version.
        """
        arrays, facts = unpack(_KIND, _VERSION, data)
        texts = json.loads(arrays["texts"].tobytes())
        state = cls(lateness_sec, ttl_days)
        state.watermark = facts["watermark"]
        state.keys = [(account, strategy, symbol) for account, strategy, symbol in texts["keys"]]
        state._code = {key: code for code, key in enumerate(state.keys)}
        keys = [position_id(*key) for key in state.keys]
        state.key_ids = np.array(keys, np.uint64).reshape(-1, 2)
        state.lots = LotBooks.from_bytes(arrays["lots"].tobytes())
        for name in _TOTALS:
            setattr(state, name, arrays[name])
        key, lots = state.lots.open_lots()
        state.fees_seen = np.abs(state.fees).astype(np.float64)
        np.add.at(state.fees_seen, key, np.abs(lots["fee"]).astype(np.float64))
        state.claims = Claims(Claim(*row) for row in texts["claims"])
        remembered = {name: arrays[f"memory.{name}"] for name in ENTRY.names or ()}
        state.memory = FillMemory.from_arrays(state.memory.ttl, remembered)
        remembered = {name: arrays[f"orders.{name}"] for name in ORDER.names or ()}
        state.orders = OrderMemory.from_arrays(state.memory.ttl, remembered)
        numbers = [arrays[f"openings.{name}"] for name in _OPENINGS]
        ids = [pa.array(column, pa.string()) for column in texts["openings"]]
        state.openings = Openings._make([*numbers, *ids])
        state.parts, part, place = _restored_parts(
            texts["sources"], arrays["number"], texts["rows"]
        )
        columns = {name: arrays[f"waiting.{name}"] for name in _WAITING}
        order, fill = (pa.array(column, pa.string()) for column in texts["waiting"])
        columns["strategy"] = np.full(len(order), -1, np.int64)
        columns["key"] = np.full(len(order), -1, np.int32)
        state.waiting = Fills(**columns, order=order, fill=fill, part=part, place=place)
        state._published = latest(state)
        return state


_TOTALS = ("realized", "fees", "last_match", "last_fill")
_OPENINGS = Openings._fields[:-2]
_WAITING = tuple(
    field.name
    for field in fields(Fills)
    if field.name not in ("strategy", "key", "order", "fill", "part", "place")
)


def _row_texts(parts: list[Part], fills: Fills) -> list[str]:
    """Give the rows that fills came from as JSON objects."""
    texts = [""] * len(fills)
    for at, part in enumerate(parts):
        mine = np.flatnonzero(fills.part == at)
        for row, text in zip(mine.tolist(), part.json(fills.place[mine]), strict=True):
            texts[row] = text
    return texts


def _restored_parts(
    sources: list[str], number: Int, rows: list[str]
) -> tuple[list[Part], NDArray[np.int32], Int]:
    """Give one part for each source, and for each row its part and place."""
    names = list(dict.fromkeys(sources))
    part = np.array([names.index(source) for source in sources], np.int32)
    place = np.empty(len(rows), np.int64)
    parts = []
    for at, name in enumerate(names):
        mine = np.flatnonzero(part == at)
        place[mine] = np.arange(len(mine))
        texts = pa.table({"row": pa.array([rows[row] for row in mine.tolist()], pa.string())})
        parts.append(Part(name, number[mine], texts, texts=True))
    return parts, part, place
