"""The registry: constructor functions, their errors, and the published columns."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streaming.errors import SettingsError
from streaming.rules import indicators
from streaming.rules.indicators import BY_FEATURE, INDICATORS, PUBLISHED, Feature, feature


def test_each_feature_has_a_constructor_named_like_it():
    for name, indicator in BY_FEATURE.items():
        make = getattr(indicators, "open_" if name == "open" else name)
        assert [*indicator.params, "tf"] == list(inspect.signature(make).parameters)
        assert name in make.__doc__
        values = {0: (), 1: (5,), 2: (5, 2.0), 3: (3, 5, 4)}[len(indicator.params)]
        assert make(*values) == Feature(name, values)
        assert make(*values, tf="H1") == make(*values, "H1") == Feature(name, values, "H1")


def test_no_module_hides_a_constructor():
    folder = Path(indicators.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")}
    assert not modules & (set(BY_FEATURE) | {"open_", "feature", "advance", "new_series"})


def test_the_twelve_families_are_there():
    families = {
        "sma", "ema", "rsi", "atr", "macd", "bollinger", "roc", "donchian", "adx", "zscore",
        "vwap", "realised_volatility",
    }  # fmt: skip
    assert families <= {indicator.name for indicator in INDICATORS}


def test_columns_are_plain_and_unique():
    assert len(set(PUBLISHED)) == len(PUBLISHED)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", column) for column in PUBLISHED)
    assert {"close", "rsi_14", "macd_signal_12_26_9", "bollinger_upper_20_2"} <= set(PUBLISHED)


def test_a_fraction_fits_into_a_column_name():
    assert indicators.bollinger_upper(20, 2.5).column == "bollinger_upper_20_2p5"
    assert indicators.bollinger_upper(20, 2).column == "bollinger_upper_20_2"


def test_a_feature_is_the_same_however_it_is_made():
    made = indicators.bollinger_upper(20, 2, "M5")
    assert made == indicators.bollinger_upper(length=20, width=2.0, tf="M5")
    assert hash(made) == hash(feature("bollinger_upper", 20, 2, tf="M5"))
    assert made.local == indicators.bollinger_upper(20, 2)
    assert made.on("H1") == made
    assert made.local.on("H1").timeframe == "H1"
    assert str(made) == "bollinger_upper_20_2@M5"


def test_features_sort_with_and_without_timeframe():
    own, daily, other = indicators.close(), indicators.close("D1"), indicators.sma(5)
    assert sorted([other, daily, own]) == [own, daily, other]
    assert own < daily <= daily < other
    assert other > daily >= daily > own


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: indicators.sma(0), "length = 0"),
        (lambda: indicators.sma(2.5), "whole number"),
        (lambda: indicators.sma("20"), "must be a number"),
        (lambda: indicators.sma(True), "must be a number"),
        (lambda: indicators.sma(float("nan")), "whole number"),
        (lambda: indicators.sma(10**9), "1000000"),
        (lambda: indicators.rsi(1), "from 2"),
        (lambda: indicators.bollinger_upper(20, 0), "positive"),
        (lambda: indicators.bollinger_upper(20, float("inf")), "positive"),
        (lambda: indicators.macd(26, 12, 9), "fast = 26 must be below slow = 12"),
        (lambda: indicators.close("H2"), "H2"),
        (lambda: feature("smaa", 3), "smaa"),
        (lambda: feature("sma"), "takes 1 parameters"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        call()


def test_a_wrong_name_is_no_constructor():
    for name in ("smaa", "open", "rsi_", "indicator"):
        with pytest.raises(AttributeError, match=name):
            getattr(indicators, name)


def test_columns_are_had_without_numba():
    code = (
        "import sys; from streaming.rules.indicators import PUBLISHED, ema;"
        "ema(20, 'H1'); sys.exit('numba' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
