"""What strategies there are, how they are made, and what is refused by name."""

import dataclasses
from itertools import pairwise

import pytest

from streaming.errors import SettingsError
from streaming.jobs.strategies import (
    FAMILIES,
    STRATEGIES,
    Strategy,
    actions,
    make,
    param,
    select,
    strategy,
)
from streaming.rules.indicators import PUBLISHED, close, roc
from streaming.rules.timeframes import TIMEFRAMES

ROSTER = select("all")


@pytest.fixture
def registry(monkeypatch):
    """A registry that the test may add to."""
    monkeypatch.setattr("streaming.jobs.strategies.registry.STRATEGIES", dict(STRATEGIES))


def test_there_are_at_least_twenty_and_every_family_has_some():
    assert len(ROSTER) >= 20
    assert {one.family for one in ROSTER} == set(FAMILIES)
    assert {one.id: type(one) for one in ROSTER} == STRATEGIES


def test_one_roster_has_no_two_strategies_of_one_hash():
    assert len({one.params_hash for one in ROSTER}) == len(ROSTER)


@pytest.mark.parametrize("one", ROSTER, ids=lambda one: one.id)
class TestEvery:
    def test_defaults_need_only_published_features(self, one):
        assert one.features
        assert {feature.column for feature in one.features} <= set(PUBLISHED)
        assert {feature.timeframe or one.anchor for feature in one.features} <= set(TIMEFRAMES)

    def test_says_what_it_does(self, one):
        assert one.__doc__.splitlines()[0].endswith(".")
        assert not any(brace in text for text in one.reasons for brace in "{}")
        assert len(set(one.reasons)) == 2
        assert one.version >= 1

    def test_is_frozen(self, one):
        for name in one.params:
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(one, name, 1)

    def test_refuses_each_parameter_beyond_each_bound(self, one):
        for field in dataclasses.fields(one):
            bounds = {key: field.metadata[key] for key in field.metadata if key != "unit"}
            assert {"ge", "gt"} & set(bounds), f"{field.name} has no lower bound"
            step = 1 if isinstance(field.default, int) else 1e-9
            beyond = {"ge": -step, "le": step, "gt": 0, "lt": 0}
            for key, bound in bounds.items():
                value = type(field.default)(bound) + beyond[key]
                with pytest.raises(SettingsError, match=f"{one.id}: {field.name} = .* must be"):
                    make(one.id, **{field.name: value})

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "14", None])
    def test_refuses_what_is_no_number(self, one, value):
        for name in one.params:
            with pytest.raises(SettingsError, match=f"{one.id}: {name} = .* must be a"):
                make(one.id, **{name: value})

    def test_every_parameter_changes_the_hash(self, one):
        for parameter in one.parameters():
            step = 1 if isinstance(parameter.default, int) else parameter.default / 100
            other = make(one.id, **{parameter.name: parameter.default + step})
            assert other.params_hash != one.params_hash

    def test_refuses_what_must_ascend_and_does_not(self, one):
        for low, high in pairwise(one.ascending):
            both = 40 if one.params[low] < 40 < one.params[high] else one.params[high]
            with pytest.raises(SettingsError, match=f"{low} = .* must be below {high} = "):
                make(one.id, **{low: both, high: both})


def test_the_hash_is_a_stable_text():
    assert make("rsi_reversion").params_hash == "db959bb2be2c674e"
    assert make("rsi_reversion", low=30) == make("rsi_reversion", length=14.0, low=30.0)
    assert make("rsi_reversion", low=30).params_hash == make("rsi_reversion").params_hash


def test_a_whole_number_is_asked_for_where_it_must_be_one():
    with pytest.raises(SettingsError, match=r"length = 14\.5 must be a whole number"):
        make("rsi_reversion", length=14.5)


def test_reasons_carry_the_parameters_of_the_instance():
    assert make("rsi_reversion", low=25.5).reasons[0] == "RSI falls through 25.5"


def test_unknown_names_are_refused_with_the_near_ones():
    with pytest.raises(SettingsError, match=r"no strategy 'rsi_reverson'. Did you mean rsi_rever"):
        make("rsi_reverson")
    with pytest.raises(SettingsError, match=r"no parameter 'lenght'. Did you mean length"):
        make("rsi_reversion", lenght=14)
    with pytest.raises(SettingsError, match="There are: atr_breakout, atr_channel, "):
        make("qqqqq")


def test_select_reads_a_list_sorted_and_once():
    assert [one.id for one in select(" sma_cross,atr_channel , sma_cross")] == [
        "atr_channel",
        "sma_cross",
    ]
    assert select("all,sma_cross") == ROSTER
    assert [one.id for one in ROSTER] == sorted(STRATEGIES)
    for nothing in ("", " , "):
        with pytest.raises(SettingsError, match="No strategy is named"):
            select(nothing)
    with pytest.raises(SettingsError, match="no strategy 'none'"):
        select("sma_cross,none")


@pytest.mark.usefixtures("registry")
class TestRegistering:
    @staticmethod
    def define(family="trend", id_="mine", anchor_="M1"):
        @strategy(family=family)
        class Mine(Strategy):
            """Buys when up."""

            id, version, anchor = id_, 1, anchor_
            buys, sells = "up", "down"
            least: float = param(0.0, ge=0)

            def needs(self):
                return [close()]

            def signals(self, now, before):
                return actions(buy=now[close()] > self.least, sell=now[close()] < before[close()])

        return Mine

    def test_a_class_is_all_there_is_to_add(self):
        self.define()
        assert make("mine", least=2).params == {"least": 2.0}
        assert make("mine").family == "trend"

    def test_a_feature_that_is_not_declared_is_refused(self):
        @strategy(family="trend")
        class Peeks(Strategy):
            """Looks at more than it says."""

            id, version = "peeks", 1
            buys, sells = "up", "down"

            def needs(self):
                return [close()]

            def signals(self, now, before):
                return actions(buy=now[close()] > before[roc(5)], sell=False)

        with pytest.raises(SettingsError, match=r"peeks: .* look at roc.*Add it to `needs`"):
            _ = make("peeks").program

    def test_a_class_without_its_rule_makes_no_strategy(self):
        @strategy(family="trend")
        class Half(Strategy):
            """Knows what it looks at, not what it makes of that."""

            id, version = "half", 1
            buys, sells = "up", "down"

            def needs(self):
                return [close()]

        with pytest.raises(TypeError, match=r"abstract method '?signals"):
            make("half")

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"family": "luck"}, "no family 'luck'"),
            ({"id_": "sma_cross"}, "id 'sma_cross' is taken"),
            ({"anchor_": "M2"}, "no timeframe 'M2'"),
        ],
    )
    def test_a_mistake_in_a_class_is_refused(self, wrong, message):
        with pytest.raises(ValueError, match=message):
            self.define(**wrong)
