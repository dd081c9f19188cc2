"""`trading strategies`, as a person or a script calls it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from streaming.cli import strategies as command
from streaming.errors import SettingsError
from streaming.jobs.strategies import STRATEGIES, select


def call(*arguments):
    app = typer.Typer()
    app.callback()(lambda: None)
    command.register(app)
    return CliRunner().invoke(app, ["strategies", *arguments], env={"COLUMNS": "200"})


def test_lists_every_strategy_with_its_parameters():
    result = call()
    assert result.exit_code == 0
    words = result.stdout.split()
    for one in select("all"):
        assert one.id in words
    assert "low=30" in words


def test_json_is_complete():
    listed = json.loads(call("--json").stdout)
    assert {one["strategyId"] for one in listed} == set(STRATEGIES)
    (one,) = (one for one in listed if one["strategyId"] == "hour_trend_pullback")
    assert one["family"] == "multi-timeframe"
    assert one["anchor"] == "M5"
    assert {"feature": "ema_12", "timeframe": "H1"} in one["needs"]
    assert {"feature": "rsi_14", "timeframe": "M5"} in one["needs"]
    dip = {"name": "dip", "default": 40.0, "bounds": "> 0, < 50", "unit": ""}
    assert dip in one["parameters"]


def test_shows_one_with_rule_and_bounds():
    text = call("rsi_reversion").stdout
    for part in ("RSI falls through 30", "> 0, < 50", "rsi_14", "low < exit"):
        assert part in text
    assert json.loads(call("rsi_reversion", "--json").stdout)["buysWhen"] == "RSI falls through 30"


def test_an_unknown_name_says_what_is_near():
    result = call("sma_cros")
    assert isinstance(result.exception, SettingsError)
    assert "Did you mean sma_cross" in str(result.exception)


@pytest.mark.parametrize("argument", ["--jsn", "--version"])
def test_wrong_use_exits_with_2(argument):
    assert call(argument).exit_code == 2
