"""One model that forgets: trained anew it is the model of what remains, and who attacks it finds members no more."""

from functools import partial as partial_of

import numpy as np
import pytest
import torch

from contract.errors import InvalidProblem
from contract.learning.methods import mode_fault
from contract.learning.withdrawal import METHODS, NEEDS_ALL, WithdrawalMethod
from tests.worker.engine import tiny_encoders, tiny_language
from worker.engine.evaluation import forgetting, membership
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.unlearning import methods_for

Labelled = tuple[np.ndarray, np.ndarray]


def rows(seed: int, count: int, noise: float = 0.0) -> Labelled:
    """Three classes around three points of eight columns; a share of the labels drawn anew."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    X = (np.eye(8)[y] * 1.5 + rng.normal(size=(count, 8))).astype(np.float32)
    return X, np.where(rng.random(count) < noise, rng.integers(0, 3, count), y).astype(np.int64)


def problem(learner: str, players: dict[str, Labelled], mode: str = "full", **more: object) -> Problem:
    settings = {"mlp": {"hidden": 64, "steps": 300}, "logistic": {"l2": 0.01}, "cnn": {"steps": 20}}
    hyper = settings.get(learner, {})
    test, number = rows(99, 200), learner == "ridge"
    if number:
        players, test = {name: (X, 10.0 * y) for name, (X, y) in players.items()}, (test[0], 10.0 * test[1])
    if learner == "cnn":
        players = {name: (X.reshape(-1, 2, 4).repeat(4, 1).repeat(2, 2), y) for name, (X, y) in players.items()}
        test = (test[0].reshape(-1, 2, 4).repeat(4, 1).repeat(2, 2), test[1])
    return Problem(
        players=[PlayerData(name, *each) for name, each in players.items()],
        test=Rows(*test),
        classes=1 if number else 3,
        learner=LearnerSpec(learner, hyper),
        metric="rmse" if number else "accuracy",
        mode=mode,
        **more,  # type: ignore[arg-type]  # named by the tests
    )


def kept(evaluator: Evaluator, lost: str) -> np.ndarray:
    return np.array([player.name != lost for player in evaluator.players])


@pytest.mark.parametrize("learner", ["logistic", "mlp"])
def test_trained_anew_it_is_the_model_of_what_remains(learner: str) -> None:
    players = {"a": rows(1, 60), "b": rows(2, 40), "gone": rows(3, 50, noise=1.0)}
    evaluator = Evaluator(problem(learner, players))
    model = forgetting.forget(evaluator, kept(evaluator, "gone"), "retrain")
    alone = Evaluator(problem(learner, {name: players[name] for name in ("a", "b")}))
    assert torch.allclose(model, alone.context.full, atol=1e-5)
    assert not torch.allclose(model, evaluator.context.full, atol=1e-2)
    near = forgetting.distance(evaluator, model, alone.context.full, evaluator.test_X, evaluator.test_y)
    assert (near.disagreement, near.accuracy_gap) == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_an_over_fitted_model_gives_its_members_away_until_it_has_forgotten_them(seed: int) -> None:
    players = {"a": rows(seed, 80), "gone": rows(100 + seed, 40, noise=1.0)}
    evaluator = Evaluator(problem("mlp", players))
    model = forgetting.forget(evaluator, kept(evaluator, "gone"), "retrain")
    X, y = (torch.from_numpy(each) for each in players["gone"])
    # strangers like the members: drawn as they were, and seen by no model
    strangers = [torch.from_numpy(each) for each in rows(200 + seed, 200, noise=1.0)]
    losses = {
        name: (forgetting.losses(evaluator, each, X, y), forgetting.losses(evaluator, each, *strangers))
        for name, each in (("before", evaluator.context.full), ("after", model))
    }
    before, after = membership.score(*losses["before"]), membership.score(*losses["after"])
    assert before.interval[0] > 0.7
    assert abs(after.value - 0.5) < 3.5 * after.stderr
    fell = membership.fall(losses["before"], losses["after"])
    assert fell.value == pytest.approx(before.value - after.value)
    assert fell.interval[0] > 0.15


def test_newton_and_tangent_come_near_a_logistic_regression_trained_anew() -> None:
    players = {"a": rows(1, 200), "b": rows(2, 200), "gone": rows(3, 100, noise=1.0)}
    whole = Evaluator(problem("logistic", players))
    anew = forgetting.forget(whole, kept(whole, "gone"), "retrain")
    newton = forgetting.forget(whole, kept(whole, "gone"), "newton")
    partial = Evaluator(
        problem(
            "logistic",
            {"gone": players["gone"]},
            mode="partial",
            checkpoint=whole.learner.layout.unpack(whole.context.full),
            unlearning={"hidden_rows": 400},
        )
    )
    tangent = forgetting.forget(partial, kept(partial, "gone"), "tangent")
    measured = {
        name: forgetting.distance(whole, model, anew, whole.test_X, whole.test_y).total_variation
        for name, model in (("nothing", whole.context.full), ("newton", newton), ("tangent", tangent))
    }
    assert measured["newton"] < 0.05 * measured["nothing"]
    assert measured["tangent"] < 0.5 * measured["nothing"]


def test_a_linear_model_read_off_its_outputs_gives_those_outputs() -> None:
    players = {"a": rows(1, 60), "gone": rows(3, 50)}
    evaluator = Evaluator(problem("logistic", players))
    which = kept(evaluator, "gone")
    model = forgetting.forget(evaluator, which, "tangent")
    outputs = methods_for("logistic")["tangent"].outputs
    assert outputs is not None
    wanted = outputs(evaluator.context, which[None], evaluator.test_X)[0]
    assert torch.allclose(evaluator.learner.logits(model.unsqueeze(0), evaluator.test_X)[0], wanted, atol=1e-8)


def test_what_owners_are_offered_is_what_the_engine_can_do() -> None:
    players = {"a": rows(1, 30), "gone": rows(3, 30)}
    on_frozen = {"lm": tiny_language.problem, "lora": tiny_encoders.problem}
    for architecture, methods in METHODS.items():
        real = methods - {WithdrawalMethod.AUTO, WithdrawalMethod.ERASE}
        if not real:  # a frozen model: it has seen nobody's data
            continue
        make = on_frozen.get(architecture.value, partial_of(problem, architecture.value, players))
        full = Evaluator(make())
        assert {each.value for each in real} <= set(forgetting.available(full))
        if mode_fault(architecture.value, "partial") is not None:
            continue
        weights = full.learner.layout.unpack(full.context.full)
        below = {name: array for name, array in (full.problem.checkpoint or {}).items() if name.startswith("frozen.")}
        partial = Evaluator(make(mode="partial", checkpoint=below | weights))
        assert {each.value for each in real - NEEDS_ALL} <= set(forgetting.available(partial))
        assert not {each.value for each in NEEDS_ALL} & set(forgetting.available(partial))
        with pytest.raises(InvalidProblem, match="yields no"):
            forgetting.forget(partial, kept(partial, "gone"), "retrain")


def test_a_language_models_distance_loss_and_accuracy_are_over_its_tokens() -> None:
    evaluator = Evaluator(tiny_language.problem())
    learner, X, y = evaluator.learner, evaluator.test_X, evaluator.test_y
    X = torch.cat([X[:11], X[:1]])
    X[-1, 5:] = -1  # a short last block: four tokens are predicted
    y, models = y[:12], torch.stack([evaluator.context.full, evaluator.context.base])
    targets, there = X[:, 1:].long(), X[:, 1:] >= 0
    p = torch.softmax(learner.logits(models, X).double(), dim=3)
    found = forgetting.distance(evaluator, models[0], models[1], X, y)
    assert found.rows == 12
    assert found.total_variation == pytest.approx(float(((p[0] - p[1]).abs().sum(2) / 2)[there].mean()), abs=1e-9)
    differ = (p[0].argmax(2) != p[1].argmax(2))[there].double().mean()
    assert found.disagreement == pytest.approx(float(differ), abs=1e-12)
    right = [float((each.argmax(2) == targets)[there].double().mean()) for each in p]
    assert forgetting.accuracy(evaluator, models[0], X, y) == pytest.approx(right[0], abs=1e-12)
    assert found.accuracy_gap == pytest.approx(right[0] - right[1], abs=1e-12)
    likelihood = p[0].gather(2, targets.clamp(min=0).unsqueeze(2)).squeeze(2).log()
    wanted = [-float(likelihood[row][there[row]].mean()) for row in range(12)]
    assert forgetting.losses(evaluator, models[0], X, y) == pytest.approx(wanted, abs=1e-6)


def test_the_score_is_the_chance_that_a_member_has_the_lower_loss() -> None:
    members, strangers = np.array([0.1, 0.2, 0.2, 0.9]), np.array([0.2, 0.5, 1.5])
    pairs = [(m < s) + 0.5 * (m == s) for m in members for s in strangers]
    assert membership.score(members, strangers).value == pytest.approx(np.mean(pairs))
    rng = np.random.default_rng(0)
    drawn = [membership.score(rng.normal(size=60), rng.normal(0.5, size=90)) for _ in range(400)]
    spread = float(np.std([each.value for each in drawn]))
    assert np.mean([each.stderr for each in drawn]) == pytest.approx(spread, rel=0.1)
    with pytest.raises(ValueError, match="two rows of each kind"):
        membership.score(members[:1], strangers)
