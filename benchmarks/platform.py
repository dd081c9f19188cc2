"""What Dagster costs on top of the same work: `make bench-platform`.

Each figure is a median; works that are compared take turns, so that the noise of the machine
falls on both. Processes are fresh, as a person's are. `--only ui` measures the pages alone, in
Debian's Chromium.
"""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.chromium import chromium
from streaming.cli.output import print_table

if TYPE_CHECKING:
    from playwright.sync_api import Page

MONTHS = 12
SYMBOLS = 12
STRATEGIES = 20
ROUNDS = 3
PAGE_ROUNDS = 5
_ROOT = Path(__file__).parents[1]


def cpu_of(code: str, environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Give (wall, CPU) seconds of a Python program in a process of its own."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        check=True,
        cwd=_ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = os.times()
    cpu = after.children_user + after.children_system
    return time.perf_counter() - began, cpu - before.children_user - before.children_system


IMPORT_DAGSTER = "import dagster"
IMPORT_LOCATION = "import trading_assets.analytics.definitions"

MARKET = """
from pathlib import Path
from streaming.feeds.reading import Reading
from streaming.feeds.importing import import_files
from streaming.feeds.synthetic_files import write_market
from streaming.lake import Lake
root = Path(ROOT)
files = write_market(root / "files", 1, SYMBOLS, MONTHS * 30 + 5)
import_files(Lake(root / "lake"), files, Reading("ohlcv", {}, None, None, "UTC"))
"""

BACKTEST = """
import numpy as np
from streaming.jobs.strategies import select
from streaming.lake import Lake
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.settings import Settings
from trading_assets.analytics.partitions import month_bounds
chosen = tuple(select("all")[:STRATEGIES])
run_backtest(Lake(ROOT + "/lake"), BacktestRequest(Settings(), chosen,
             end=month_bounds(LAST)[1], final_unrealized=True, threads=2))
"""

BACKFILL = """
import json
from streaming.jobs.strategies import select
from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.launch import instance, launch
names = [one.id for one in select("all")[:STRATEGIES]]
with instance() as opened:
    keys = (f"{FIRST}|{names[0]}", f"{LAST}|{names[-1]}")
    assert launch(opened, [BACKTESTS], keys, checks=False).succeeded
"""

CHECKS = """
import pyarrow as pa
from streaming.contracts import PRICE_1M_HISTORY, TRADE_MATCH_HISTORY
from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.checks.contracts import check_rows
from trading_assets.analytics.checks.partwise import check_parts
from trading_assets.analytics.checks.rows import of_runs, prices
from trading_assets.analytics.contract_checks import BESIDE_MATCHES
from trading_assets.platform import Platform
platform = Platform(folder=ROOT)
bars = pa.concat_tables([rows for part in prices(platform) for _, rows in part.read()])
assert check_rows(PRICE_1M_HISTORY, bars.slice(0, 72_000), ordered=False).rows == 72_000
for table in (TRADE_MATCH_HISTORY, *BESIDE_MATCHES):
    parts = [part for part in of_runs(platform, BACKTESTS, table.name) if part.key[:7] == FIRST]
    assert not check_parts(table, parts, snapshots=table in BESIDE_MATCHES).failed
"""


def imports() -> Iterator[list[str]]:
    """Give the line of what the location's import costs on top of Dagster's own."""
    found = [(cpu_of(IMPORT_DAGSTER)[1], cpu_of(IMPORT_LOCATION)[1]) for _ in range(2 * ROUNDS)]
    plain, location = (statistics.median(one) for one in zip(*found, strict=True))
    yield [
        "import of the location, CPU s",
        f"{location:.2f}",
        f"{plain:.2f} (dagster)",
        f"+{location - plain:.2f} s",
        "<= +1 s",
        _reached(location <= plain + 1),
    ]


def works() -> Iterator[list[str]]:
    """Give the lines of a backfill and of the checks."""
    with tempfile.TemporaryDirectory(prefix="bench-platform-") as folder:
        root = Path(folder)
        variables = f"ROOT, FIRST, LAST = {folder!r}, '2024-02', '2025-01'\n"
        variables += f"MONTHS, SYMBOLS, STRATEGIES = {MONTHS}, {SYMBOLS}, {STRATEGIES}\n"
        environment = {"TRADING__DATA__FOLDER": folder, "TRADING__HISTORY__START": "2024-02-01"}
        cpu_of(variables + MARKET)
        walls = []
        for _ in range(ROUNDS):
            shutil.rmtree(root / "lake" / "runs", ignore_errors=True)
            alone, _ = cpu_of(variables + BACKTEST, environment)
            shutil.rmtree(root / "lake" / "runs", ignore_errors=True)
            shutil.rmtree(root / "dagster", ignore_errors=True)
            both, _ = cpu_of(variables + BACKFILL, environment)
            walls.append((alone, both))
        alone, both = (statistics.median(one) for one in zip(*walls, strict=True))
        yield [
            f"backfill, {MONTHS} months x {STRATEGIES} strategies, one run, wall s",
            f"{both:.1f}",
            f"{alone:.1f} (trading backtest)",
            f"{both / alone:.2f}x",
            "<= 2x + 20 s",
            _reached(both <= 2 * alone + 20),
        ]
        checked = [cpu_of(variables + CHECKS, environment)[1] for _ in range(ROUNDS)]
        took = statistics.median(checked)
        yield [
            "contract checks of 72,000 bars and a month's matches, CPU s",
            f"{took:.1f}",
            "",
            "",
            "< 30 s",
            _reached(took < 30),
        ]


def pages() -> Iterator[list[str]]:
    """Give the lines of the lineage page, from the click until every asset's box is drawn."""
    from trading_assets.analytics.definitions import defs

    count = len(defs.resolve_asset_graph().get_all_asset_keys())
    with (
        tempfile.TemporaryDirectory(prefix="bench-pages-") as folder,
        serving(folder) as url,
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(120_000)
        took = [lineage_seconds(page, url, count) for _ in range(1 + PAGE_ROUNDS)]
    for name, seconds in (("warm", statistics.median(took[1:])), ("the first", took[0])):
        yield [
            f"lineage page with all {count} assets after the click, {name}, wall s",
            f"{seconds:.2f}",
            "",
            "",
            "<= 5 s",
            _reached(seconds <= 5),
        ]


def lineage_seconds(page: "Page", url: str, count: int) -> float:
    """Give the seconds from the click on Lineage until all assets are drawn, unfolded."""
    page.goto(url)
    link = page.get_by_role("link", name=re.compile("Lineage$"))
    link.wait_for()
    began = time.perf_counter()
    link.click()
    # The groups are drawn folded at first; this unfolds them all.
    page.locator("[class*=GroupNode], [class*=AssetNode_assetName]").first.wait_for()
    if page.locator("[class*=AssetNode_assetName]").count() < count:
        page.keyboard.press("Alt+e")
    page.wait_for_function(
        "count => document.querySelectorAll('[class*=AssetNode_assetName]').length === count",
        arg=count,
    )
    return time.perf_counter() - began


@contextmanager
def serving(folder: str) -> Iterator[str]:
    """Run `scripts/ui.sh` on a data folder, and give its address once it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        ["bash", "scripts/ui.sh"],
        cwd=_ROOT,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "TRADING__DATA__FOLDER": folder,
            "TRADING_UI_PORT": str(port),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            if server.poll() is not None:
                raise SystemExit("error: scripts/ui.sh did not start.")
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=10):
                    break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait()


def main() -> int:
    """Measure, and print the table."""
    only = sys.argv[1:] == ["--only", "ui"]
    rows = []
    for row in pages() if only else chain(imports(), works(), pages()):
        print(*row, sep="  ", file=sys.stderr)
        rows.append(row)
    print_table("Dagster (medians)", ["work", "ours", "against", "", "target", "reached"], rows)
    if only:
        return 0
    target = _ROOT / ".benchmarks" / "platform.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def _reached(yes: bool) -> str:
    return "yes" if yes else "no"


if __name__ == "__main__":
    sys.exit(main())
