"""The instance of a server, as what really happened tells itself."""

from contextlib import contextmanager

import dagster as dg


@contextmanager
def instance_of(server):
    """Open it beside the server."""
    home = str(server.data / "dagster")
    with dg.DagsterInstance.from_config(home) as opened:
        yield opened


def run_of(instance, number):
    """The run whose id begins with what the pages show of it."""
    (run,) = (run for run in instance.get_runs() if run.run_id.startswith(number))
    return run
