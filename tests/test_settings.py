"""Settings: the specification's keys and defaults, refused by name and line where wrong."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from settings_tables import ADDED, OTHER, SPECIFIED

from streaming.errors import SettingsError
from streaming.settings import Settings, load_settings
from streaming.settings_sources import leaves


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder, away from any settings.toml."""
    monkeypatch.chdir(tmp_path)


def load(text="", environ=None):
    Path("settings.toml").write_text(text)
    return load_settings(environ=environ or {})


def refusal(text="", environ=None):
    with pytest.raises(SettingsError) as error:
        load(text, environ)
    return str(error.value)


def values(settings):
    return {line.key: line.value for line in settings.describe()}


def toml(value):
    return json.dumps(value)


def test_the_names_and_defaults_are_the_specified_ones():
    assert values(load_settings(environ={})) == SPECIFIED | ADDED
    assert values(Settings()) == SPECIFIED | ADDED


def test_every_setting_is_read_from_the_file():
    text = "\n".join(f"{key} = {toml(value)}" for key, value in OTHER.items())
    settings = load(text)
    assert values(settings) == SPECIFIED | ADDED | OTHER
    lines = {line.key: line.source for line in settings.describe()}
    for number, key in enumerate(OTHER, 1):
        assert lines[key] == f"settings.toml, line {number}"
    assert lines["prices.timeframe"] == "default"


@pytest.mark.parametrize("case", [str.upper, str.lower, str])
def test_every_setting_is_read_from_the_environment_in_any_case(case):
    environ = {
        case("TRADING__" + key.replace(".", "__")): str(value) for key, value in OTHER.items()
    }
    assert values(load(environ=environ)) == SPECIFIED | ADDED | OTHER


def test_the_environment_wins_over_the_file():
    settings = load(
        "[tradepicker]\nmaxOpenPositions = 4\nreserveOnOpen = false",
        {"TRADING__TRADEPICKER__MAXOPENPOSITIONS": "6", "PATH": "/bin", "TRADING_OTHER": "1"},
    )
    assert settings.tradepicker.max_open_positions == 6
    assert settings.tradepicker.reserve_on_open is False
    lines = {line.key: line for line in settings.describe()}
    assert lines["tradepicker.maxOpenPositions"].source == (
        "environment variable TRADING__TRADEPICKER__MAXOPENPOSITIONS"
    )
    assert lines["tradepicker.maxOpenPositions"].default == 3
    assert lines["tradepicker.reserveOnOpen"].source == "settings.toml, line 3"


def test_attributes_are_typed_and_cannot_be_changed():
    settings = load("limits.gross = 2.5\ncosts.feeBps = 0.1\naccount.capital = '7.25'")
    assert settings.limits.gross == Decimal("2.5")
    assert settings.costs.fee_bps == Decimal("0.1")
    assert settings.account.capital == Decimal("7.25")
    assert settings.wm.engine.lateness_sec == 5
    with pytest.raises(ValueError, match="frozen"):
        settings.limits.gross = Decimal(1)
    with pytest.raises(ValueError, match="frozen"):
        settings.limits = None


def test_the_file_is_chosen_by_argument_then_environment_then_working_directory(tmp_path):
    for name, days in (("settings.toml", 1), ("named.toml", 2), ("given.toml", 3)):
        Path(name).write_text(f"dedupe.ttlDays = {days}")
    named = {"TRADING_SETTINGS": str(tmp_path / "named.toml")}
    assert load_settings(environ={}).dedupe.ttl_days == 1
    assert load_settings(environ={"TRADING_SETTINGS": ""}).dedupe.ttl_days == 1
    assert load_settings(environ=named).dedupe.ttl_days == 2
    assert load_settings("given.toml", named).dedupe.ttl_days == 3


def test_without_a_file_the_defaults_hold_but_a_named_file_must_be_there():
    assert load_settings(environ={}).dedupe.ttl_days == 7
    with pytest.raises(SettingsError, match=r"^Settings file none.toml: No such file"):
        load_settings("none.toml", {})
    with pytest.raises(SettingsError, match=r"^Settings file none.toml: No such file"):
        load_settings(environ={"TRADING_SETTINGS": "none.toml"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "# one\n\n[engine]\noutputs = 'everything'",
            "engine.outputs = 'everything': must be 'full' or 'matches-only' "
            "(settings.toml, line 4).",
        ),
        (
            "[monitoring]\nexport = 1",
            "monitoring.export = 1: must be 'metrics', 'fluss' or 'both' (settings.toml, line 2).",
        ),
        (
            "tradepicker.maxOpenPositions = 0",
            "tradepicker.maxOpenPositions = 0: must be at least 1 (settings.toml, line 1).",
        ),
        (
            "tradepicker.maxOpenPositions = 2.5",
            "tradepicker.maxOpenPositions = 2.5: must be a whole number (settings.toml, line 1).",
        ),
        (
            "tradepicker.maxOpenPositions = true",
            "tradepicker.maxOpenPositions = true: must be a whole number (settings.toml, line 1).",
        ),
        (
            "tradepicker.sellRequiresLong = 1",
            "tradepicker.sellRequiresLong = 1: must be true or false (settings.toml, line 1).",
        ),
        (
            "[wm]\nprices = { latenessSec = -1 }",
            "wm.prices.latenessSec = -1: must be at least 0 (settings.toml, line 2).",
        ),
        (
            "[limits]\ngross = 0",
            "limits.gross = 0: must be above 0 (settings.toml, line 2).",
        ),
        (
            "costs.feeBps = 10_000",
            "costs.feeBps = 10000: must be below 10000 (settings.toml, line 1).",
        ),
        (
            "costs.feeBps = nan",
            "costs.feeBps = nan: must be a number (settings.toml, line 1).",
        ),
        (
            "costs.feeBps = false",
            "costs.feeBps = false: must be a number (settings.toml, line 1).",
        ),
        (
            "account.capital = 0.123456789",
            "account.capital = 0.123456789: must have at most 8 decimal places "
            "(settings.toml, line 1).",
        ),
        (
            "account.capital = 10_000_000_000",
            "account.capital = 10000000000: must be below 10000000000 (settings.toml, line 1).",
        ),
        (
            "metrics.timezone = 'Europe/Olso'",
            "metrics.timezone = 'Europe/Olso': must be a time zone; did you mean Europe/Oslo? "
            "(settings.toml, line 1).",
        ),
        (
            "metrics.timezone = 3",
            "metrics.timezone = 3: must be a text (settings.toml, line 1).",
        ),
        (
            "instruments.file = 3",
            "instruments.file = 3: must be a path (settings.toml, line 1).",
        ),
        (
            "fluss.freshness.price = '15-5s'",
            "fluss.freshness.price = '15-5s': must be seconds such as 5-15s or 10s "
            "(settings.toml, line 1).",
        ),
        (
            "live.speed = -1",
            "live.speed = -1: must be max, or how many seconds of the market go by in one "
            "(settings.toml, line 1).",
        ),
        (
            "live.speed = 'fast'",
            "live.speed = 'fast': must be max, or how many seconds of the market go by in one "
            "(settings.toml, line 1).",
        ),
        (
            "live.account = 'paper:me'",
            "live.account = 'paper:me': must be a name without a colon: those are of paper "
            "accounts (settings.toml, line 1).",
        ),
        (
            "live.start = 'soon'",
            "live.start = 'soon': must be a day, as 2024-02-01 (settings.toml, line 1).",
        ),
        (
            "feeds.socket.url = 'http://here'",
            "feeds.socket.url = 'http://here': must be an address such as wss://host:port/path "
            "(settings.toml, line 1).",
        ),
        (
            "live.metricsPort = 70000",
            "live.metricsPort = 70000: must be at most 65535 (settings.toml, line 1).",
        ),
        (
            "[tradepicker]\nmaxOpenPosition = 4",
            "tradepicker.maxOpenPosition: there is no such setting; "
            "did you mean tradepicker.maxOpenPositions? (settings.toml, line 2).",
        ),
        (
            "[tradepicker]\nmaxopenpositions = 4",
            "tradepicker.maxopenpositions: there is no such setting; "
            "did you mean tradepicker.maxOpenPositions? (settings.toml, line 2).",
        ),
        (
            "[costs]\ngross = 4",
            "costs.gross: there is no such setting; "
            "did you mean limits.gross? (settings.toml, line 2).",
        ),
        (
            "[nothing]\nlike = 'it'",
            "nothing: there is no such setting; `trading settings` lists all "
            "(settings.toml, line 1).",
        ),
        (
            "'engine.outputs' = 'full'",
            "engine.outputs: is quoted as one name; write it without quotes "
            "(settings.toml, line 1).",
        ),
        (
            "wm = 5",
            "wm: is a section, with wm.engine.latenessSec, wm.monitor.latenessSec, "
            "wm.prices.latenessSec (settings.toml, line 1).",
        ),
        (
            "\n[engine.outputs]\nfull = true",
            "engine.outputs: is a setting, not a section (settings.toml, line 2).",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_line(text, message):
    assert refusal(text) == message


def test_everything_wrong_is_told_at_once():
    told = refusal(
        "[engine]\noutputs = 'x'\noutput = 'y'\n[dedupe]\nttlDays = 'seven'",
        {"TRADING__WM__ENGINE__LATENESSSEC": "soon", "TRADING__WM__LATENESS": "1"},
    )
    assert told.splitlines() == [
        "engine.output: there is no such setting; did you mean engine.outputs? "
        "(settings.toml, line 3).",
        "wm.lateness: there is no such setting; `trading settings` lists all "
        "(environment variable TRADING__WM__LATENESS).",
        "engine.outputs = 'x': must be 'full' or 'matches-only' (settings.toml, line 2).",
        "dedupe.ttlDays = 'seven': must be a whole number (settings.toml, line 5).",
        "wm.engine.latenessSec = 'soon': must be a whole number "
        "(environment variable TRADING__WM__ENGINE__LATENESSSEC).",
    ]


def test_a_wrong_value_that_is_overridden_does_not_matter():
    settings = load("dedupe.ttlDays = 'seven'", {"TRADING__DEDUPE__TTLDAYS": "9"})
    assert settings.dedupe.ttl_days == 9


def test_an_option_of_the_command_line_wins_over_all():
    environ = {"TRADING__COSTS__FEEBPS": "x"}
    settings = load_settings(None, environ, {"costs.feeBps": ("--fee-bps", "0.5")})
    assert settings.costs.fee_bps == Decimal("0.5")
    lines = {line.key: line.source for line in settings.describe()}
    assert lines["costs.feeBps"] == "option --fee-bps"
    with pytest.raises(SettingsError) as error:
        load_settings(None, environ, {"costs.feeBps": ("--fee-bps", "-1")})
    assert str(error.value) == "costs.feeBps = '-1': must be at least 0 (option --fee-bps)."


def test_variables_that_differ_in_case_alone_must_agree():
    twice = {"TRADING__DEDUPE__TTLDAYS": "9", "trading__dedupe__ttldays": "9"}
    assert load(environ=twice).dedupe.ttl_days == 9
    assert refusal(environ=twice | {"trading__dedupe__ttldays": "8"}) == (
        "dedupe.ttlDays: environment variable TRADING__DEDUPE__TTLDAYS and "
        "environment variable trading__dedupe__ttldays differ."
    )


@pytest.mark.parametrize("text", ["engine = {", "a = 1\na = 2", "x"])
def test_a_file_that_is_no_toml_is_refused(text):
    assert refusal(text).startswith("Settings file settings.toml is not TOML: ")


def test_a_file_that_is_no_text_is_refused():
    Path("settings.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"^Settings file settings.toml is not TOML: "):
        load_settings(environ={})


def test_lines_are_found_in_every_way_to_write_a_key():
    settings = load(
        '# outputs = "full"\n'
        '[ wm . "engine" ]  # a section\n'
        "  latenessSec=9\n"
        "[tradepicker]\n"
        "'key' = 'account+strategy' # key = 3\n"
        "[wm.monitor]\n"
        "latenessSec = 1\n"
    )
    lines = {line.key: line.source for line in settings.describe()}
    assert lines["wm.engine.latenessSec"] == "settings.toml, line 3"
    assert lines["tradepicker.key"] == "settings.toml, line 5"
    assert lines["wm.monitor.latenessSec"] == "settings.toml, line 7"
    assert lines["engine.outputs"] == "default"


def test_a_path_is_relative_to_the_file_that_names_it(tmp_path):
    Path("etc").mkdir()
    Path("etc/trading.toml").write_text("instruments.file = 'symbols.csv'")
    assert load_settings("etc/trading.toml", {}).instruments.file == Path("etc/symbols.csv")
    Path("etc/trading.toml").write_text(f"instruments.file = '{tmp_path}/symbols.csv'")
    assert load_settings("etc/trading.toml", {}).instruments.file == tmp_path / "symbols.csv"
    environ = {"TRADING__INSTRUMENTS__FILE": "symbols.csv"}
    assert load_settings("etc/trading.toml", environ).instruments.file == Path("symbols.csv")


@pytest.mark.parametrize(
    ("written", "kept"),
    [("5\u201315s", "5-15s"), ("5 - 15 s", "5-15s"), ("7s", "7s"), ("7-7s", "7s")],
)
def test_a_span_of_seconds_is_written_in_several_ways(written, kept):
    assert load(f"fluss.freshness.price = '{written}'").fluss.freshness.price == kept


def test_every_setting_is_described():
    for key, leaf in leaves(Settings).items():
        assert leaf.field.description, key


@pytest.mark.parametrize("name", ["costs.feeBps", "costs.slippageBps"])
def test_a_cost_finer_than_the_rules_reckon_with_is_refused(name):
    with pytest.raises(SettingsError) as error:
        load_settings(None, {}, {name: ("--cost", "0.00001")})
    assert str(error.value).startswith(f"{name} = '0.00001': ")
    assert "4 decimal places" in str(error.value)
