"""Fills as arrays, and the rows they came from, kept as they came for quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts.quarantine import row_texts
from streaming.rules.ids import Words

Int = NDArray[np.int64]
Mask = NDArray[np.bool_]

_HEX_LENGTH = 32
_NO_DIGIT = 16


@dataclass(frozen=True, slots=True, eq=False)
class Fills:
    """Fills, n of them, keeping the contract of `exec_report_history`.

    Attributes
    ----------
    claim : int32[n]
        Place in the state's claims: account, symbol, and what is said of whose the fill is.
    strategy : int64[n], key : int32[n]
        Places of the strategy in the state's claims and of the position key in its state; -1
        until the fill applies.
    ts, quantity, price, fee, notional : int64[n]
        Microseconds UTC; signed units x 1e8 (bought positive); currency x 1e8.
    order_id, fill_id : uint64[n, 2]
        Ids of the texts orderId and fillId.
    watermark : int64[n]
        The watermark on arrival where the fill was late, NO_TIME where it was not.
    order, fill : pyarrow string arrays
        orderId and fillId.
    part : int32[n], place : int64[n]
        Which of the rows of `Originals` the fill is.
    """

    claim: NDArray[np.int32]
    strategy: Int
    key: NDArray[np.int32]
    ts: Int
    quantity: Int
    price: Int
    fee: Int
    notional: Int
    order_id: Words
    fill_id: Words
    watermark: Int
    order: Any
    fill: Any
    part: NDArray[np.int32]
    place: Int

    def __len__(self) -> int:
        return int(self.ts.shape[0])

    def columns(self) -> dict[str, Any]:
        """Give the columns by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def take(self, places: Int) -> "Fills":
        """Give some of the fills, in the order asked for."""
        if len(places) == len(self) and bool((places == np.arange(len(self))).all()):
            return self
        return Fills(**{name: _take(column, places) for name, column in self.columns().items()})

    def followed_by(self, others: "Fills") -> "Fills":
        """Give these fills and others after them."""
        if not len(self):
            return others
        if not len(others):
            return self
        more = others.columns()
        return Fills(**{name: _join(column, more[name]) for name, column in self.columns().items()})


def _take(column: Any, places: Int) -> Any:
    if isinstance(column, pa.Array):
        return column.take(pa.array(places))
    return column[places]


def _join(first: Any, second: Any) -> Any:
    if isinstance(first, pa.Array):
        return pa.concat_arrays([first, second])
    return np.concatenate([first, second])


def no_fills() -> Fills:
    """Give fills without a fill."""
    none, no_text = np.empty(0, np.int64), pa.array([], pa.string())
    no_id, no_code = np.empty((0, 2), np.uint64), np.empty(0, np.int32)
    return Fills(
        claim=no_code,
        strategy=none,
        key=no_code,
        ts=none,
        quantity=none,
        price=none,
        fee=none,
        notional=none,
        order_id=no_id,
        fill_id=no_id,
        watermark=none,
        order=no_text,
        fill=no_text,
        part=no_code,
        place=none,
    )


class Part(NamedTuple):
    """Rows of one source as they came.

    `rows` has the source's own columns or, where the rows have been through saved state, one
    column of JSON objects (`texts` is true then); `number` int64[n] counts them in the source.
    """

    source: str
    number: Int
    rows: pa.Table
    texts: bool = False

    def take(self, places: Int) -> "Part":
        """Give some of the rows."""
        return self._replace(number=self.number[places], rows=self.rows.take(pa.array(places)))

    def json(self, places: Sequence[int] | Int) -> list[str]:
        """Give some of the rows as JSON objects."""
        rows = self.rows.take(pa.array(places, pa.int64()))
        return rows.column(0).to_pylist() if self.texts else row_texts(rows)


def kept_parts(parts: list[Part], fills: Fills) -> tuple[list[Part], Fills]:
    """Drop the rows that no fill stands for, and number the parts anew."""
    kept: list[Part] = []
    part, place = fills.part.copy(), fills.place.copy()
    for at in np.unique(fills.part).tolist():
        mine = np.flatnonzero(fills.part == at)
        part[mine], place[mine] = len(kept), np.arange(len(mine))
        kept.append(parts[at].take(fills.place[mine]))
    return kept, replace(fills, part=part, place=place)


def whole(column: Any) -> Any:
    """Give a column as one array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.chunks else pa.array([], column.type)


def ids_of_texts(texts: Any) -> Words:
    """Give the ids of texts (`streaming.rules.ids.text_id`), each distinct one hashed once.

    Parameters
    ----------
    texts : pyarrow string array [n]
        Without nulls.

    Returns
    -------
    uint64[n, 2]
    """
    ids = np.empty((len(texts), 2), np.uint64)
    lengths = np.asarray(pc.binary_length(texts))
    candidates = np.flatnonzero(lengths == _HEX_LENGTH)
    if len(candidates) == len(texts):
        ids, hexadecimal = _of_hex(texts)
    else:
        hexadecimal = np.zeros(len(texts), np.bool_)
        if len(candidates):
            ids[candidates], hexadecimal[candidates] = _of_hex(texts.take(pa.array(candidates)))
    others = np.flatnonzero(~hexadecimal)
    if len(others):
        coded = texts.take(pa.array(others)).dictionary_encode()
        distinct = coded.dictionary.cast(pa.binary()).to_pylist()
        # `text_id` without its branches: this loop is the dearest of the whole intake.
        octets = b"".join([blake2b(text, digest_size=16).digest() for text in distinct])
        hashed = np.frombuffer(octets, ">u8").astype(np.uint64).reshape(-1, 2)
        ids[others] = hashed[coded.indices.to_numpy()]
    return ids


_VALUE_OF_DIGIT = np.full(256, _NO_DIGIT, np.uint8)
_VALUE_OF_DIGIT[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def _of_hex(texts: Any) -> tuple[Words, Mask]:
    """Read texts of 32 bytes as numbers, and say which of them are all hex digits."""
    offset = texts.offset
    first = np.frombuffer(texts.buffers()[1], np.int32, 1, 4 * offset)[0] if len(texts) else 0
    data = texts.buffers()[2]
    size = len(texts) * _HEX_LENGTH
    letters = np.frombuffer(data, np.uint8, size, first) if size else np.empty(0, np.uint8)
    digits = _VALUE_OF_DIGIT[letters.reshape(-1, _HEX_LENGTH)]
    octets = np.ascontiguousarray((digits[:, ::2] << 4) | (digits[:, 1::2] & 15))
    return octets.view(">u8").astype(np.uint64), (digits != _NO_DIGIT).all(axis=1)
