"""What cannot be meant is refused by name: keys, assets, ranges, values out of their limits."""

import os
import re
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.errors import DagsterInvalidConfigError, DagsterUserCodeProcessError

from trading_assets import launch
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.config import BacktestConfig
from trading_assets.analytics.indicators import IndicatorConfig
from trading_assets.analytics.prices import PricesConfig

INDICATORS, PRICES = "indicator_history", "price_1m_history"
KEY_OF = {
    BACKTESTS: "2024-02|ema_cross",
    PORTFOLIO: "2024-02",
    INDICATORS: "2024-02",
    PRICES: "2024-02-05",
}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["materialise", "nix"], "There is no asset 'nix' to materialise"),
        (["materialise", "warehous"], "Did you mean warehouse? There are"),
        (["materialise", "strategy_signal_histor"], "Did you mean strategy_signal_history or "),
        (["materialise", BACKTESTS], "has partitions: say which by --partition"),
        (["materialise", BACKTESTS, "--partition", "2024-01|nix"], "no partition '2024-01|nix'"),
        (["materialise", PORTFOLIO, "--partition", "1999-01"], "they go from 2024-01 to"),
        (["materialise", "warehouse", "--partition", "2024-01"], "has no partitions"),
        (["backfill", "--from", "2023-01", "--to", "2024-01"], "no partition '2023-01'"),
        (["backfill", "--from", "2024-03", "--to", "2024-01"], "is after --to 2024-01"),
        (["prices", "--from", "2024-13-01", "--to", "2024-02-01"], "no partition '2024-13-01'"),
    ],
)
def test_the_command_line_refuses_before_anything_is_begun(
    words, told, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "data"
    monkeypatch.setenv("TRADING__DATA__FOLDER", str(folder))
    monkeypatch.setattr("sys.argv", ["launch", *words])
    with pytest.raises(SystemExit) as end:
        launch.main()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and told in line
    assert not folder.exists()


def test_a_bad_setting_is_told_in_a_line(tmp_path):
    (tmp_path / "bad.toml").write_text("[account]\ncapitol = 5\n")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "trading_assets.launch", "materialise", "warehouse"],
        env=os.environ | {"TRADING_SETTINGS": str(tmp_path / "bad.toml")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "capitol" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", list(KEY_OF))
def test_a_key_that_is_no_partition_is_refused_by_dagster(materialise, name):
    key = KEY_OF[name].replace("2024", "1999")
    with pytest.raises(dg.DagsterUnknownPartitionError, match=re.escape(key)):
        materialise(name, keys=key)


def limits(config: type[dg.Config]):
    """Every value just outside of a limit that a field states, and the words that tell it."""
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    for name, field in config.model_fields.items():
        for limit in field.metadata:
            for bound, said in words.items():
                if (edge := getattr(limit, bound, None)) is not None:
                    step = {"ge": -1, "le": 1}.get(bound, 0)
                    yield name, type(edge)(edge + step), said, edge


@pytest.fixture
def refused(materialise, instance, platform):
    """Launch with a configuration that cannot be meant: the one line that tells why."""

    def launch(asset, config, keys=None):
        with pytest.raises(DagsterUserCodeProcessError) as told:
            materialise(asset, keys=keys or KEY_OF[asset], config=config)
        # A run would leave its planned checks behind, as not executed.
        assert instance.get_runs_count() == 0
        # What the pages show: no trace, one line.
        (shown,) = told.value.user_code_process_error_infos
        assert shown.stack == [] and shown.cause is None
        (line,) = shown.message.splitlines()
        return line

    return launch


@pytest.mark.parametrize(
    ("asset", "name", "value", "words", "edge"),
    [
        (asset, *one)
        for asset, config in ((BACKTESTS, BacktestConfig), (PRICES, PricesConfig))
        for one in limits(config)
    ],
)
def test_a_value_just_out_of_its_limit_is_told_with_field_and_limit(
    refused, asset, name, value, words, edge
):
    kind = float if name in ("capital", "slippage_bps", "fee_bps") else int
    line = refused(asset, {name: kind(value)})
    assert line == (
        f"Nothing was launched. Run configuration: {name} = {kind(value)}: must be {words} "
        f"{kind(edge)}."
    )


def test_each_value_that_is_out_of_its_limit_is_told(refused):
    line = refused(BACKTESTS, {"fee_bps": -1.0, "max_open_positions": 0})
    assert line.endswith(
        "fee_bps = -1.0: must be at least 0.0; max_open_positions = 0: must be at least 1."
    )


@pytest.mark.parametrize(
    ("asset", "config", "said"),
    [
        (BACKTESTS, {"symbols": ["NIX"]}, "no prices of symbol 'NIX'"),
        (BACKTESTS, {"symbols": ["ada"]}, "no prices of symbol 'ada'"),
        (BACKTESTS, {"params": {"nix": {}}}, "no strategy 'nix'"),
        (BACKTESTS, {"params": {"ema_cros": {"fast": 5.0}}}, "Did you mean ema_cross"),
        (BACKTESTS, {"params": {"ema_cross": {"fats": 3.0}}}, "no parameter 'fats'"),
        (BACKTESTS, {"params": {"ema_cross": {"fast": 500.0}}}, "fast = 500 must be below slow"),
        (BACKTESTS, {"capital": 1e-9}, "capital = .*: must have at most 8 decimal places"),
        (PORTFOLIO, {"params": {"nix": {}}}, "no strategy 'nix'"),
        (INDICATORS, {"timeframes": []}, r"timeframes = \[\]: must have at least 1 items"),
        (INDICATORS, {"timeframes": ["M7"]}, "M7"),
    ],
)
def test_a_name_or_list_that_is_none_is_told(refused, asset, config, said):
    assert re.search(said, refused(asset, config))


@pytest.mark.parametrize(
    ("asset", "config"),
    [
        (BACKTESTS, {"captial": 1.0}),
        (BACKTESTS, {"threads": "two"}),
        (PRICES, {"days": 1.5}),
        (INDICATORS, {"timeframes": "H1"}),
    ],
)
def test_a_field_or_type_that_is_none_is_refused_before_the_run(materialise, asset, config):
    (name,) = config
    with pytest.raises(DagsterInvalidConfigError, match=name):
        materialise(asset, keys=KEY_OF[asset], config=config)


def test_every_field_has_a_limit_or_names_what_it_takes():
    free = {"demo_market", "symbols", "params", "timeframes"}
    for config in (BacktestConfig, PricesConfig, IndicatorConfig):
        stated = {name for name, *_ in limits(config)}
        assert set(config.model_fields) - stated <= free
