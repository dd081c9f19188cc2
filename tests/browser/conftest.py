"""A real server on a small market, shared by all tests, and a window on it."""

import os
import subprocess
import sys

import pytest
from assets.ui_server import ROOT, UiServer
from runtimes.markets import lake_of, month_market

from benchmarks.chromium import chromium as headless
from browser.pages import Pages

FIRST, LAST = "2024-01-22", "2024-03-05"
"""The days of the market."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """One process has all tests in the browser, so that one server serves them."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The pages of `make ui`, on a lake whose prices are materialised and checked."""
    folder = tmp_path_factory.mktemp("ui")
    made = UiServer(folder / "data", folder / "log")
    lake_of(made.data / "lake", month_market(6))
    launch = [sys.executable, "-W", "ignore", "-m", "trading_assets.launch", "prices"]
    launched = subprocess.run(
        [*launch, "--from", FIRST, "--to", LAST],
        cwd=ROOT,
        env={**os.environ, **made.environment},
        capture_output=True,
        text=True,
    )
    assert launched.returncode == 0, launched.stderr
    made.start()
    yield made
    code = made.stop()
    left = made.processes()
    made.kill()
    assert code == 130
    assert left == {}


@pytest.fixture(scope="session")
def chromium():
    with headless() as opened:
        yield opened


@pytest.fixture
def pages(server, chromium):
    """A new window; at the end of a test its pages must have had no error."""
    context = chromium.new_context(viewport={"width": 1500, "height": 1000})
    made = Pages(context.new_page(), server.url)
    yield made
    context.close()
    assert made.errors == []
