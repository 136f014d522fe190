"""A quote says what the baseline of the job is, and which test rows choose it."""

import pytest

from app.valuations.orders.measurement import BETTER_WITH_RARE_CLASSES, expected_width, measurement, rule
from app.valuations.schemas import NewValuation
from contract.metrics import METRICS
from contract.orders.game import FrozenGame, LearnerChoice, TableEncoding, TokenBlocks


def game(metric: str, mode: str = "full", learner: str = "logistic") -> FrozenGame:
    blocks = TokenBlocks(context=16, vocabulary=256, domain_column=None, domains=())
    return FrozenGame(
        players=("a", "b"), test="c", encoding=blocks if learner == "lm" else TableEncoding(columns={"classes": ["x"]}),
        learner=LearnerChoice(name=learner, hyper={}), checkpoint=None, metric=metric, mode=mode, unlearning={},
        seed=0, device="cpu",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "rows", "words"),
    [
        (game("accuracy"), 999, "is the most frequent class, chosen by the same test rows that measure worths."),
        (game("accuracy"), 1000, "chosen by 10% of your test rows, which then measure nothing else."),
        (game("roc_auc", "partial"), 60, "or the model with all providers unlearned, where that is better"),
        (game("log_loss", learner="lm"), 60, "is the base model. No combination counts as less."),
    ],
)
def test_the_baseline_is_named_with_the_rows_that_choose_it(asked: FrozenGame, rows: int, words: str) -> None:
    assert words in measurement(asked, rows, {})[0]


def test_a_metric_that_hides_rare_classes_is_said_to_where_one_class_is_nearly_all() -> None:
    (_, _, warning) = measurement(game("accuracy"), 60, {"no": 0.97, "yes": 0.03})
    assert "97% of your test rows are of one class" in warning
    assert all(name in METRICS and name in warning for name in BETTER_WITH_RARE_CLASSES)
    assert len(measurement(game("accuracy"), 60, {"no": 0.89, "yes": 0.11})) == 2
    assert len(measurement(game("roc_auc"), 60, {"no": 0.97, "yes": 0.03})) == 2
    balanced = game("accuracy").model_copy(update={"class_weights": "balanced"})
    assert len(measurement(balanced, 60, {"no": 0.97, "yes": 0.03})) == 2


def test_the_width_to_expect_halves_with_four_times_as_many_test_rows() -> None:
    assert [expected_width(400)[0], expected_width(100)[0]] == [10.0, 20.0]
    told = measurement(game("accuracy"), 400, {})[1]
    assert "With 400 test rows that measure worths, the widest share interval will be about 10 points (4 to 20" in told
    assert "More test rows are the cheapest way" in told
    assert "With 900 test rows" in measurement(game("accuracy"), 1000, {})[1], "a tenth chooses the baseline"
    assert "With 40 test rows" in measurement(game("accuracy", "partial"), 60, {})[1], "a third anchors unlearning"


def order(**more: object) -> NewValuation:
    ids = {"datasets": [f"ds_{1:032x}"], "test_dataset": f"ds_{2:032x}"}
    return NewValuation.model_validate({**ids, "pool": "100.00", "share_ci": 3.0, **more})


def test_what_rules_the_job_is_told_with_what_it_takes_and_that_test_rows_may_make_it_impossible() -> None:
    effort = "288 retrainings, about 40 device seconds, 3.00 EUR"
    precise = rule(order(ruled_by="precision"), game("accuracy"), 10_000, effort)
    assert f"at most 3 points, through at most {effort}." in precise
    assert "more of them help" not in precise
    by_budget = rule(order(), game("accuracy"), 100, effort)
    assert f"A budget rules this order: at most {effort}." in by_budget
    assert by_budget.endswith("are likely to make it wider than 3 points: more of them help.")


def test_partial_mode_has_no_precision_to_be_ruled_by() -> None:
    with pytest.raises(ValueError, match="partial mode is not audited"):
        order(mode="partial", ruled_by="precision")


def test_where_test_rows_were_drawn_in_groups_the_quote_goes_by_groups() -> None:
    told = measurement(game("accuracy"), 400, {}, 100)[1]
    assert "The 400 test rows that measure worths are in 100 groups" in told
    assert "about 20 points where rows of a group are alike, and 10 where they are not (4 to 40 in most jobs)" in told
    assert "few" not in told
    assert "10 groups are few" in measurement(game("accuracy"), 400, {}, 10)[1]
    assert "900 test rows that measure worths are in 90 groups" in measurement(game("accuracy"), 1000, {}, 100)[1]
    assert "more groups help" in rule(order(), game("accuracy"), 4000, "36 retrainings", 100)
    assert "help" not in rule(order(), game("accuracy"), 4000, "36 retrainings")
