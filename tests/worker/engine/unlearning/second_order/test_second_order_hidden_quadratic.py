"""The kept rows' own losses and a quadratic of the hidden rows': everybody's model stays, bits stand alone, and with
stored statistics it is nearer to the truth than one step is, where providers differ."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from contract.errors import InvalidProblem
from worker.engine.evaluation import forgetting
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.unlearning.second_order import hidden_quadratic

EVERY = all_coalitions(4)


def drawn(seed: int, rows: int, centre: float, share: float) -> Rows:
    """Rows around a centre of their own, whose classes are as unequal as ``share``: providers that differ."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < share).astype(np.int64)
    X = rng.normal(size=(rows, 6)) + centre * np.eye(6)[seed % 6] + np.outer(2 * y - 1, [0.8, -0.5, 0, 0, 0.3, 0])
    return Rows(X.astype(np.float32), y)


def problem(mode: str = "partial", **changes: object) -> Problem:
    of = [drawn(seed, 40, 2.0, share) for seed, share in enumerate((0.2, 0.5, 0.8, 0.5))]
    asked = Problem(
        players=[PlayerData(f"p{at}", rows.X, rows.y) for at, rows in enumerate(of)],
        test=drawn(77, 300, 0.5, 0.5),
        classes=2,
        learner=LearnerSpec("logistic", {"l2": 0.01}),
        metric="log_loss",
        mode=mode,
        rest=drawn(10, 120, 3.0, 0.9),
    )
    return replace(asked, **changes)


@pytest.fixture(scope="module")
def told() -> Problem:
    """The partial problem with what is stored where M_full is trained: the weights, and statistics of all rows."""
    whole = Evaluator(problem("full"))
    everybody = np.ones(4, dtype=bool)
    kept = forgetting.statistics(whole, whole.context.full, everybody)
    weights = whole.learner.layout.unpack(whole.context.full)
    return problem(rest=None, checkpoint=weights, statistics=kept)


def test_with_everybody_kept_it_is_the_full_model_and_bits_do_not_depend_on_who_is_beside(told: Problem) -> None:
    context = Evaluator(told).context
    assert context.hidden_rows == 120, "what was trained on, less the players' rows"
    models = hidden_quadratic.unlearn(context, EVERY)
    assert float((models[-1] - context.full).norm()) < 1e-3 * float(context.full.norm())
    assert torch.equal(hidden_quadratic.unlearn(context, EVERY[5:6]), models[5:6])
    assert torch.equal(hidden_quadratic.unlearn(context, EVERY[::-1]), models.flip(0))


def test_what_all_rows_statistics_leave_is_what_the_hidden_rows_holder_would_have_stored(told: Problem) -> None:
    by_holder = Evaluator(problem()).hidden_statistics(drawn(10, 120, 3.0, 0.9))
    one, other = (
        hidden_quadratic.prepare(Evaluator(each).context) for each in (told, replace(told, statistics=by_holder))
    )
    torch.testing.assert_close(one.A, other.A, rtol=1e-6, atol=1e-4)
    torch.testing.assert_close(one.slope, other.slope)


def test_stored_statistics_bring_it_nearer_to_retraining_than_one_step_and_than_anchors(told: Problem) -> None:
    reference = Evaluator(problem())
    truth = reference.worth("retrain", EVERY)[:-1]
    guessed = replace(told, statistics=None, unlearning={"hidden_rows": 120})
    errors = {
        name: float(np.sqrt(np.mean((Evaluator(asked).worth(source, EVERY)[:-1] - truth) ** 2)))
        for name, asked, source in (
            ("stored", told, "unlearn:hidden_quadratic"),
            ("one step", told, "unlearn:tangent"),
            ("anchors", guessed, "unlearn:hidden_quadratic"),
        )
    }
    assert errors["stored"] < 0.5 * errors["anchors"]
    assert errors["stored"] < errors["one step"]


def test_players_whose_rows_the_checkpoint_cannot_all_have_seen_are_refused(told: Problem) -> None:
    assert told.statistics is not None
    few = {name: np.array([100]) if name.endswith("/rows") else array for name, array in told.statistics.items()}
    with pytest.raises(InvalidProblem, match="the players have 160 rows, and the checkpoint was trained on 100"):
        _ = Evaluator(replace(told, statistics=few)).context


def test_it_is_a_method_of_partial_mode_alone() -> None:
    assert "unlearn:hidden_quadratic" not in Evaluator(problem("full")).sources
    assert "unlearn:hidden_quadratic" in Evaluator(problem()).sources
