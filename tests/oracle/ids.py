"""Ids as integers of 128 bits; as text, 32 lowercase hex digits."""

import hashlib
import re

from oracle.fifo import Match

_WORD = 2**64
C1 = 0x9E3779B97F4A7C15
C2 = 0xC2B2AE3D27D4EB4F
C3 = 0x165667B19E3779F9
C4 = 0x27D4EB2F165667C5
C5 = 0x85EBCA77C2B2AE63

BUY, SELL = "BUY", "SELL"
SIMULATED_FILL_ID = "1"


def finalise(x: int) -> int:
    """MurmurHash3's 64-bit finaliser."""
    x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCD % _WORD
    x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53 % _WORD
    return x ^ (x >> 33)


def mix(a: int, b: int) -> int:
    """Mix two ids into one; their order matters."""
    a_high, a_low = divmod(a, _WORD)
    b_high, b_low = divmod(b, _WORD)
    high = finalise(((a_high ^ C1) + b_high * C2 + b_low * C3) % _WORD)
    low = finalise(((a_low ^ C4) + b_low * C5 + high * C3) % _WORD)
    high = (high + low) % _WORD
    return high * _WORD + low


def text_id(text: str) -> int:
    """Give the number itself where the text is 32 hex digits, else its BLAKE2b-128."""
    if re.fullmatch("[0-9a-f]{32}", text):
        return int(text, 16)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def id_text(number: int) -> str:
    return f"{number:032x}"


def position_id(account: str, strategy: str, symbol: str) -> int:
    return text_id("\x1f".join([account, strategy, symbol]))


def order_id(key: int, ts: int, side: str) -> int:
    return mix(key, ts * _WORD + {BUY: 1, SELL: 2}[side])


def fill_id(key: int, order: str, fill: str, ts: int, again: int = 0) -> int:
    return mix(mix(mix(key, text_id(order)), text_id(fill)), ts * _WORD + again)


def match_id(match: Match) -> int:
    """Give the id of a match of fills that are named by their own ids."""
    assert isinstance(match.buy.name, int) and isinstance(match.sell.name, int)
    return mix(match.buy.name, match.sell.name)
