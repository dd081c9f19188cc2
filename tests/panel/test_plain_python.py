"""Without numba's compiler the panel is plain Python and gives the same bits."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from indicators.samples import some_bars

from streaming.jobs.indicator_panel import IndicatorPanel
from streaming.rules.bars import join_bars
from streaming.rules.indicators import adx, bollinger_width, close, ema, macd, roc, vwap

from .twins import at_minute, minutes_of

CODE = """
import sys, warnings
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")  # wide arithmetic wraps on purpose
from panel.test_plain_python import digest
print(digest())
"""


def digest() -> str:
    features = [close(), ema(5), macd(3, 6, 4, "M5"), adx(3), vwap("M15"), roc(2, "M5")]
    panel = IndicatorPanel([*features, bollinger_width(4, 2.0, "M5")])
    panel.add(["A", "B"])
    market = [some_bars(seed, 40, gaps=0.3) for seed in (51, 52)]
    found = hashlib.blake2b(digest_size=16)
    for minute in minutes_of(market):
        bars = at_minute(market, [0, 1], minute)
        waves = panel.advance(np.array([*bars]), join_bars([*bars.values()]), minute)
        for one in (wave for name in waves for wave in waves[name]):
            found.update(one.codes.tobytes() + one.ts.tobytes())
            found.update(one.now.tobytes() + one.before.tobytes())
    for code in range(2):
        found.update(panel.state(code).to_bytes())
    return found.hexdigest()


def test_plain_python_gives_the_same_bits():
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(Path(__file__).parents[1])],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [digest()]
