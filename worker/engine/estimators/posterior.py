"""A Gaussian process over coalitions: what a few dear worths say about all of them, and so about Shapley values.

Shapley values are linear in the worths, so a posterior over the worths of a grid of coalitions is a joint posterior
over values: phi = W v. The prior is a sum of kernels, each a guess at how worths vary: with membership, membership by
size, size alone, nearness of coalitions, and with the worths of each surrogate (linearly, and smoothly bent). How much
of each there is, is learned from the observed worths (amounts.py), which is the shrinkage: a surrogate that does not
help gets little weight. Values are averaged over the amounts that the worths leave open. Observed worths are
reproduced, so with all of a grid observed the values are exact.

It never asks for a worth, and the same worths give the same values.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from worker.engine.estimators.amounts import drawn, jitter, likeliest
from worker.engine.estimators.grid import Grid
from worker.engine.games.coalitions import Floats, Ints

BLOCK = 512  # rows of a kernel held at once, so that a grid of thousands needs megabytes, not gigabytes


@dataclass(frozen=True)
class Posterior:
    """Values float64[n], covariance float64[n, n], worths expected on the grid float64[M], and the fit's health.

    ``residuals`` are standardised leave-one-out residuals float64[m] of the observed worths, ``errors`` the same in
    worths and ``spread`` their standard deviations; ``weights`` the share of the prior variance that each kernel ended
    with; ``leverage`` float64[n, m] the derivative of the values to the observed worths at these weights. ``amounts``
    float64[d, k] are those that were averaged over, in units of a target whose standard deviation was ``scale``.
    """

    values: Floats
    covariance: Floats
    worths: Floats
    residuals: Floats
    errors: Floats
    spread: Floats
    leverage: Floats
    weights: dict[str, float]
    amounts: Floats
    scale: float


@dataclass(frozen=True)
class Component:
    """One kernel: its ``block`` between grid rows int64[a] and int64[b], float64[a, b], and its diagonal float64[M]."""

    name: str
    block: Callable[[Ints, Ints], Floats]
    diagonal: Floats


def standardise(worths: Floats, sizes: Ints) -> Floats:
    """Worths float64[M] shifted and scaled to mean 0 and variance 1 with every coalition size weighing alike."""
    weight = 1.0 / np.bincount(sizes)[sizes]
    weight = weight / weight.sum()
    centred = worths - weight @ worths
    spread = float(np.sqrt(weight @ centred**2))
    return np.asarray(centred / spread if spread > 0 else centred, dtype=np.float64)


class CoalitionProcess:
    """The prior for one grid and its surrogates' worths float64[M, L]; ``fit`` conditions it on observed worths."""

    def __init__(self, grid: Grid, surrogates: Floats) -> None:
        self._grid = grid
        self._components = components(grid, surrogates)
        self._everything = np.arange(len(grid.coalitions), dtype=np.int64)
        self._projected = [project(grid, each) for each in self._components]
        self._prior = np.stack([each @ grid.operator.T for each in self._projected])

    def fit(self, observed: Ints, worths: Floats, *, quick: bool = False) -> Posterior:
        """Condition on the worths float64[m] of grid rows int64[m].

        The kernels' amounts are averaged over, so what they leave open is in the covariance; ``quick`` takes them at
        their likeliest, which is for comparisons and not for intervals.
        """
        centre, scale = float(worths.mean()), float(worths.std())
        if scale == 0.0:
            scale = 1.0
        target = (worths - centre) / scale
        kernels = np.stack([component.block(observed, observed) for component in self._components])
        unit = np.array([max(float(component.diagonal.mean()), 1e-12) for component in self._components])
        amounts = likeliest(kernels, target) if quick else drawn(kernels, unit, target)
        across = np.stack([each[:, observed] for each in self._projected])
        looks = [self._conditioned(each, kernels, across, target, observed) for each in amounts]
        lifted = np.stack([look.lifted for look in looks])
        expected = np.zeros(len(self._everything))
        for number, component in enumerate(self._components):
            mean = amounts[:, number] @ lifted / len(amounts)
            expected += component.block(self._everything, observed) @ mean
        # What was observed is known, not expected: no rounding may blur it.
        expected[observed] = target
        covariance = np.mean([look.covariance for look in looks], axis=0)
        covariance += np.cov(np.stack([look.values for look in looks]).T, bias=True)
        precision = np.stack([look.precision for look in looks])
        size = (amounts * unit).mean(axis=0)
        return Posterior(
            values=self._grid.operator @ (centre + scale * expected),
            covariance=scale**2 * (covariance + covariance.T) / 2,
            worths=centre + scale * expected,
            residuals=np.sqrt((lifted**2 / precision).mean(axis=0)),
            errors=scale * (lifted / precision).mean(axis=0),
            spread=scale * np.sqrt((1.0 / precision).mean(axis=0)),
            leverage=np.mean([look.leverage for look in looks], axis=0),
            weights={c.name: float(s) for c, s in zip(self._components, size / size.sum(), strict=True)},
            amounts=amounts,
            scale=scale,
        )

    def expected_covariance(self, observed: Ints, now: Posterior, before: int) -> Floats:
        """The covariance float64[n, n] of values once the worths of grid rows int64[m] are known, whatever they
        will be, as long as the amounts stay those of ``now``, which rest on ``before`` worths besides the ends.

        But for what each coalition has of its own: residuals alone tell that, few worths leave it open, and the mean
        over what they leave open is one of its large amounts. Its logarithm varies less with the root of the worths.
        """
        kernels = np.stack([component.block(observed, observed) for component in self._components])
        across = np.stack([each[:, observed] for each in self._projected])
        nothing = np.zeros(len(observed))
        own = np.array([component.name.startswith("own") for component in self._components])
        logarithms = np.log(np.maximum(now.amounts, 1e-12))
        middle, part = logarithms.mean(axis=0), np.sqrt(min(1.0, before / max(1, len(observed) - 2)))
        amounts = np.where(own, np.exp(middle + part * (logarithms - middle)), now.amounts)
        looks = [self._conditioned(each, kernels, across, nothing, observed).covariance for each in amounts]
        covariance = np.mean(looks, axis=0)
        return np.asarray(now.scale**2 * (covariance + covariance.T) / 2, dtype=np.float64)

    def quick_values(self, observed: Ints, worths: Floats) -> Floats:
        """The values float64[n] of a ``quick`` fit up to rounding, without what is expected of the grid: for whoever
        asks for the values of many worths."""
        centre, scale = float(worths.mean()), float(worths.std()) or 1.0
        target = (worths - centre) / scale
        kernels = np.stack([component.block(observed, observed) for component in self._components])
        (amounts,) = likeliest(kernels, target)
        lifted = np.linalg.solve(np.tensordot(amounts, kernels, 1) + jitter(target), target)
        across = np.tensordot(amounts, np.stack([each[:, observed] for each in self._projected]), 1)
        return np.asarray(scale * (across @ lifted) + centre * self._grid.operator.sum(axis=1), dtype=np.float64)

    def _conditioned(
        self, amounts: Floats, kernels: Floats, projected: Floats, target: Floats, observed: Ints
    ) -> "_Look":
        inverse = np.linalg.inv(np.tensordot(amounts, kernels, 1) + jitter(target))
        inverse = (inverse + inverse.T) / 2
        lifted = inverse @ target
        across = np.tensordot(amounts, projected, 1)
        covariance = np.tensordot(amounts, self._prior, 1) - across @ inverse @ across.T
        # the derivative of values to observed worths, whose mean, which the process is centred on, moves with each
        leverage = across @ inverse
        left = self._grid.operator.sum(axis=1) - leverage.sum(axis=1)
        leverage += left[:, None] / len(observed)
        return _Look(lifted, across @ lifted, covariance, np.diag(inverse), leverage)


@dataclass(frozen=True)
class _Look:
    """The process at fixed amounts, in units of the target: C^-1 t float64[m], values float64[n] less those of the
    centre, their covariance, the diagonal of C^-1 float64[m], and the derivative float64[n, m] of values to worths."""

    lifted: Floats
    values: Floats
    covariance: Floats
    precision: Floats
    leverage: Floats


def project(grid: Grid, component: Component) -> Floats:
    """W K float64[n, M] of one kernel; those that know no surrogate are projected once for a grid."""
    if component.name.startswith("surrogate"):
        return _projected(grid.operator, component)
    if component.name not in grid.projections:
        grid.projections[component.name] = _projected(grid.operator, component)
    return grid.projections[component.name]


def _projected(operator: Floats, component: Component) -> Floats:
    """W K float64[n, M], block by block."""
    if component.name.startswith("own"):
        return np.asarray(operator * component.diagonal, dtype=np.float64)
    everything = np.arange(operator.shape[1], dtype=np.int64)
    result = np.zeros(operator.shape)
    for start in range(0, len(everything), BLOCK):
        rows = everything[start : start + BLOCK]
        result += operator[:, rows] @ component.block(rows, everything)
    return result


class _Kernels:
    """The kinds of kernels over the coalitions of a grid."""

    def __init__(self, grid: Grid) -> None:
        self.n = grid.n_players
        self.images = grid.images
        self.sizes = np.asarray(np.rint(grid.coalitions.sum(axis=1)), dtype=np.int64)
        self._square = (self.images**2).sum(axis=1)

    @staticmethod
    def features(name: str, matrix: Floats) -> Component:
        return Component(name, lambda a, b: matrix[a] @ matrix[b].T, (matrix**2).sum(axis=1))

    def near(self, name: str, rate: float, factor: Floats) -> Component:
        """Decays with the number of differing members."""
        square, images, n = self._square, self.images, self.n

        def block(a: Ints, b: Ints) -> Floats:
            distance = square[a][:, None] + square[b][None, :] - 2.0 * images[a] @ images[b].T
            return np.asarray(np.exp(-rate * distance / n) * factor[a][:, None] * factor[b][None, :], dtype=np.float64)

        return Component(name, block, factor**2)

    @staticmethod
    def bent(name: str, worths: Floats, reach: float) -> Component:
        """Of coalitions whose surrogate worths are alike."""

        def block(a: Ints, b: Ints) -> Floats:
            return np.asarray(np.exp(-0.5 * ((worths[a][:, None] - worths[b][None, :]) / reach) ** 2), dtype=np.float64)

        return Component(name, block, np.ones(len(worths)))

    @staticmethod
    def own(name: str, variance: Floats) -> Component:
        """What no other coalition tells."""
        return Component(
            name, lambda a, b: np.asarray((a[:, None] == b[None, :]) * variance[a][:, None], dtype=np.float64), variance
        )

    def drifting(self, name: str, factor: Floats) -> Component:
        """A player's part of a worth, changing smoothly with the size of the coalition."""
        sizes, centred = self.sizes, (self.images - 0.5) / np.sqrt(self.n)

        def block(a: Ints, b: Ints) -> Floats:
            apart = np.exp(-0.5 * ((sizes[a][:, None] - sizes[b][None, :]) / 1.5) ** 2)
            return np.asarray(centred[a] @ centred[b].T * apart * factor[a][:, None] * factor[b][None, :])

        return Component(name, block, (centred**2).sum(axis=1) * factor**2)


def components(grid: Grid, surrogates: Floats | None = None) -> list[Component]:
    """The kernels of the prior, with those of surrogates' worths float64[M, L] where there are some.

    ``near`` has two ranges; the worths of small coalitions vary most, hence versions that shrink with size.
    """
    kinds = _Kernels(grid)
    images, sizes, n = kinds.images, kinds.sizes, kinds.n
    shrink = 1.0 / np.maximum(sizes, 1)
    one = np.ones(len(sizes))
    result = [
        kinds.features("level", one[:, None]),
        kinds.features("membership", (images - 0.5) / np.sqrt(n)),
        kinds.features("membership/size", images * shrink[:, None]),
        kinds.drifting("membership by size", one),
        kinds.drifting("membership by size/size", shrink),
        kinds.features("size", np.eye(n + 1)[sizes]),
        kinds.near("near", 2.0, one),
        kinds.near("near/size", 2.0, shrink),
        kinds.near("nearer/size", 5.0, shrink),
    ]
    for number in range(0 if surrogates is None else surrogates.shape[1]):
        assert surrogates is not None  # noqa: S101 - there would be none to number
        worths = standardise(surrogates[:, number], sizes)
        result += [
            kinds.features(f"surrogate {number}", worths[:, None]),
            kinds.bent(f"surrogate {number} bent", worths, 1.0),
            kinds.bent(f"surrogate {number} sharp", worths, 0.3),
        ]
    return [*result, kinds.own("own", one), kinds.own("own/size", shrink), kinds.own("own/size^2", shrink**2)]
