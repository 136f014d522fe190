"""How a valuation runs, from the first worth to the last share. Read this first.

``value(game, spec)`` is a straight line: choose the route, buy the two anchors v(empty) and v(N), then in rounds buy
worths, estimate, look at the share intervals, and stop by precision or by budget; at last audit and report.

There are two routes. CORRECTED (corrected.py; the default in full mode): unlearned worths of every coalition, or of a
sample above 12 players, corrected by audited retrainings. LONE (lone.py): one source of worths, one estimator, as asked
for by name or forced by partial mode. Both share one ``Run`` (run.py): the purchases, the looks and the report.

The loop is deterministic in (game, spec): the service replays it from the start against stored worths after each round.
It reads no clock and draws nothing but from ``spec.seed``.
"""

from collections.abc import Mapping
from typing import Any

from contract.orders.estimators import LEAST_TO_CORRECT
from contract.orders.spec import ValuationSpec
from contract.results.result import ValuationResult
from worker.engine.games.game import FidelityGame
from worker.engine.loop.corrected import corrected
from worker.engine.loop.lone import lone
from worker.engine.loop.recorded import RecordedGame
from worker.engine.loop.run import RETRAIN, Impossible, OnProgress, Progress, Run

__all__ = ["Impossible", "OnProgress", "Progress", "ValuationResult", "ValuationSpec", "recompute", "value"]


def value(game: FidelityGame, spec: ValuationSpec, on_progress: OnProgress | None = None) -> ValuationResult:
    """Value the players of ``game`` as ``spec`` asks. Raises Impossible, EvaluationFailed, or the game's NeedWorths."""
    run = Run(game, spec, on_progress)
    return corrected(run) if _corrects(run) else lone(run)


def _corrects(run: Run) -> bool:
    """Whether the values rest on audited retrainings: the corrected route."""
    spec = run.spec
    if spec.estimator not in ("auto", "multifidelity") or not run.can_retrain():
        return False
    if spec.fidelity == "retrain":
        return spec.estimator == "multifidelity" or not run.enumerable(RETRAIN)
    return spec.fidelity == "auto" and run.max_retrains >= LEAST_TO_CORRECT


def recompute(stored: ValuationResult | str | bytes | Mapping[str, Any]) -> ValuationResult:
    """Repeat a stored result from its own worths, training nothing. An honest result comes back equal.

    Raises ValueError for what is not a result, and EvaluationFailed where the loop needs a worth that is not stored.
    """
    if isinstance(stored, ValuationResult):
        result = stored
    elif isinstance(stored, str | bytes):
        result = ValuationResult.from_json(stored)
    else:
        result = ValuationResult.from_dict(dict(stored))
    return value(RecordedGame(result), result.spec)
