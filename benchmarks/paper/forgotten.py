"""The error of unlearning by rows (the seed paper's epsilon): every method beside retraining, 5 to 90 % forgotten.

``python -m benchmarks.paper.forgotten`` prints the tables of docs/paper.md. The rows of a set, a fifth of their labels
flipped, are dealt at random into twenty parts, so that forgetting some of the parts is forgetting random rows; methods
that know models of single players know those of single parts. In another deal four of the parts hold the flipped rows
and nothing else, and are forgotten: rows that differ from those that stay.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import store
from benchmarks.measures import spread
from benchmarks.paper.games import ADULT, SETS, noisy
from worker.engine.evaluation import forgetting
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions
from worker.engine.games.problem import PlayerData, Problem
from worker.engine.unlearning import methods_for

Floats = NDArray[np.float64]
PARTS = 20
LEVELS = (5, 10, 25, 50, 75, 90)
FLIPPED = "flipped"
DRAWS = 3  # of the parts that are forgotten, at each level
LEARNERS = ("logistic", "mlp")
NOTHING, AGAIN = "nothing forgotten", "retraining again"


@dataclass(frozen=True)
class Errors:
    """Of a method at a level: mean total variation of predicted probabilities from the retrained model's, in
    hundredths; the root mean square error of the worth (accuracy), in points; and the distance of parameters from the
    retrained model's over that of M_full (NaN: the method yields no parameters)."""

    variation: float
    worth: float
    parameters: float


Run = dict[str, dict[str, Errors]]  # by level and method


def dealt(name: str, learner: str, seed: int, apart: bool) -> Problem:
    """A set's rows in twenty parts: at random, or with ``apart`` the flipped ones in parts of their own, which come
    first by name."""
    game = noisy(name, learner, seed)
    players = game.problem.players
    X, y = np.concatenate([each.X for each in players]), np.concatenate([each.y for each in players])
    flipped = np.concatenate([game.flipped[each.name] for each in players])
    rng = np.random.default_rng([seed, 22])
    if apart:
        few = round(PARTS * float(flipped.mean()))
        parts = [
            *np.array_split(rng.permutation(np.flatnonzero(flipped)), few),
            *np.array_split(rng.permutation(np.flatnonzero(~flipped)), PARTS - few),
        ]
        names = [f"flipped {at}" for at in range(few)] + [f"right {at}" for at in range(PARTS - few)]
    else:
        parts = np.array_split(rng.permutation(len(y)), PARTS)
        names = [f"part {at}" for at in range(PARTS)]
    dealt_out = [PlayerData(label, X[part], y[part]) for label, part in zip(names, parts, strict=True)]
    whole = game.problem
    return Problem(dealt_out, whole.test, whole.classes, whole.learner, seed=seed)


def kept(level: int, seed: int) -> Coalitions:
    """Parts that stay where so many hundredths of the rows are forgotten, bool[DRAWS, PARTS]."""
    rng, rows = np.random.default_rng([seed, level]), np.ones((DRAWS, PARTS), dtype=bool)
    for row in rows:
        row[rng.permutation(PARTS)[: round(PARTS * level / 100)]] = False
    return rows


def by_method(evaluator: Evaluator, coalitions: Coalitions) -> dict[str, Errors]:
    """Errors over these coalitions by method; of doing nothing and, where training is random, of training again."""
    truth, worths = probabilities(evaluator, "retrain", coalitions), evaluator.worth("retrain", coalitions)
    named = {m.name: m.source for m in methods_for(evaluator.learner.name).values() if m.source in evaluator.sources}
    if "retrain:r1" in evaluator.sources:
        named[AGAIN] = "retrain:r1"
    full = softmax(evaluator.context.full_answers)[None]
    found = {NOTHING: Errors(variation(full, truth), rms(evaluator.full_worth - worths), 1.0)}
    models = Models(evaluator, coalitions[0])
    for name, source in named.items():
        error = rms(evaluator.worth(source, coalitions) - worths)
        found[name] = Errors(
            variation(probabilities(evaluator, source, coalitions), truth), error, models.distance(name)
        )
    return found


class Models:
    """Distances of one coalition's models from the retrained one, over that of M_full."""

    def __init__(self, evaluator: Evaluator, coalition: NDArray[np.bool_]) -> None:
        self.evaluator, self.coalition = evaluator, coalition
        self.able = forgetting.available(evaluator)
        self.retrained = self._told_apart(forgetting.forget(evaluator, coalition, "retrain"))
        full = self._told_apart(evaluator.context.full)
        self.unit = float(torch.linalg.vector_norm(full - self.retrained))

    def distance(self, name: str) -> float:
        if name not in self.able:
            return float("nan")
        model = self._told_apart(forgetting.forget(self.evaluator, self.coalition, name))
        return float(torch.linalg.vector_norm(model - self.retrained)) / self.unit

    def _told_apart(self, model: Tensor) -> Tensor:
        """A model's parameters, of linear ones without what all classes have in common, which changes no answer."""
        learner = self.evaluator.learner
        if not learner.linear:
            return model
        return torch.cat([(view[0] - view[0].mean(dim=0)).flatten() for view in learner.layout.views(model[None])])


def probabilities(evaluator: Evaluator, source: str, coalitions: Coalitions) -> Floats:
    """What models by a source say of the test rows, [K, T, C]."""
    evaluator.worth(source, coalitions)
    return softmax(evaluator.answers(source, coalitions))


def softmax(answers: NDArray[np.float32]) -> Floats:
    shifted = np.exp(answers.astype(np.float64) - answers.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def variation(p: Floats, q: Floats) -> float:
    return 50.0 * float(np.abs(p - q).sum(axis=-1).mean())


def rms(error: Floats) -> float:
    return 100.0 * float(np.sqrt((error**2).mean()))


def stored(name: str, learner: str, seed: int) -> Run:
    """``measured``, kept between runs, so that a stopped one goes on."""

    def measure() -> dict[str, dict[str, list[float]]]:
        return {
            level: {method: list(astuple(errors)) for method, errors in by.items()}
            for level, by in measured(name, learner, seed).items()
        }

    found = store.cell("paper", f"forgotten/{name}/{learner}/{seed}", measure)
    return {level: {method: Errors(*errors) for method, errors in by.items()} for level, by in found.items()}


def measured(name: str, learner: str, seed: int) -> Run:
    """Errors by level and method of one set, learner and seed."""
    found: Run = {}
    evaluator = Evaluator(dealt(name, learner, seed, apart=False))
    for level in LEVELS:
        found[str(level)] = by_method(evaluator, kept(level, seed))
    apart = Evaluator(dealt(name, learner, seed, apart=True))
    right = np.array([[player.name.startswith("right") for player in apart.players]])
    found[FLIPPED] = by_method(apart, right)
    return found


def table(runs: Sequence[Sequence[Run]], digits: int, of: Callable[[Errors], float]) -> list[str]:
    """A line for each method by level: the mean over sets, and its deviation over seeds; best first at half of the
    rows. ``runs`` are by seed and by set."""
    levels = [*map(str, LEVELS), FLIPPED]
    lines = []
    for method in runs[0][0][FLIPPED]:
        row = [spread([np.mean([of(run[level][method]) for run in sets]) for sets in runs]) for level in levels]
        if row[-1].count:
            cells = " | ".join(cell.text(digits) for cell in row)
            lines.append((row[LEVELS.index(50)].mean, f"| {method.replace('_', ' ')} | {cells} |"))
    return [line for _, line in sorted(lines)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.paper.forgotten")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="*", default=[name for name in SETS if name != "Adult" or ADULT.is_file()])
    parser.add_argument("--learners", nargs="*", default=list(LEARNERS))
    given = parser.parse_args()
    heads = " | ".join([*(f"{level} %" for level in LEVELS), "the flipped"])
    for learner in given.learners:
        runs = [[stored(name, learner, seed) for name in given.sets] for seed in range(given.seeds)]
        for title, digits, of in (
            ("predictions", 1, lambda errors: errors.variation),
            ("worth", 1, lambda errors: errors.worth),
            ("parameters", 2, lambda errors: errors.parameters),
        ):
            print(f"\n| {learner}: {title} | {heads} |\n" + "|---" * (len(LEVELS) + 2) + "|")
            print("\n".join(table(runs, digits, of)), flush=True)


if __name__ == "__main__":
    main()
