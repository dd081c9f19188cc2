"""Refusals that name settings of the reading, in the words of whoever was asked to read.

What mends a file is an option on a command line and a key in a file: so an error holds the
settings themselves, and the surface that shows it words them.
"""

from collections.abc import Callable
from typing import NamedTuple

from streaming.errors import SourceError


class Setting(NamedTuple):
    """A field of `reading.Reading`, and the value that it could have; "" where any is meant."""

    name: str
    value: str = ""


Wording = Callable[[Setting], str]
"""How a surface calls a setting."""


def as_option(setting: Setting) -> str:
    """Word a setting as an option: --columns ts=NAME."""
    return f"--{setting.name.replace('_', '-')} {setting.value}".rstrip()


def as_key(setting: Setting) -> str:
    """Word a setting as a key of TOML: columns = "ts=NAME"."""
    return f'{setting.name} = "{setting.value}"' if setting.value else setting.name


class ReadingError(SourceError):
    """A file, or the settings themselves, make sense only with other settings.

    Parameters
    ----------
    *parts
        The message: text, and settings where they are named.
    setting
        The setting that cannot hold, where one is at fault.

    Notes
    -----
    As text it is worded for the command line.
    """

    def __init__(self, *parts: str | Setting, setting: str = "") -> None:
        self.parts = parts
        self.setting = setting
        super().__init__(self.worded(as_option))

    def worded(self, wording: Wording) -> str:
        """Give the message in a surface's words."""
        return "".join(part if isinstance(part, str) else wording(part) for part in self.parts)
