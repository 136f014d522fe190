"""Which providers an answer of a language model leaned on: Shapley values over the providers' own token probabilities.

The worth of a coalition for one answer is the mean log-likelihood of the answer's tokens under the mixture of the
models of its members (``unlearning.ensembles.mixture``), less that of the base. Those models are there from the job;
an answer takes one pass of it through each of them, and sums. Nothing is trained for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from contract.errors import InvalidProblem
from contract.results.shares import shares_of
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.coalitions import exact_operator
from worker.engine.games.game import all_coalitions
from worker.engine.tensors import batching
from worker.engine.unlearning.ensembles import mixture

Floats = NDArray[np.float64]
ENUMERATED = 12  # players up to which every coalition is summed
PERMUTATIONS = 400  # beyond: each drawn one and its reverse


@dataclass(frozen=True, eq=False)
class TokenAnswer:
    """An answer as the model reads it: blocks X float32[b, L + 1] of prompt and answer, and which of the next tokens
    bool[b, L] are the answer's."""

    X: NDArray[np.float32]
    said: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Royalty:
    """What the providers add to one answer, float64[n] in nats a token, summing to ``gain``; and shares of that."""

    values: Floats
    shares: Floats
    gain: float
    tokens: int


@dataclass(frozen=True, eq=False)
class TokenProbabilities:
    """What models give an answer's tokens: the base's [T], the players' [n, T], and their rows [n]; ``always`` [T] is
    the model of rows that are in every coalition, of which there are ``always_rows``."""

    base: Floats
    players: Floats
    rows: Floats
    always: Floats
    always_rows: float = 0.0


def royalties(evaluator: Evaluator, answers: Sequence[TokenAnswer], seed: int = 0) -> list[Royalty]:
    """What each player of a language model's game adds to each answer, in the players' order.

    Raises InvalidProblem where the learner is none, or an answer has no token.
    """
    if evaluator.learner.name != "lm":
        raise InvalidProblem(
            f"answers are of language models, and this job's learner is {evaluator.learner.name}; order one with lm"
        )
    royalties_by_answer = []
    with batching.single_threaded():
        for place, answer in enumerate(answers):
            if not answer.said.any():
                raise InvalidProblem(f"answer {place + 1} has no token; leave it out")
            royalties_by_answer.append(royalty(token_probabilities(evaluator, answer), seed))
    return royalties_by_answer


def token_probabilities(evaluator: Evaluator, answer: TokenAnswer) -> TokenProbabilities:
    """One pass of an answer through the model of each player."""
    context = evaluator.context
    with torch.no_grad():
        probabilities = mixture.of_tokens(context, torch.from_numpy(answer.X).to(context.device))
    said = torch.from_numpy(answer.said)

    def taken(each: torch.Tensor) -> Floats:
        return np.asarray(each.cpu()[said].double())

    alone = {digest: taken(each) for digest, each in probabilities.alone.items()}
    players = context.problem.players
    return TokenProbabilities(
        base=taken(probabilities.base),
        players=np.stack([alone[player.digest] for player in players]),
        rows=np.array([len(player) for player in players], dtype=np.float64),
        always=taken(probabilities.others),
        always_rows=float(context.pool.rest_rows + context.hidden_rows),
    )


def royalty(probabilities: TokenProbabilities, seed: int = 0) -> Royalty:
    """The Shapley values of an answer's players: of all coalitions, or of drawn orders where there are many."""
    n = len(probabilities.players)
    if n <= ENUMERATED:
        every = all_coalitions(n)
        values = exact_operator(every) @ _worths(probabilities, every.astype(np.float64))
    else:
        values = _of_orders(probabilities, np.random.default_rng(seed))
    ends = _worths(probabilities, np.array([[0.0] * n, [1.0] * n]))
    return Royalty(values, shares_of(values), float(ends[1] - ends[0]), probabilities.players.shape[1])


def _worths(probabilities: TokenProbabilities, members: Floats) -> Floats:
    """Worths float64[K] of coalitions, 0 or 1 [K, n]: mean log-likelihoods of the tokens."""
    weights = members * probabilities.rows
    total = weights.sum(axis=1) + probabilities.always_rows
    mixed = weights @ probabilities.players + probabilities.always_rows * probabilities.always
    mixed = np.where(total[:, None] > 0, mixed / np.maximum(total, 1.0)[:, None], probabilities.base)
    return np.asarray(np.log(np.maximum(mixed, np.finfo(np.float32).tiny)).mean(axis=1))


def _of_orders(probabilities: TokenProbabilities, rng: np.random.Generator) -> Floats:
    n = len(probabilities.players)
    values = np.zeros(n)
    for _ in range(PERMUTATIONS):
        drawn = rng.permutation(n)
        for order in (drawn, drawn[::-1]):
            members = np.zeros((n + 1, n))
            for place, player in enumerate(order):
                members[place + 1 :, player] = 1.0
            values[order] += np.diff(_worths(probabilities, members))
    return values / (2 * PERMUTATIONS)
