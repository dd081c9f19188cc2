"""Each peer's own environment: a venv with exactly the packages of its lock file.

The locks (`peers-<name>.lock`, with hashes) were compiled with uv; installing needs only
`venv` and `pip`, so that a machine without uv can measure too. An environment is whole or
absent: it carries a stamp of its lock, written last.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
CACHE = FOLDER.parent / ".benchmarks"

# Interpreter that a peer's wheels need where the project's own will not do.
_NEEDS = {"nt": (3, 12)}  # nautilus_trader 1.231 has no wheels below Python 3.12


class NotMeasuredError(Exception):
    """A figure cannot be had on this machine; the message says why."""


def python_of(name: str) -> Path:
    """Give the interpreter of a peer's environment, making it first where it is missing.

    Parameters
    ----------
    name : str
        `own`, `vbt`, `misc` or `nt`; or `project` for the interpreter running this.

    Raises
    ------
    NotMeasuredError
        No fitting interpreter is on this machine, or the packages cannot be installed.
    """
    if name == "project":
        return Path(sys.executable)
    version = _NEEDS.get(name, sys.version_info[:2])
    lock = FOLDER / f"peers-{name}.lock"
    folder = CACHE / "envs" / name
    python = folder / "bin" / "python"
    stamp = folder / "lock.digest"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted and _is_version(python, version):
        return python
    base = _base_python(version)
    print(f"Installing the environment '{name}' from {lock.name} ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run([str(base), "-m", "venv", str(folder)], f"make the environment '{name}'")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    exact = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    _run([*pip, *exact, "-r", str(lock)], f"install {lock.name}")
    stamp.write_text(wanted)
    return python


def _base_python(version: tuple[int, ...]) -> Path:
    """Find an interpreter of this minor version on the PATH or among pyenv's."""
    if version == sys.version_info[:2]:
        return Path(sys.executable)
    name = f"python{version[0]}.{version[1]}"
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    folders += sorted(pyenv.glob(f"{version[0]}.{version[1]}*/bin"), reverse=True)
    for folder in folders:
        candidate = folder / name
        # A pyenv shim exists for versions that are not switched on: only running it tells.
        if _is_version(candidate, version):
            return candidate
    raise NotMeasuredError(f"needs Python {version[0]}.{version[1]}, and none was found")


def _is_version(python: Path, version: tuple[int, ...]) -> bool:
    if not python.exists():
        return False
    code = "import sys; print(sys.version_info[:2])"
    answer = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    return answer.stdout.strip() == str(version)


def _run(command: list[str], purpose: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise NotMeasuredError(f"could not {purpose}: {' '.join(last)}")
