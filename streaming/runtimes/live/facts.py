"""What a store keeps of an engine beside its accounts and symbols; light to import."""

from typing import Any

from streaming.rules.state import unpack
from streaming.store import View

KIND, VERSION = "live engine", 4
NAME = "engine"
"""Of the state, in the store."""


def saved_facts(view: View) -> dict[str, Any] | None:
    """Give what is saved; None: nothing yet.

    Raises
    ------
    StateError
        If another version has written it.
    """
    data = view.state(NAME)
    return None if data is None else unpack(KIND, VERSION, data)[1]
