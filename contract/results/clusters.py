"""Clusters of test units: units that are not independent of each other, such as all visits of one patient, or all
blocks of one document. They are drawn together, so what the draw of test units could change is counted by clusters.

A cluster moves a worth by the sum of what its units move it. The sum of squares of these is the variance over draws of
clusters (Liang and Zeger 1986; of the area under the ROC curve Obuchowski 1997), whatever is alike inside a cluster.
Pure numpy.
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Clusters = NDArray[np.int64]


def canonical(clusters: NDArray[np.int64], ranks: NDArray[np.int64]) -> Clusters:
    """The same clusters int64[T], numbered from 0 by their content: ``ranks`` int64[T] order the units by theirs, equal
    ones alike. Neither what clusters are called nor the order in which units arrive changes a number."""
    members: dict[int, list[int]] = {}
    for cluster, rank in zip(clusters.tolist(), ranks.tolist(), strict=True):
        members.setdefault(cluster, []).append(rank)
    ordered = sorted(members, key=lambda cluster: sorted(members[cluster]))
    number = {cluster: at for at, cluster in enumerate(ordered)}
    return np.array([number[cluster] for cluster in clusters.tolist()], dtype=np.int64)


def some(clusters: Clusters | None, index: NDArray[np.int64]) -> Clusters | None:
    """The clusters of some units, numbered from 0 again; those that have none of them are no more."""
    return None if clusters is None else np.unique(clusters[index], return_inverse=True)[1].astype(np.int64)


def count(clusters: Clusters) -> int:
    """How many clusters there are."""
    return int(clusters.max()) + 1


def summed(influences: Floats, clusters: Clusters | None) -> Floats:
    """Influences float64[m, T] of units on m worths as those of their clusters, float64[m, G]; as they are without
    clusters. Sums of squares are scaled as for so many clusters as those of units are for so many units."""
    if clusters is None:
        return influences
    groups, units = count(clusters), influences.shape[1]
    sums = np.stack([np.bincount(clusters, weights=each, minlength=groups) for each in influences])
    return np.asarray(sums * math.sqrt(groups / (groups - 1) * (units - 1) / units), dtype=np.float64)


def at_most(units: int, most: int) -> Clusters | None:
    """Clusters int64[units] of independent units, so that there are at most so many: what is kept of more units is
    their sums, whose squares add up to the same variance on average. None where there are no more units."""
    if units <= most:
        return None
    order = np.random.default_rng([units, most]).permutation(units)
    merged = np.empty(units, dtype=np.int64)
    merged[order] = np.arange(units) % most
    return merged


def summed_to(influences: Floats, most: int) -> Floats:
    """Influences float64[m, T] as sums over at most so many parts of the units, by lot."""
    return summed(influences, at_most(influences.shape[1], most))
