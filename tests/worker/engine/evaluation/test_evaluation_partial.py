"""Partial mode reads the targets' rows, the checkpoint and the test set, and keeps anchor and measure apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from contract.errors import InvalidProblem
from worker.engine.evaluation import held_out
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions, family
from worker.engine.games.problem import Problem, Rows
from worker.engine.unlearning.second_order import tangent


class Forbidden:
    """Stands where hidden rows were; whatever touches it fails the test."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"hidden rows were read ({name})")

    def __len__(self) -> int:
        raise AssertionError("hidden rows were counted")


def partial(blobs, **options: object) -> Problem:
    problem = blobs("mlp", {"steps": 15}, n=4, **options)
    hidden = problem.players[-1]
    return replace(problem, players=problem.players[:-1], rest=Rows(hidden.X, hidden.y), mode="partial")


def test_nothing_but_targets_checkpoint_and_test_set_is_read(blobs) -> None:
    problem = partial(blobs)
    evaluator = Evaluator(problem)
    evaluator.prepare()
    object.__setattr__(problem, "rest", Forbidden())
    for source in evaluator.sources:
        if family(source) != "retrain":
            assert np.isfinite(evaluator.worth(source, all_coalitions(4))).all()


def test_a_checkpoint_needs_no_hidden_rows_at_all_and_says_what_it_assumes(blobs) -> None:
    problem = partial(blobs)
    state = Evaluator(problem).prepared_state()
    full = {name.removeprefix("full."): array for name, array in state.items() if name.startswith("full.")}
    bare = replace(problem, rest=None, checkpoint=full)
    evaluator = Evaluator(bare)
    assert np.isfinite(evaluator.worth("unlearn:tangent", all_coalitions(4))).all()
    assert "hidden_rows" in evaluator.notes[0]
    told = Evaluator(replace(bare, unlearning={"hidden_rows": 500}))
    told.prepare()
    assert not told.notes
    assert "retrain" not in evaluator.sources
    with pytest.raises(InvalidProblem, match="needs retained data"):
        evaluator.worth("retrain", all_coalitions(4))


def test_methods_that_need_retained_rows_are_not_offered(blobs) -> None:
    evaluator = Evaluator(partial(blobs))
    assert not [s for s in evaluator.sources if s.startswith("repair") or s == "unlearn:merge"]
    with pytest.raises(InvalidProblem, match="mode 'partial'"):
        evaluator.worth("repair", all_coalitions(4))


def test_retraining_as_a_reference_keeps_the_hidden_rows_in_every_coalition(blobs) -> None:
    problem = partial(blobs, metric="log_loss")
    evaluator = Evaluator(problem)
    assert problem.rest is not None
    assert evaluator.worth("retrain", all_coalitions(4)[:1]) > evaluator.context.empty_worth
    assert evaluator.worth("retrain", all_coalitions(4)[-1:]).tolist() == [evaluator.full_worth]


def test_rows_that_anchor_never_measure(blobs) -> None:
    evaluator = Evaluator(partial(blobs))
    anchor = evaluator.context.anchor
    assert anchor is not None
    measuring = {row.tobytes() for row in evaluator.test_X.numpy()}
    anchoring = {row.tobytes() for row in anchor[0].numpy()}
    assert not measuring & anchoring
    assert len(measuring) + len(anchoring) == len(evaluator.problem.test)


def test_the_split_is_stratified_and_fixed_by_the_seed() -> None:
    labels = np.repeat(np.arange(5), [30, 60, 3, 9, 90])
    anchor, measure = held_out.split(labels, 1 / 3, 4)
    again, _ = held_out.split(labels, 1 / 3, 4)
    other, _ = held_out.split(labels, 1 / 3, 5)
    assert sorted([*anchor, *measure]) == list(range(len(labels)))
    assert np.abs(np.bincount(labels[anchor], minlength=5) - np.array([10, 20, 1, 3, 30])).max() <= 1
    assert (anchor == again).all()
    assert set(anchor) != set(other)


def test_too_few_test_rows_to_split_is_an_error() -> None:
    with pytest.raises(InvalidProblem, match="add test rows"):
        held_out.split(np.array([0]), 1 / 3, 0)


def test_statistics_stored_with_the_checkpoint_stand_for_the_hidden_rows(blobs) -> None:
    problem = partial(blobs, metric="clipped_log_loss")
    first = Evaluator(problem)
    assert problem.rest is not None
    hidden = first.hidden_statistics(problem.rest)
    told = Evaluator(replace(problem, statistics=hidden), prepared=first.prepared_state())
    anchored, stored = (e.worth("unlearn:tangent", all_coalitions(4)) for e in (first, told))
    assert (anchored[:-1] != stored[:-1]).all()
    assert np.corrcoef(anchored, stored)[0, 1] > 0.9


def test_logistic_models_forget_a_providers_share_of_the_penalty_with_its_rows(blobs) -> None:
    problem = partial(blobs, classes=2, metric="log_loss")
    problem = replace(problem, learner=replace(problem.learner, name="logistic", hyper={"l2": 0.5}))
    first = Evaluator(problem)
    assert problem.rest is not None
    known = replace(problem, statistics=first.hidden_statistics(problem.rest))
    evaluator = Evaluator(known, prepared=first.prepared_state())
    unlearned, retrained = (evaluator.worth(source, all_coalitions(4)) for source in ("unlearn:tangent", "retrain"))
    assert np.abs(unlearned - retrained)[1:].max() < 0.1 * np.ptp(retrained)


def doubtful(evaluator: Evaluator) -> int:
    """How many players, once forgotten with their copies, are no better known than anchor rows of the same labels."""
    context, found = evaluator.context, 0
    assert context.anchor is not None
    anchors, labels = context.anchor
    outputs = context.learner.logits(context.full.unsqueeze(0), anchors)[0].double()
    seen = torch.softmax(outputs, dim=1)[torch.arange(len(labels)), labels]
    for player in evaluator.problem.players:
        kept = np.array([[p.digest != player.digest for p in evaluator.problem.players]])
        X, y = torch.from_numpy(player.X), torch.from_numpy(player.y)
        sure = torch.softmax(tangent.outputs(context, kept, X)[0], dim=1)[torch.arange(len(y)), y]
        wanted = torch.stack([seen[labels == c].mean() for c in y.tolist()])
        found += float(sure.mean()) <= float(wanted.mean())
    return found


def test_networks_that_know_their_rows_by_heart_forget_until_those_are_as_doubtful_as_rows_never_seen(blobs) -> None:
    problem = partial(blobs)
    rng = np.random.default_rng(0)
    loud = [replace(p, X=p.X + rng.normal(size=p.X.shape).astype(np.float32) * 2, digest="") for p in problem.players]
    problem = replace(problem, players=loud, learner=replace(problem.learner, hyper={"steps": 300, "lr": 0.02}))
    whole = Evaluator(problem)
    single = Evaluator(replace(problem, unlearning={"tangent.stretch": 1.0}), prepared=whole.prepared_state())
    assert doubtful(single) < len(problem.players) / 2 <= doubtful(whole)
    assert 1.0 < tangent.prepare(whole.context).scale < 32.0


def test_networks_that_know_no_row_by_heart_take_one_step(blobs) -> None:
    assert tangent.prepare(Evaluator(partial(blobs)).context).scale == 1.0
