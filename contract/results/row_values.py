"""Values of the rows of a player: what is found, what it is called, and which rows are worth a second look.

Rows are in the order in which they are handed over; whoever reads files says which row of which file each is.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from contract.learning.learners import LEARNERS
from contract.learning.methods import METHODS
from contract.metrics import Predicts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# by name, in words: what an order asks of rows
ROWS_NONE, ROWS_VALUES = "none", "values"
ROWS = {ROWS_NONE: "no values of rows", ROWS_VALUES: "a value for every row, for its owner"}
# by what rows are told apart
STATISTICS, NEIGHBOURS, GRADIENTS = "statistics", "neighbours", "gradients"
# the part of a row's neighbours that must have another label, for it to be suggested
SUGGESTED_BY = 0.7
# standard errors under 0 from which a row is said to do harm
HARMS = 2.0


def rows_valued_by(learner: str, predicts: Predicts) -> str | None:
    """By what the rows of a learner's models are told apart; None where they cannot be."""
    if predicts is Predicts.NEXT_TOKEN:
        return GRADIENTS
    if LEARNERS[learner].needs_base:
        return None
    if any(learner in METHODS[method].learners for method in ("statistics", "tangent")):
        return STATISTICS
    return NEIGHBOURS if predicts is Predicts.CLASS else None


class RowFinding(StrEnum):
    """Why a row is worth a second look."""

    WRONG_LABEL = "wrong_label"
    NEAR_COPY = "near_copy"
    HARM = "harm"
    USE = "use"


ABOUT = {
    RowFinding.WRONG_LABEL: "rows like it have another label, and it is worth less than the provider's usual row",
    RowFinding.NEAR_COPY: "an earlier row of the same provider is nearly the same",
    RowFinding.HARM: f"its value is under zero by {HARMS:g} standard errors or more",
    RowFinding.USE: "one of the hundred of most value, above zero by as much",
}
MOST_USEFUL = 100


@dataclass(frozen=True, eq=False)
class PlayerRowValues:
    """``values`` and ``stderr`` float64[m] of a player's rows, which sum to its value; ``labels`` [m] as trained on;
    ``suggested`` int64[m] the class that most neighbours have (-1: none, or a number is predicted), which ``agreement``
    float64[m] of them do, ``own`` the row's own; ``copy_of`` int64[m] an earlier row, or -1. ``by``: how they were
    told apart."""

    provider: str
    value: float
    values: Floats
    stderr: Floats
    labels: NDArray[np.generic]
    suggested: Ints
    agreement: Floats
    own: Floats
    copy_of: Ints
    by: str

    def __len__(self) -> int:
        return len(self.values)

    @property
    def wrong_label(self) -> NDArray[np.bool_]:
        """Rows bool[m] whose label is likely wrong."""
        if not len(self):
            return np.zeros(0, dtype=np.bool_)
        other = (self.suggested >= 0) & (self.suggested != self.labels)
        return np.asarray(other & (self.agreement >= SUGGESTED_BY) & (self.values < np.median(self.values)))

    def findings(self) -> dict[RowFinding, NDArray[np.bool_]]:
        """Which rows bool[m] each finding is of."""
        use = np.zeros(len(self), dtype=np.bool_)
        use[np.argsort(-self.values, kind="stable")[:MOST_USEFUL]] = True
        return {
            RowFinding.WRONG_LABEL: self.wrong_label,
            RowFinding.NEAR_COPY: self.copy_of >= 0,
            RowFinding.HARM: self.values < -HARMS * self.stderr,
            RowFinding.USE: use & (self.values > HARMS * self.stderr),
        }

    def by_document(self, documents: Ints) -> tuple["PlayerRowValues", Ints]:
        """Documents' values, sums over their rows int64[m] of numbers of documents, and one row [d] of each document in
        their order. Errors of a document's rows are of the same test units and are added; it is a near copy where all
        of its rows are."""
        _, first, whose = np.unique(documents, return_index=True, return_inverse=True)
        count = len(first)
        copied = np.bincount(whose, weights=self.copy_of < 0, minlength=count) == 0
        summed = replace(
            self,
            values=np.bincount(whose, self.values, count).astype(np.float64),
            stderr=np.bincount(whose, self.stderr, count).astype(np.float64),
            labels=self.labels[first],
            suggested=np.full(count, -1, dtype=np.int64),
            agreement=np.zeros(count),
            own=np.zeros(count),
            copy_of=np.where(copied, whose[self.copy_of[first]], -1),
        )
        return summed, first.astype(np.int64)
