"""Sentences about a result are true beside its numbers: no saving, no interval and no width is claimed without one."""

from typing import Any

import pytest

from app.valuations.results import wording
from app.valuations.results.schemas import PlayerValue, PrecisionAnswer, WithoutHarm
from tests.app.valuations.results.samples import example, values


def player(**changes: Any) -> PlayerValue:
    made: PlayerValue = example(PlayerValue, **changes)
    return made


def say(seconds: float) -> str:
    return f"{seconds:g} s"


def cost(**changes: Any) -> str:
    return wording.cost(values(seconds=10.0, retrain_seconds_estimate=100.0, **changes), say)


def test_the_paid_share_of_an_old_job_is_its_share() -> None:
    assert wording.paid_share(player(share=0.2, paid_share=0.3)) == 0.3
    assert wording.paid_share(player(share=0.2, paid_share=0.0)) == 0.0
    assert wording.paid_share(player(share=0.2, paid_share=None)) == 0.2
    assert wording.paid_share(player(share=None, paid_share=None)) is None


def test_the_value_beside_a_share_is_of_the_valuation_that_is_paid_on() -> None:
    of_all = {"value": 0.1, "value_ci": (0.0, 0.2)}
    left = player(seat=1, paid_value=0.3, paid_value_ci=(0.2, 0.4), **of_all)
    harmful = player(seat=1, paid_value=None, paid_value_ci=None, **of_all)
    unused = player(seat=None, paid_value=None, paid_value_ci=None, **of_all)
    whole, without = values(without_harm=None), values(without_harm=example(WithoutHarm))
    assert wording.value_shown(whole, left) == (0.1, (0.0, 0.2))
    assert wording.value_shown(without, left) == (0.3, (0.2, 0.4))
    assert wording.value_shown(without, harmful) == (None, None)
    assert wording.value_shown(without, unused) == (0.1, (0.0, 0.2))


def test_only_parts_that_differ_are_explained_one_reason_for_all_whom_it_concerns() -> None:
    players = [
        player(provider="A", share=0.5, paid_share=0.4, reason="a copy"),
        player(provider="B", share=0.3, paid_share=0.3 + 1e-12, reason="rounding is no reason"),
        player(provider="C", share=0.2, paid_share=0.3, reason="a copy"),
        player(provider="D", share=0.2, paid_share=0.3, reason=None),
        player(provider="E", share=None, paid_share=0.1, reason="a reserve"),
    ]
    assert wording.differences(players) == {"a copy": ["A", "C"], "a reserve": ["E"]}


@pytest.mark.parametrize(("stopped_by", "rest"), [("enumerated", "all of them"), ("share_ci", "a sample of them")])
def test_what_unlearning_saved_is_not_claimed_for_retrainings_alone(stopped_by: str, rest: str) -> None:
    sentence = cost(source="retrain", bake_off=[], stopped_by=stopped_by)
    assert f"retrainings alone ({rest}), so unlearning saved nothing" in sentence
    assert "estimated at 100 s" in sentence
    assert "times as long" not in sentence


def test_a_saving_is_claimed_where_the_values_rest_on_unlearning() -> None:
    sentence = cost(source="unlearn:tangent", bake_off=[])
    assert sentence == (
        "10 s on the device; training a model for every combination would have taken about 100 s, 10.0 times as long."
    )


@pytest.mark.parametrize(("kept", "claims"), [(True, True), (False, False)])
def test_after_a_bake_off_its_verdict_says_whether_unlearning_was_used(kept: bool, claims: bool) -> None:
    assert ("times as long" in cost(source="retrain", bake_off=[{"kept": False}, {"kept": kept}])) is claims


@pytest.mark.parametrize(("seconds", "saved"), [(10.0, False), (9.6, False), (9.5, True), (0.0, False)])
def test_a_twentieth_is_no_saving(seconds: float, saved: bool) -> None:
    of = values(seconds=seconds, retrain_seconds_estimate=10.0, source="unlearn:tangent", bake_off=[])
    assert ("times as long" in wording.cost(of, say)) is saved


def test_without_an_estimate_nothing_is_compared() -> None:
    of = values(seconds=10.0, retrain_seconds_estimate=None)
    assert (
        wording.cost(of, say) == "10 s on the device. What exact retraining would have cost is not known for this job."
    )


@pytest.mark.parametrize(
    ("reached", "met", "audited", "says"),
    [
        (1.7, True, True, "Asked for intervals of at most 2 points; the widest is 1.70."),
        (3.1, False, True, "that was not reached: the widest is 3.10. Forty more would do."),
        (None, False, True, "cannot be said, because nothing uncertain was counted. Forty more would do."),
        (None, False, False, "cannot be said, because the job is not audited. Forty more would do."),
    ],
)
def test_a_width_that_was_missed_or_cannot_be_said_is_not_claimed(
    reached: float | None, met: bool, audited: bool, says: str
) -> None:
    answer = PrecisionAnswer(asked=2.0, reached=reached, met=met, forecast="Forty more would do.")
    assert wording.precision(answer, audited).endswith(says)


def test_a_cost_that_nobody_could_pay_is_said_in_models_and_not_in_hours() -> None:
    many = values(retrain_seconds_estimate=5.6e17, players=[player(position=at, seat=at) for at in range(50)])
    words = wording.cost(many, str)
    assert "not computable: 2^50 models" in words
    assert "e+" not in words


def test_players_are_ranked_by_share_then_value_then_name() -> None:
    found = [
        player(provider="b", position=0, share=0.2),
        player(provider="a", position=1, share=0.2),
        player(provider="c", position=2, share=0.6),
        player(provider="d", position=3, share=None),
    ]
    assert [each.provider for each in wording.ranked(found)] == ["c", "a", "b", "d"]


def test_a_provider_of_several_players_is_named_with_its_datasets() -> None:
    two = [player(provider="One", position=at, datasets=[f"ds_{at:032x}"]) for at in (1, 2)]
    names = wording.names([*two, player(provider="Other", position=3)])
    assert names == {1: "One (ds …00000001)", 2: "One (ds …00000002)", 3: "Other"}


def test_there_is_something_to_hold_against_retraining_only_where_something_was_unlearned() -> None:
    assert wording.any_unlearned(values(evaluations={"unlearn": 3, "repair": 0, "retrain": 4}))
    assert wording.any_unlearned(values(evaluations={"repair": 1}))
    assert not wording.any_unlearned(values(evaluations={"unlearn": 0, "retrain": 8}))
