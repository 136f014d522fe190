"""The split of the buyer's held-out rows in partial mode: what anchors unlearning is never what measures worth.

Deterministic, stratified by label, and seeded by the job's seed alone, so every worker sees the same two halves.
"""

import numpy as np
from numpy.typing import NDArray

from contract.errors import InvalidProblem
from worker.engine.tensors.seeds import derive, numpy_generator

Index = NDArray[np.int64]


# rows of neighbouring targets that are split alike, where targets are numbers
_STRATUM = 10


def strata(targets: NDArray[np.float64]) -> Index:
    """Numbers as labels int64[n] that ``split`` can go by: rows with neighbouring targets have one."""
    ranks = np.empty(len(targets), dtype=np.int64)
    ranks[np.argsort(targets, kind="stable")] = np.arange(len(targets))
    return ranks // _STRATUM


def split(
    labels: NDArray[np.int64], share: float, seed: int, clusters: NDArray[np.int64] | None = None
) -> tuple[Index, Index]:
    """Row numbers (anchor, measure); each label gives ``share`` of its rows, rounded, to the anchor. ``clusters`` of
    rows are never cut.

    Raises InvalidProblem where one side would be empty.
    """
    if clusters is not None:
        return _split_clusters(labels, share, seed, clusters)
    rng = numpy_generator(derive(seed, "held-out split"))
    anchor = np.zeros(len(labels), dtype=bool)
    debt = 0.0
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        debt += share * len(rows)
        take = min(round(debt), len(rows))
        debt -= take
        anchor[rows[:take]] = True
    if anchor.all() or not anchor.any():
        raise InvalidProblem(
            f"the test set has {len(labels)} rows; partial mode splits it into rows that anchor unlearning and rows"
            " that measure worth: add test rows"
        )
    return np.flatnonzero(anchor), np.flatnonzero(~anchor)


def chosen_apart(
    labels: NDArray[np.int64], share: float, seed: int, clusters: NDArray[np.int64] | None
) -> tuple[Index, Index]:
    """Row numbers (choose, measure) of full mode: as ``split``, or all rows on both sides where clusters cannot be
    divided."""
    if clusters is not None and not _taken(labels, share, seed, clusters).any():
        return np.arange(len(labels)), np.arange(len(labels))
    return split(labels, share, seed, clusters)


def _split_clusters(
    labels: NDArray[np.int64], share: float, seed: int, clusters: NDArray[np.int64]
) -> tuple[Index, Index]:
    """The same by whole clusters."""
    anchor = _taken(labels, share, seed, clusters)
    if not anchor.any():
        raise InvalidProblem(
            "the groups of the test set cannot be divided: rows of one group are not to be on both sides, and every"
            " label is to keep half of its rows on the side that measures worth; add rows of further groups"
        )
    return np.flatnonzero(anchor), np.flatnonzero(~anchor)


def _taken(labels: NDArray[np.int64], share: float, seed: int, clusters: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows anchor, bool[n]: clusters are taken in an order by chance while the anchor has less than its share,
    where that leaves every label at least half of its rows, and two clusters measure."""
    rng = numpy_generator(derive(seed, "held-out split"))
    names, of_label = np.unique(labels, return_inverse=True)
    most = np.bincount(of_label) / 2
    taken = np.zeros(len(names))
    anchor = np.zeros(len(labels), dtype=bool)
    left = int(clusters.max()) + 1
    for cluster in rng.permutation(left):
        rows = clusters == cluster
        own = np.bincount(of_label[rows], minlength=len(names))
        enough = anchor.sum() >= share * len(labels)
        if enough or left <= 2 or (taken + own > most).any():
            continue
        anchor |= rows
        taken += own
        left -= 1
    return anchor
