"""Metrics that are told something: how that is written, what is refused, and what they then measure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from contract.errors import InvalidProblem
from contract.metrics import METRICS, MetricOptions, metric_of, text_of
from contract.metrics.average_precision import ranking
from tests.contract.metrics.test_metrics_of_classes import answers, probabilities

NAMES = ("no", "yes")
COSTS = {"no": {"yes": 1.0}, "yes": {"no": 10.0}}


def test_a_metric_and_what_it_is_told_are_one_text_that_reads_back() -> None:
    text = text_of("recall_at_precision", MetricOptions(precision=0.9, of_class="yes"))
    assert text == 'recall_at_precision:{"of_class":"yes","precision":0.9}'
    assert metric_of(text).text == text
    assert metric_of("recall_at_precision:precision=0.90,of_class=yes").text == text, "one spelling for one question"
    assert metric_of("accuracy").text == "accuracy"
    assert metric_of("f1").text == "f1"
    assert text_of("f1", None) == "f1"
    for odd in ('a:b,c="d"', "ja, nein", "{"):
        told = text_of("f1", MetricOptions(of_class=odd))
        assert metric_of(told).options.of_class == odd
        assert metric_of(metric_of(told).resolved(["x", odd]).text).options.class_number == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("accuracy:of_class=yes", "metric accuracy has no option of_class; it takes no options"),
        ("f1:precision=0.9", "metric f1 has no option precision; it takes of_class"),
        ("recall_at_precision", "metric recall_at_precision needs precision: name it in metric_options"),
        ("expected_cost", "metric expected_cost needs costs"),
        ("recall_at_precision:precision=1.5", "option precision: Input should be less than 1"),
        ("recall_at_precision:precison=0.5", "option precison: Extra inputs are not permitted"),
        ("recall_at_precision:0.9", "'0.9' is no option of a metric"),
        ('expected_cost:{"costs":{"a":{"b":-1}}}', "answering 'b' to 'a' costs -1.0; a cost is 0 to"),
        ('expected_cost:{"costs":{"a":{"a":1}}}', "the right answer 'a' is to cost 1.0"),
        ('expected_cost:{"costs"', "are no JSON"),
    ],
)
def test_what_it_cannot_be_told_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(InvalidProblem) as refused:
        metric_of(text)
    assert why in str(refused.value)


def test_classes_that_the_files_lack_and_costs_that_are_missing_are_refused() -> None:
    with pytest.raises(InvalidProblem, match=r"class 'yess' is unknown .did you mean 'yes'"):
        metric_of("f1:of_class=yess").resolved(NAMES)
    costs = metric_of(text_of("expected_cost", MetricOptions(costs={"no": {"yes": 1.0}})))
    with pytest.raises(InvalidProblem, match="lacks what it costs to answer 'no' to 'yes'"):
        costs.resolved(NAMES)
    with pytest.raises(InvalidProblem, match="class 'other'"):
        metric_of(text_of("expected_cost", MetricOptions(costs={"other": {"yes": 1.0}}))).resolved(NAMES)
    with pytest.raises(ValueError, match="has no number yet"):
        metric_of("f1:of_class=yes").worth(np.zeros((2, 2), dtype=np.float32), np.array([0, 1]), None)


@pytest.mark.parametrize("classes", [2, 4])
def test_f1_of_a_class_is_that_of_scikit_learn(classes: int) -> None:
    names = tuple("abcd"[:classes])
    for seed in range(4):
        outputs, labels = answers(classes, seed=seed)
        for number, name in enumerate(names):
            own = metric_of(f"f1:of_class={name}").resolved(names)
            expected = reference.f1_score(labels, outputs.argmax(axis=1), labels=[number], average="macro")
            assert own.worth(outputs, labels, None) == pytest.approx(expected)
    nowhere = np.zeros(4, dtype=np.int64)
    assert metric_of("f1:of_class=b").resolved(names).worth(answers(classes, 4)[0] * 0, nowhere, None) == 0.0


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.6, 0.8, 0.95]), st.booleans())
def test_recall_at_a_precision_is_the_best_of_all_places_that_hold_it(seed: int, wanted: float, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    outputs, labels = answers(2, 40, seed=seed)
    weights = rng.dirichlet(np.ones(40)) if weighted else None
    share = np.full(40, 1 / 40) if weights is None else weights
    score = ranking(outputs, 1)
    best = 0.0
    for place in np.unique(score):
        picked = score >= place
        found = share[picked & (labels == 1)].sum()
        if found >= wanted * share[picked].sum() * (1 - 1e-12):
            best = max(best, found / share[labels == 1].sum())
    own = metric_of(f"recall_at_precision:precision={wanted},of_class=yes").resolved(NAMES)
    assert own.worth(outputs, labels, weights) == pytest.approx(best)


def test_a_cost_is_that_of_the_answer_which_costs_least_under_the_model_s_probabilities() -> None:
    own = metric_of(text_of("expected_cost", MetricOptions(costs=COSTS))).resolved(NAMES)
    outputs, labels = answers(2, 200)
    # to answer no is dearer as soon as yes is likelier than one in eleven
    answered = (probabilities(outputs)[:, 1] > 1 / 11).astype(int)
    cost = np.where(labels == answered, 0.0, np.where(labels == 1, 10.0, 1.0)).mean()
    assert own.worth(outputs, labels, None) == pytest.approx(-cost)
    rare, common = own.constant(np.array([0.95, 0.05])), own.constant(np.array([0.5, 0.5]))
    labels = np.array([0] * 95 + [1] * 5)
    assert own.worth(np.tile(rare, (100, 1)), labels, None) == pytest.approx(-0.5), "it answers no"
    assert own.worth(np.tile(common, (2, 1)), np.array([0, 1]), None) == pytest.approx(-0.5), "it answers yes"
    assert own.size(labels) == 10.0
    assert METRICS["expected_cost"].worth(outputs, answers(2, 200)[1], None) == pytest.approx(
        METRICS["accuracy"].worth(outputs, answers(2, 200)[1], None) - 1.0
    ), "with no costs told every mistake costs one"


@pytest.mark.parametrize(
    "metric",
    [
        "f1:of_class=b",
        "recall_at_precision:precision=0.7",
        "recall_at_precision:precision=0.7,of_class=b",
        'expected_cost:{"costs":{"a":{"b":1,"c":4},"b":{"a":2,"c":1},"c":{"a":9,"b":1}}}',
    ],
)
def test_the_squares_of_what_units_move_are_the_variance_over_draws_of_units(metric: str) -> None:
    own = metric_of(metric).resolved(("a", "b", "c"))
    outputs, labels = answers(3, 4000, seed=9)
    rng = np.random.default_rng(1)
    outputs += rng.normal(size=outputs.shape).astype(np.float32) * 1e-3
    worths, said = [], []
    for _ in range(150):
        drawn = rng.integers(0, len(labels), 300)
        moved = own.influences(outputs[drawn], labels[drawn], None)
        assert moved.sum() == pytest.approx(0.0, abs=1e-9)
        worths.append(own.worth(outputs[drawn], labels[drawn], None))
        said.append((moved**2).sum())
    assert np.mean(said) == pytest.approx(np.var(worths), rel=0.5)
