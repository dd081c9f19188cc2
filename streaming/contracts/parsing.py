"""Columns of text, read by Arrow where it can be trusted and cell by cell where it cannot."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts.arrow import Array
from streaming.contracts.words import Refused

# Arrow (seen with 26.0.1) wraps decimals of more than 38 digits, crashes on exponents beyond
# its tables, and reads hexadecimal digits as integers. It is given none of these.
PLAIN_DECIMAL = r"^[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})$"
PLAIN_INTEGER = r"^-?[0-9]{1,18}$"


def parse_texts(
    texts: Any, target: pa.DataType, read: Callable[[str], Any], plain: str = ""
) -> tuple[Array, dict[int, str]]:
    """Cast texts by Arrow where it can, by `read` where it cannot.

    Parameters
    ----------
    texts : pyarrow.Array
        Strings [n].
    target : pyarrow.DataType
        What to read them as.
    read : function
        Reads one text, or raises `Refused`; whatever Arrow reads, it reads alike.
    plain : str, optional
        A pattern of the texts that Arrow may be given at all; any unless given.

    Returns
    -------
    values : pyarrow.Array
        target [n]; null where the text is or could not be read.
    refused : dict of int to str
        Where a text could not be read, and why.
    """
    odd = _unlike(texts, plain)
    if not odd.any():
        try:
            return texts.cast(target), {}
        except pa.ArrowInvalid:
            pass
    # Where every cell is padded, this alone mends it.
    texts = pc.ascii_trim_whitespace(texts)
    odd = _unlike(texts, plain)
    parsed, refused = _cast_by_halves(pc.if_else(pa.array(odd), None, texts), target, read)
    if odd.any():
        values = []
        for at in map(int, np.flatnonzero(odd)):
            value, why = _read(texts[at].as_py(), read)
            values.append(value)
            if why:
                refused[at] = why
        parsed = pc.replace_with_mask(parsed, pa.array(odd), pa.array(values, target))
    return parsed, refused


def _unlike(texts: Any, pattern: str) -> NDArray[np.bool_]:
    if not pattern:
        return np.zeros(len(texts), np.bool_)
    return ~np.asarray(pc.match_substring_regex(texts, pattern).fill_null(True))


def _cast_by_halves(
    texts: Any, target: pa.DataType, read: Callable[[str], Any]
) -> tuple[Array, dict[int, str]]:
    """Halve a column until the texts that Arrow refuses stand alone, for `read`.

    So k refusals among n texts cost k log n small casts.
    """
    parts: list[Array] = []
    refused: dict[int, str] = {}

    def take(part: Any, first: int) -> None:
        try:
            parts.append(part.cast(target))
        except pa.ArrowInvalid:
            if len(part) > 1:
                half = len(part) // 2
                take(part.slice(0, half), first)
                take(part.slice(half), first + half)
                return
            value, why = _read(part[0].as_py(), read)
            parts.append(pa.array([value], target))
            if why:
                refused[first] = why

    take(texts, 0)
    return pa.concat_arrays(parts), refused


def _read(text: str, read: Callable[[str], Any]) -> tuple[Any, str]:
    """Read one text: its value and "", or None and what is wrong with it."""
    try:
        return read(text), ""
    except Refused as why:
        return None, str(why)
