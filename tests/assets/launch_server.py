"""Makes runs in processes of their own, without the seconds that importing Dagster takes each.

A program that reads one JSON object a line, and answers with one:

- {"warm": lake, "key"} does the work of a month in the server itself: it is shorter then for
  all of its processes; {}
- {"folder", "names", "keys", "kill_at", "kill_in"} forks a process that launches these assets
  as `trading_assets.launch` does; {"pid"}. `kill_in` are names of calls that are counted, at
  number `kill_at` of which the process kills itself: 0 for never. Beside the folder it leaves
  their number and its output.
- {"wait": pid}; {"code"}: what it exited with, negative for a signal
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from streaming.analytics.plot import png
from streaming.lake import Lake
from streaming.runtimes.run_source import from_run
from streaming.settings import Settings
from trading_assets import launch
from trading_assets.analytics.months import Plan, run_months
from trading_assets.analytics.sound_prices import SoundPrices

_OWNERS = {"write_table": pq.ParquetWriter, "connect": duckdb}
# What waits for longer waits for ever.
_MOST_SECONDS = 240


def serve() -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "warm" in asked:
            _warm(Lake(asked["warm"]), asked["key"])
            answer = {}
        elif "wait" in asked:
            _, status = os.waitpid(asked["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        else:
            pid = os.fork()
            if pid == 0:
                _work(asked)
            answer = {"pid": pid}
        print(json.dumps(answer), flush=True)


def _warm(lake: Lake, key: list[str]) -> None:
    """Load what is compiled, once for all processes."""
    prices = SoundPrices(lake, lake.root.parent / "verdicts")
    (month,) = run_months(lake, Plan(Settings(), threads=1), [tuple(key)], prices)
    png(from_run(lake.root, month.run.id).reports(by="strategy"))


def _work(asked: dict) -> None:
    """Launch in this process, and end it: 0 where the run succeeded, else 1."""
    signal.alarm(_MOST_SECONDS)
    folder = Path(asked["folder"])
    log = os.open(folder.with_name(f"{folder.name}.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        os.environ["TRADING__DATA__FOLDER"] = str(folder)
        with launch.instance() as opened:
            calls = _counted(asked.get("kill_in", []), asked.get("kill_at", 0))
            keys = asked.get("keys")
            done = launch.launch(
                opened, asked["names"], tuple(keys) if keys else None, checks=False
            )
            launch._end([done])
        (folder.with_name(f"{folder.name}.calls")).write_text(str(calls[0]))
        code = 0
    except BaseException as error:
        print(f"error: {error!r}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _counted(names: list[str], kill_at: int) -> list[int]:
    calls, turn = [0], threading.Lock()

    def counted(original):
        def call(*args, **options):
            with turn:
                calls[0] += 1
                if calls[0] == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **options)

        return call

    for name in names:
        owner = _OWNERS.get(name, os)
        setattr(owner, name, counted(getattr(owner, name)))
    return calls


if __name__ == "__main__":
    serve()
