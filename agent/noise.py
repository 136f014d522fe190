"""Differential privacy of ridge's statistics: rows are shortened to a norm, Gaussian noise is added to their sums, and
what is spent is counted over all jobs.

With z = (x, 1, t) of a row, |z| <= clip, the sum of z z^T changes by at most sqrt(2) clip^2 in the Frobenius norm when
one row is exchanged for another (|z z^T - w w^T|^2 = |z|^4 + |w|^4 - 2 (z w)^2). Noise of the standard deviation that
the analytic Gaussian mechanism asks for (Balle and Wang 2018) is added to the upper triangle and mirrored.
Taking the negative eigenvalues away afterwards costs no privacy. The number of rows is public. What it costs over jobs
is counted by ``contract.gaussian_privacy``.
"""

import math
import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent.errors import NotAllowed
from agent.policy import Policy
from contract.agents import Array, NoiseTerms
from contract.gaussian_privacy import epsilon_of, multiplier_for


def check_budget(policy: Policy, spent: Sequence[float]) -> float:
    """The multiplier of one more answer; raises NotAllowed where it is above the owner's budget."""
    if policy.noise is None or policy.total_epsilon is None or policy.total_delta is None:
        raise AssertionError("noise without a budget is refused when the policy is read")
    each = multiplier_for(policy.noise.epsilon, policy.noise.delta)
    after = epsilon_of(policy.total_delta, [*spent, each])
    if after > policy.total_epsilon * (1 + 1e-9):
        raise NotAllowed(
            f"one more answer would bring what is spent to epsilon {after:.3g} at delta {policy.total_delta:g}, and "
            f"the owner's budget is {policy.total_epsilon:g}"
        )
    return each


def noisy_moments(X: NDArray[np.float32], t: NDArray[np.float64], terms: NoiseTerms, each: float) -> dict[str, Array]:
    """A and b of rows X float32[n, d] with targets t float64[n], shortened, with noise of this multiplier."""
    z = np.concatenate([X.astype(np.float64), np.ones((len(X), 1)), t[:, None]], axis=1)
    z *= np.minimum(1.0, terms.clip / np.linalg.norm(z, axis=1))[:, None]
    sums = z.T @ z
    drawn = np.random.Generator(np.random.PCG64(secrets.randbits(128))).normal(size=sums.shape)
    upper = np.triu(drawn) * each * math.sqrt(2.0) * terms.clip**2
    values, vectors = np.linalg.eigh(sums + upper + np.triu(upper, 1).T)
    # at least a little of every direction: the optimum exists
    whole = (vectors * np.maximum(values, 1e-9 * abs(values[-1]))) @ vectors.T
    whole = (whole + whole.T) / 2
    return {"A": whole[:-1, :-1], "b": whole[:-1, -1:]}
