"""Where settings come from: the file with its lines, the environment, and what is wrong."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from streaming.errors import SettingsError

PREFIX = "TRADING__"
"""What every setting's name begins with in the environment."""

FILE_VARIABLE = "TRADING_SETTINGS"
DEFAULT_FILE = "settings.toml"

_BARE = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_DOTTED = rf"{_BARE}(?:\s*\.\s*{_BARE})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_ENTRY = re.compile(rf"\s*({_DOTTED})\s*=")


class Leaf(NamedTuple):
    """One setting: the attributes that lead to it, and its definition."""

    attributes: tuple[str, ...]
    field: FieldInfo

    def value_in(self, settings: BaseModel) -> Any:
        """Give the setting's value."""
        value: Any = settings
        for attribute in self.attributes:
            value = getattr(value, attribute)
        return value


class Given(NamedTuple):
    """A value that somebody gave, and where."""

    key: str
    value: Any
    place: str


def leaves(model: type[BaseModel]) -> dict[str, Leaf]:
    """Give every setting of a tree by its dotted external name, in order."""
    return dict(_leaves(model, (), ()))


def _leaves(
    model: type[BaseModel], names: tuple[str, ...], attributes: tuple[str, ...]
) -> Iterator[tuple[str, Leaf]]:
    for attribute, field in model.model_fields.items():
        path = (*names, field.alias or attribute)
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _leaves(inner, path, (*attributes, attribute))
        else:
            yield ".".join(path), Leaf((*attributes, attribute), field)


def read_sources(
    model: type[BaseModel],
    path: str | Path | None,
    environ: Mapping[str, str],
    options: Mapping[str, tuple[str, Any]],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the file, the environment and a command's options; the later wins.

    Returns
    -------
    values : dict
        Nested, by external names: what to make the settings of. Known to be valid.
    sources : dict of str to str
        Where each setting that is not at its default came from.

    Raises
    ------
    SettingsError
        See `streaming.settings.load_settings`.
    """
    known = leaves(model)
    given, problems = _from_file(known, path, environ)
    more, wrong = _from_environment(known, environ)
    given |= more
    problems += wrong
    given |= {key: Given(key, value, f"option {name}") for key, (name, value) in options.items()}
    values: dict[str, Any] = {}
    for key, one in given.items():
        *sections, name = key.split(".")
        inner = values
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = one.value
    try:
        model.model_validate(values)
    except ValidationError as error:
        for finding in error.errors():
            one = given[".".join(map(str, finding["loc"]))]
            problems.append(f"{problem(one.key, one.value, finding)} ({one.place}).")
    if problems:
        raise SettingsError("\n".join(problems))
    return values, {key: one.place for key, one in given.items()}


def _from_file(
    known: Mapping[str, Leaf], path: str | Path | None, environ: Mapping[str, str]
) -> tuple[dict[str, Given], list[str]]:
    wanted = path or environ.get(FILE_VARIABLE) or None
    file = Path(wanted or DEFAULT_FILE)
    if wanted is None and not file.exists():
        return {}, []
    try:
        text = file.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"Settings file {file}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"Settings file {file} is not TOML: {error}.") from error
    lines = _line_numbers(text)
    given: dict[str, Given] = {}
    problems: list[str] = []

    def walk(table: Mapping[str, Any], path: tuple[str, ...]) -> None:
        for name, value in table.items():
            here = (*path, name)
            key = ".".join(here)
            place = f"{file}, line {_line_of(here, lines)}"
            inner = [leaf for leaf in known if leaf.startswith(f"{key}.")]
            if "." in name:
                problems.append(f"{key}: is quoted as one name; write it without quotes ({place}).")
            elif key in known and not isinstance(value, dict):
                if isinstance(value, str) and known[key].field.annotation in (Path, Path | None):
                    value = str(file.parent / value)
                given[key] = Given(key, value, place)
            elif inner and isinstance(value, dict):
                walk(value, here)
            elif inner:
                problems.append(f"{key}: is a section, with {', '.join(inner)} ({place}).")
            elif key in known:
                problems.append(f"{key}: is a setting, not a section ({place}).")
            else:
                problems.append(_unknown(key, known, place))

    walk(content, ())
    return given, problems


def _from_environment(
    known: Mapping[str, Leaf], environ: Mapping[str, str]
) -> tuple[dict[str, Given], list[str]]:
    by_lower = {key.lower(): key for key in known}
    given: dict[str, Given] = {}
    problems: list[str] = []
    for variable, value in sorted(environ.items()):
        if not variable.upper().startswith(PREFIX):
            continue
        place = f"environment variable {variable}"
        lower = variable[len(PREFIX) :].lower().replace("__", ".")
        key = by_lower.get(lower)
        if key is None:
            problems.append(_unknown(lower, known, place))
        elif key in given and given[key].value != value:
            problems.append(f"{key}: {given[key].place} and {place} differ.")
        else:
            given[key] = Given(key, value, place)
    return given, problems


def _unknown(key: str, known: Mapping[str, Leaf], place: str) -> str:
    by_lower = {name.lower(): name for name in known}
    lower = key.lower()
    near = [by_lower[low] for low in get_close_matches(lower, by_lower, 2, 0.75)]
    # The last part alone may be right, as where a key stands under the wrong [section].
    last = lower.rpartition(".")[2]
    near += [by_lower[low] for low in by_lower if low.rpartition(".")[2] == last]
    if lower in by_lower:
        near = [by_lower[lower]]
    names = " or ".join(dict.fromkeys(near))
    hint = f"; did you mean {names}?" if names else "; `trading settings` lists all"
    return f"{key}: there is no such setting{hint} ({place})."


def _line_numbers(text: str) -> dict[tuple[str, ...], int]:
    """Give the line on which each key of a TOML text first stands, dotted keys by part.

    tomllib tells no lines. Only the heads of lines are looked at, which is all that a
    message needs; the values are tomllib's.
    """
    lines: dict[tuple[str, ...], int] = {}
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header, entry = _HEADER.match(line), _ENTRY.match(line)
        if header:
            section = path = _parts(header[1])
        elif entry:
            path = (*section, *_parts(entry[1]))
        else:
            continue
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], number)
        lines[path] = number
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_BARE, dotted))


def _line_of(path: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> int:
    """Give a key's line: its own, or that of the inline table it stands in."""
    while path not in lines and len(path) > 1:
        path = path[:-1]
    return lines.get(path, 1)


def problem(key: str, value: Any, finding: Any) -> str:
    """Say what is wrong with a value: its name, what it is and what it must be.

    Parameters
    ----------
    key, value
        As a person gave them.
    finding
        One of pydantic's `ValidationError.errors()`.
    """
    return f"{key} = {_shown(value)}: {_words(finding)}"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _words(finding: Any) -> str:
    """Say what a value must be, for one of pydantic's findings."""
    kind, about = finding["type"], finding.get("ctx", {})
    bounds = {
        "greater_than": ("above", "gt"),
        "greater_than_equal": ("at least", "ge"),
        "less_than": ("below", "lt"),
        "less_than_equal": ("at most", "le"),
    }
    if kind in bounds:
        words, name = bounds[kind]
        return f"must be {words} {about[name]}"
    if kind == "literal_error":
        return f"must be {about['expected']}"
    if kind == "value_error":
        return str(about["error"])
    if kind in ("too_short", "too_long"):
        words, name = (
            ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
        )
        return f"must have {words} {about[name]} items"
    if kind == "decimal_max_places":
        return f"must have at most {about['decimal_places']} decimal places"
    kinds = {
        "int": "a whole number",
        "bool": "true or false",
        "decimal": "a number",
        "finite": "a number",
        "string": "a text",
        "path": "a path",
        "date": "a day, as 2024-02-01",
    }
    needed = kinds.get(kind.partition("_")[0])
    return f"must be {needed}" if needed else str(finding["msg"])
