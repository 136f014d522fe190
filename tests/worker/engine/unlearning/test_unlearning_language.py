"""Unlearning of language models: Kronecker-factored curvature, answers that add up, providers taken out of M_full."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from contract.metrics import METRICS
from tests.worker.engine.tiny_language import problem
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.tasks.tokens import TokenAnswers
from worker.engine.unlearning import methods_for, sequences
from worker.engine.unlearning.ensembles import mixture
from worker.engine.unlearning.provider_vectors import provider_vectors, row_shares
from worker.engine.unlearning.second_order import ekfac


def models(evaluator: Evaluator, name: str, coalitions: np.ndarray) -> torch.Tensor:
    unlearn = methods_for("lm")[name].params
    assert unlearn is not None
    return unlearn(evaluator.context, coalitions)


def answers(evaluator: Evaluator, coalitions: np.ndarray) -> torch.Tensor:
    outputs = methods_for("lm")["logit_sum"].outputs
    assert outputs is not None
    return outputs(evaluator.context, coalitions, evaluator.test_X)


def own_answers(evaluator: Evaluator, params: torch.Tensor) -> torch.Tensor:
    return evaluator.learner.logits(params, evaluator.test_X)


def with_merged_full() -> tuple[Evaluator, Evaluator]:
    """A game whose M_full is the row-weighted mean of its providers' models, in full and in partial mode."""
    full = Evaluator(problem())
    context = full.context
    weights = row_shares(context, np.ones((1, 4), dtype=bool), of_kept=True)[0]
    mean = context.base + weights @ provider_vectors(context)
    checkpoint = {**dict(full.problem.checkpoint or {}), **full.learner.layout.unpack(mean)}
    partial = Evaluator(problem(mode="partial", checkpoint=checkpoint, unlearning={"hidden_rows": 0}))
    return full, partial


def test_one_player_alone_answers_as_its_own_model_does() -> None:
    evaluator = Evaluator(problem())
    alone = np.eye(4, dtype=bool)
    own = evaluator.context.base + provider_vectors(evaluator.context)
    assert torch.allclose(answers(evaluator, alone), own_answers(evaluator, own), atol=1e-5)


def test_a_coalition_answers_with_the_row_weighted_mean_of_its_players_answers() -> None:
    evaluator = Evaluator(problem())
    own = answers(evaluator, np.eye(4, dtype=bool))
    rows = torch.tensor([p.rows for p in evaluator.players], dtype=torch.float32)
    kept = torch.tensor([1.0, 0.0, 1.0, 1.0]) * rows
    wanted = torch.einsum("k,kmlv->mlv", kept / kept.sum(), own)
    found = answers(evaluator, np.array([[True, False, True, True]]))[0]
    assert torch.allclose(found, wanted, atol=1e-4)


def chances(evaluator: Evaluator, model: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.softmax(evaluator.learner.logits(model.unsqueeze(0), evaluator.test_X)[0], dim=-1)


def mixed_on(evaluator: Evaluator, coalitions: np.ndarray, X: torch.Tensor) -> torch.Tensor:
    outputs = methods_for("lm")["mixture"].outputs
    assert outputs is not None
    with torch.no_grad():
        return outputs(evaluator.context, coalitions, X)


def mixed(evaluator: Evaluator, coalitions: np.ndarray) -> torch.Tensor:
    return torch.softmax(mixed_on(evaluator, coalitions, evaluator.test_X), dim=-1)


def test_a_mixture_adds_the_probabilities_of_players_alone_by_their_rows() -> None:
    evaluator = Evaluator(problem())
    context = evaluator.context
    rows = torch.tensor([float(p.rows) for p in evaluator.players])
    alone = torch.stack([chances(evaluator, context.base + vector) for vector in provider_vectors(context)])
    found = mixed(evaluator, np.array([[True, False, True, True], [False, True, False, False], [False] * 4]))
    weights = torch.tensor([1.0, 0.0, 1.0, 1.0]) * rows
    assert torch.allclose(found[0], torch.einsum("k,kmlv->mlv", weights / weights.sum(), alone), atol=1e-5)
    assert torch.allclose(found[1], alone[1], atol=1e-5)
    assert torch.allclose(found[2], chances(evaluator, context.base), atol=1e-5)


def test_a_mixture_takes_the_rest_for_a_provider_that_nobody_forgets() -> None:
    whole = problem()
    evaluator = Evaluator(replace(whole, players=whole.players[1:], rest=whole.players[0]))
    context = evaluator.context
    vectors = provider_vectors(context)
    nobody = np.zeros((1, 3), dtype=bool)
    of_rest = context.learner.train(context.base, context.pool, nobody, context.seed("retrain"), lambda: None)[0]
    assert not torch.equal(of_rest, context.base)
    own, rest = float(evaluator.players[1].rows), float(len(whole.players[0]))
    wanted = own * chances(evaluator, context.base + vectors[1]) + rest * chances(evaluator, of_rest)
    found = mixed(evaluator, np.array([[False, True, False]]))
    assert torch.allclose(found[0], wanted / (own + rest), atol=1e-5)


@pytest.mark.parametrize("metric", ["log_loss", "clipped_log_loss"])
def test_a_mixture_of_targets_is_worth_what_the_whole_mixture_is(metric: str) -> None:
    evaluator = Evaluator(problem(metric=metric))
    coalitions = all_coalitions(4)[1:-1]
    learner, X = evaluator.learner, evaluator.test_X.clone()
    X[0, 9:] = -1  # a block that ends early
    tokens, context = TokenAnswers(), evaluator.context
    targets = tokens.targets(learner, X, evaluator.test_y, None)
    whole = tokens.answers(learner, lambda rows: mixed_on(evaluator, coalitions, rows), X)
    alone = tokens.of_likelihoods(learner, lambda rows: mixture.likelihoods(context, coalitions, rows), X)
    worths = [tokens.prediction.worths(METRICS[metric], answers, targets) for answers in (whole, alone)]
    assert np.allclose(*worths, atol=1e-6)
    assert np.isnan(alone[..., 2]).all(), "likelihoods tell of no hits"


def test_in_partial_mode_m_full_answers_for_the_hidden_rows_and_its_own_worth_is_the_level() -> None:
    evaluator = Evaluator(problem(mode="partial", unlearning={"hidden_rows": 96}))
    context = evaluator.context
    rows = torch.tensor([float(p.rows) for p in evaluator.players])
    alone = torch.stack([chances(evaluator, context.base + vector) for vector in provider_vectors(context)])
    coalitions = np.array([[False, True, False, True], [True] * 4])
    weights = torch.from_numpy(coalitions) * rows
    summed = torch.einsum("kn,nmlv->kmlv", weights, alone) + 96 * chances(evaluator, context.full)
    found = mixed(evaluator, coalitions)
    assert torch.allclose(found, summed / (weights.sum(dim=1) + 96).view(-1, 1, 1, 1), atol=1e-5)
    tokens = TokenAnswers()
    answers = tokens.answers(evaluator.learner, lambda X: mixed_on(evaluator, coalitions, X), evaluator.test_X)
    raw = tokens.prediction.worths(METRICS["clipped_log_loss"], answers, evaluator.targets)
    some, everybody = evaluator.worth("unlearn:mixture", coalitions)
    assert everybody == evaluator.full_worth
    assert some - everybody == pytest.approx(float(raw[0] - raw[1]), abs=1e-6)
    assert abs(float(raw[1]) - everybody) > 1e-4, "the level matters here"
    none = Evaluator(problem(mode="partial", unlearning={"hidden_rows": 0}))
    assert torch.allclose(mixed(none, np.array([[False] * 4]))[0], chances(none, none.context.base), atol=1e-6)


def test_summed_answers_are_worth_the_same_bits_in_any_stack() -> None:
    coalitions = all_coalitions(4)
    one, many = Evaluator(problem(), stack=1), Evaluator(problem(), stack=7)
    for source in ("unlearn:logit_sum", "unlearn:mixture", "unlearn:ekfac"):
        assert np.array_equal(one.worth(source, coalitions), many.worth(source, coalitions[::-1])[::-1]), source


def test_without_hidden_rows_partial_mode_keeps_m_full_and_ends_at_the_base() -> None:
    evaluator = Evaluator(problem(mode="partial", unlearning={"hidden_rows": 0}))
    context = evaluator.context
    ends = np.array([[True] * 4, [False] * 4])
    wanted = torch.stack([context.full, context.base])
    assert torch.allclose(models(evaluator, "unmerge", ends), wanted, atol=1e-5)


def test_taking_players_out_of_a_merged_m_full_is_merging_the_others() -> None:
    full, partial = with_merged_full()
    coalitions = all_coalitions(4)[1:]
    assert torch.allclose(models(partial, "unmerge", coalitions), models(full, "merge", coalitions), atol=1e-5)


def test_the_kept_ones_take_the_weight_of_the_forgotten_and_what_is_unexplained_its_root() -> None:
    evaluator = Evaluator(problem(mode="partial", unlearning={"hidden_rows": 96}))
    context = evaluator.context
    rows = torch.tensor([float(p.rows) for p in evaluator.players])
    total = float(rows.sum()) + 96
    vectors, moved = provider_vectors(context), context.full - context.base
    mean = (rows / total) @ vectors
    along = float(moved @ mean / (mean @ mean))
    grown = total / (total - float(rows[0]))
    kept = (rows[1:] / total) @ vectors[1:]
    wanted = context.base + grown * along * kept + grown**0.5 * (moved - along * mean)
    found = models(evaluator, "unmerge", np.array([[False, True, True, True], [True] * 4]))
    assert torch.allclose(found[0], wanted, atol=1e-5)
    assert torch.allclose(found[1], context.full, atol=1e-5)


def test_the_eigenbasis_turns_there_and_back_and_keeps_lengths() -> None:
    evaluator = Evaluator(problem())
    context = evaluator.context
    basis = ekfac.eigenbasis(context, context.full, context.pool.X[:24])
    gradients = torch.cat(list(sequences.row_gradients(context, context.full, context.pool.X[:24])))
    inside = basis.into(gradients)
    assert torch.allclose(basis.out_of(inside), gradients, atol=1e-5)
    assert torch.allclose(inside.norm(dim=1), gradients.norm(dim=1), rtol=1e-4)


def test_moments_are_sums_over_rows_and_so_forgetting_is_subtracting() -> None:
    evaluator = Evaluator(problem())
    context = evaluator.context
    X = context.pool.X
    basis = ekfac.eigenbasis(context, context.full, X[:24])
    whole, first, second = (ekfac.moments(context, context.full, basis, rows) for rows in (X[:40], X[:15], X[15:40]))
    assert torch.allclose(whole.curvature - first.curvature, second.curvature, rtol=1e-3, atol=1e-9)
    assert torch.allclose(whole.gradient - first.gradient, second.gradient, rtol=1e-3, atol=1e-6)
    gradients = torch.cat(list(sequences.row_gradients(context, context.full, X[:40])))
    assert float(whole.curvature.sum()) == pytest.approx(float(gradients.double().square().sum()), rel=1e-5)


def test_the_eigenbasis_gathers_curvature_better_than_the_axes_do() -> None:
    evaluator = Evaluator(problem())
    context = evaluator.context
    X = context.pool.X[:64]
    basis = ekfac.eigenbasis(context, context.full, X)
    seen = ekfac.moments(context, context.full, basis, X).curvature.sort(descending=True).values
    gradients = torch.cat(list(sequences.row_gradients(context, context.full, X)))
    axes = gradients.double().square().sum(dim=0).sort(descending=True).values
    assert float(seen[:50].sum() / seen.sum()) > 1.2 * float(axes[:50].sum() / axes.sum())


def test_kronecker_curvature_has_exact_ends_and_an_ascent_that_fades_with_damping() -> None:
    evaluator = Evaluator(problem())
    found = models(evaluator, "ekfac", np.array([[True] * 4, [False] * 4]))
    assert torch.allclose(found[0], evaluator.context.full, atol=1e-5)
    assert torch.allclose(found[1], evaluator.context.base, atol=1e-6)
    lengths = []
    for damping in (1.0, 100.0):
        options = {"hidden_rows": 72, "ekfac.damping": damping}
        partial = Evaluator(problem(mode="partial", unlearning=options))
        moved = models(partial, "ekfac", np.array([[False, True, True, True]]))[0] - partial.context.full
        lengths.append(float(moved.norm()))
    assert lengths[0] > 3 * lengths[1] > 0


def test_partial_mode_offers_what_needs_no_hidden_row() -> None:
    sources = Evaluator(problem(mode="partial")).sources
    assert {"unlearn:mixture", "unlearn:unmerge", "unlearn:ekfac"} <= set(sources)
    assert "unlearn:logit_sum" not in sources
