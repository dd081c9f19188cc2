"""The command line in processes that start at once: forked where all is imported and compiled.

`python -m tests.live.commands FOLDER` first catches up over that data folder, which loads the
compiled rules, then forks a child for each order: see `store.zygote`.
"""

import os
import sys
from pathlib import Path

from streaming import cli
from tests.store.zygote import ROOT, serve


def trading(folder, tell, *, words, log, **_):
    """Run `trading` with words in a folder; what it prints goes to a file."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(folder)
    try:
        run(words)
    except SystemExit as end:
        tell(f"exit {end.code or 0}")


def run(words):
    sys.argv = ["trading", *words]
    cli.main()


if __name__ == "__main__":
    # Whoever reads this process's output gets the numbers of children alone.
    said = os.dup(1)
    os.dup2(2, 1)
    os.chdir(sys.argv[1])
    try:
        run(["catch-up"])
    except SystemExit as end:
        if end.code:
            raise
    os.dup2(said, 1)
    os.close(said)
    os.chdir(Path(ROOT))
    serve(globals())
