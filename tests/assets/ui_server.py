"""`scripts/ui.sh` as a person starts it, on a data folder and a port of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 120
_LOADED = "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }"


def free_port():
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class UiServer:
    """One run of the script; it can be started again after its end.

    Parameters
    ----------
    data
        The data folder.
    log
        File that what it prints is added to.
    """

    def __init__(self, data: Path, log: Path, port=None, start="2024-01-01"):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = data
        self.log = log
        self._mark = f"TRADING__DATA__FOLDER={data}"
        self.environment = {
            **os.environ,
            # As `make ui` does: the programs of this environment come first.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "TRADING__DATA__FOLDER": str(data),
            "TRADING__HISTORY__START": start,
            "TRADING_UI_PORT": str(self.port),
        }
        self.script = None

    def begin(self):
        """Start the script, and do not wait for it."""
        with self.log.open("ab") as log:
            self.script = subprocess.Popen(
                ["bash", "scripts/ui.sh"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self):
        """Start the script, and wait until its code locations are loaded."""
        self.begin()
        until = time.monotonic() + START_SECONDS
        while True:
            assert self.script.poll() is None, self.printed()
            assert time.monotonic() < until, self.printed()
            try:
                entries = self.ask(_LOADED)["workspaceOrError"]["locationEntries"]
                assert [one["loadStatus"] for one in entries] == ["LOADED", "LOADED"]
            except (OSError, AssertionError):
                time.sleep(0.1)
            else:
                return

    def await_print(self, text):
        """Wait until it has printed a text."""
        until = time.monotonic() + START_SECONDS
        while text not in self.printed():
            assert self.script.poll() is None, self.printed()
            assert time.monotonic() < until, self.printed()
            time.sleep(0.05)

    def ask(self, query, **variables):
        """Ask the webserver a GraphQL query."""
        asked = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return json.load(answer)["data"]

    def stop(self, how=signal.SIGINT, seconds=60):
        """Send a signal to the script alone; give its exit code once it has ended."""
        self.script.send_signal(how)
        return self.script.wait(seconds)

    def wait(self, seconds=60):
        """Give the script's exit code once it has ended by itself."""
        return self.script.wait(seconds)

    def printed(self):
        """What it has printed since the first start."""
        return self.log.read_text(errors="replace")

    def processes(self):
        """Process numbers and command lines of all that works on the data folder."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                if not folder.name.isdigit() or self._mark not in (folder / "environ").read_text(
                    errors="replace"
                ).split("\0"):
                    continue
                command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
            except (OSError, ProcessLookupError):
                continue  # ended, or somebody else's
            if command:
                found[int(folder.name)] = command.strip()
        return found

    def process(self, name):
        """The number of the process whose command line names a program."""
        (pid,) = (pid for pid, command in self.processes().items() if name in command)
        return pid

    def kill(self):
        """End all that is left of it, at once."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.script is not None:
            self.script.wait(30)
