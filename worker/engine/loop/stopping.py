"""When a valuation is done: a rule on shares, budgets, and nothing that divides by a signed value.

Pure. A job looks at doubling sample sizes; look k may err with probability alpha / (k (k + 1)), which sums to alpha
over all looks, so that looking often does not buy false confidence. It never reads a clock: ``max_seconds`` is held
against device seconds recorded with the worths, so that a replay stops where the first run did.
"""

from dataclasses import dataclass

from worker.engine.games.coalitions import Floats

SHARE_CI = "share_ci"
MAX_EVALUATIONS = "max_evaluations"
MAX_RETRAINS = "max_retrains"
MAX_SECONDS = "max_seconds"
ENUMERATED = "enumerated"
TEST_ROWS = "test_rows"
# times what test rows alone make of an interval: closer to it, computing is not what makes it wide
LITTLE = 1.1


@dataclass(frozen=True)
class Look:
    """What the rule sees at one look. ``widest`` is the full width, in points, of the widest simultaneous share
    interval; ``halves`` the largest difference of a share, in points, between two halves of the sample (None: no
    halves)."""

    number: int
    widest: float
    halves: float | None


def band_confidence(confidence: float, look: int) -> float:
    """The simultaneous level of look k = 1, 2, ...: 1 - alpha / (k (k + 1))."""
    return 1.0 - (1.0 - confidence) / (look * (look + 1))


def precise_enough(look: Look, share_ci: float) -> bool:
    """Whether the widest simultaneous share interval is under ``share_ci`` points and the halves agree within twice
    that."""
    return look.widest <= share_ci and look.halves is not None and look.halves <= 2.0 * share_ci


def ended_by_precision(look: Look, share_ci: float, joined: float, test_rows: float | None) -> str | None:
    """What ends a job that its precision rules: the width ``joined`` of the widest interval with the test rows in it is
    reached; or the ``test_rows`` alone make it wider than asked for, and computing adds little to that. None: neither.
    """
    if joined <= share_ci and precise_enough(look, share_ci):
        return SHARE_CI
    if test_rows is None or test_rows <= share_ci:
        return None
    return TEST_ROWS if joined <= LITTLE * test_rows or precise_enough(look, share_ci) else None


def disagreement(left: Floats, right: Floats) -> float:
    """Largest difference between two vectors of shares, in points of the pool."""
    return float(100.0 * abs(left - right).max())
