"""`trading settings`: what it lists, and what it refuses."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from streaming.cli.settings import register
from streaming.errors import SettingsError
from streaming.settings import Settings
from streaming.settings_sources import leaves


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder, away from any settings.toml."""
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["settings", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_the_command_lists_every_setting_and_where_it_came_from(monkeypatch):
    monkeypatch.setenv("TRADING__ENGINE__OUTPUTS", "matches-only")
    Path("mine.toml").write_text("costs.feeBps = 0.35")
    out = run("--settings", "mine.toml")
    assert all(key in out for key in leaves(Settings))
    assert "mine.toml, line 1" in out
    told = {line["key"]: line for line in json.loads(run("--settings", "mine.toml", "--json"))}
    assert told["costs.feeBps"]["value"] == 0.35
    assert told["engine.outputs"] == {
        "key": "engine.outputs",
        "value": "matches-only",
        "default": "full",
        "source": "environment variable TRADING__ENGINE__OUTPUTS",
        "description": "what the engine writes; a backtest writes matches only, always",
    }


def test_the_command_refuses_what_is_wrong(monkeypatch):
    monkeypatch.setenv("TRADING__ENGINE__OUTPUTS", "none")
    with pytest.raises(SettingsError, match=r"^engine\.outputs = 'none': must be 'full' or"):
        run()
