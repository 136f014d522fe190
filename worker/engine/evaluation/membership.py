"""How well an attacker who sees losses can tell a model's training rows from rows that it never saw.

The loss-threshold attack (Yeom et al. 2018, arXiv 1709.01604) calls a row a member where the model's loss on it is low.
Its score is the area under the ROC curve: the chance that a member's loss is below a stranger's, ties half. 0.5 is
guessing, provided both sets of rows are alike; where they are not, the score of a model that never saw either is the
mark to compare with. Standard errors are DeLong's (1988), those of a difference between two models on the same rows
included. Nothing here trains, and no row's loss leaves it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]
_Z = 1.959963984540054


@dataclass(frozen=True)
class MembershipScore:
    """An area under the curve, or a difference of two, with its standard error and 95 % interval."""

    value: float
    stderr: float

    @property
    def interval(self) -> tuple[float, float]:
        return self.value - _Z * self.stderr, self.value + _Z * self.stderr


def score(members: Losses, strangers: Losses) -> MembershipScore:
    """The attack's score from losses float64[m] of rows trained on and float64[t] of rows that were not.

    Raises ValueError where one side has fewer than two rows: there is then no standard error.
    """
    return _mean(_placements(members, strangers))


def fall(before: tuple[Losses, Losses], after: tuple[Losses, Losses]) -> MembershipScore:
    """By how much the score fell from one model to another; both are (members, strangers) of the same rows in the
    same order, so that what the two have in common cancels."""
    first, second = _placements(*before), _placements(*after)
    return _mean((first[0] - second[0], first[1] - second[1]))


def _placements(members: Losses, strangers: Losses) -> tuple[Losses, Losses]:
    """Of every member, the share of strangers with a higher loss; of every stranger, that of members with a lower."""
    if min(len(members), len(strangers)) < 2:
        raise ValueError(f"the attack needs two rows of each kind; got {len(members)} and {len(strangers)}")
    return 1.0 - _below(members, strangers), _below(strangers, members)


def _below(values: Losses, others: Losses) -> Losses:
    """The share of ``others`` below each value, ties half."""
    ordered = np.sort(others)
    under, upto = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return np.asarray((under + upto) / (2.0 * len(ordered)), dtype=np.float64)


def _mean(placements: tuple[Losses, Losses]) -> MembershipScore:
    members, strangers = placements
    variance = members.var(ddof=1) / len(members) + strangers.var(ddof=1) / len(strangers)
    return MembershipScore(float(members.mean()), math.sqrt(float(variance)))
