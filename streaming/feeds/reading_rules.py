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
klines, as they do for those who download them.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from streaming.errors import SettingsError, SourceError
from streaming.feeds.bar_files import Reading
from streaming.feeds.columns import parse_mapping
from streaming.feeds.times import zone

FILE = "reading.toml"
"""Its name in the inbox."""

_KEYS = ("source", "columns", "symbol", "label", "tz")
_CHOICES = {"source": ("ohlcv", "binance"), "label": ("open", "close")}
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
        """Say how the file of a name is to be read.

        Raises
        ------
        SettingsError
            If the keys that hold for it contradict each other.
        """
        pattern = next((p for p in self.patterns if fnmatchcase(name, p)), None)
        keys = {**self.common, **(self.patterns[pattern] if pattern else {})}
        if "source" not in keys and _BINANCE_NAME.fullmatch(name):
            # What is said for all files of columns and zones was not meant for klines.
            keys = {"source": "binance", **({"symbol": keys["symbol"]} if "symbol" in keys else {})}
        if keys.get("source") == "binance":
            self._check_binance(pattern, keys)
        return Reading(
            source=keys.get("source", "ohlcv"),  # type: ignore[arg-type]
            columns=parse_mapping(keys["columns"]) if "columns" in keys else {},
            symbol=keys.get("symbol"),
            label=keys.get("label"),  # type: ignore[arg-type]
            tz=keys.get("tz", "UTC"),
        )

    def _check_binance(self, pattern: str | None, keys: Mapping[str, str]) -> None:
        odd = [key for key in ("columns", "tz", "label") if key in keys]
        if odd == ["label"] and keys["label"] == "open":
            return
        if odd and (odd != ["tz"] or keys["tz"] != "UTC"):
            raise SettingsError(
                f"{_place(self.path, pattern, odd[0])}: Binance klines have fixed columns and "
                'open times in UTC. Leave it out for them, or say source = "ohlcv".'
            )


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
    return ReadingRules(
        path,
        _checked(path, None, common),
        {pattern: _checked(path, pattern, keys) for pattern, keys in patterns.items()},
    )


def _checked(path: Path, pattern: str | None, keys: Mapping[str, Any]) -> dict[str, str]:
    for key, value in keys.items():
        place = _place(path, pattern, key)
        if key not in _KEYS:
            raise SettingsError(
                f"{place}: there is no such key; use {', '.join(_KEYS)}, or a section named by a "
                'pattern of file names, as in ["vendor_*.csv"].'
            )
        if not isinstance(value, str) or not value.strip():
            raise SettingsError(f"{place} = {value!r}: must be a text that is not empty.")
        if key in _CHOICES and value not in _CHOICES[key]:
            raise SettingsError(f"{place} = {value!r}: must be {' or '.join(_CHOICES[key])}.")
        try:
            if key == "columns":
                parse_mapping(value)
            elif key == "tz":
                zone(value)
        except (ValueError, SourceError) as error:
            raise SettingsError(f"{place}: {error}.".replace("..", ".")) from error
    return {key: value.strip() for key, value in keys.items()}


def _place(path: Path, pattern: str | None, key: str) -> str:
    return f"{path}, {f'[{pattern!r}].' if pattern else ''}{key}"
