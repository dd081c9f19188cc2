"""`trading tables` and the docs page: made from the definitions, and up to date."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from streaming.cli.tables import Format, register
from streaming.contracts import (
    PRICE_1M_HISTORY,
    TABLES,
    flink_ddl,
    sqlite_ddl,
    table_named,
    tables_markdown,
)
from streaming.errors import SettingsError

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def run(*arguments):
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["tables", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == tables_markdown(TABLES.values()), (
        "run: trading tables --format md > docs/tables.md"
    )


def test_the_page_tells_every_column_of_every_table():
    page = tables_markdown(TABLES.values())
    for table in TABLES.values():
        section = page.split(f"\n## {table.name}\n")[1].split("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == table.names
        assert all(row.count("|") == 6 for row in rows)
        assert table.description in section


def test_the_page_says_what_a_column_must_be():
    page = tables_markdown([PRICE_1M_HISTORY])
    assert "| `ts` | time |  | on a whole minute | close of the bar" in page
    assert "| `price` | money | currency | > 0 | last price: the close |" in page
    assert "| `volume` | double or null | units | >= 0 |" in page
    assert "- rules: high >= low; open >= low;" in page
    assert "- unique: symbol, ts" in page


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_printed_in_every_format(name, form):
    out = run(name, "--format", form).stdout
    assert name in out
    assert all(column in out for column in TABLES[name].names)
    [told] = json.loads(run(name, "--format", form, "--json").stdout)
    assert told == {"name": name, "format": form, "text": out}


def test_all_tables_at_once_are_a_script_and_a_page():
    assert run("--format", "sqlite").stdout == "\n".join(map(sqlite_ddl, TABLES.values()))
    assert run("--format", "flink").stdout == "\n".join(map(flink_ddl, TABLES.values()))
    assert run("--format", "md").stdout == tables_markdown(TABLES.values())


def test_tables_are_listed_and_described():
    out = run().stdout
    assert all(name in out for name in TABLES)
    out = run("open_positions_rollup").stdout
    assert "netQty" in out
    assert "Rules: netQty > 0 where side is LONG, < 0 where it is SHORT" in out


def test_definitions_come_as_json():
    told = json.loads(run("--json").stdout)
    assert [table["name"] for table in told] == list(TABLES)
    [lots] = json.loads(run("open_positions_lots", "--json").stdout)
    assert lots["primaryKey"] == ["accountId", "strategyId", "symbol", "lotId"]
    assert lots["rules"] == ["qtyRem <= qtyOpen"]
    assert lots["columns"][5] == {
        "name": "qtyOpen", "type": "money", "nullable": False, "unit": "units", "rule": "> 0",
        "description": "opened",
    }  # fmt: skip


def test_an_unknown_table_is_an_error_that_names_the_nearest():
    with pytest.raises(SettingsError, match="There is no table 'price_history': did you mean"):
        run("price_history")
    with pytest.raises(SettingsError, match="`trading tables` lists them"):
        table_named("zzz")
    assert table_named("price_1m_history") is PRICE_1M_HISTORY


def test_an_unknown_format_is_wrong_use():
    assert run("--format", "xml").exit_code == 2
