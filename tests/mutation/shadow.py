"""A copy of the rules and their tests in which mutmut can work.

mutmut leaves decorated functions alone, and the rules are decorated for numba. Numba is off
in this run and its decorators do nothing, so the copy goes without them. Lines keep their
numbers.
"""

import json
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
RULES = Path("streaming") / "rules"

TARGETS = (
    "money",
    "wide",
    "fifo",
    "lot_books",
    "matching",
    "gate",
    "sizing",
    "fills",
    "decisions",
    "holdings",
    "orders",
    "simulation",
    "account",
    "account_state",
    "executions",
    "ranking",
)
"""Modules of `streaming.rules`: FIFO, gate, sizing, fills and money, and what they rest on."""

# Tests that say nothing of the targets, or take minutes.
LEFT_OUT = (
    "test_*soak*",
    "test_brokered.py",
    "test_ids.py",
    "test_intake*.py",
    "test_weights.py",
)

_DECORATOR = re.compile(r"^@(inlined|steady|kernel)$", re.MULTILINE)


def build(folder: Path, targets: tuple[str, ...], deselected: list[str]) -> None:
    """Copy what mutmut needs into an empty folder, and its settings beside it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "streaming", folder / "streaming", ignore=ignored)
    for target in targets:
        path = folder / RULES / f"{target}.py"
        path.write_text(_DECORATOR.sub("", path.read_text()))
    tests = folder / "tests"
    shutil.copytree(ROOT / "tests" / "oracle", tests / "oracle", ignore=ignored)
    left_out = shutil.ignore_patterns("__pycache__", *LEFT_OUT)
    shutil.copytree(ROOT / "tests" / "rules", tests / "rules", ignore=left_out)
    without = [f"--deselect={test}" for test in deselected]
    settings = {
        "source_paths": ["streaming"],
        "only_mutate": [str(RULES / f"{target}.py") for target in targets],
        "pytest_add_cli_args_test_selection": ["tests/rules"],
        "pytest_add_cli_args": [
            "-p",
            "tests.mutation.profile",
            "-p",
            "no:cacheprovider",
            "-m",
            "not slow",
            *without,
        ],
        # `profile` tells hung tests by their processor time; this is for what it cannot see.
        "timeout_multiplier": 30.0,
        "track_dependencies": False,
        "use_git_change_detection": False,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    pytest = ['markers = ["slow: minutes, not seconds"]', 'filterwarnings = ["ignore"]']
    text = ["[tool.mutmut]", *lines, "", "[tool.pytest.ini_options]", *pytest, ""]
    (folder / "pyproject.toml").write_text("\n".join(text))
