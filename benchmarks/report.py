"""From rounds to ratios: the table on the terminal and the JSON beside it."""

import datetime as dt
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.session import Measured
from benchmarks.workloads import Agreement, Comparison, Workload


@dataclass(frozen=True)
class Row:
    """One line of the table; `reached` is None where a side could not be measured."""

    work: str
    title: str
    ours: str
    peer: str | None
    measure: str
    ours_figures: dict[str, float]
    peer_figures: dict[str, float]
    ratio_wall: float | None
    ratio_cpu: float | None
    target: str
    reached: bool | None
    note: str


def judge(workload: Workload, found: dict[str, Measured]) -> list[Row]:
    """Make one row for each comparison of a workload.

    Whether a target is reached is told by wall time, or by memory where the comparison
    says so; the ratio of CPU time stands beside it, for a machine with other work to do.
    """
    return [_row(workload, comparison, found) for comparison in workload.comparisons]


def disagreements(workload: Workload, found: dict[str, Measured]) -> list[str]:
    """List what should be equal and is not: inputs, rounds, findings."""
    wrong = []
    for agreement in workload.agreements:
        present = [name for name in agreement.contenders if found[name].rounds]
        inputs = {name: found[name].inputs for name in present}
        if len(set(inputs.values())) > 1:
            wrong.append(f"{workload.code}: inputs differ: {inputs}")
        wrong += [
            f"{workload.code}: {finding} differs: {_values(found, present, finding)}"
            for finding in agreement.findings
            if not _agree(found, present, finding, agreement)
        ]
    for name, measured in found.items():
        if any(entry["facts"] != measured.facts for entry in measured.rounds):
            wrong.append(f"{workload.code}: {name} found something else in another round")
    return wrong


def show(rows: list[Row], console: Console) -> None:
    """Print the table: figures, ratios, targets."""
    table = Table(header_style="bold")
    table.add_column("work", min_width=26)
    table.add_column("ours", min_width=9)
    table.add_column("against", min_width=16)
    for column in ("wall s", "cpu s", "M units\nper s", "ratio\nwall", "ratio\ncpu", "target"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("reached", min_width=7)
    title = ""
    notes: list[str] = []
    for row in rows:
        if row.title != title:
            table.add_section()
        if row.note and row.note not in notes:
            notes.append(row.note)
        mark = f" [{notes.index(row.note) + 1}]" if row.note else ""
        table.add_row(
            "" if row.title == title else f"[bold]{row.work}[/bold] {row.title}",
            row.ours,
            escape((row.peer or "") + mark),
            _pair(row, "wall", ".3f"),
            _pair(row, "cpu", ".3f"),
            _pair(row, "million_per_second", ",.3g"),
            _ratio(row.ratio_wall),
            _ratio(row.ratio_cpu),
            row.target,
            _verdict(row),
        )
        title = row.title
    console.print(table)
    for number, note in enumerate(notes, 1):
        console.print(f"{escape(f'[{number}]')} {escape(note)}", highlight=False)
    console.print("Each pair: ours / the other. Medians; 'reached' goes by wall time or memory.")


def save(
    path: Path, rows: list[Row], every: dict[str, dict[str, Measured]], wrong: list[str]
) -> None:
    """Write rows, all rounds, versions and what is known of the machine as JSON."""
    load = os.getloadavg()
    document: dict[str, Any] = {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "load": [round(value, 2) for value in load],
        },
        "rows": [asdict(row) for row in rows],
        "disagreements": wrong,
        "contenders": {
            title: {name: asdict(measured) for name, measured in found.items()}
            for title, found in every.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def _row(workload: Workload, comparison: Comparison, found: dict[str, Measured]) -> Row:
    ours = found[comparison.ours]
    peer = found[comparison.peer] if comparison.peer else None
    sides = [side for side in (ours, peer) if side is not None]
    reasons = [f"not measured: {side.reason}" for side in sides if not side.rounds]
    wall, cpu = _ratios(comparison, ours, peer) if not reasons else (None, None)
    reached = None
    if wall is not None:
        reached = (
            wall >= comparison.reach
            if comparison.measure == "speed"
            else (wall <= comparison.reach)
        )
    return Row(
        work=workload.code,
        title=workload.title,
        ours=comparison.ours,
        peer=comparison.peer,
        measure=comparison.measure,
        ours_figures=_figures(ours),
        peer_figures=_figures(peer) if peer else {},
        ratio_wall=wall,
        ratio_cpu=cpu,
        target=_target(comparison),
        reached=reached,
        note="; ".join([*reasons, *([comparison.note] if comparison.note else [])]),
    )


def _ratios(
    comparison: Comparison, ours: Measured, peer: Measured | None
) -> tuple[float, float | None]:
    if comparison.measure == "memory":
        return ours.peak_mib / (peer.peak_mib if peer else 1.0), None
    if peer is None:
        raise ValueError("only memory can be held against a target without a peer")
    if comparison.measure == "time":
        return ours.wall / peer.wall, ours.cpu / peer.cpu
    share = ours.units / peer.units
    return share * peer.wall / ours.wall, share * peer.cpu / ours.cpu


def _figures(measured: Measured) -> dict[str, float]:
    if not measured.rounds:
        return {}
    return {
        "wall": measured.wall,
        "cpu": measured.cpu,
        "million_per_second": measured.units / measured.wall / 1e6,
        "peak_mib": measured.peak_mib,
    }


def _target(comparison: Comparison) -> str:
    if comparison.measure == "speed":
        return f">= {comparison.reach:,g}x"
    unit = "x" if comparison.peer else " MiB"
    return f"<= {comparison.reach:,g}{unit}"


def _pair(row: Row, figure: str, style: str) -> str:
    if row.measure == "time" and figure == "million_per_second":
        return ""
    if row.measure == "memory":
        if figure != "wall":
            return ""
        figure, style = "peak_mib", ",.0f"
    sides = [row.ours_figures] + ([row.peer_figures] if row.peer else [])
    return " / ".join(f"{side[figure]:{style}}" if side else "-" for side in sides) + (
        " MiB" if row.measure == "memory" else ""
    )


def _ratio(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _verdict(row: Row) -> str:
    if row.reached is None:
        return "[yellow]no figure[/yellow]"
    return "[green]yes[/green]" if row.reached else "[red]no[/red]"


def _agree(
    found: dict[str, Measured], names: list[str], finding: str, agreement: Agreement
) -> bool:
    values = [found[name].facts.get(finding) for name in names]
    if not agreement.tolerance or any(isinstance(value, str) or value is None for value in values):
        return all(value == values[0] for value in values)
    return all(np.allclose(value, values[0], rtol=agreement.tolerance, atol=0) for value in values)


def _values(found: dict[str, Measured], names: list[str], finding: str) -> str:
    return ", ".join(f"{name} {str(found[name].facts.get(finding))[:60]}" for name in names)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
