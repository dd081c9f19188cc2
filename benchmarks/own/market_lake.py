"""The lake that P3 and P10 read: the shared seeded bars, imported once and kept.

Made in a process of its own, so that making it does not count as memory of the work.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import inputs
from benchmarks.environments import CACHE

# A month at a time, so that making the lake of 26 million bars takes no gigabytes.
STRETCH = 30 * 1_440


def lake_of(count: int, symbols: int) -> Path:
    """Give the lake with `count` bars of each of `symbols` symbols, made where missing."""
    folder = _folder(count, symbols)
    if not folder.exists():
        command = [sys.executable, "-m", __name__, f"--count={count}", f"--symbols={symbols}"]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return folder


def make(count: int, symbols: int) -> None:
    """Write the lake under a name of its own, hold it to the inputs, and give it its final one.

    Raises
    ------
    RuntimeError
        If the lake does not give back the bars that went in.
    """
    from streaming.jobs.price_rows import rows_of_bars
    from streaming.lake import Lake
    from streaming.rules.bars import Bars

    folder = _folder(count, symbols)
    for other in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
        shutil.rmtree(other)  # of older sources, or of a process that was stopped
    unfinished = folder.with_name(f"{folder.name}-{os.getpid()}")
    lake = Lake(unfinished)
    markets = {
        inputs.symbol_name(symbol): Bars(*inputs.bars(count, symbol)) for symbol in range(symbols)
    }
    for start in range(0, count, STRETCH):
        part = {name: bars.rows(start, start + STRETCH) for name, bars in markets.items()}
        lake.write_prices(rows_of_bars(part, "benchmark"))
    for name, bars in lake.bars().items():
        if inputs.digest(*bars) != inputs.digest(*markets[name]):
            raise RuntimeError(f"the lake gives other bars of {name} than went in")
    unfinished.rename(folder)


def _folder(count: int, symbols: int) -> Path:
    """Name the lake by its size and by the sources that make it."""
    root = CACHE.parent
    sources = [Path(inputs.__file__), *sorted((root / "streaming" / "lake").glob("*.py"))]
    digest = hashlib.blake2b(b"".join(path.read_bytes() for path in sources), digest_size=6)
    return CACHE / "lakes" / f"{symbols}x{count}-{digest.hexdigest()}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--symbols", type=int, required=True)
    make(**vars(parser.parse_args()))
