"""A finished job's contributions by class, from its models' stored answers; nothing is trained.

Taken is the source with the most combinations, training anew where it has as many: its answers as they are, moved so
that everybody's model is the one that is known. A combination that is worth less than the baseline by accuracy counts
as the baseline, as in the job. What cannot be told is refused in words.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from app.valuations.work.answers import AnswerBlob
from contract.metrics import METRICS, Predicts
from contract.orders.job import Job
from contract.results.answers import ANCHORS
from contract.results.class_map import LEAST_ROWS, MOST_CLASSES, ClassContributions, TestClass
from worker.engine.estimators.regression import regression_covariance, regression_freedom, regression_operator
from worker.engine.games.coalitions import Floats, canonical, classes_of, symmetrise, symmetrise_covariance
from worker.engine.games.game import Player, all_coalitions
from worker.engine.loop.by_class import EXACT_UP_TO, Estimation, by_class, exact_operator
from worker.engine.loop.run import RETRAIN
from worker.jobs.kept_answers import KeptAnswers
from worker.jobs.replay import pack, players_of, unpack

Bools = NDArray[np.bool_]
MOST_PLAYERS = 400
_ACCURACY = METRICS["accuracy"]


class CannotTell(Exception):
    """What is stored does not give contributions by class; the text is for the buyer."""


def contributions(job: Job, answers: KeptAnswers, kept: Sequence[AnswerBlob]) -> ClassContributions:
    """Contributions to each class, by player of the game; raises CannotTell."""
    if job.game.predicts is not Predicts.CLASS:
        raise CannotTell(f"its models predict a {job.game.predicts.value.replace('_', ' ')}, and no class")
    players, owners = players_of(job)
    if len(players) > MOST_PLAYERS:
        raise CannotTell(f"it has {len(players)} players, and {MOST_PLAYERS} are the most that are told by class")
    source = _source(kept)
    right = _right(answers, source)
    operator, rows, estimation = _mapped(right, players)
    copies = classes_of(players)
    if owners:
        belongs = np.array([[player.owner == owner.name for player in players] for owner in owners], dtype=np.float64)
        operator, estimation, copies = belongs @ operator, _summed(estimation, belongs), []
    values = answers.targets.values
    told, untold = _told(values, job.game.classes)
    found = by_class(operator, rows, values, told, estimation, copies)
    return ClassContributions(
        source=source,
        exact=estimation is None,
        classes=tuple(
            TestClass(
                name=job.game.classes[label],
                rows=int((values == label).sum()),
                nobody=_hundredths(rows[0, values == label].mean()),
                everybody=_hundredths(rows[-1, values == label].mean()),
            )
            for label in told
        ),
        values=_rounded(found.values),
        low=_rounded(found.low),
        high=_rounded(found.high),
        sure=tuple(tuple(bool(one) for one in row) for row in found.sure),
        untold=tuple(untold),
    )


def _source(kept: Sequence[AnswerBlob]) -> str:
    counts: dict[str, int] = {}
    for blob in kept:
        if blob.source != ANCHORS:
            counts[blob.source] = counts.get(blob.source, 0) + len(blob.coalitions)
    if not counts:
        raise CannotTell("no model's answers on the test set are stored")
    return max(sorted(counts), key=lambda name: (counts[name], name == RETRAIN))


def _right(answers: KeptAnswers, source: str) -> Mapping[bytes, Bools]:
    """Which test units the model of each packed coalition answers right, bool[T]."""
    targets = answers.targets
    baseline = answers.baseline(_ACCURACY)
    least, best = _hits(baseline.answers, targets.values), _hits(answers.of_everybody, targets.values)
    right: dict[bytes, Bools] = {}
    for coalition, one in answers.of_source(source).items():
        if not np.isfinite(one).all():
            raise CannotTell(f"a model of {source} answers nothing that is finite")
        worth = _ACCURACY.worth(one, targets.values, targets.weights)
        right[coalition] = _hits(one, targets.values) if worth >= baseline.worth else least
    width = len(next(iter(right)))
    right.setdefault(bytes(width), least)
    right[answers.everybody] = best
    return right


def _hits(answers: NDArray[np.float32], labels: NDArray[np.int64]) -> Bools:
    return np.asarray(answers.argmax(axis=1) == labels)


def _mapped(right: Mapping[bytes, Bools], players: Sequence[Player]) -> tuple[Floats, Bools, Estimation | None]:
    """The map float64[n, m] from combinations to values, what their models answer right bool[m, T], nobody's first and
    everybody's last, and how far off the values are; None where all combinations are known."""
    n, copies = len(players), classes_of(players)
    if n <= EXACT_UP_TO:
        keys = pack(canonical(all_coalitions(n), copies))
        if all(key in right for key in keys):
            return exact_operator(n), np.stack([right[key] for key in keys]), None
    if len(right) < 2 * n + 2:
        raise CannotTell(f"{len(right)} combinations are stored, too few for {n} players")
    coalitions = unpack(b"".join(right), len(right), n)
    order = np.argsort(coalitions.sum(axis=1), kind="stable")
    coalitions = coalitions[order]
    operator = symmetrise(regression_operator(coalitions).T, copies).T

    def covariance(worths: Floats) -> Floats:
        return symmetrise_covariance(regression_covariance(coalitions, worths), copies)

    estimation = Estimation(covariance, regression_freedom(len(coalitions), n))
    return operator, np.stack(list(right.values()))[order], estimation


def _summed(estimation: Estimation | None, belongs: Floats) -> Estimation | None:
    """The same for owners, whose values are the sums of their players'."""
    if estimation is None:
        return None
    of_players = estimation.covariance
    return Estimation(lambda worths: belongs @ of_players(worths) @ belongs.T, estimation.freedom)


def _rounded(table: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(_hundredths(value) for value in row) for row in table)


def _told(labels: NDArray[np.int64], names: Sequence[str]) -> tuple[list[int], list[str]]:
    """The classes of which something is told, by number, and the names of the others that the test set has."""
    counts = np.bincount(labels, minlength=len(names))
    ranked = [int(label) for label in np.argsort(-counts, kind="stable") if counts[label]]
    told = sorted(label for label in ranked[:MOST_CLASSES] if counts[label] >= LEAST_ROWS)
    if not told:
        raise CannotTell(f"no class has {LEAST_ROWS} test rows, under which nothing is told of one")
    return told, [names[label] for label in sorted(set(ranked) - set(told))]


def _hundredths(value: float) -> float:
    # what rounds to nothing has no minus
    return round(float(value), 2) + 0.0
