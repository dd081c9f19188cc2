"""`make ui`: it starts both processes or none, and whatever ends one of them ends all."""

import os
import signal
import socket

import pytest

from assets.ui_server import UiServer, free_port


@pytest.fixture
def ui(tmp_path):
    made = UiServer(tmp_path / "data", tmp_path / "log")
    yield made
    made.kill()


def test_by_hand_it_ends_with_all_that_it_started(ui):
    ui.start()
    commands = " ".join(ui.processes().values())
    assert "dagster-daemon run" in commands
    assert "dagster-webserver" in commands
    assert " api grpc " in commands
    assert ui.stop(signal.SIGINT) == 130
    assert ui.processes() == {}
    assert f"http://127.0.0.1:{ui.port}" in ui.printed()
    assert str(ui.data / "dagster") in ui.printed()
    assert "BetaWarning" not in ui.printed()


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_also_while_it_starts(ui, how, code):
    ui.begin()
    ui.await_print("Ctrl-C ends it.")
    assert ui.stop(how) == code
    assert ui.processes() == {}


@pytest.mark.parametrize(
    ("program", "name"),
    [("dagster-daemon run", "the daemon"), ("dagster-webserver", "the webserver")],
)
def test_one_that_dies_ends_the_other_and_is_named(ui, program, name):
    ui.begin()
    ui.await_print("Ctrl-C ends it.")
    os.kill(ui.process(program), signal.SIGKILL)
    assert ui.wait() == 1
    assert ui.processes() == {}
    assert f"error: {name} ended by itself with code 137" in ui.printed()


def test_a_port_in_use_starts_nothing(ui):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ui.port))
        taken.listen()
        ui.begin()
        assert ui.wait() == 2
    assert f"error: Port {ui.port} of 127.0.0.1 is in use." in ui.printed()
    assert "TRADING_UI_PORT" in ui.printed()
    assert ui.processes() == {}
    assert not ui.data.exists()


@pytest.mark.parametrize("port", ["65536", "web"])
def test_a_port_that_is_none_is_refused(tmp_path, port):
    ui = UiServer(tmp_path / "data", tmp_path / "log", port=port)
    ui.begin()
    assert ui.wait() == 2
    assert f"error: TRADING_UI_PORT: '{port}' is not a port" in ui.printed()
    assert not ui.data.exists()


def test_a_data_folder_that_cannot_be_made_starts_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    ui = UiServer(tmp_path / "file" / "data", tmp_path / "log", port=free_port())
    ui.begin()
    assert ui.wait() == 1
    assert "error: " in ui.printed()
    assert "Traceback" not in ui.printed()
    assert ui.processes() == {}
