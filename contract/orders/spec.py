"""What a valuation is asked to do. Plain data, checked on construction, JSON-able; never looks at a game."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from contract.metrics import metric_of
from contract.names import unknown
from contract.orders.estimators import BUDGET, ESTIMATORS, PRECISION, RULES

# by name, in words: what data is here, and where worths come from
MODES = {
    "full": "all data: worths can be checked by training",
    "partial": "only these providers': unaudited",
}
FIDELITIES = {
    "auto": "unlearning, corrected",
    "unlearn": "unlearning alone",
    "repair": "repair alone",
    "retrain": "training alone",
}
SHARE_CI, CONFIDENCE, CHECKED_PART = 2.0, 0.95, 0.05
# rules of the loop that a result from before them does not name, and that whoever writes results now follows
LATER_RULES = ("nested", "by_seconds")


@dataclass(frozen=True)
class ValuationSpec:
    """The promise and the budgets of one valuation.

    ``fidelity`` auto corrects unlearned worths by audited retrainings (full mode) or takes unlearned worths as they are
    (partial mode); unlearn, repair and retrain value that one game. Partial mode with retrain is the reference run for
    whoever does hold the other rows. ``unlearning`` names the method; "auto" lets every
    method the game offers compete. ``share_ci`` is the full width, in points of the pool, that the widest simultaneous
    share interval must fall under. ``ruled_by`` budget stops looking at test rows, and ``max_retrains`` None then means
    max(36, 3 n), or 30 where that is enough (run.py); precision goes on until the interval with the test rows in it is
    narrow enough or computing cannot make it so, and None means eight times as many. ``nested``: above 12 players the
    coalitions of a larger budget hold those of a smaller one; results from before that drew
    others for each budget, and forecast what more would bring otherwise. ``by_seconds``: above 12 players cheap
    worths that take a few seconds in all are bought, however quick retraining is; results from before counted in
    retrainings alone.
    Raises ValueError naming the field.
    """

    mode: str = "full"
    metric: str = "accuracy"
    fidelity: str = "auto"
    unlearning: str = "tangent"
    estimator: str = "auto"
    share_ci: float = SHARE_CI
    max_evaluations: int | None = None
    max_retrains: int | None = None
    max_seconds: float | None = None
    seed: int = 0
    confidence: float = CONFIDENCE
    ruled_by: str = BUDGET
    nested: bool = True
    by_seconds: bool = True

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("mode", self.mode, MODES),
            ("fidelity", self.fidelity, FIDELITIES),
            ("estimator", self.estimator, ESTIMATORS),
            ("ruled_by", self.ruled_by, RULES),
        ):
            if value not in allowed:
                raise ValueError(unknown(name, value, allowed))
        metric_of(self.metric)
        if not self.unlearning:
            raise ValueError("unlearning must name a method, or be 'auto'")
        if not (math.isfinite(self.share_ci) and self.share_ci > 0):
            raise ValueError(f"share_ci must be a number of points above 0; got {self.share_ci}")
        if not 0.5 <= self.confidence < 1.0:
            raise ValueError(f"confidence must be at least 0.5 and under 1; got {self.confidence}")
        if self.max_evaluations is not None and self.max_evaluations < 2:
            raise ValueError(f"max_evaluations must be at least 2 (nobody, everybody); got {self.max_evaluations}")
        if self.max_retrains is not None and self.max_retrains < 0:
            raise ValueError(f"max_retrains must not be negative; got {self.max_retrains}")
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise ValueError(f"max_seconds must be above 0; got {self.max_seconds}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative; got {self.seed}")
        if self.mode == "partial" and self.ruled_by == PRECISION:
            raise ValueError("partial mode is not audited, so no precision can be said of it; set ruled_by to budget")
        if self.mode == "partial" and self.fidelity == "repair":
            raise ValueError("partial mode has nothing to repair with: fidelity must be auto, unlearn or retrain")

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain data."""
        return asdict(self)
