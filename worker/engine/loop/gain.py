"""The test of the gain: is everybody's model better than what the buyer has without anybody's data?

One-sided, on paired differences: each test unit moves both scores, and the difference varies by what it moves the one
more than the other (for the area under the ROC curve this is the test of DeLong et al. 1988). Units that were drawn
together are one, and then the test is Student's, since there may be few. It uses everybody's model and the baseline, so
it needs no value and no share, and nobody's pay can make it pass.
"""

import math
from statistics import NormalDist

from contract.results.result import Gain
from worker.engine.games.game import FidelityGame
from worker.engine.games.measured import Ends, Measured
from worker.engine.loop import student
from worker.engine.loop.recorded import RecordedGame

# the variance, in squares of the metric's usual size on one unit, of what two models could differ by on a unit that was
# not seen: without it a few test rows on which all differences are alike would be certain of anything
UNSEEN = 0.5


def gain(game: FidelityGame, source: str, confidence: float) -> Gain | None:
    """The test at the level of the spec; None where the game has no test units, or their answers were not kept. A
    repeated result has the gain that it was stored with."""
    if isinstance(game, RecordedGame):
        return game.recorded.gain
    ends = game.ends(source) if isinstance(game, Measured) else None
    return None if ends is None else tested(ends, confidence)


def tested(ends: Ends, confidence: float) -> Gain:
    """The one-sided test of ``ends.full`` above ``ends.baseline``."""
    moved = ends.influences[1] - ends.influences[0]
    stderr = math.sqrt(float((moved**2).sum()) + UNSEEN * ends.size**2 / len(moved) ** 2)
    difference = ends.full - ends.baseline
    z = difference / stderr
    if ends.within is None:
        times, p_value = NormalDist().inv_cdf(confidence), 0.5 * math.erfc(z / math.sqrt(2.0))
    else:
        freedom = len(moved) - 1
        times, p_value = student.quantile(confidence, freedom), student.upper_tail(z, freedom)
    lower = difference - times * stderr
    return Gain(
        baseline=ends.baseline,
        full=ends.full,
        difference=difference,
        stderr=stderr,
        lower=lower,
        p_value=p_value,
        gained=lower > 0.0,
        basis=f"{ends.basis}, one-sided at {100 * (1 - confidence):g} %",
    )
