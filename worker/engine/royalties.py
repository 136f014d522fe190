"""Which providers an answer of a language model leaned on: Shapley values over the providers' own token probabilities.

The worth of a coalition for one answer is the mean log-likelihood of the answer's tokens under the mixture of the
models of its members (``unlearning.ensembles.mixture``), less that of the base. Those models are there from the job;
answers take one pass together through all of them, stacked over the frozen base, and sums. Nothing is trained for it.
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
from worker.engine.learners.causal_lm import SCORE_ROWS, LanguageModel
from worker.engine.learners.learner import Learner
from worker.engine.tensors import batching
from worker.engine.tensors.layout import aligned
from worker.engine.unlearning.ensembles import mixture
from worker.engine.unlearning.single_provider_models import models_alone

Floats = NDArray[np.float64]
ENUMERATED = 12  # players up to which every coalition is summed
PERMUTATIONS = 400  # beyond: each drawn one and its reverse
_STACKED = 1 << 30  # bytes that models passed through together may take
_WHOLE = 8  # blocks are cut to multiples of so many tokens


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


@dataclass(frozen=True, eq=False)
class AloneModels:
    """What answers are passed through: the base [P], and the models [d, P] of players alone; ``of_player`` says which
    of them is each player's (copies have one), ``rows`` float64[n] how many it was trained on. ``others`` [P] is the
    model of rows that are in every coalition, of which there are ``always_rows``."""

    learner: LanguageModel
    base: torch.Tensor
    models: torch.Tensor
    of_player: Sequence[int]
    rows: Floats
    others: torch.Tensor | None = None
    always_rows: float = 0.0

    def stack(self) -> torch.Tensor:
        """All of them [d + 1 or 2, P]: the players', the base, and the others' where there are any."""
        ends = [self.base] if self.others is None else [self.base, self.others]
        return torch.cat([self.models, torch.stack(ends)])


def language_model(learner: Learner) -> LanguageModel:
    """The learner, if it is a language model; raises InvalidProblem."""
    if not isinstance(learner, LanguageModel):
        raise InvalidProblem(
            f"answers are of language models, and this job's learner is {learner.name}; order one with lm"
        )
    return learner


def alone_models(evaluator: Evaluator) -> AloneModels:
    """The models of a prepared game's players; trained now where the game's methods did not need them. Raises
    InvalidProblem where they are of no language model."""
    learner, context = language_model(evaluator.learner), evaluator.context
    digests = [player.digest for player in context.problem.players]
    distinct = list(dict.fromkeys(digests))
    models = models_alone(context)
    with torch.no_grad():
        others = mixture.model_of_others(context)
    return AloneModels(
        learner=learner,
        base=context.base,
        models=models[[digests.index(each) for each in distinct]],
        of_player=[distinct.index(each) for each in digests],
        rows=np.array([len(player) for player in context.problem.players], dtype=np.float64),
        others=others,
        always_rows=float(context.pool.rest_rows + context.hidden_rows),
    )


def royalties(evaluator: Evaluator, answers: Sequence[TokenAnswer], seed: int = 0) -> list[Royalty]:
    """What each player of a language model's game adds to each answer, in the players' order.

    Raises InvalidProblem where the learner is none, or an answer has no token.
    """
    return royalties_of(alone_models(evaluator), answers, seed)


def royalties_of(
    alone: AloneModels, answers: Sequence[TokenAnswer], seed: int = 0, at_once: int | None = None
) -> list[Royalty]:
    """The same by models that are there; ``at_once`` of them in a pass (None: as many as memory allows)."""
    return [royalty(each, seed) for each in probabilities_of(alone, answers, at_once)]


def probabilities_of(
    alone: AloneModels, answers: Sequence[TokenAnswer], at_once: int | None = None
) -> list[TokenProbabilities]:
    """What all models give the tokens of each answer; raises InvalidProblem where one has none."""
    for place, answer in enumerate(answers):
        if not answer.said.any():
            raise InvalidProblem(f"answer {place + 1} has no token; leave it out")
    blocks = [(place, block) for place, each in enumerate(answers) for block in np.flatnonzero(each.said.any(axis=1))]
    given: list[list[Floats]] = [[] for _ in answers]
    stack, most = alone.stack(), at_once or max(1, _STACKED // alone.learner.bytes_per_model(0))
    with torch.no_grad(), batching.single_threaded():
        for begin in range(0, len(blocks), SCORE_ROWS):
            part = blocks[begin : begin + SCORE_ROWS]
            X = np.stack([answers[place].X[block] for place, block in part])
            said = np.stack([answers[place].said[block] for place, block in part])
            likely = _passed(alone.learner, stack, X, said, most)
            for (place, _), own, counted in zip(part, likely.swapaxes(0, 1), said, strict=True):
                given[place].append(np.exp(own[:, counted[: own.shape[1]]]))
    return [_of_stack(alone, np.concatenate(each, axis=1)) for each in given]


def _passed(
    learner: LanguageModel, stack: torch.Tensor, X: NDArray[np.float32], said: NDArray[np.bool_], most: int
) -> Floats:
    """Log-likelihoods [models, m, w] of blocks [m, L + 1]: what follows the last token that counts is not passed."""
    wide = min(aligned(int(np.flatnonzero(said.any(axis=0))[-1]) + 1, _WHOLE), said.shape[1])
    rows = torch.from_numpy(np.ascontiguousarray(X[:, : wide + 1])).to(stack.device)
    parts = [learner.likelihoods(stack[at : at + most], rows)[0] for at in range(0, len(stack), most)]
    return np.asarray(torch.cat(parts).cpu().double())


def _of_stack(alone: AloneModels, given: Floats) -> TokenProbabilities:
    """The probabilities [models, T] of a stack by what they are of; where there are no others the base's stand for
    theirs."""
    base = given[len(alone.models)]
    return TokenProbabilities(base, given[list(alone.of_player)], alone.rows, given[-1], alone.always_rows)


def token_probabilities(evaluator: Evaluator, answer: TokenAnswer) -> TokenProbabilities:
    """One pass of an answer through the models of a game's players."""
    return probabilities_of(alone_models(evaluator), [answer])[0]


def royalty(probabilities: TokenProbabilities, seed: int = 0) -> Royalty:
    """The Shapley values of an answer's players: of all coalitions, or of drawn orders where there are many."""
    n = len(probabilities.players)
    if n <= ENUMERATED:
        every = all_coalitions(n)
        values = exact_operator(every) @ worths_of(probabilities, every.astype(np.float64))
    else:
        values = _of_orders(probabilities, np.random.default_rng(seed))
    ends = worths_of(probabilities, np.array([[0.0] * n, [1.0] * n]))
    return Royalty(values, shares_of(values), float(ends[1] - ends[0]), probabilities.players.shape[1])


def worths_of(probabilities: TokenProbabilities, members: Floats) -> Floats:
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
            values[order] += np.diff(worths_of(probabilities, members))
    return values / (2 * PERMUTATIONS)
