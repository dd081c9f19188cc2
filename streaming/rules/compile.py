"""Compile rules with numba, once per version of their sources.

numba's own cache notices a change in the file of a kernel, but not in a kernel that it
calls from another file (seen with numba 0.68.1). So the cache lives in a folder named by
the digest of all rule sources: any edit opens a fresh folder.
"""

import hashlib
import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numba


def _load_numba_without_scipy() -> None:
    """Load numba's array functions without letting them import scipy.linalg.

    They try whether it is there, which takes longer than loading all rules from their
    cache. Functions that do need it (`np.dot` in compiled code) import it when they are
    compiled, so nothing is lost to other users of numba in this process.
    """
    hidden = "scipy.linalg"
    if hidden in sys.modules or "numba.np.arraymath" in sys.modules:
        return
    there = importlib.util.find_spec("scipy") is not None
    sys.modules[hidden] = None  # type: ignore[assignment]  # None: cannot be imported
    try:
        arrays: Any = importlib.import_module("numba.np.arraymath")
    finally:
        del sys.modules[hidden]
    # What the trial would have found; compiled np.cov and np.corrcoef ask for it.
    if hasattr(arrays, "_HAVE_BLAS"):
        arrays._HAVE_BLAS = there


_load_numba_without_scipy()

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}

Number: TypeAlias = Any
"""A number inside a kernel where int64 and uint64 meet, which Python's types cannot tell."""

Records: TypeAlias = Any
"""A structured array; numpy's types cannot tell the type of a field."""

Function = TypeVar("Function", bound=Callable[..., Any])

# Folders of older sources are kept this long, for other checkouts that share the cache.
_KEEP_SECONDS = 14 * 24 * 3600


def sources_digest() -> str:
    """Give the digest (16 hex digits) of all rule sources and of numba's version."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _cache_root() -> Path:
    base = os.environ.get("TRADING_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    root = (Path(base) if base else Path.home() / ".cache") / "trading-platform" / "kernels"
    try:
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK):
            return root
    except OSError:
        pass
    # A home that cannot be written costs a compilation per process, not the run.
    return Path(tempfile.mkdtemp(prefix="trading-kernels-"))


def _cache_folder() -> Path:
    folder = _cache_root() / sources_digest()
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        for other in folder.parent.iterdir():
            if other.stat().st_mtime < time.time() - _KEEP_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    return folder


if "NUMBA_CACHE_DIR" not in os.environ:
    numba.config.CACHE_DIR = str(_cache_folder())


def kernel(function: Function) -> Function:
    """Compile a rule: cached, releasing the GIL, IEEE arithmetic in the order written.

    Never `fastmath`: reordered sums would depend on how the input was cut. Division by
    zero follows numpy (inf or NaN), so kernels guard integer divisors themselves.
    """
    return cast(Function, numba.njit(**_OPTIONS)(function))


def steady(function: Function) -> Function:
    """Compile a rule that allocates no array, as `kernel` does otherwise.

    Without allocation numba need not count references to arrays. It would count each array
    up and down, atomically, around every call to a rule that takes arrays, which for a rule
    called once a fill takes as long as the rule itself (`_nrt` is numba's own switch for
    that; a kernel that does allocate fails to compile under it).
    """
    return cast(Function, numba.njit(_nrt=False, **_OPTIONS)(function))


def inlined(function: Function) -> Function:
    """Compile a small rule into the body of each kernel that calls it; see `steady`.

    LLVM leaves most calls between numba functions standing, and a standing call costs more
    than a rounded product.
    """
    return cast(Function, numba.njit(_nrt=False, forceinline=True, **_OPTIONS)(function))
