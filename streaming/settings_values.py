"""What values settings may have: types that refuse, in plain words, what cannot be meant."""

import math
import re
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

# pydantic takes true for 1, and 1 for true; a settings file means what it says.


def _count(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _flag(value: object) -> object:
    if not isinstance(value, bool | str):
        raise ValueError("must be true or false")
    return value


def _zone(name: str) -> str:
    if name not in available_timezones():
        near = get_close_matches(name, available_timezones(), 1)
        raise ValueError("must be a time zone" + (f"; did you mean {near[0]}?" if near else ""))
    return name


def _seconds(text: str) -> str:
    found = re.fullmatch(r"(\d+)(?:[-\u2013](\d+))?s", text.replace(" ", ""), re.ASCII)
    first, last = (found[1], found[2] or found[1]) if found else ("1", "0")
    if int(first) > int(last):
        raise ValueError("must be seconds such as 5-15s or 10s")
    return f"{first}s" if first == last else f"{first}-{last}s"


def _speed(value: object) -> object:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        text = str(value).strip()
        try:
            if text == "max" or (float(text) > 0 and math.isfinite(float(text))):
                return text
        except ValueError:
            pass
    raise ValueError("must be max, or how many seconds of the market go by in one")


def _socket(url: str) -> str:
    if not re.fullmatch(r"wss?://[^\s/]+(/\S*)?", url):
        raise ValueError("must be an address such as wss://host:port/path")
    return url


def _account(name: str) -> str:
    if not name.strip() or ":" in name:
        raise ValueError("must be a name without a colon: those are of paper accounts")
    return name


Count = Annotated[int, BeforeValidator(_count)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Number = Annotated[Decimal, BeforeValidator(_number), Field(lt=10**10, decimal_places=8)]
# A rate times 1e8 is a whole number: the rules reckon with nothing finer.
BasisPoints = Annotated[Decimal, BeforeValidator(_number), Field(lt=10**4, decimal_places=4)]
Chance = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=1)]
Zone = Annotated[str, AfterValidator(_zone)]
SecondsRange = Annotated[str, AfterValidator(_seconds)]
Speed = Annotated[str, BeforeValidator(_speed)]
AccountName = Annotated[str, AfterValidator(_account)]
SocketUrl = Annotated[str, AfterValidator(_socket)]


class Section(BaseModel):
    """Settings under one name: camelCase outside, unknown names refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )
