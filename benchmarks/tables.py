"""Tables of all 2^n worths of a game at one source, for every metric at once, kept on disk.

Truth is here: the table of the source ``retrain`` holds every coalition retrained. A table is keyed by the digest of
the game; before a stored one is used, a few of its coalitions are computed again, and where they differ by a bit the
table is made anew (the learner has changed). The engine does all the training; nothing is estimated here.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import store
from benchmarks.markets import Market
from contract.metrics import METRICS as MEASURES
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Worths, all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows

METRICS = ("accuracy", "clipped_log_loss")
SPOT_CHECKS = 3


def learner_spec(text: str) -> LearnerSpec:
    """``NAME:key=value,...`` as the command line reads it."""
    name, _, rest = text.partition(":")
    pairs = [item.partition("=") for item in rest.split(",") if item]
    return LearnerSpec(name, {key: float(value) for key, _, value in pairs})


def problem_of(game: Market, metric: str = "accuracy", seed: int = 0, **more: object) -> Problem:
    """The engine's problem of a benchmark game; players come in the engine's canonical order."""
    return Problem(
        players=[PlayerData(p.name, p.X, p.y) for p in game.players],
        test=Rows(game.test_X, game.test_y, name="the test set"),
        classes=game.classes,
        learner=learner_spec(game.learner),
        metric=metric,
        seed=seed,
        **more,  # type: ignore[arg-type]  # mode, rest and unlearning, passed through by name
    )


@dataclass(frozen=True)
class Table:
    """All worths of one game at one source, rows by bitmask: worths by metric float64[2^n], seconds float64[2^n] of
    each coalition, predictions uint8[2^n, T]; ``wall`` and ``cpu`` seconds of the whole, preparation included;
    ``computed`` coalitions of distinct content."""

    source: str
    names: list[str]
    worths: Mapping[str, Worths]
    seconds: NDArray[np.float64]
    predicted: NDArray[np.uint8]
    wall: float
    cpu: float
    computed: int

    def values(self, metric: str) -> NDArray[np.float64]:
        """Exact Shapley values of this table's game."""
        return exact_values(self.worths[metric])


def table(game: Market, source: str, seed: int = 0) -> Table:
    """The table of one source; from disk where it is there and still true, else computed."""
    problem = problem_of(game, seed=seed)
    key = hashlib.sha256(
        repr(
            (source, seed, game.learner, game.classes, problem.test.digest, [p.digest for p in problem.players])
        ).encode()
    ).hexdigest()[:16]
    path = store.folder() / "tables" / f"{game.name}-{game.seed}-{source.replace(':', '_')}-{key}.npz"
    if path.is_file():
        found = _read(path, source, [p.name for p in problem.players])
        if _still_true(found, problem, source):
            return found
    made = _compute(problem, source)
    _write(path, made)
    return made


def _still_true(found: Table, problem: Problem, source: str) -> bool:
    n = len(problem.players)
    some = np.random.default_rng(n).choice(np.arange(1, (1 << n) - 1), SPOT_CHECKS, replace=False)
    again = Evaluator(problem, stack=SPOT_CHECKS).worth(source, all_coalitions(n)[some])
    return bool(np.array_equal(again, found.worths[problem.metric][some]))


def _compute(problem: Problem, source: str) -> Table:
    coalitions = all_coalitions(len(problem.players))
    wall, cpu = time.perf_counter(), time.process_time()
    evaluator = Evaluator(problem, keep_answers=True)
    evaluator.prepare()
    _, seconds = evaluator.worths_with_seconds(source, coalitions)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    answers, prediction = evaluator.answers(source, coalitions), evaluator.prediction
    return Table(
        source=source,
        names=[p.name for p in problem.players],
        worths={name: prediction.worths(MEASURES[name], answers, evaluator.targets) for name in METRICS},
        seconds=seconds,
        predicted=answers.argmax(axis=2).astype(np.uint8),
        wall=wall,
        cpu=cpu,
        computed=len(np.unique(evaluator.canonical(coalitions), axis=0)),
    )


def _write(path: Path, made: Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part.npz")
    arrays = {f"worths_{metric}": worths for metric, worths in made.worths.items()}
    np.savez_compressed(
        beside,
        seconds=made.seconds,
        predicted=made.predicted,
        totals=np.array([made.wall, made.cpu, made.computed]),
        **arrays,
    )
    beside.replace(path)


def _read(path: Path, source: str, names: list[str]) -> Table:
    with np.load(path, allow_pickle=False) as arrays:
        wall, cpu, computed = arrays["totals"]
        return Table(
            source=source,
            names=names,
            worths={metric: arrays[f"worths_{metric}"] for metric in METRICS},
            seconds=arrays["seconds"],
            predicted=arrays["predicted"],
            wall=float(wall),
            cpu=float(cpu),
            computed=int(computed),
        )
