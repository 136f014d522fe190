"""A job's values as questions: how well they tell whether one row is in a provider's dataset, or in the test set.

A victim's file, a second player whose rows the asker made, and a candidate row, which is in the file half of the time;
another row of the same label takes its place otherwise. The asker orders a valuation whose test set is the candidate's
surroundings beside rows of other labels (no row of it is a copy, so that nothing is left out), and is told the
victim's value.

- The asker who knows the kind of data only draws files of the same kind with and without the candidate, values
  those, and takes the likelier.
- The asker who knows all other rows computes both values.
- The provider asks about the test set: whether the row next to one of its own is among those that measure, from the
  value of its own file.

``python -m benchmarks.attacks.values`` prints the table of docs/disclosure.md. Nothing here needs a service.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks.plays import KINDS
from benchmarks.markets import Floats, Labels
from contract.metrics.brier import Brier
from contract.results.baseline import chosen_apart, frequencies
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows

SHADOWS = 16  # files of the same kind that the asker values, with and without the candidate
TESTS = 100  # test sets that a provider guesses, with and without the row
MEASURING = 400  # rows of either half that test sets are drawn from, where models are trained once
COMPANION = 60  # rows of the asker's own player
_BRIER = Brier()
NEAR = 0.1  # of a feature's range: how far a test row is from the candidate


@dataclass(frozen=True)
class World:
    """A kind of data, the learner that is ordered, and the rows that each side draws from."""

    kind: str
    learner: LearnerSpec
    X: Floats
    y: Labels

    @classmethod
    def of(cls, kind: str, learner: str) -> "World":
        X, y = KINDS[kind].data()
        hyper = {"l2": KINDS[kind].l2} if learner == "logistic" else {}
        return cls(kind, LearnerSpec(learner, hyper), X.reshape(len(X), -1), y)

    @property
    def classes(self) -> int:
        return KINDS[self.kind].classes

    def values(self, files: Sequence[NDArray[np.int64]], companion: NDArray[np.int64], test: Rows) -> Floats:
        """The value of each file beside the companion, all four coalitions retrained: as an exact job tells it. Files
        are in pairs that differ in their last row, so that one game holds the parts of all of them."""
        parts = [companion]
        for first, second in zip(files[::2], files[1::2], strict=True):
            parts += [first[:-1], first[-1:], second[-1:]]
        players = [PlayerData(str(at), self.X[rows], self.y[rows]) for at, rows in enumerate(parts)]
        coalitions = np.zeros((2 + 2 * len(files), len(parts)), dtype=bool)
        coalitions[1::2, 0] = True
        for at in range(len(files)):
            pair, second = divmod(at, 2)
            coalitions[2 + 2 * at : 4 + 2 * at, [1 + 3 * pair, 2 + 3 * pair + second]] = True
        game = Evaluator(Problem(players, test, self.classes, self.learner, "brier"), threads=1)
        # a problem's players stand in the order of their contents
        order = [int(player.name) for player in game.players]
        worths = game.worth("retrain", coalitions[:, order]).reshape(-1, 2)
        values: Floats = (worths[1:] - worths[0]).mean(axis=1)
        return values

    def around(self, row: int, count: int, own: NDArray[np.int64], rng: np.random.Generator) -> Rows:
        """Half of ``count`` rows next to one, half of another label: a worth is never below that of the best constant
        answer, so that a test set of one label measures nothing."""
        half = count // 2
        X = self.X[row] + rng.normal(scale=NEAR, size=(half, self.X.shape[1])).astype(np.float32)
        others = rng.choice(own[self.y[own] != self.y[row]], size=count - half, replace=False)
        y = np.append(np.full(half, self.y[row]), self.y[others])
        return Rows(np.concatenate([X, self.X[others]]).astype(np.float32), y)


def _halves(world: World, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The victim's kind of rows, and those that the asker has of the same kind."""
    order = rng.permutation(len(world.y))
    return order[: len(order) // 2], order[len(order) // 2 :]


def _files(
    world: World, pool: NDArray[np.int64], rows: int, candidate: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A file with the candidate, and the same with another row of its label in its place."""
    drawn = rng.choice(pool[pool != candidate], size=rows - 1, replace=False)
    alike = pool[(world.y[pool] == world.y[candidate]) & (pool != candidate) & ~np.isin(pool, drawn)]
    return np.append(drawn, candidate), np.append(drawn, rng.choice(alike))


def members(world: World, rows: int, test_rows: int, trials: range, seed: int) -> Iterator[tuple[bool, bool]]:
    """Of each trial whether the asker who knows the kind of data is right, and the one who knows all other rows."""
    for trial in trials:
        rng = np.random.default_rng([seed, rows, test_rows, trial])
        theirs, own = _halves(world, rng)
        candidate, companion = int(rng.choice(theirs)), rng.choice(own, size=COMPANION, replace=False)
        test, member = world.around(candidate, test_rows, own, rng), trial % 2 == 0
        files = [*_files(world, theirs, rows, candidate, rng)]
        for _ in range(SHADOWS):
            files += _files(world, own, rows, candidate, rng)
        exact, shadows = np.split(world.values(files, companion, test).reshape(-1, 2), [1])
        told = exact[0, 0 if member else 1]
        yield _likelier(told, shadows) == member, (abs(told - exact[0, 0]) < abs(told - exact[0, 1])) == member


def _likelier(told: float, shadows: NDArray[np.float64]) -> bool:
    """Whether a value is likelier among those of files with the candidate (first column) than of those without."""
    mean, spread = shadows.mean(axis=0), shadows.std(axis=0) + 1e-12
    score = -(((told - mean) / spread) ** 2) / 2 - np.log(spread)
    return bool(score[0] > score[1])


def measured_rows(world: World, rows: int, test_rows: int, trials: range, seed: int) -> Iterator[bool]:
    """Of each trial whether a provider is right about a row beside one of its own being in the test set: it knows its
    own file and the kind of data, and is told its own value. It values its file beside guesses of the other's rows, by
    guesses of the test set with and without that row: models are trained once and measured by all of them."""
    for trial in trials:
        rng = np.random.default_rng([seed, rows, test_rows, trial, 1])
        theirs, own = _halves(world, rng)
        # rows to measure by, and rows to train on, apart
        (known, own), (hidden, theirs) = (np.split(half, [MEASURING]) for half in (own, theirs))
        mine, free = np.split(own, [rows])
        other, row, member = theirs[:COMPANION], int(mine[0]), trial % 2 == 0
        guesses = [rng.choice(free, size=COMPANION, replace=False) for _ in range(SHADOWS)]
        seen = np.concatenate([known, hidden])
        beside = world.around(row, 2, own, rng).X[:1]
        measured = Rows(np.concatenate([world.X[seen], beside]), np.append(world.y[seen], world.y[row]))
        game = Measured.of(world, mine, [other, *guesses], measured)
        drawn = MEASURING + rng.choice(MEASURING, size=(1, test_rows), replace=False)
        told = game.values(_with_last(drawn, len(seen)) if member else drawn)[0, 0]
        tests = np.array([rng.choice(MEASURING, size=test_rows, replace=False) for _ in range(TESTS)])
        shadows = [game.values(each)[1:].ravel() for each in (_with_last(tests, len(seen)), tests)]
        yield _likelier(told, np.stack(shadows, axis=1)) == member


def _with_last(tests: NDArray[np.int64], row: int) -> NDArray[np.int64]:
    """The same test sets, a row of each replaced by this one."""
    changed = tests.copy()
    changed[:, 0] = row
    return changed


@dataclass(frozen=True)
class Measured:
    """What every model of games of two players scores on each of some rows, so that a value by any test set of them
    costs no training: of one file alone, and of each companion alone and beside it."""

    alone: NDArray[np.float64]
    others: NDArray[np.float64]
    both: NDArray[np.float64]
    labels: Labels
    classes: int

    @classmethod
    def of(
        cls, world: World, file: NDArray[np.int64], companions: Sequence[NDArray[np.int64]], measured: Rows
    ) -> "Measured":
        if chosen_apart(len(measured.y)):
            raise ValueError("of so many test rows some would choose the constant answer and measure nothing")
        parts = [file, *companions]
        players = [PlayerData(str(at), world.X[rows], world.y[rows]) for at, rows in enumerate(parts)]
        coalitions = np.concatenate([np.eye(len(parts), dtype=bool), np.eye(len(parts), dtype=bool)[1:]])
        coalitions[len(parts) :, 0] = True
        game = Evaluator(Problem(players, measured, world.classes, world.learner, "brier"), threads=1)
        # a problem's players stand in the order of their contents
        coalitions = coalitions[:, [int(player.name) for player in game.players]]
        game.worth("retrain", coalitions)
        scores = np.stack([_BRIER.of_units(each, measured.y) for each in game.answers("retrain", coalitions)])
        return cls(scores[0], scores[1 : len(parts)], scores[len(parts) :], measured.y, world.classes)

    def values(self, tests: NDArray[np.int64]) -> NDArray[np.float64]:
        """The file's value beside each companion by each test set of these rows [n, t]: [companions, n]."""
        labels = self.labels[tests]
        least = np.array([self._constant(each) for each in labels])
        alone, others, both = (
            np.maximum(scores[..., tests].mean(axis=-1), least) for scores in (self.alone, self.others, self.both)
        )
        values: NDArray[np.float64] = (alone - least + both - others) / 2
        return values

    def _constant(self, labels: Labels) -> float:
        answer = _BRIER.constant(frequencies(labels, None, self.classes))
        return float(_BRIER.worth(np.tile(answer, (len(labels), 1)), labels, None))


def repeated(
    world: World, rows: int, test_rows: int, jobs: int, trials: int, seed: int, *, drawn: bool = False
) -> Iterator[Floats]:
    """Of each trial the values of ``jobs`` jobs about one candidate, each by a test set of its own: [jobs, 2], of the
    file with the candidate and of that without, as who knows all other rows computes them. The asker makes the test
    rows of the candidate's surroundings, or they are ``drawn`` from its half of the rows, as a lot would."""
    for trial in range(trials):
        rng = np.random.default_rng([seed, rows, test_rows, trial, 2])
        theirs, own = _halves(world, rng)
        candidate, companion = int(rng.choice(theirs)), rng.choice(own, size=COMPANION, replace=False)
        files = [*_files(world, theirs, rows, candidate, rng)]
        free = own[~np.isin(own, companion)]

        def test(near: int = candidate, pool: NDArray[np.int64] = free, rng: np.random.Generator = rng) -> Rows:
            if not drawn:
                return world.around(near, test_rows, pool, rng)
            found = rng.choice(pool, size=test_rows, replace=False)
            return Rows(world.X[found], world.y[found])

        yield np.array([world.values(files, companion, test()) for _ in range(jobs)])


def told_in_steps(values: Floats, step: float, jobs: int) -> float:
    """How often who knows all other rows is right (trials [t, jobs, 2]) where values are told in steps; half of the
    time where what is told is the same for both files. A step of 0 tells all digits."""
    told = np.round(values[:, :jobs] / step) if step else values[:, :jobs]
    differ = (told[:, :, 0] != told[:, :, 1]).any(axis=1)
    return float(0.5 + 0.5 * differ.mean())


def _print_repeated(world: World, given: argparse.Namespace) -> None:
    for rows in given.rows:
        for test_rows in given.test_rows:
            about = (world, rows, test_rows, max(given.jobs), given.trials, given.seed)
            values = np.array(list(repeated(*about, drawn=given.drawn)))
            for jobs in given.jobs:
                cells = " | ".join(f"{told_in_steps(values, step, jobs):.2f}" for step in given.steps)
                moved = np.median(np.abs(values[:, :jobs, 0] - values[:, :jobs, 1]))
                print(f"| {rows} | {test_rows} | {jobs} | {moved:.4f} | {cells} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="digits", choices=KINDS)
    parser.add_argument("--learner", default="logistic", choices=("logistic", "mlp"))
    parser.add_argument("--rows", type=int, nargs="*", default=[10, 30, 100, 300], help="of the victim's file")
    parser.add_argument("--test-rows", type=int, nargs="*", default=[2, 30])
    parser.add_argument("--provider", action="store_true", help="ask about the test set in place of the file")
    parser.add_argument("--jobs", type=int, nargs="*", help="what so many jobs tell who knows all other rows, by step")
    parser.add_argument("--drawn", action="store_true", help="with --jobs: test rows by lot, not around the candidate")
    parser.add_argument("--steps", type=float, nargs="*", default=[0, 0.0001, 0.001, 0.01, 0.1], help="of told values")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="go on from this trial (not with --jobs)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    world = World.of(given.kind, given.learner)
    if given.jobs:
        _print_repeated(world, given)
        return
    for rows in given.rows:
        for test_rows in given.test_rows:
            about = (world, rows, test_rows, range(given.first, given.first + given.trials), given.seed)
            if given.provider:
                print(f"| {rows} | {test_rows} | {np.mean(list(measured_rows(*about))):.2f} |", flush=True)
            else:
                weak, strong = np.array(list(members(*about))).mean(axis=0)
                print(f"| {rows} | {test_rows} | {weak:.2f} | {strong:.2f} |", flush=True)


if __name__ == "__main__":
    main()
