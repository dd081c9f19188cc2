r"""Text that may not be UTF-8, as files have it.

A cell that is none keeps its odd bytes as escapes (`\xff`), so that quarantine can show it,
and is listed: nobody ever wrote what the escapes say.
"""

from typing import Any

import pyarrow as pa

from streaming.contracts.cells import plain


def text_of_bytes(cells: Any) -> tuple[Any, list[int]]:
    """Read an array of bytes as text: the text, and the places of cells that are none."""
    try:
        return cells.cast(pa.string()), []
    except pa.ArrowInvalid:
        texts: list[str | None] = []
        odd = []
        for at, cell in enumerate(cells.to_pylist()):
            try:
                texts.append(None if cell is None else cell.decode())
            except UnicodeDecodeError:
                texts.append(cell.decode(errors="backslashreplace"))
                odd.append(at)
        return pa.array(texts, pa.string()), odd


def text_of_parquet(column: Any) -> tuple[Any, list[int]]:
    """Look at an array of any type that a file may wrongly call text; see `text_of_bytes`."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            return text_of_bytes(plain(column).cast(pa.binary()))
    return column, []
