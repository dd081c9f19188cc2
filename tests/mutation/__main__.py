"""Mutation score of the rules that decide money: python -m tests.mutation --sample 300.

Makes mutants of the target modules with mutmut, draws a sample with a seed, and runs the
quick tests of `tests/rules` on each with numba switched off. Nothing in the working tree
changes. Ends with 1 where the score is below the least one asked for.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.mutation import report, shadow

_MOST_MEMORY = 8 << 30
_SKIPPED = 34  # mutmut's exit code of a mutant that is not to be run
_INTERRUPTED = 2


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=300, help="how many mutants; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--least", type=float, default=0.9, help="the lowest score that passes")
    parser.add_argument("--json", type=Path, help="write every verdict to this file")
    parser.add_argument("--only", nargs="+", choices=shadow.TARGETS, help="mutate only these")
    parser.add_argument("--stock", action="store_true", help="mutmut's own operators, all of them")
    parser.add_argument("--deselect", action="append", default=[], help="leave a test out")
    asked = parser.parse_args()
    target = asked.json.resolve() if asked.json else None

    os.environ |= {"NUMBA_DISABLE_JIT": "1", "HYPOTHESIS_PROFILE": "mutants"}
    # A mutant that never stops taking memory must not take the machine's.
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    signal.signal(signal.SIGTERM, _stop)
    home = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        shadow.build(Path(folder), tuple(asked.only or shadow.TARGETS), asked.deselect)
        os.chdir(folder)
        try:
            mutants = _run(asked.sample, asked.seed, asked.jobs, asked.stock)
        finally:
            os.chdir(home)
    equivalent = report.read_equivalent(report.EQUIVALENT.read_text())
    result = report.scores(mutants, equivalent)
    print(report.text(mutants, equivalent))
    if target:
        rows = [asdict(mutant) for mutant in mutants]
        target.write_text(json.dumps({**result, "seed": asked.seed, "rows": rows}, indent=1))
    return int(result["score_without_equivalent"] < asked.least)


_OWN = os.getpid()


def _stop(*_: object) -> None:
    """Stop as on an interrupt, where mutmut stops what it started and the folder goes."""
    if os.getpid() == _OWN:
        raise KeyboardInterrupt
    os._exit(_INTERRUPTED)


def _run(sample: int, seed: int, jobs: int, stock: bool) -> list[report.Mutant]:
    """Make mutants in the current folder, run a sample of them, and give their verdicts."""
    # mutmut reads its settings from the current folder, so it is imported only now.
    from mutmut import __main__ as mutmut
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.utils.file_utils import copy_src_dir, walk_mutatable_files

    if not stock:
        from tests.mutation import operators

        operators.install()
    copy_src_dir()
    with _hushed():
        mutmut.create_mutants(jobs)
    files = []
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        files.append(data)
    names = sorted(name for data in files for name in data.exit_code_by_key)
    chosen = set(names)
    if 0 < sample < len(names):
        chosen = set(random.Random(seed).sample(names, sample))
    print(f"{len(chosen)} of {len(names)} mutants, seed {seed}", flush=True)
    for data in files:
        for name in data.exit_code_by_key.keys() - chosen:
            data.exit_code_by_key[name] = _SKIPPED
        data.save()
    with _hushed():
        mutmut._run((), jobs)
    return [mutant for data in files for mutant in _verdicts(data, chosen)]


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep mutmut's spinners out of logs; what it said is shown where it gives up."""
    if sys.stdout.isatty():
        yield
        return
    sys.stdout.flush()
    # mutmut and its children write to the descriptor, whatever sys.stdout is.
    ours = os.dup(1)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(ours, said.read())
            raise
        finally:
            sys.stdout.flush()
            os.dup2(ours, 1)
            os.close(ours)


def _verdicts(data: Any, chosen: set[str]) -> list[report.Mutant]:
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    data.load()
    file = str(data.path)
    starts = report.function_lines(data.path.read_text())
    mutants = []
    for name in sorted(data.exit_code_by_key.keys() & chosen):
        verdict = status_by_exit_code[data.exit_code_by_key[name]]
        if verdict == "not checked":
            raise RuntimeError(f"mutmut stopped before it came to {name}")
        function, owner = orig_function_and_class_names_from_key(name)
        function = f"{owner}.{function}" if owner else function
        line, before, after = report.changed_lines(get_diff_for_mutant(name, path=data.path))
        if before == after:
            continue  # mutmut changed nothing but blanks
        mutants.append(
            report.Mutant(
                name,
                file,
                function,
                starts[function] + line - 1,
                before,
                after,
                verdict,
                data.durations_by_key.get(name, 0.0),
            )
        )
    return mutants


if __name__ == "__main__":
    sys.exit(main())
