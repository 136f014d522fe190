"""A value and a standard error for every row of every player, which sum to the player's value: one pass after a job.

Rows are told apart by what they do to the sums that models are unlearned with (``owen``; blocks of a language model by
their projected gradients, ``token_game``), or, where models follow from no sums, by their neighbours (``neighbours``).
What is left of a player's value, which audited retrainings corrected, is added to each of its rows alike. Nothing is
trained, and the same result and rows give the same numbers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.errors import InvalidProblem
from contract.metrics import Predicts
from contract.results.result import PlayerResult
from contract.results.row_values import GRADIENTS, NEIGHBOURS, Floats, Ints, PlayerRowValues, rows_valued_by
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.coalitions import classes_of
from worker.engine.games.problem import Problem
from worker.engine.rows.linear_game import LinearGame, linear_game
from worker.engine.rows.neighbours import near_copies, neighbour_values, votes
from worker.engine.rows.owen import Forms, forms
from worker.engine.rows.stand_ins import groups_of, slope_of
from worker.engine.rows.token_game import token_game, token_slope
from worker.engine.tensors import batching

_GROUPS = 8  # of test units, for standard errors
_FORM_BYTES = 512 << 20
_AT_ONCE = 16384


def row_values(evaluator: Evaluator, players: Sequence[PlayerResult]) -> list[PlayerRowValues]:
    """The rows' values of the players (owners, where shards play) of a result, in its order; of a player's rows in the
    order that its problem has them, shard after shard.

    Raises InvalidProblem where rows of this learner cannot be told apart.
    """
    problem = evaluator.problem
    by = how(evaluator)
    with batching.single_threaded():
        valued = _by_neighbours(evaluator) if by == NEIGHBOURS else _by_sums(evaluator)
        said = _votes(evaluator)
    result = []
    for player in players:
        members = _members(problem, player.provider)
        raw = np.concatenate([valued[at][0] for at in members])
        stderr = np.concatenate([valued[at][1] for at in members])
        suggested, agreement, own = (np.concatenate([said[at][part] for at in members]) for part in range(3))
        X, y = rows_of(problem, player.provider)
        values = efficient(raw, player.value)
        result.append(
            PlayerRowValues(
                provider=player.provider,
                value=player.value,
                values=values,
                stderr=np.sqrt(stderr**2 + (player.stderr / len(raw)) ** 2),
                labels=y,
                suggested=suggested,
                agreement=agreement,
                own=own,
                copy_of=near_copies(X, np.zeros(len(X), dtype=np.int64)),
                by=by,
            )
        )
    return result


def rows_of(problem: Problem, provider: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """A player's rows X [m, ...] and labels [m], shard after shard, in the order of their values."""
    parts = [problem.players[at] for at in _members(problem, provider)]
    return np.concatenate([part.X for part in parts]), np.concatenate([part.y for part in parts])


def _members(problem: Problem, provider: str) -> list[int]:
    return [at for at, own in enumerate(problem.players) if (own.owner or own.name) == provider]


def how(evaluator: Evaluator) -> str:
    """By what rows are told apart; raises InvalidProblem where they cannot be."""
    learner = evaluator.learner
    by = rows_valued_by(learner.name, learner.predicts)
    if by is None:
        raise InvalidProblem(f"rows of learner {learner.name!r} are not told apart; leave values of rows out")
    return by


def efficient(raw: Floats, value: float) -> Floats:
    """Values float64[m] that sum to ``value``: what is missing is added to every row alike, and the last rounding to
    none in particular."""
    values = raw + (value - float(raw.sum())) / len(raw)
    return np.asarray(values + (value - float(values.sum())) / len(raw), dtype=np.float64)


def _by_sums(evaluator: Evaluator) -> list[tuple[Floats, Floats]]:
    """Values and standard errors of each player's rows by the sums."""
    context = evaluator.context
    groups = groups_of(evaluator.test_y.cpu().numpy().astype(np.float64), _GROUPS)
    game: LinearGame
    if how(evaluator) == GRADIENTS:
        game = token_game(context, evaluator.test_X)
        places, slope = game.places(groups), token_slope(context, evaluator.test_X)
    else:
        game, places = linear_game(context, evaluator.test_X), groups
        slope = slope_of(evaluator.metric, evaluator.targets, evaluator.test_y)
    weights = evaluator.targets.weights
    units = np.full(len(evaluator.test_y), 1.0 / len(evaluator.test_y)) if weights is None else weights
    shares = np.array([units[group].sum() for group in groups])
    classes = classes_of(evaluator.players)
    spans = context.players_only().spans
    by_player: dict[int, tuple[Floats, Floats]] = {}
    k = game.A.shape[1]
    together = max(1, _FORM_BYTES // (16 * len(groups) * k * (k + game.b.shape[2])))
    for a in range(0, len(classes), together):
        some = classes[a : a + together]
        made = forms(game, slope, places, shares, some, evaluator.problem.seed)
        for members, form in zip(some, made, strict=True):
            for player in members:
                by_player[player] = _of_span(game, form, *spans[player])
    return [by_player[at] for at in range(len(spans))]


def _of_span(game: LinearGame, form: Forms, begin: int, end: int) -> tuple[Floats, Floats]:
    parts = [form.values(*game.of_rows(a, min(a + _AT_ONCE, end))) for a in range(begin, end, _AT_ONCE)]
    values, errors = (torch.cat([part[at] for part in parts]).cpu().numpy() for at in range(2))
    return values, errors


def _by_neighbours(evaluator: Evaluator) -> list[tuple[Floats, Floats]]:
    X, y, spans = _all_rows(evaluator)
    units = _scaled(torch.from_numpy(evaluator.test_X.cpu().numpy()).flatten(1).float(), X)
    weights = evaluator.targets.weights
    share = np.full(len(units), 1.0 / len(units)) if weights is None else weights
    values, errors = neighbour_values(_scaled(X, X), y, units, evaluator.targets.values, share)
    return [(values[a:b], errors[a:b]) for a, b in spans]


def _votes(evaluator: Evaluator) -> list[tuple[Ints, Floats, Floats]]:
    """What neighbours say of each player's rows' classes."""
    X, y, spans = _all_rows(evaluator)
    if evaluator.prediction.predicts != Predicts.CLASS:
        nothing = np.full(len(y), -1, dtype=np.int64), np.zeros(len(y)), np.zeros(len(y))
        return [(nothing[0][a:b], nothing[1][a:b], nothing[2][a:b]) for a, b in spans]
    said, agree, own = votes(_scaled(X, X), y, evaluator.problem.classes)
    return [(said[a:b], agree[a:b], own[a:b]) for a, b in spans]


def _all_rows(evaluator: Evaluator) -> tuple[Tensor, Ints, list[tuple[int, int]]]:
    players = evaluator.problem.players
    X = torch.from_numpy(np.concatenate([player.X.reshape(len(player), -1) for player in players]))
    ends = np.cumsum([len(player) for player in players])
    spans = [(int(end) - len(player), int(end)) for player, end in zip(players, ends, strict=True)]
    return X, np.concatenate([player.y for player in players]), spans


def _scaled(X: Tensor, by: Tensor) -> Tensor:
    """Rows by the root mean square of all columns together: what is far does not depend on the unit, and columns that
    the encoding made count as it made them."""
    return (X - by.mean(dim=0)) / by.var(dim=0).mean().sqrt().clamp(min=1e-12)
