"""Price files for tests, and what an import of them gives."""

import json
from pathlib import Path
from typing import Any

from streaming.feeds.importing import ImportReport, import_file
from streaming.feeds.reading import Reading
from streaming.lake import Lake

HEADER = "symbol,ts,open,high,low,close,volume"
KLINE = "{t},100.5,101,100,100.75,12.5,{e},1258.1,7,6.25,629.0,0"


def kline(time: int, unit: int = 1_000) -> str:
    """A Binance kline that opens at a time (epoch seconds), in ms or (unit 1,000,000) us."""
    return KLINE.format(t=time * unit, e=(time + 60) * unit - 1)


class Imported:
    """An import of one file into a lake, and what the lake then holds."""

    def __init__(self, root: Path, path: Path, symbols: Any = None, **reading: Any) -> None:
        self.lake = Lake(root)
        self.report: ImportReport = import_file(
            self.lake, path, Reading(**reading), symbols=symbols
        )
        report = self.report
        assert report.read == report.written + report.duplicate + report.quarantined
        self.bars = self.lake.bars()
        self.quarantine = self.lake.quarantine().to_pylist()

    @property
    def reasons(self) -> dict[int, str]:
        """Why each refused row was refused, by its number."""
        return {row["rowNumber"]: row["reason"] for row in self.quarantine}

    def row(self, number: int) -> dict[str, Any]:
        """A refused row as it was kept."""
        (row,) = [row["row"] for row in self.quarantine if row["rowNumber"] == number]
        return dict(json.loads(row))


def import_text(tmp_path: Path, text: str | bytes, name: str = "a.csv", **how: Any) -> Imported:
    """Import a file with the text given, whose last line is ended, or the bytes as they are."""
    tmp_path.mkdir(parents=True, exist_ok=True)
    path = tmp_path / name
    if isinstance(text, str):
        text = (text if text.endswith(("\n", "\r")) else text + "\n").encode()
    path.write_bytes(text)
    return Imported(tmp_path / "lake", path, **how)
