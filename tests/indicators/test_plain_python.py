"""Without numba's compiler, the kernels are plain Python and give the same bits."""

import os
import subprocess
import sys

from .samples import some_bars, wild_bars

CODE = """
import hashlib, sys, warnings
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")  # wide arithmetic wraps on purpose
from indicators.test_plain_python import digests
print(digests())
"""


def digests() -> str:
    import hashlib

    from streaming.rules.indicators import PUBLISHED_FEATURES, advance, new_series

    found = []
    for bars in (some_bars(41, 280), wild_bars(42, 280)):
        values = advance(new_series(PUBLISHED_FEATURES), bars, PUBLISHED_FEATURES)
        body = b"".join(values[feature].tobytes() for feature in PUBLISHED_FEATURES)
        found.append(hashlib.blake2b(body, digest_size=16).hexdigest())
    return " ".join(found)


def test_plain_python_gives_the_same_bits():
    from pathlib import Path

    done = subprocess.run(
        [sys.executable, "-c", CODE, str(Path(__file__).parents[1])],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == digests().split()
