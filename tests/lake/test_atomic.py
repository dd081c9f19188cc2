"""Files and folders are whole or absent, and leftovers go away."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streaming.errors import LakeError
from streaming.lake import atomic_directory, atomic_file, scratch_directory, sweep


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_file_takes_its_name_only_when_it_is_whole(tmp_path):
    final = tmp_path / "deep" / "file"
    with atomic_file(final) as partial:
        partial.write_text("new")
        assert not final.exists()
    assert final.read_text() == "new"
    assert _names(final.parent) == ["file"]


def test_a_failure_leaves_the_old_file_and_no_leftover(tmp_path):
    final = tmp_path / "file"
    final.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(final) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert final.read_text() == "old"
    assert _names(tmp_path) == ["file"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    final = tmp_path / "run"
    for content in ("a", "b"):
        with atomic_directory(final) as partial:
            (partial / "deep").mkdir()
            (partial / "deep" / content).write_text(content)
    assert [p.name for p in (final / "deep").iterdir()] == ["b"]
    assert _names(tmp_path) == ["run"]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    final = tmp_path / "run"
    with atomic_directory(final) as partial:
        (partial / "a").write_text("a")
    with pytest.raises(KeyboardInterrupt), atomic_directory(final) as partial:
        (partial / "b").write_text("b")
        raise KeyboardInterrupt
    assert _names(final) == ["a"]
    assert _names(tmp_path) == ["run"]


def test_scratch_is_removed_also_after_a_failure(tmp_path):
    with pytest.raises(ValueError), scratch_directory(tmp_path / "staging", "x") as scratch:
        (scratch / "f").write_text("f")
        raise ValueError
    assert _names(tmp_path / "staging") == []


_HANG = """
import sys, time
from pathlib import Path
from streaming.lake import atomic_directory, atomic_file
root = Path(sys.argv[1])
with atomic_file(root / "f") as one, atomic_directory(root / "below" / "d") as other:
    one.write_text("half")
    (other / "x").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_sweep_takes_what_the_dead_left_and_spares_the_living(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _HANG, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert sweep(tmp_path) == 0
        assert _leftovers(tmp_path) == 2
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert _leftovers(tmp_path) == 2
        assert sweep(tmp_path) == 2
        assert _leftovers(tmp_path) == 0
        assert not (tmp_path / "f").exists()
        assert not (tmp_path / "below" / "d").exists()
    finally:
        process.kill()
        process.communicate()


def _leftovers(root: Path) -> int:
    return len([*root.glob(".*.partial"), *root.glob("*/.*.partial")])


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match=r"file/below"), atomic_file(tmp_path / "file" / "below"):
        pass


@pytest.mark.parametrize("manage", [atomic_file, atomic_directory])
def test_a_folder_that_cannot_be_made_is_told_as_such(tmp_path, manage):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for final in (Path("/proc/nowhere/x"), tmp_path / ("x" * 300) / "x", loop / "deep" / "x"):
        why = r"x: cannot be written \(.*Nothing of it was changed"
        with pytest.raises(LakeError, match=why), manage(final):
            pass
    assert _names(tmp_path) == ["loop"]


def test_scratch_that_cannot_be_made_is_told_as_such():
    with (
        pytest.raises(LakeError, match=r"cannot be written"),
        scratch_directory(Path("/proc/x"), "y"),
    ):
        pass


def test_who_sweeps_takes_nothing_from_those_who_begin(tmp_path):
    """A folder that has just been made looks dead until its maker holds it."""
    done = threading.Event()

    def sweeping():
        while not done.is_set():
            sweep(tmp_path)

    def making(name):
        for number in range(150):
            with atomic_directory(tmp_path / f"{name}{number}") as folder:
                (folder / "x").write_text(name)
            with atomic_file(tmp_path / f"{name}{number}.txt") as path:
                path.write_text(name)

    with ThreadPoolExecutor(4) as pool:
        sweepers = [pool.submit(sweeping) for _ in range(2)]
        makers = [pool.submit(making, name) for name in "ab"]
        try:
            for one in makers:
                one.result()
        finally:
            done.set()
        for one in sweepers:
            one.result()
    assert len(list(tmp_path.glob("[ab]*"))) == 600
    assert not list(tmp_path.glob(".*"))
