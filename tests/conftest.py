"""What tests of every kind share."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _signals_as_on_a_terminal():
    """Take signals as a terminal's programs do, also where tests run in the background.

    A shell lets what it starts there ignore SIGINT, nohup SIGHUP, and programs pass that on.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def real_bars_folder() -> Path:
    """The folder of real bars beside the project; they may not be copied into it."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"NO REAL BARS: {folder} is not there, so nothing is tested on real data")
    return folder


_MEMORY = Path("/dev/shm")


@pytest.fixture
def memory_folder(tmp_path):
    """A folder in memory where there is one: what counts there is not the disk's speed."""
    if not os.access(_MEMORY, os.W_OK):
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(dir=_MEMORY, prefix="trading-tests-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def small_disk(tmp_path_factory) -> Iterator[Callable[..., Path]]:
    """Mount disks of a size, such as "2m"; they are gone after the test."""
    mounted = []

    def mount(size: str, folder: Path | None = None) -> Path:
        """Give a new disk: in its own folder, or in one that is there and empty."""
        folder = folder or tmp_path_factory.mktemp("disk")
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("NO FULL DISK: mounting a tmpfs takes root, which these tests do not have")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        # Lazily: what a test has left open must not keep the others from being unmounted.
        subprocess.run(["umount", "-l", str(folder)], check=True)


_MANY = 200


def pytest_assertrepr_compare(op, left, right):
    """Tell where two large values begin to differ.

    pytest would print and compare all of both, which for the rows of a run takes minutes
    and gigabytes.
    """
    if op == "==" and type(left) is type(right) and _size(left) + _size(right) > _MANY:
        return ["equal values, but for the first difference:", *_difference(left, right, "")]
    return None


def _size(value):
    if isinstance(value, dict):
        return len(value) + sum(map(_size, value.values()))
    if isinstance(value, list | tuple):
        return len(value) + sum(map(_size, value[:_MANY]))
    return len(value) if isinstance(value, str | bytes) else 1


def _difference(left, right, path):
    if isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            if key not in left or key not in right:
                side = "left" if key in left else "right"
                return [f"at {path or 'the top'}: key {key!r} is only on the {side}"]
            if left[key] != right[key]:
                return _difference(left[key], right[key], f"{path}[{key!r}]")
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        for place, (one, other) in enumerate(zip(left, right, strict=False)):
            if one != other:
                return _difference(one, other, f"{path}[{place}]")
        return [f"at {path or 'the top'}: {len(left)} against {len(right)} items"]
    return [
        f"at {path or 'the top'}:",
        f"  left:  {repr(left)[:500]}",
        f"  right: {repr(right)[:500]}",
    ]
