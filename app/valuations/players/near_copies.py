"""Which rows of a file are copies of rows that were there before, however much they were changed. Pure numpy.

The measure of a row x is how deep it lies in the cell of its nearest earlier row e of equal label: the least, over all
other earlier rows f, of (|x - f|^2 - |x - e|^2) / (2 |e - f|^2). That is a half where x is e, and near zero where x is
a row of its own, which has several neighbours at about the same distance. Noise of deviation s in every feature moves
it by s / |e - f| only, whatever the number of features, so a copy stays deep where it is no longer near.

How deep honest rows lie is read off the earlier rows themselves, each left out in turn: a new row of the same kind can
be exchanged with any of them. Where a file is further from the earlier rows than they are from one another, as much
noise is added to those left out, so that an honest file of noisier rows is compared with its like. A file holds copies
where so many more of its rows are deep than that, that chance does not do it (``BY_CHANCE``), and where they are a
tenth of either file; data with many repetitions by nature is so judged by its own repetitions. Where most of a file is
copied, the rest of it is presumed to be, but for the shallowest. Under loud noise no single row is deep enough, but
all rows of a file that is copied whole together are: they are held against honest rows and copies, both with as much
noise (``_copied_whole``), where their nearest earlier rows are nearly as many as they. Rows that are deep one by one
are copies where they lie on all sides of their nearest earlier rows (``_on_all_sides``). Mixtures of two earlier rows
are recognised in the same way, by how near they lie to the line between two neighbours. Nothing here knows what
rows mean or who is paid.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.datasets.rows.raw_rows import row_keys

NEAR_ROWS = 20_000  # a job of more rows looks for equal rows only
COPIED_PART = 0.1
BY_CHANCE = math.log(1e7)  # chance calls an honest file a copy once in ten million
_TIERS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5)  # how rare a depth is among the earlier rows
_DOUBT = 3.0  # by how many standard deviations the rarity of a depth, read off few rows, may be wrong
_SURE = 4.5  # standard deviations, which chance passes three times in a million
_SUSPECT = 3.0  # from where on the depths of a file are looked at closely
_DRAWS = 4  # of noise for each row that is left out
_MOST = 0.6
# each copy has an earlier row of its own; rows of another place, unit or labelling all lie nearest to a few
_SPREAD = 0.85
# of rows that are deep one by one, several may be copies of one: these lie on all sides of it
_ONE_SIDED = 3.0
_NEARLY = 0.8
_PRESUMED = 0.2
_FAR = 1e300  # the squared distance of what is not there
_NEIGHBOURS = 10  # between which mixtures are looked for
LEAST_ROWS = 3  # earlier rows of a label, without which there is nothing to compare
_LEFT_OUT = 1000  # earlier rows that are left out in turn
_BLOCK_NUMBERS = 4_000_000

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
Depths = NDArray[np.float64]
Flat = NDArray[np.float32]
Keys = NDArray[np.void]


@dataclass(frozen=True)
class EarlierRows:
    """The earlier rows: X float32[m, d], y int64[m], the file of each, and what equal rows have in common (``keys``
    V[m]; None: their X). How they lie among themselves is computed once, however many files are compared with them."""

    X: Flat
    y: NDArray[Any]
    file: Ids
    keys: Keys | None = None

    @cached_property
    def first(self) -> tuple[dict[bytes, int], Mask]:
        """The first of the rows of each content, and which rows have an equal."""
        first: dict[bytes, int] = {}
        twins = np.zeros(len(self.y), dtype=np.bool_)
        for row, key in enumerate(_keys(self.X, self.y, self.keys)):
            there = first.setdefault(key, row)
            if there != row:
                twins[[there, row]] = True
        return first, twins

    @cached_property
    def left_out(self) -> list[tuple[Ids, Ids]]:
        """For each label its rows, and up to ``_LEFT_OUT`` in all that are left out in turn: evenly spread."""
        labels = np.unique(self.y)
        most = max(20, _LEFT_OUT // max(1, len(labels)))
        left_out = []
        for label in labels:
            there = np.flatnonzero(self.y == label)
            if len(there) > LEAST_ROWS:
                chosen = np.linspace(0, len(there) - 1, min(most, len(there)))
                left_out.append((there, np.unique(chosen.astype(np.int64))))
        return left_out

    @cached_property
    def labels(self) -> NDArray[Any]:
        """The labels of the rows that are left out."""
        return np.concatenate([self.y[there[out]] for there, out in self.left_out])

    @cached_property
    def depths(self) -> tuple[Depths, float]:
        """How deep the rows left out lie among the others, and their mean squared distance to the nearest."""
        by_label = [depths_among(self.X[there[out]], self.X[there], out) for there, out in self.left_out]
        near = float(np.concatenate([squares for _, _, squares in by_label]).mean())
        return np.concatenate([depths for depths, _, _ in by_label]), near

    @cached_property
    def closeness(self) -> Depths:
        """How near the rows left out lie to the line between two neighbours."""
        return np.concatenate(
            [closeness_among(self.X[there[out]], self.X[there], out)[0] for there, out in self.left_out]
        )


def copied_rows(
    X: Flat, y: NDArray[Any], earlier: EarlierRows, *, near: bool, keys: Keys | None = None
) -> tuple[Mask, Ids]:
    """Which rows of a later file are copies, bool[n], and of which earlier row each is one, int64[n].

    ``keys`` are the later rows', where the earlier ones have some. Rows without numbers (X [n, 0]) have equals only.
    """
    copied, which = np.zeros(len(y), dtype=np.bool_), np.zeros(len(y), dtype=np.int64)
    if not len(y) or not len(earlier.y):
        return copied, which
    equal, twins = _equal_rows(_keys(X, y, keys), earlier)
    by_chance = float(mixed_as(earlier.y, y)[twins].sum())
    matched = equal >= 0
    sure = odds(int(matched.sum()), len(y), by_chance) >= BY_CHANCE if by_chance else True
    if sure and _enough(matched, by_chance, equal, earlier):
        copied = matched
        which[copied] = equal[copied]
    for look in (_changed, _blended) if near and X.shape[1] else ():
        rest = np.flatnonzero(~copied)
        if len(rest):
            changed, nearest = look(X[rest], y[rest], earlier)
            copied[rest[changed]] = True
            which[rest[changed]] = nearest[changed]
    return copied, which


def _changed(X: Flat, y: NDArray[Any], earlier: EarlierRows) -> tuple[Mask, Ids]:
    """Rows that are earlier ones changed, by their depth."""
    depths, nearest, away = _depths_of(X, y, earlier)
    plain, noisy, labels = _honest_depths(earlier, away)
    best = best_tier(depths, plain, noisy, mixed_as(labels, y), nearest, earlier)
    deep = np.flatnonzero(depths >= (math.inf if best is None else best))
    if not _on_all_sides(X[deep], nearest[deep], earlier):
        best = None
    spread = len(np.unique(nearest)) >= _SPREAD * len(nearest)
    if spread and _copied_whole(depths, y, earlier, (plain, noisy), away):
        best = 1e-9  # rows that noise has lifted out of their cells are copies too
    return (depths >= best if best is not None else np.zeros(len(y), dtype=np.bool_)), nearest


def _blended(X: Flat, y: NDArray[Any], earlier: EarlierRows) -> tuple[Mask, Ids]:
    """Rows that are mixtures of two earlier ones, by how near they lie to the line between two neighbours."""
    closeness, nearest = np.zeros(len(y)), np.zeros(len(y), dtype=np.int64)
    for label in np.unique(y):
        here, there = np.flatnonzero(y == label), np.flatnonzero(earlier.y == label)
        if len(there) > LEAST_ROWS:
            closeness[here], closest = closeness_among(X[here], earlier.X[there], None)
            nearest[here] = there[closest]
    if not earlier.left_out:
        return np.zeros(len(y), dtype=np.bool_), nearest
    honest, weights = earlier.closeness, mixed_as(earlier.labels, y)
    best = best_tier(closeness, honest, honest, weights, nearest, earlier)
    if best is not None:
        best = best_tier(closeness, honest, _moved_closeness(X, y, earlier), weights, nearest, earlier)
    return (closeness >= best if best is not None else np.zeros(len(y), dtype=np.bool_)), nearest


def _moved_closeness(X: Flat, y: NDArray[Any], earlier: EarlierRows) -> Depths:
    """How near the rows left out lie to such lines once they are moved and scaled, by label, to where the file's rows
    are and to how far these spread: rows of another unit that lie between all others are mixtures of nothing."""
    moved = []
    for there, out in earlier.left_out:
        among, rows = earlier.X[there], earlier.X[there[out]]
        mine = X[y == earlier.y[there[0]]]
        if len(mine) > 1:
            wide = float(np.sqrt(among.var(axis=0).mean())) or 1.0
            scale = float(np.sqrt(mine.var(axis=0, ddof=1).mean())) / wide
            rows = (mine.mean(axis=0) + scale * (rows - among.mean(axis=0))).astype(np.float32)
        moved.append(closeness_among(rows, among, out)[0])
    return np.concatenate(moved)


def mixed_as(labels: NDArray[Any], like: NDArray[Any]) -> Depths:
    """The weights of some rows, adding up to 1, with which their labels are mixed as those in ``like``."""
    weights = np.zeros(len(labels))
    for label in np.unique(like):
        mine = labels == label
        if mine.any():
            weights[mine] = float((like == label).mean()) / int(mine.sum())
    total = float(weights.sum())
    return weights / total if total else weights


def best_tier(
    depths: Depths,
    plain: Depths,
    noisy: Depths,
    weights: Depths,
    nearest: Ids,
    earlier: EarlierRows,
    *,
    presumes: bool = True,
) -> float | None:
    """The depth from which on rows are copies (None: nowhere): the greatest that finds nearly all that are too many.

    ``plain`` and ``noisy`` are honest depths without and with noise, ``weights`` what each counts. A file of which most
    is copied is presumed to be copied whole, where it ``presumes``.
    """
    if not weights.any():
        return None
    counted = 1.0 / float((weights**2).sum())  # as many rows of equal weight would say as much
    gains: list[tuple[float, float]] = []  # (rows beyond chance, depth), from the greatest depth down
    copied = 0.0  # the part of the file that must be copied, at least
    for least in np.quantile(noisy, [1.0 - tier for tier in _TIERS]).clip(1e-9).tolist():
        usual = max(float(weights[honest >= least].sum()) for honest in (plain, noisy))
        part = (counted * usual + 1.0) / (counted + 1.0)
        chance = part + _DOUBT * math.sqrt(part / counted)
        deep = depths >= least
        sure = chance < 1.0 and odds(int(deep.sum()), len(depths), chance) >= BY_CHANCE
        if sure and _enough(deep, chance, np.where(deep, nearest, -1), earlier):
            gains.append((float(deep.sum()) - chance * len(depths), least))
            copied = max(copied, (float(deep.mean()) - chance) / (1.0 - chance))
    if presumes and copied > 0.5:
        return max(float(np.quantile(noisy, _PRESUMED)), 1e-9)
    most = max((gain for gain, _ in gains), default=0.0)
    return next((least for gain, least in gains if gain >= _NEARLY * most), None)


def _on_all_sides(X: Flat, nearest: Ids, earlier: EarlierRows) -> bool:
    """Whether rows lie around their nearest earlier rows, as changed copies do, be they one or several of each. Rows of
    another place, unit or labelling are deep in the cells of a few, and many of them on one side of each."""
    of, group = np.unique(nearest, return_inverse=True)
    apart = X.astype(np.float64) - earlier.X[nearest]
    sums = np.zeros((len(of), X.shape[1]))
    np.add.at(sums, group, apart)
    # of independent noise the squares of sums are the sums of squares
    return float((sums**2).sum()) <= _ONE_SIDED * float((apart**2).sum())


def _copied_whole(
    depths: Depths, y: NDArray[Any], earlier: EarlierRows, honest: tuple[Depths, Depths], away: float
) -> bool:
    """Whether the depths of a file's rows together say that most are copies under noise: their mean square is surely
    above that of honest rows, and as far towards that of copies with as much noise as a file of mostly copies is."""
    more = away - earlier.depths[1] if earlier.left_out else 0.0
    weights, mean = mixed_as(earlier.labels, y) if more > 0.0 else np.zeros(0), float((depths**2).mean())
    if not weights.any():
        return False

    def beyond(draws: list[Depths]) -> tuple[float, float]:
        """By how much the file is above left-out rows, in standard deviations, and as it is."""
        squares = np.array(draws) ** 2
        usual = float(weights @ squares.mean(axis=0))
        own = float(weights @ ((squares - usual) ** 2).mean(axis=0)) / len(depths)
        theirs = float(weights**2 @ (squares.mean(axis=0) - usual) ** 2)
        return (mean - usual) / math.sqrt(own + theirs) if own + theirs > 0.0 else 0.0, mean - usual

    if min(beyond([rows])[0] for rows in honest) < _SUSPECT:
        return False
    noisy, excess = beyond([_noisy_depths(earlier, more, draw) for draw in range(_DRAWS)])
    sure = min(beyond([honest[0]])[0], noisy)
    # with the least noise that there may be: the more of a file is its own, the less of its distance is noise
    copies = np.mean([_noisy_depths(earlier, more, draw, copies=True) ** 2 for draw in range(_DRAWS)], axis=0)
    return sure >= _SURE and excess >= _MOST * (float(weights @ copies) - (mean - excess)) > 0.0


def odds(count: int, of: int, chance: float) -> float:
    """Minus the logarithm of the chance of so many or more (Chernoff's bound); 0 where they are no more than usual."""
    part = count / of
    if part <= chance or chance <= 0.0:
        return 0.0 if part <= chance else math.inf
    rest = 0.0 if part >= 1.0 else (1.0 - part) * math.log((1.0 - part) / (1.0 - chance))
    return of * (part * math.log(part / chance) + rest)


def _enough(copies: Mask, chance: float, of: Ids, earlier: EarlierRows) -> bool:
    """Whether copies, beyond those of chance, are a tenth of this file or of one of the earlier ones."""
    if float(copies.sum()) - chance * len(copies) >= COPIED_PART * len(copies):
        return True
    originals = np.unique(of[copies])
    for file in np.unique(earlier.file):
        size = int((earlier.file == file).sum())
        usual = min(chance * size, chance * len(copies) * size / len(earlier.file))
        if float((earlier.file[originals] == file).sum()) - usual >= COPIED_PART * size:
            return bool(copies.any())
    return False


def _equal_rows(keys: list[bytes], earlier: EarlierRows) -> tuple[Ids, Mask]:
    """The first earlier row that each row is equal to (-1: none), and which earlier rows have an equal among them."""
    first, twins = earlier.first
    return np.array([first.get(key, -1) for key in keys], dtype=np.int64), twins


def _keys(X: Flat, y: NDArray[Any], keys: Keys | None) -> list[bytes]:
    return row_keys(X if keys is None else keys, y)


def _depths_of(X: Flat, y: NDArray[Any], earlier: EarlierRows) -> tuple[Depths, Ids, float]:
    """How deep each row lies in the cell of its nearest earlier row of its label, which that is, and the mean of the
    squared distances to it."""
    depths, nearest, away = np.zeros(len(y)), np.zeros(len(y), dtype=np.int64), [np.empty(0)]
    for label in np.unique(y):
        here, there = np.flatnonzero(y == label), np.flatnonzero(earlier.y == label)
        if len(there) >= LEAST_ROWS:
            depths[here], closest, squares = depths_among(X[here], earlier.X[there], None)
            nearest[here] = there[closest]
            away.append(squares)
    all_away = np.concatenate(away)
    return depths, nearest, float(all_away.mean()) if len(all_away) else 0.0


def _honest_depths(earlier: EarlierRows, away: float) -> tuple[Depths, Depths, NDArray[Any]]:
    """How deep the earlier rows lie in one another's cells, up to ``_LEFT_OUT`` of them left out in turn: as they are,
    and with as much noise as makes them ``away`` (a mean squared distance) where they are nearer; and their labels."""
    if not earlier.left_out:
        return np.empty(0), np.empty(0), np.empty(0, dtype=earlier.y.dtype)
    plain, near = earlier.depths
    more = away - near
    if more <= 0.0:
        return plain, plain, earlier.labels
    return plain, _noisy_depths(earlier, more, 0), earlier.labels


def _noisy_depths(earlier: EarlierRows, more: float, draw: int, *, copies: bool = False) -> Depths:
    """How deep the rows left out lie with noise that moves them by ``more`` (a mean squared distance), among the
    others; ``copies``: among all, of which each is then a noisy copy."""
    rng = np.random.default_rng(draw)  # the same noise for the same order of rows: admission repeats
    width = earlier.X.shape[1]
    noisy = []
    for there, out in earlier.left_out:
        noise = rng.normal(scale=math.sqrt(more / width), size=(len(out), width)).astype(np.float32)
        rows = earlier.X[there[out]] + noise
        noisy.append(depths_among(rows, earlier.X[there], None if copies else out)[0])
    return np.concatenate(noisy)


def depths_among(rows: Flat, among: Flat, out: Ids | None, near: int = 1) -> tuple[Depths, Ids, Depths]:
    """Depths, nearest, and squared distances to it; ``out``: the row of ``among`` that each is, to be left out. Of the
    ``near`` nearest rows none but the first counts, so that a row is deep among several that are alike, too."""
    wide = among.astype(np.float64)
    squares = (wide**2).sum(axis=1)
    nothing = 1e-12 * max(1.0, float(squares.mean()))
    depths, nearest, away = np.empty(len(rows)), np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
    step = max(1, _BLOCK_NUMBERS // len(among))
    for start in range(0, len(rows), step):
        block = slice(start, min(start + step, len(rows)))
        at = np.arange(block.stop - block.start)
        distance = _squares(rows[block].astype(np.float64), wide, squares)
        if out is not None:
            distance[at, out[block]] = np.inf
        nearest[block] = distance.argmin(axis=1)
        away[block] = distance[at, nearest[block]]
        apart = _squares(wide[nearest[block]], wide, squares)
        others = apart > nothing  # not the nearest itself, nor its equals
        if out is not None:
            others[at, out[block]] = False
        if near > 1:
            others[at[:, None], np.argpartition(distance, near - 1, axis=1)[:, :near]] = False
        gap = distance - distance[at, nearest[block]][:, None]
        ratio = np.divide(gap, 2.0 * apart, out=np.full_like(gap, np.inf), where=others)
        # where all earlier rows are equal there is no cell
        least = ratio.min(axis=1)
        depths[block] = np.where(np.isfinite(least), least, 0.0)
    return depths, nearest, away


def closeness_among(rows: Flat, among: Flat, out: Ids | None) -> tuple[Depths, Ids]:
    """By how much a point between two of its neighbours is nearer to each row than its nearest neighbour is: 0 (not at
    all) to 1 (the row is that point), of squared distances; and the nearest. ``out`` as for ``_depths``."""
    wide = among.astype(np.float64)
    squares = (wide**2).sum(axis=1)
    nothing = 1e-12 * max(1.0, float(squares.mean()))
    count = min(_NEIGHBOURS, len(among) - (out is not None))
    one, other = np.triu_indices(count, 1)
    closeness, nearest = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
    step = max(1, _BLOCK_NUMBERS // max(len(among), count * wide.shape[1]))
    for start in range(0, len(rows), step):
        block = slice(start, min(start + step, len(rows)))
        here = rows[block].astype(np.float64)
        distance = _squares(here, wide, squares)
        if out is not None:
            distance[np.arange(len(here)), out[block]] = np.inf
        distance[distance <= nothing] = np.inf  # equals are not neighbours: between them is no line
        near = np.argpartition(distance, count - 1, axis=1)[:, :count]
        apart = wide[near] - here[:, None, :]
        products = np.einsum("rid,rjd->rij", apart, apart)
        own = np.where(np.isfinite(np.take_along_axis(distance, near, axis=1)), np.einsum("rii->ri", products), _FAR)
        nearest[block] = near[np.arange(len(here)), own.argmin(axis=1)]
        first, second, both = own[:, one], own[:, other], products[:, one, other]
        length = first + second - 2.0 * both
        # the point of the line from one to the other that is nearest to the row, kept between the two
        at = np.divide(first - both, length, out=np.zeros_like(length), where=length > 0.0).clip(0.0, 1.0)
        square = (1.0 - at) ** 2 * first + at**2 * second + 2.0 * at * (1.0 - at) * both
        between = np.where((first < _FAR) & (second < _FAR), square, _FAR).min(axis=1)
        least = own.min(axis=1)
        closeness[block] = np.maximum(1.0 - between / least, 0.0)
    return closeness, nearest


def _squares(rows: NDArray[np.float64], among: NDArray[np.float64], squares: NDArray[np.float64]) -> Depths:
    """Squared distances float64[m, n]."""
    distances = (rows**2).sum(axis=1)[:, None] + squares[None, :] - 2.0 * rows @ among.T
    return np.asarray(np.maximum(distances, 0.0), dtype=np.float64)
