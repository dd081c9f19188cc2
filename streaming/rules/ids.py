"""Ids: 128 bits, a function of the row's own business key, the same on every runtime.

Inside, an id is a pair of uint64 (high, low); at the edge it is 32 lowercase hex digits,
whose order as text is the order of the numbers.

============= ==================================================================
text          the number itself if it is 32 lowercase hex digits, else the
              BLAKE2b digest of 16 bytes of its UTF-8, read big-endian
position key  the text "account", "strategy", "symbol" joined by U+001F
orderId       mix(position key, (ts of the signal in microseconds, 1 BUY or 2 SELL))
fill          mix(mix(mix(position key, orderId), fillId), (its ts in microseconds, again))
matchId       mix(buy fill, sell fill)
============= ==================================================================

A fillId may come again for another fill once dedupe.ttlDays are over: its ts tells the two
apart. `again` is 0 but for a fill so late that nobody knows whether it came before, and with
that ts: it is that fill's number among all that were applied, from 1, so that no two fills
that are applied have one id.

`mix(a, b)` takes 256 bits to 128 with MurmurHash3's 64-bit finaliser F (public domain,
Austin Appleby), modulo 2**64::

    high = F((a.high ^ C1) + (b.high * C2) + (b.low * C3))
    low  = F((a.low  ^ C4) + (b.low  * C5) + (high  * C3))
    high = high + low

The constants are odd, so every step can be undone: for one `a`, no two `b` give the same
id, and for one `b` no two `a`. Each bit of either changes half of the bits of `low`.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Number, Records, inlined, kernel
from streaming.rules.wide import U64

if TYPE_CHECKING:
    import pyarrow as pa

Words = NDArray[np.uint64]

C1 = U64(0x9E3779B97F4A7C15)
C2 = U64(0xC2B2AE3D27D4EB4F)
C3 = U64(0x165667B19E3779F9)
C4 = U64(0x27D4EB2F165667C5)
C5 = U64(0x85EBCA77C2B2AE63)
_F1 = U64(0xFF51AFD7ED558CCD)
_F2 = U64(0xC4CEB9FE1A85EC53)
_SHIFT = U64(33)

BUY_WORD = U64(1)
SELL_WORD = U64(2)

_HEX = frozenset("0123456789abcdef")
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


@inlined
def _finalise(x: Number) -> Number:
    x = U64((x ^ (x >> _SHIFT)) * _F1)
    x = U64((x ^ (x >> _SHIFT)) * _F2)
    return x ^ (x >> _SHIFT)


@inlined
def mix(a_high: Number, a_low: Number, b_high: Number, b_low: Number) -> tuple[Number, Number]:
    """Mix two ids (uint64 pairs) into one; the order of the two matters."""
    high = _finalise(U64(U64((a_high ^ C1) + U64(b_high * C2)) + U64(b_low * C3)))
    low = _finalise(U64(U64((a_low ^ C4) + U64(b_low * C5)) + U64(high * C3)))
    return U64(high + low), low


def text_id(text: str) -> tuple[int, int]:
    """Give the id of a text as two Python integers (high, low)."""
    if len(text) == 32 and _HEX.issuperset(text):
        number = int(text, 16)
    else:
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        number = int.from_bytes(digest, "big")
    return number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF


def text_ids(texts: Sequence[str]) -> Words:
    """Give the ids of texts, uint64 of shape (len(texts), 2); each text is hashed once."""
    known: dict[str, tuple[int, int]] = {}
    out = np.empty((len(texts), 2), np.uint64)
    for row, text in enumerate(texts):
        found = known.get(text)
        if found is None:
            found = known[text] = text_id(text)
        out[row] = found
    return out


def position_id(account: str, strategy: str, symbol: str) -> tuple[int, int]:
    """Give the id of a position key."""
    return text_id(f"{account}\x1f{strategy}\x1f{symbol}")


@inlined
def order_id(key_high: Number, key_low: Number, ts: Number, buys: bool) -> tuple[Number, Number]:
    """Give the orderId of a signal on a position key; `ts` in microseconds."""
    return mix(key_high, key_low, U64(ts), BUY_WORD if buys else SELL_WORD)


@kernel
def order_ids(keys: Words, ts: NDArray[np.int64], buys: NDArray[np.bool_]) -> Words:
    """Give the orderIds of signals from the ids of their position keys, of shape (n, 2)."""
    out = np.empty((len(ts), 2), np.uint64)
    for i in range(len(ts)):
        out[i, 0], out[i, 1] = order_id(keys[i, 0], keys[i, 1], ts[i], buys[i])
    return out


SIMULATED_FILL_ID = "1"
"""A simulated order fills whole, once, under this fillId."""


@kernel
def mix_rows(a: Words, b: Words) -> Words:
    """Mix ids row by row: both of shape (n, 2), or `a` of shape (1, 2) for all rows of `b`."""
    rows = b.shape[0]
    out = np.empty((rows, 2), np.uint64)
    for row in range(rows):
        one = row if a.shape[0] == rows else 0
        out[row, 0], out[row, 1] = mix(a[one, 0], a[one, 1], b[row, 0], b[row, 1])
    return out


def fill_names(keys: Words, orders: Words, fills: Words) -> Words:
    """Give what names fills for the time of their TTL: keys, orderIds and fillIds, each (n, 2)."""
    return mix_rows(mix_rows(keys, orders), fills)


def id_words(records: Records) -> Words:
    """Give the ids that stand in the fields id_high and id_low of n records, shape (n, 2)."""
    return np.stack([records["id_high"], records["id_low"]], axis=1)


def fill_ids(names: Words, ts: NDArray[np.int64], again: NDArray[np.int64]) -> Words:
    """Give the ids of fills from their names by position key, times and numbers; see above."""
    return mix_rows(names, np.stack([ts, again], axis=1).astype(np.uint64))


def id_bytes(ids: Words) -> NDArray[np.uint8]:
    """Write ids of shape (n, 2) as ASCII hex digits: uint8 of shape (n, 32)."""
    octets = ids.astype(">u8").view(np.uint8).reshape(len(ids), 16)
    out = np.empty((len(ids), 32), np.uint8)
    out[:, 0::2] = _DIGITS[octets >> 4]
    out[:, 1::2] = _DIGITS[octets & 15]
    return out


def id_text(ids: Words) -> "pa.Array":
    """Write ids of shape (n, 2) as an Arrow string array of 32 hex digits each."""
    import pyarrow as pa

    rows = len(ids)
    offsets = np.arange(rows + 1, dtype=np.int32) * 32
    return pa.Array.from_buffers(
        pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(id_bytes(ids))]
    )
