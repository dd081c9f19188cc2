"""The command line as a function, and a small lake to use it on."""

import sys

import pytest
from runtimes.markets import day_market, lake_of

from streaming import cli
from streaming.lake import Lake


@pytest.fixture(scope="module")
def market():
    return day_market(2, 400, 3)


@pytest.fixture(scope="module")
def lake(market, tmp_path_factory) -> Lake:
    return lake_of(tmp_path_factory.mktemp("cli"), market)


@pytest.fixture
def own_lake(market, tmp_path) -> Lake:
    return lake_of(tmp_path / "lake", market)


@pytest.fixture
def trading(monkeypatch, capsys, tmp_path):
    """Run `trading` with words; give (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["trading", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        output, errors = capsys.readouterr()
        return int(end.value.code or 0), output, errors

    return run
