"""The layers of `streaming`: who may import whom, and what none of them may."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "streaming"

# Each layer and what it may import of `streaming`, itself apart. `rules` are numbers only;
# `jobs` know no lake, file or clock; `analytics` judge what runtimes have made, and do not know
# them; nothing imports the command line.
MAY_IMPORT = {
    "errors": set(),
    "instruments": {"rules"},
    "rules": {"errors"},
    "contracts": {"errors", "rules"},
    "settings": {"errors", "settings_live", "settings_sources", "settings_values"},
    "settings_live": {"settings_values"},
    "settings_sources": {"errors"},
    "settings_values": set(),
    "jobs": {"contracts", "errors", "rules", "instruments"},
    "lake": {"contracts", "errors", "jobs", "rules"},
    "monitoring": set(),
    "store": {"contracts", "errors"},
    "brokers": {"contracts", "errors", "instruments", "rules", "store"},
    "feeds": {"contracts", "errors", "jobs", "lake", "rules", "instruments"},
    "analytics": {"contracts", "errors", "feeds", "lake", "rules"},
    "runtimes": {
        "analytics",
        "brokers",
        "contracts",
        "errors",
        "feeds",
        "instruments",
        "jobs",
        "lake",
        "monitoring",
        "rules",
        "settings",
        "store",
    },
    "moments": set(),
    "cli": set(),
}
FOREIGN = {"pandas", "dagster", "dbt", "great_expectations", "polars", "duckdb"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def layer_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("layer", sorted(MAY_IMPORT))
def test_a_layer_imports_only_what_stands_below_it(layer):
    allowed = set(MAY_IMPORT) if layer == "cli" else MAY_IMPORT[layer] | {layer}
    odd = [
        (str(path.relative_to(ROOT)), name)
        for path in sorted(PACKAGE.rglob("*.py"))
        if layer_of(path) == layer
        for name in imports(path)
        if name.startswith("streaming.") and name.split(".")[1] not in allowed
    ]
    assert odd == []


def test_no_layer_rests_on_itself():
    """Of two layers at most one may import the other, through whatever stands between."""
    TopologicalSorter(MAY_IMPORT).prepare()


def test_every_module_belongs_to_a_layer():
    assert {layer_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"} == set(MAY_IMPORT)


def test_nothing_imports_what_belongs_elsewhere():
    odd = [
        (str(path.relative_to(ROOT)), name)
        for path in sorted(PACKAGE.rglob("*.py"))
        for name in imports(path)
        if name.split(".")[0] in FOREIGN
    ]
    assert odd == []


def test_the_rules_start_without_what_they_do_not_use():
    code = (
        "import sys, streaming.rules.lot_books, streaming.rules.account;"
        "print([m for m in ('pyarrow', 'pandas', 'scipy.linalg', 'coverage', 'yaml', 'pydantic')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_compiled_functions_that_need_scipy_still_work_beside_the_rules():
    code = (
        "import streaming.rules.compile, numba, numpy as np;"
        "f = numba.njit(lambda a: (np.dot(a, a).sum(), np.cov(a)[0, 0]));"
        "print(f(np.eye(3)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("(3.0, 0.333")


def test_the_lock_file_pins_every_package_and_names_no_address():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    lines = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert lines
    assert [line for line in lines if not re.match(r"^[\w.\-\[\]]+==\S+", line)] == []


@pytest.mark.parametrize("name", ["README.md", "docs/design.md", "docs/feeds.md"])
def test_a_page_names_only_files_that_exist(name):
    page = ROOT / name
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
