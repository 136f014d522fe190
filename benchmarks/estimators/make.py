"""``python -m benchmarks.estimators.make``: retrain and unlearn every coalition of every game.

The tables are kept here, one file a game and seed: ``retrain_METRIC`` and ``unlearn_METRIC`` float64[2^n] by bitmask,
of logistic games also ``solve_METRIC``, the tangent's without steps on the kept rows. Worths are a job's, none under
the metric's own baseline. A table that is there is not made again.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.estimators.games import make
from benchmarks.estimators.settings import GAMES, METRICS
from benchmarks.tables import learner_spec
from contract.metrics import METRICS as MEASURES
from contract.results.baseline import at_least, baseline
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import PlayerData, Problem, Rows

TANGENT = "unlearn:tangent"
FOLDER = Path(__file__).parent / "tables"


def path_of(name: str, seed: int) -> Path:
    return FOLDER / f"{name}-{seed}.npz"


def _worths(evaluator: Evaluator, source: str, label: str) -> dict[str, np.ndarray]:
    """Every coalition's worth by each metric, as a job with that metric would have it."""
    coalitions = all_coalitions(len(evaluator.players))
    evaluator.worth(source, coalitions)
    answers, prediction, targets = evaluator.answers(source, coalitions), evaluator.prediction, evaluator.targets
    result = {}
    for metric in METRICS:
        least = baseline(prediction, MEASURES[metric], targets, None, "")
        worths = at_least(prediction.worths(MEASURES[metric], answers, targets), least.worth)
        worths[0] = least.worth
        result[f"{label}_{metric}"] = worths
    return result


def tabulate(name: str, seed: int) -> None:
    """Make the table of one game, if it is not there."""
    if path_of(name, seed).is_file():
        return
    made = make(name, seed)
    begun = time.perf_counter()
    problem = Problem(
        players=[PlayerData(f"player {at}", X, y) for at, (X, y) in enumerate(made.players)],
        test=Rows(*made.test),
        classes=made.classes,
        learner=learner_spec(made.learner),
        metric="accuracy",
        seed=seed,
    )
    arrays: dict[str, np.ndarray] = {"rows": np.array([len(each) for each in problem.players])}
    evaluator = Evaluator(problem, keep_answers=True)
    for source, label in (("retrain", "retrain"), (TANGENT, "unlearn")):
        arrays |= _worths(evaluator, source, label)
    if problem.learner.name == "logistic":
        arrays |= _worths(
            Evaluator(replace(problem, unlearning={"tangent.steps": 0}), keep_answers=True), TANGENT, "solve"
        )
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(path_of(name, seed), **arrays)
    print(f"{name} seed {seed}: {time.perf_counter() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    for game, seeds in GAMES.items():
        for each in seeds:
            if len(sys.argv) < 2 or sys.argv[1] in game:
                tabulate(game, each)
