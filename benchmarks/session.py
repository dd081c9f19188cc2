"""The benchmark's side of a measurement: start contenders and let them take turns.

Every contender is a process of its own. All prepare and warm up first; then each runs
once per round, A B A B, so that a slow minute of the machine falls on all of them. One
round more than asked for is run, the first of which does not count.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks.environments import CACHE, NotMeasuredError, python_of

ROOT = Path(__file__).parent.parent
# Peers that would look for news of themselves on the net while being measured.
QUIET = {"RAPTORBT_NO_VERSION_CHECK": "1", "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True)
class Contender:
    """One thing to measure.

    Attributes
    ----------
    name : str
        As the table shows it.
    environment : str
        `project`, or a peer's environment.
    module : str
        Module below `benchmarks` that serves the measurement; or, with `whole`, the code
        of a process that is timed from its start to the first line it prints.
    arguments : dict
        Options of the module.
    """

    name: str
    environment: str
    module: str
    arguments: dict[str, Any] = field(default_factory=dict)
    whole: bool = False


@dataclass
class Measured:
    """All rounds of one contender; `reason` says why there are none.

    `failed` tells a contender that broke from one that this machine cannot run.
    """

    units: int = 1
    inputs: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    reason: str = ""
    failed: bool = False

    @property
    def wall(self) -> float:
        """Median wall seconds of a round."""
        return statistics.median(entry["wall"] for entry in self.rounds)

    @property
    def cpu(self) -> float:
        """Median CPU seconds of a round, of all threads."""
        return statistics.median(entry["cpu"] for entry in self.rounds)

    @property
    def peak_mib(self) -> float:
        """Peak resident memory of the process over all rounds, MiB."""
        return max(entry["peak_mib"] for entry in self.rounds)

    @property
    def facts(self) -> dict[str, Any]:
        """What the last round found; the rounds must agree, or the contender is at fault."""
        return self.rounds[-1]["facts"]


class ContenderError(Exception):
    """A contender stopped or answered nonsense; the message says where its log is."""


class Served:
    """A contender that prepares once and runs for each line it is sent."""

    def __init__(self, contender: Contender, python: Path) -> None:
        options = [f"--{key}={value}" for key, value in contender.arguments.items()]
        self.log = _log_of(contender)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(python), "-m", f"benchmarks.{contender.module}", *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, **QUIET},
            )

    def greeting(self) -> dict[str, Any]:
        """Wait until it is ready: its units, inputs and versions."""
        return self._answer()

    def turn(self) -> dict[str, Any]:
        """Let it run once."""
        try:
            self.process.stdin.write("run\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer that does not come tells
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.process.wait()
        lines = self.log.read_text().strip().splitlines() or ["no output"]
        raise ContenderError(f"{lines[-1]} (log: {self.log.relative_to(ROOT)})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Whole:
    """A contender that is timed from the start of its process to its first line."""

    def __init__(self, contender: Contender, python: Path) -> None:
        self.command = [str(python), "-c", contender.module]
        self.log = _log_of(contender)

    def greeting(self) -> dict[str, Any]:
        """Be ready at once: the round that does not count fills the caches on disk."""
        return {"units": 1, "inputs": "", "versions": {}}

    def turn(self) -> dict[str, Any]:
        """Run once; CPU time is that of the whole process, with its end."""
        with self.log.open("w+") as log:
            start = time.perf_counter()
            process = subprocess.Popen(
                self.command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, **QUIET, "PYTHONUNBUFFERED": "1"},
            )
            with process.stdout:
                line = process.stdout.readline()
                wall = time.perf_counter() - start
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            log.seek(0)
            said = log.read().strip().splitlines() or [""]
        if process.returncode or not line:
            raise ContenderError(f"{said[-1]} (log: {self.log.relative_to(ROOT)})")
        peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        cpu = usage.ru_utime + usage.ru_stime
        return {"wall": wall, "cpu": cpu, "peak_mib": peak, "facts": {"printed": line.strip()}}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def measure(contenders: list[Contender], rounds: int) -> dict[str, Measured]:
    """Run all contenders in turns; one that cannot run does not stop the others.

    Returns
    -------
    dict
        For each contender's name its rounds, or the reason why there are none.
    """
    found = {contender.name: Measured() for contender in contenders}
    with ExitStack() as stack:
        ready: dict[str, Served | Whole] = {}
        for contender in contenders:
            entry = found[contender.name]
            try:
                kind = Whole if contender.whole else Served
                runner = stack.enter_context(kind(contender, python_of(contender.environment)))
                greeting = runner.greeting()
            except (NotMeasuredError, ContenderError) as reason:
                entry.reason, entry.failed = str(reason), isinstance(reason, ContenderError)
                continue
            entry.units, entry.inputs = greeting["units"], greeting["inputs"]
            entry.versions = greeting["versions"]
            ready[contender.name] = runner
        # The first round is not counted: in it the machine finds the memory that the work needs.
        for number in range(rounds + 1):
            for name, runner in list(ready.items()):
                try:
                    turn = runner.turn()
                    if number:
                        found[name].rounds.append(turn)
                except ContenderError as reason:
                    found[name].rounds.clear()
                    found[name].reason, found[name].failed = str(reason), True
                    del ready[name]
    return found


def _log_of(contender: Contender) -> Path:
    folder = CACHE / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    words = ["start" if contender.whole else contender.module, contender.environment]
    words += [str(value) for value in contender.arguments.values()]
    return folder / f"{'-'.join(words)}.log"
