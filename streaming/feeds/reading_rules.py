"""How the files of an inbox are to be read: its optional `reading.toml`.

Keys are the options of `trading import`. Those at the top hold for all files; a section is
named by a pattern of file names, and the first one that fits a file's name goes before::

    tz = "Europe/Oslo"

    ["vendor_*.csv"]
    columns = "ts=date+time,close=Last"
    label = "open"

    ["BTCUSDT-*"]
    source = "binance"

Where the file says nothing of the source, names like BTCUSDT-1m-2024-01.zip mean Binance
klines, as they do for those who download them. Klines take no key but symbol from the top:
what is said there of columns, labels and zones is meant for the other files.
`last_line = "whole"` is for files that end without a line end and are whole all the same.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from streaming.errors import SettingsError
from streaming.feeds.reading import Reading, reading_of
from streaming.feeds.refusals import ReadingError, as_key

FILE = "reading.toml"
"""Its name in the inbox."""

_KEYS = tuple(each.name for each in fields(Reading))
_BINANCE_NAME = re.compile(r"[A-Z0-9]+-1m-\d{4}-\d{2}(-\d{2})?\.(csv|zip)(\.(gz|bz2|zst))?")


@dataclass(frozen=True)
class ReadingRules:
    """What `reading.toml` says.

    Attributes
    ----------
    path
        The file, for messages.
    common
        Keys for all files.
    patterns
        Keys by pattern of file names, in the file's order.
    """

    path: Path
    common: Mapping[str, str]
    patterns: Mapping[str, Mapping[str, str]]

    def reading_of(self, name: str) -> Reading:
        """Say how the file of a name is to be read."""
        pattern = next((p for p in self.patterns if fnmatchcase(name, p)), None)
        klines = _BINANCE_NAME.fullmatch(name) is not None
        return reading_of(self._keys(pattern, klines=klines))

    def worded(self, error: ReadingError) -> str:
        """Give a refusal in the words of this file."""
        named = any(not isinstance(part, str) for part in error.parts)
        return error.worded(as_key) + (f" These are keys of {self.path}." if named else "")

    def check(self) -> None:
        """Make sure that the keys make sense, for every file that there could be.

        Raises
        ------
        SettingsError
            If one does not, or two contradict each other; the message names them.
        """
        for pattern in (None, *self.patterns):
            for klines in (False, True):
                try:
                    reading_of(self._keys(pattern, klines=klines))
                except ReadingError as error:
                    own = self.patterns.get(pattern or "", {})
                    place = _place(
                        self.path, pattern if error.setting in own else None, error.setting
                    )
                    value = own.get(error.setting, self.common.get(error.setting, ""))
                    why = error.worded(as_key)
                    raise SettingsError(f"{place} = {value!r}: {why}") from error

    def _keys(self, pattern: str | None, *, klines: bool) -> dict[str, str]:
        own = self.patterns[pattern] if pattern else {}
        source = own.get("source", self.common.get("source"))
        if source is None and klines:
            # Known by their names alone, they have the source of nobody's words.
            return {**_symbol(self.common), **_symbol(own), "source": "binance"}
        if "source" in own and own["source"] == "binance" != self.common.get("source"):
            return {**_symbol(self.common), **own}
        return {**self.common, **own}


def _symbol(keys: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in keys.items() if name == "symbol"}


def read_rules(folder: Path) -> ReadingRules:
    """Read `reading.toml` in a folder; without one, files are read by their own words.

    Raises
    ------
    SettingsError
        If it is no TOML, or a key or value makes no sense; the message names them.
    """
    path = folder / FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ReadingRules(path, {}, {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML ({error}). Mend it, or remove it.") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}).") from error
    common = {name: value for name, value in content.items() if not isinstance(value, dict)}
    patterns = {name: value for name, value in content.items() if isinstance(value, dict)}
    rules = ReadingRules(
        path,
        _texts(path, None, common),
        {pattern: _texts(path, pattern, keys) for pattern, keys in patterns.items()},
    )
    rules.check()
    return rules


def _texts(path: Path, pattern: str | None, keys: Mapping[str, Any]) -> dict[str, str]:
    for key, value in keys.items():
        place = _place(path, pattern, key)
        if key not in _KEYS:
            raise SettingsError(
                f"{place}: there is no such key; use {', '.join(_KEYS)}, or a section named by a "
                'pattern of file names, as in ["vendor_*.csv"].'
            )
        if not isinstance(value, str) or not value.strip():
            raise SettingsError(f"{place} = {value!r}: must be a text that is not empty.")
    return {key: value.strip() for key, value in keys.items()}


def _place(path: Path, pattern: str | None, key: str) -> str:
    return f"{path}, {f'[{pattern!r}].' if pattern else ''}{key}"
