"""What a change of the data did to everybody's model: its score before and after, on the same test units.

Both models are trained on all rows that there are, and each test unit moves both scores, so the difference is paired,
as in the test of the gain. Nobody is valued.
"""

import math
from statistics import NormalDist

import numpy as np

from contract.results.selection import ScoreChange
from worker.engine.games.measured import Ends
from worker.engine.loop import student
from worker.engine.loop.gain import UNSEEN

_LEVEL = 0.975


def paired(before: Ends, after: Ends) -> bool:
    """Whether both were measured on the same test units, which what the baseline does on each of them shows."""
    ours, theirs = before.influences, after.influences
    return before.basis == after.basis and ours.shape == theirs.shape and bool(np.allclose(ours[0], theirs[0]))


def difference(before: Ends, after: Ends) -> ScoreChange:
    """The difference of everybody's scores, with its 95 % interval over draws of test units (groups, where units were
    drawn together)."""
    moved = after.influences[1] - before.influences[1]
    stderr = math.sqrt(float((moved**2).sum()) + UNSEEN * after.size**2 / len(moved) ** 2)
    times = NormalDist().inv_cdf(_LEVEL) if after.within is None else student.quantile(_LEVEL, len(moved) - 1)
    found = after.full - before.full
    width = times * stderr
    return ScoreChange(
        before=before.full,
        after=after.full,
        gain=before.full - before.baseline,
        interval=(found - width, found + width),
    )
