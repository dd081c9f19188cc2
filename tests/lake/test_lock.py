"""One writer at a time, over threads and processes."""

import subprocess
import sys
import threading
import time

import pytest

from streaming.errors import LakeError
from streaming.lake import table_lock

_HOLD = """
import sys, time
from pathlib import Path
from streaming.lake import table_lock
with table_lock(Path(sys.argv[1]), "prices"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_named_and_frees_the_lock_by_dying(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(LakeError, match=f"prices: process {process.pid} .* stop it"),
            table_lock(tmp_path, "prices", wait_seconds=0.1),
        ):
            pass
        with table_lock(tmp_path, "another table", wait_seconds=0.1):
            pass
        process.kill()
        process.wait()
        with table_lock(tmp_path, "prices", wait_seconds=5):
            pass
    finally:
        process.kill()
        process.communicate()


def test_threads_take_turns(tmp_path):
    inside = []
    worst = []

    def work():
        with table_lock(tmp_path, "prices"):
            inside.append(1)
            worst.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worst == [1, 1, 1, 1]
