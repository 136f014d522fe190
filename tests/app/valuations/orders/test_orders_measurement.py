"""A quote says what the baseline of the job is, and which test rows choose it."""

import pytest

from app.valuations.orders.measurement import BETTER_WITH_RARE_CLASSES, measurement
from contract.game import FrozenGame, LearnerChoice, TableEncoding, TokenBlocks
from contract.metrics import METRICS


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
    (_, warning) = measurement(game("accuracy"), 60, {"no": 0.97, "yes": 0.03})
    assert "97% of your test rows are of one class" in warning
    assert all(name in METRICS and name in warning for name in BETTER_WITH_RARE_CLASSES)
    assert len(measurement(game("accuracy"), 60, {"no": 0.89, "yes": 0.11})) == 1
    assert len(measurement(game("roc_auc"), 60, {"no": 0.97, "yes": 0.03})) == 1
    balanced = game("accuracy").model_copy(update={"class_weights": "balanced"})
    assert len(measurement(balanced, 60, {"no": 0.97, "yes": 0.03})) == 1
