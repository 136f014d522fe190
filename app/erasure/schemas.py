"""What HTTP sees of an unlearning's certificate."""

from app.http.schemas import example
from app.valuations.results.payout_schemas import Certificate

_SCORE = {"value": 0.71, "stderr": 0.02, "low": 0.67, "high": 0.75}
_UNLEARNED = {
    "format": "cherish-unlearning-1", "unlearning": "ul_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
    "finished_at": "2026-11-23T13:00:07+00:00", "checkpoint": "ck_019ab5f0c1d27e3f8a4b5c6d7e8f9a0d",
    "outcome": "unlearned", "asked": "auto", "method": "retrain", "reason": None, "attempts": 1,
    "weights": {"before": "2c" * 32, "after": "fc" * 32},
    "forgotten": {"digests": ["ab" * 32], "rows": 120},
    "remains": {"digests": ["cd" * 32], "rows": 900, "missing": [], "whole": True},
    "accuracy": {"before": 0.91, "after": 0.90, "never_saw": 0.90},
    "residual": {
        "compared_with": "a model trained anew on what remains", "rows": "test",
        "before": {"rows": 300, "total_variation": 0.07, "disagreement": 0.05, "accuracy_gap": 0.01},
        "after": {"rows": 300, "total_variation": 0.0, "disagreement": 0.0, "accuracy_gap": 0.0},
    },
    "membership": {
        "attack": "loss threshold; area under the ROC curve, standard errors by DeLong", "members": 120,
        "strangers": 300, "before": _SCORE, "after": _SCORE, "never_saw": _SCORE, "fell_by": _SCORE,
        "remains_elsewhere": False,
    },
}  # fmt: skip


class UnlearningCertificate(Certificate):
    """How a checkpoint was made to forget a dataset, signed as every certificate is.

    ``residual`` is how far the weights before and after are from a model that was trained on what remains;
    ``membership`` how well losses separate the forgotten rows from rows that no model saw. Either holds ``unmeasured``,
    a sentence, where it could not be measured. Data, weights and test rows are named by digests only.
    """

    model_config = example(
        certificate=_UNLEARNED, digest="cd" * 32, algorithm="Ed25519", public_key="MCowBQ...", signature="kGp3...",
    )  # fmt: skip
