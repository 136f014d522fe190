"""What a game can say of its test units beside worths: how much each of them moves a worth.

From it follows how far worths, values and shares would be off with other test units, and whether everybody's model is
better than the baseline. A game of plain numbers has no test units; its results then say nothing of either. Influences
are those of ``contract.metrics``: they add up to 0, and products of them to covariances. Pure numpy.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from contract.metrics import Metric
from contract.results import clusters
from contract.results.answers import AnchorSums, Compared, UnitSums
from contract.results.baseline import Baseline
from contract.tasks import Prediction, Targets
from worker.engine.games.game import Coalitions

Floats = NDArray[np.float64]
Answers = NDArray[Any]

WITHOUT_PLAYERS = "the model of everybody with all players unlearned"


@dataclass(frozen=True)
class Ends:
    """The baseline and everybody's model: what they score, how much each of the test units moves either score,
    float64[2, T], and what was compared, in words. ``size`` is the usual difference of what a model scores on one unit
    (``Metric.size``), by which what an unseen unit could do is measured. ``within``, where T are clusters of test
    units: how many units these are of."""

    baseline: float
    full: float
    influences: Floats
    basis: str
    size: float = 1.0
    within: int | None = None


@runtime_checkable
class Measured(Protocol):
    """A game that knows its test units. Both answers are None where models' answers were not kept."""

    def ends(self, source: str) -> Ends | None:
        """The baseline and everybody's model; the baseline of partial mode is what ``source`` leaves of nobody's."""
        ...

    def influences(self, source: str, coalitions: Coalitions) -> Floats | None:
        """How much each test unit, or cluster of units that were drawn together, moves the worths of coalitions
        bool[m, n], float64[m, T]; their worths are known."""
        ...


@dataclass(frozen=True)
class TestUnits:
    """The test units that measure worth, and the baseline. ``apart`` counts rows that only chose the baseline."""

    __test__ = False  # for pytest: this is no test

    prediction: Prediction
    metric: Metric
    targets: Targets
    baseline: Baseline
    apart: int

    def influences(self, answers: Answers, everybody: tuple[Answers, Answers] | None) -> Floats:
        """Influences float64[m, T] on the worths of stored answers [m, T, ...]; of clusters, where units have clusters.

        ``everybody``, of sources whose worths are moved to where everybody's is known: everybody's answers by the
        source, and those of M_full. A worth that is the baseline's moves as the baseline's does.
        """
        ends = None if everybody is None else self.sums(np.stack(everybody))
        return moved_worths(self.sums(answers), ends, self.sums(self.baseline.answers[None]), self.baseline.worth)

    def ends(self, everybody: Answers, nobody: Floats | None, nobody_worth: float, nobody_is: str) -> Ends:
        """Everybody's answers [T, ...] against the baseline, or, where given, against nobody's model by a method, whose
        influences are float64[T]."""
        sums = self.sums(np.stack([self.baseline.answers, everybody]))
        return ends_of(AnchorSums(sums, self.compared), self.baseline.worth, nobody, nobody_worth, nobody_is)

    def sums(self, answers: Answers) -> UnitSums:
        """The scores of stored answers [m, T, ...], below the baseline too, and what moves them."""
        moved = self.prediction.influences(self.metric, answers, self.targets)
        return UnitSums(self._scores(answers), clusters.summed(moved, self.targets.clusters))

    @property
    def compared(self) -> Compared:
        """What is said of these units and of the baseline."""
        of_units, groups = len(self.targets.values), self.targets.clusters
        units = f"{of_units} test {self.prediction.unit}s"
        units += "" if groups is None else f" in {clusters.count(groups)} groups"
        about = self.baseline.about
        if about == self.metric.constant_is:
            others = f"{about} (chosen by {self.apart} other test rows)"
            about = others if self.apart else f"{about} (chosen by the same rows)"
        return Compared(
            what=f"{self.metric.title.lower()} on {units}",
            about=about,
            size=self.metric.size(self.targets.values),
            within=None if groups is None else of_units,
        )

    def _scores(self, answers: Answers) -> Floats:
        return self.prediction.worths(self.metric, answers, self.targets)


def moved_worths(sums: UnitSums, everybody: UnitSums | None, baseline: UnitSums, least: float) -> Floats:
    """Influences float64[m, T] on worths, from what is summed of their models, of everybody's by the source and of
    M_full (where the source is moved), and of the baseline, whose worth is ``least``."""
    scores, moved = sums.scores, sums.moved
    if everybody is not None:
        scores = scores + (everybody.scores[1] - everybody.scores[0])
        moved = moved + (everybody.moved[1] - everybody.moved[0])
    return np.where((scores < least)[:, None], baseline.moved, moved)


def ends_of(anchors: AnchorSums, least: float, nobody: Floats | None, nobody_worth: float, nobody_is: str) -> Ends:
    """``TestUnits.ends`` from what is summed of the baseline, whose worth is ``least``, and of everybody's model."""
    sums, said = anchors.sums, anchors.compared
    own = sums.moved[0] if nobody is None else nobody
    worth, about = (least, said.about) if nobody is None else (nobody_worth, nobody_is)
    basis = f"{said.what} against the baseline, {about}"
    return Ends(worth, float(sums.scores[1]), np.stack([own, sums.moved[1]]), basis, said.size, said.within)
