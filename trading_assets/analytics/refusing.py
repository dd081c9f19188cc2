"""Files that cannot be read are moved out of the way, whole, each with the reason beside it."""

import datetime as dt
import os
import shutil
from itertools import count
from pathlib import Path

from streaming.lake import atomic_file
from streaming.lake.atomic import disk_errors


def reason_file(moved: Path) -> Path:
    """Name the text that says why a file was refused."""
    return moved.with_name(f"{moved.name}.reason.txt")


def refuse(path: Path, folder: Path, why: str, reading: Path) -> Path:
    """Move a file that cannot be read to the refused ones, over nothing that is there.

    The file has its new name and its reason before it loses the old name, so a process that
    is killed leaves it in both places, and the same call then ends the work.

    Parameters
    ----------
    path
        The file.
    folder
        The refused ones; made if it is not there.
    why
        The reason, for people.
    reading
        The file that says how files are to be read, for the advice.

    Returns
    -------
    Path
        Where the file is now.

    Raises
    ------
    LakeError
        If the disk is full or refuses; the file is then still where it was.
    """
    with disk_errors(folder, f"{path} stays where it is, though it cannot be read ({why})"):
        folder.mkdir(parents=True, exist_ok=True)
        moved = _free_place(path, folder)
        if not moved.exists():
            _bring(path, moved)
        with atomic_file(reason_file(moved)) as partial:
            text = _reason(path, why, reading)
            partial.write_text(text, encoding="utf-8", errors="replace")
        path.unlink()
    return moved


def _free_place(path: Path, folder: Path) -> Path:
    for number in count(1):
        name = path.name if number == 1 else f"{path.stem}.{number}{path.suffix}"
        place = folder / name
        if place.exists():
            # Of a process that was killed before it could remove the old name.
            if place.samefile(path):
                return place
        elif not reason_file(place).exists():
            return place
    raise AssertionError


def _bring(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except FileExistsError:
        raise
    except OSError:
        # Another disk, or one that knows no links.
        with atomic_file(place) as partial:
            shutil.copy2(path, partial)


def _reason(path: Path, why: str, reading: Path) -> str:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    lines = [f"{path.name} was refused at {now}; nothing of it was imported.", "", why, ""]
    lines += [f"To try again: mend it (or {reading}) and move it back to {path.parent}.", ""]
    return "\n".join(lines)
