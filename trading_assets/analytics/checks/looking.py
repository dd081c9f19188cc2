"""Which partitions a check looks at: those of its run, and all whose verdict is not known.

Dagster keeps one result for a check, whatever partitions it was about. So each result speaks
for all partitions that are there: one that passed is not asked again while its files are what
they were, and one that failed is asked every time, so that the check stays red until it is
mended.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from trading_assets.analytics.checks.rows import Keys, Part
from trading_assets.analytics.verdicts import Verdicts
from trading_assets.platform import Platform


@dataclass(frozen=True)
class Look:
    """What a check looks at this time.

    Attributes
    ----------
    parts
        The partitions.
    known
        How many others passed before, and are as they were.
    told
        Which those of `parts` are, for people.
    """

    parts: list[Part]
    known: int
    told: str
    _verdicts: Verdicts
    _unknown: dict[str, str]

    def done(self, failed: Collection[str]) -> None:
        """Remember that all but these passed."""
        good = {part.key for part in self.parts}.difference(failed)
        self._verdicts.passed(
            {key: one for key, one in self._unknown.items() if key in good}, failed
        )


def look(platform: Platform, name: str, parts: Sequence[Part], keys: Keys) -> Look:
    """Choose what a check looks at.

    Parameters
    ----------
    platform
        For what is remembered of earlier looks.
    name
        Of the asset and its check.
    parts
        All partitions that are there.
    keys
        Those of the check's run; all where it is run alone.
    """
    verdicts = Verdicts(platform.folders.verdicts, name)
    unknown = verdicts.unknown({part.key: part.files.values() for part in parts})
    chosen = [part for part in parts if part.key in keys or part.key in unknown]
    others = sum(part.key not in keys for part in chosen)
    told = str(keys)
    if others:
        told += f", and {others} others that have not passed as they are"
    return Look(chosen, len(parts) - len(chosen), told, verdicts, unknown)
