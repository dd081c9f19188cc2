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

_COSTLY = ("scipy.linalg", "coverage", "yaml")
"""What numba tries to import where it is installed, and the rules have no use for.

Together that takes longer than loading all rules from their cache.
"""


def _load_numba() -> Any:
    """Load numba and its array functions, without `_COSTLY` libraries that are not loaded yet.

    Little is lost to other users of numba in this process: compiled functions that need
    scipy.linalg (`np.dot`, `np.cov`) import it when they are compiled; `coverage` is found
    where it measures, because then it is loaded; `yaml` reads a file that few have.
    """
    hidden = [name for name in _COSTLY if name not in sys.modules]
    if Path(".numba_config.yaml").exists() and "yaml" in hidden:
        hidden.remove("yaml")
    if "numba.np.arraymath" in sys.modules:
        return importlib.import_module("numba")
    there = importlib.util.find_spec("scipy") is not None
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # None: cannot be imported
    try:
        loaded = importlib.import_module("numba")
        arrays: Any = importlib.import_module("numba.np.arraymath")
    finally:
        for name in hidden:
            del sys.modules[name]
    # What the trial would have found; compiled np.cov and np.corrcoef ask for it.
    if hasattr(arrays, "_HAVE_BLAS"):
        arrays._HAVE_BLAS = there
    return loaded


numba: Any = _load_numba()

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
