"""Run the benchmarks: `python -m benchmarks [P1 P2 ...] [--quick] [--json FILE]`.

Exits 1 if a contender failed or contenders that must agree do not; a target that is not
reached, or a peer whose interpreter this machine lacks, shows in the table.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.environments import CACHE
from benchmarks.report import Row, disagreements, judge, save, show
from benchmarks.session import Measured, measure
from benchmarks.workloads import FULL, QUICK, WORKLOADS


def main() -> int:
    """Measure, print and save; give the exit code."""
    given = _arguments()
    progress = Console(stderr=True)
    scale = QUICK if given.quick else FULL
    rows: list[Row] = []
    wrong: list[str] = []
    every: dict[str, dict[str, Measured]] = {}
    for code in given.work or WORKLOADS:
        for workload in WORKLOADS[code](scale):
            progress.print(f"{code}: {workload.title} ...")
            found = measure(workload.contenders, given.rounds)
            every[f"{code} {workload.title}"] = found
            rows += judge(workload, found)
            wrong += disagreements(workload, found)
            for name, measured in found.items():
                if measured.reason:
                    progress.print(f"[red]{code}: {name}: not measured: {measured.reason}[/red]")
    console = Console(width=max(Console().width, 180))
    show(rows, console)
    if given.quick:
        console.print("Quick: small inputs that show that all runs; no figure here counts.")
    for line in wrong:
        console.print(f"[red]Disagreement: {line}[/red]")
    save(given.json, rows, every, wrong)
    console.print(f"All rounds: {given.json}")
    failed = any(entry.failed for found in every.values() for entry in found.values())
    return 1 if wrong or failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("work", nargs="*", metavar="P", help=f"of {' '.join(WORKLOADS)}; all")
    parser.add_argument("--quick", action="store_true", help="small inputs, to see that all runs")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (5)")
    parser.add_argument("--json", type=Path, default=CACHE / "results.json", metavar="FILE")
    given = parser.parse_args()
    unknown = [code for code in given.work if code not in WORKLOADS]
    if unknown:
        parser.error(f"unknown work {', '.join(unknown)}; there is {', '.join(WORKLOADS)}")
    if given.rounds < 1:
        parser.error("--rounds must be at least 1")
    return given


if __name__ == "__main__":
    sys.exit(main())
