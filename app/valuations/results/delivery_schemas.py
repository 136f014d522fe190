"""What HTTP sees of what a job delivers beside values: the model, the data, values of rows. Shapes only."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.http.ids import CheckpointId, DatasetId, UnlearningId, ValuationId
from app.http.schemas import Answer, example
from app.valuations.example_ids import DATASET, VALUATION
from app.valuations.results.data_schemas import DELIVERED_EXAMPLE, DeliveredDataAnswer


class LeftOutAnswer(Answer):
    """A payee whose data the delivered model is not trained on."""

    model_config = example(provider="Ward 3", reason="its licence does not grant the model")

    provider: str
    reason: str


class ForgottenAnswer(Answer):
    """A withdrawn dataset that the delivered model was made to forget; the certificate is the unlearning's."""

    model_config = example(
        unlearning_id="ul_019ab5f0c1d27e3f8a4b5c6d7e8f9a0f", dataset_id=DATASET, outcome="unlearned",
        weights_after="ab" * 32, finished_at="2026-11-23T13:00:00Z",
    )  # fmt: skip

    unlearning_id: UnlearningId
    dataset_id: DatasetId
    outcome: str
    weights_after: str | None
    finished_at: datetime | None


_MODEL: dict[str, Any] = {
    "status": "ready", "reason": None, "package_digest": "ab" * 32,
    "checkpoint_id": "ck_019ab5f0c1d27e3f8a4b5c6d7e8f9a0d", "learner": "logistic", "retrained": False, "rows": 562,
    "score": 0.91, "score_ci": [0.88, 0.94], "units": 400, "trained_on": ["Ward 1", "Ward 2"],
    "left_out": [{"provider": "Ward 3", "reason": "its licence does not grant the model"}], "forgotten": [],
}  # fmt: skip


class ModelAnswer(Answer):
    """The model that a job delivers: ``ready``, ``forgetting`` withdrawn data, ``erased`` for it, or ``none``, with the
    reason."""

    model_config = example(**_MODEL)

    status: Literal["ready", "forgetting", "erased", "none"]
    reason: str | None = None
    package_digest: str | None = Field(
        default=None, description="What the certificate names it by: the SHA-256 of the manifest at settlement."
    )
    checkpoint_id: CheckpointId | None = Field(default=None, description="The same weights among your checkpoints.")
    learner: str | None = None
    retrained: bool | None = Field(default=None, description="Trained anew, without those who are left out.")
    rows: int | None = None
    score: float | None = Field(default=None, description="By the job's metric on your test set.")
    score_ci: tuple[float, float] | None = Field(default=None, description="95 %, over draws of test rows.")
    units: int | None = None
    trained_on: list[str] = Field(default_factory=list)
    left_out: list[LeftOutAnswer] = Field(default_factory=list)
    forgotten: list[ForgottenAnswer] = Field(default_factory=list)


class JobDeliveryAnswer(Answer):
    """What a job delivers beside values; ``model`` and ``data`` are null where the order did not ask for
    them."""

    model_config = example(valuation_id=VALUATION, model=_MODEL, data=[DELIVERED_EXAMPLE])

    valuation_id: ValuationId
    model: ModelAnswer | None
    data: list[DeliveredDataAnswer] | None


_ROWS_OF: dict[str, Any] = {
    "position": 0, "provider": "Provider A", "rows": 1200, "by": "statistics",
    "findings": {"wrong_label": 17, "near_copy": 3, "harm": 9, "use": 100},
}  # fmt: skip


class RowsOfPayee(Answer):
    """How many of a payee's rows have values, by what they were told apart, and how many have each finding."""

    model_config = example(**_ROWS_OF)

    position: int
    provider: str
    rows: int
    by: str
    findings: dict[str, int]


class RowsAnswer(Answer):
    """Values of rows: what there is for you, and what each finding means. The rows themselves are a table."""

    model_config = example(
        valuation_id=VALUATION, metric="accuracy", players=[_ROWS_OF], about={"harm": "its value is clearly under zero"}
    )

    valuation_id: ValuationId
    metric: str
    players: list[RowsOfPayee]
    about: dict[str, str]
