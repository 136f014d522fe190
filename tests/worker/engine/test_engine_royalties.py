"""Which providers an answer leaned on: sums, copies, and what retraining every coalition says."""

import itertools
import math

import numpy as np
import pytest

from contract.errors import InvalidProblem
from tests.worker.engine.tiny_language import CONTEXT, problem, texts
from worker.engine import royalties
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.coalitions import exact_operator
from worker.engine.games.game import all_coalitions
from worker.engine.royalties import TokenAnswer, TokenProbabilities, royalty


def answer(stride: int, seed: int, prompt: int = 4) -> TokenAnswer:
    X = texts(1, stride, seed)
    return TokenAnswer(X, np.arange(CONTEXT)[None, :] >= prompt)


def drawn(players: int, tokens: int = 30) -> TokenProbabilities:
    rng = np.random.default_rng(0)
    rows = rng.integers(5, 50, players).astype(float)
    return TokenProbabilities(rng.random(tokens), rng.random((players, tokens)), rows, np.zeros(tokens))


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    made = Evaluator(problem())
    made.prepare()
    return made


def test_an_answer_in_a_provider_s_words_leans_on_it_and_copies_are_alike(evaluator: Evaluator) -> None:
    names = [player.name for player in evaluator.players]
    # p0 and its copy step by 1 or 2, p1 by 3 or 4, p2 by 7 or 8
    for stride, whose in ((1, {"p0", "copy"}), (3, {"p1"}), (7, {"p2"})):
        (found,) = royalties.royalties(evaluator, [answer(stride, 50 + stride)])
        assert names[int(found.values.argmax())] in whose
        assert math.isclose(found.values.sum(), found.gain, abs_tol=1e-9)
        assert found.tokens == CONTEXT - 4
        own = dict(zip(names, found.values, strict=True))
        assert math.isclose(own["p0"], own["copy"], abs_tol=1e-9)


def test_it_says_what_the_mixture_says_of_every_coalition(evaluator: Evaluator) -> None:
    from torch import from_numpy

    from worker.engine.unlearning.ensembles import mixture

    asked, every = answer(3, 9), all_coalitions(4)
    given = royalties.token_probabilities(evaluator, asked)
    likely = mixture.likelihoods(evaluator.context, every, from_numpy(asked.X)).numpy()[:, asked.said]
    assert np.allclose(likely.mean(axis=1), royalties.worths_of(given, every.astype(float)), atol=1e-5)


def test_answers_agree_with_retraining_every_coalition(evaluator: Evaluator) -> None:
    asked = [answer(stride, seed) for stride in (1, 3, 7) for seed in (60, 61)]
    every = all_coalitions(4)
    told = np.concatenate([each.values for each in royalties.royalties(evaluator, asked)])
    true = []
    for each in asked:
        worths = retrained(evaluator, every, each)
        true.append(exact_operator(every) @ worths)
    assert np.corrcoef(told, np.concatenate(true))[0, 1] > 0.9


def retrained(evaluator: Evaluator, every: np.ndarray, asked: TokenAnswer) -> np.ndarray:
    from torch import from_numpy

    context = evaluator.context
    models = context.learner.train(context.base, context.pool, every, context.seed("retrain"), context.check)
    likely, _ = context.learner.likelihoods(models, from_numpy(asked.X))
    return likely.numpy()[:, asked.said].mean(axis=1)


def test_many_players_are_drawn_in_orders_and_sum_to_the_gain() -> None:
    found = royalty(drawn(16))
    assert math.isclose(found.values.sum(), found.gain, abs_tol=1e-9)
    exact = royalty(drawn(10))
    given = drawn(10)
    orders = royalties._of_orders(given, np.random.default_rng(0))
    assert np.corrcoef(orders, exact.values)[0, 1] > 0.99


def test_rows_that_are_always_there_take_their_part() -> None:
    given = drawn(3)
    tied = TokenProbabilities(given.base, given.players, given.rows, given.players[0], 1e9)
    assert np.abs(royalty(tied).values).max() < 1e-6


def test_an_answer_without_tokens_and_another_learner_are_refused(evaluator: Evaluator) -> None:
    nothing = TokenAnswer(texts(1, 1), np.zeros((1, CONTEXT), dtype=bool))
    with pytest.raises(InvalidProblem, match="answer 1 has no token"):
        royalties.royalties(evaluator, [nothing])


def test_values_are_the_means_over_all_orders_and_alike_for_alike() -> None:
    given = drawn(6)
    given.players[4], given.rows[4] = given.players[1], given.rows[1]
    told = royalty(given)
    brute = np.zeros(6)
    for order in itertools.permutations(range(6)):
        members = np.zeros((7, 6))
        for place, player in enumerate(order):
            members[place + 1 :, player] = 1.0
        brute[list(order)] += np.diff(royalties.worths_of(given, members))
    assert np.allclose(told.values, brute / math.factorial(6), atol=1e-12)
    assert math.isclose(told.values[1], told.values[4], abs_tol=1e-12)


def test_answers_in_one_pass_are_as_each_by_itself_and_models_stacked_as_one_after_the_other(
    evaluator: Evaluator,
) -> None:
    asked = [answer(stride, seed, prompt) for stride, seed, prompt in ((1, 1, 4), (3, 2, 2), (7, 3, 9))]
    two = TokenAnswer(np.concatenate([asked[0].X, asked[1].X]), np.array([[False] * CONTEXT, [True] * CONTEXT]))
    asked.append(two)  # a block without a token that counts is not passed
    alone = royalties.alone_models(evaluator)
    together = royalties.royalties_of(alone, asked)
    for at_once in (1, 2):
        for one, other in zip(royalties.royalties_of(alone, asked, at_once=at_once), together, strict=True):
            assert np.array_equal(one.values, other.values)
    for each, told in zip(asked, together, strict=True):
        (own,) = royalties.royalties_of(alone, [each])
        assert np.allclose(own.values, told.values, atol=1e-6)
    # what follows the last token that counts changes nothing
    cut = TokenAnswer(asked[0].X.copy(), asked[0].said & (np.arange(CONTEXT) < 8))
    after = TokenAnswer(cut.X.copy(), cut.said)
    after.X[:, 9:] = 0.0
    for one, other in zip(royalties.royalties_of(alone, [cut]), royalties.royalties_of(alone, [after]), strict=True):
        assert np.array_equal(one.values, other.values)
