"""`dagster definitions validate` on the workspace: nothing in it is deprecated."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What is deprecated or superseded is an error, and so refuses the location that calls it.
# Two are Dagster's own: it says of this very command that one of a package we do not have
# supersedes it, and reads an old property of every schedule when it describes it.
STRICT = (
    "error::DeprecationWarning",
    "error::PendingDeprecationWarning",
    "error::FutureWarning",
    "ignore:Function `definitions_validate_command` is superseded:FutureWarning",
    "ignore:Property `ScheduleDefinition.environment_vars` is deprecated:DeprecationWarning",
)


WORKSPACE = ("-w", "workspace.yaml")


def validate(folder, data):
    options = [word for rule in STRICT for word in ("-W", rule)]
    return subprocess.run(
        [sys.executable, *options, "-m", "dagster", "definitions", "validate", *WORKSPACE],
        cwd=folder,
        env={**os.environ, "TRADING__DATA__FOLDER": str(data), "DAGSTER_HOME": str(data)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_workspace_is_valid_and_calls_nothing_deprecated(tmp_path):
    done = validate(ROOT, tmp_path)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert "Validation successful for code location analytics" in printed
    assert "deprecat" not in printed.lower()
    assert "supersed" not in printed.lower()


def test_a_deprecated_call_in_a_location_would_be_found(tmp_path):
    (tmp_path / "workspace.yaml").write_text(
        "load_from: [{python_file: {relative_path: old.py, location_name: old}}]\n"
    )
    (tmp_path / "old.py").write_text(
        "import dagster as dg\n"
        "from dagster._annotations import deprecated\n"
        "@deprecated(breaking_version='2.0')\n"
        "def call(): return []\n"
        "defs = dg.Definitions(assets=call())\n"
    )
    done = validate(tmp_path, tmp_path)
    assert done.returncode == 1
    assert "DeprecationWarning" in done.stdout + done.stderr
