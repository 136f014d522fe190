"""Estimators of Shapley values, one file each, all ``(game, budget, rng) -> Estimate``; ``LONE`` finds them by name."""

from collections.abc import Callable, Mapping

import numpy as np

from worker.engine.estimators.estimate import Estimate
from worker.engine.estimators.exact import exact
from worker.engine.estimators.kernelshap import kernelshap
from worker.engine.estimators.leverage import leverage
from worker.engine.estimators.multifidelity import multifidelity
from worker.engine.estimators.permutation import antithetic, permutation
from worker.engine.estimators.regression import regression
from worker.engine.estimators.stratified import stratified
from worker.engine.estimators.svarm import svarm
from worker.engine.games.game import Game

Estimator = Callable[[Game, int, np.random.Generator], Estimate]

LONE: Mapping[str, Estimator] = {
    "exact": exact,
    "multifidelity": multifidelity,
    "permutation": permutation,
    "antithetic": antithetic,
    "stratified": stratified,
    "kernelshap": kernelshap,
    "leverage": leverage,
    "svarm": svarm,
    "regression": regression,
}
