"""What HTTP sees of explorations: what is asked for, and what is told, coarsely, of which datasets to buy."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from app.datasets.tables import DatasetFormat, Modality
from app.http.ids import AccountId, CheckpointId, DatasetId, ExplorationId, ValuationId
from app.http.schemas import Answer, Body, example
from app.valuations.example_ids import ACCOUNT, DATASET, EXPLORATION, OTHER_DATASET, TEST_DATASET
from app.valuations.job_schemas import ComputeQuote, FindingAnswer
from app.valuations.schemas import Key, Label, Model
from app.valuations.states import ValuationStatus
from contract.metrics import METRICS
from contract.metrics.accuracy import Accuracy
from contract.names import OneOf
from contract.orders.policies import DEVICES
from contract.rows.features import ALL_FEATURES, FeatureChoice
from contract.rows.reading import MissingLabels, TargetIs


class CatalogSearch(Body):
    """Datasets of the catalogue by what is looked for, newest first, as `GET /v1/catalog` finds them."""

    model_config = ConfigDict(**(Body.model_config | example(q="ward admissions", most=12)))

    q: str | None = Field(default=None, min_length=1, max_length=200)
    modality: Modality | None = None
    format: DatasetFormat | None = None
    licence: str | None = Field(default=None, max_length=200, description="SPDX.")
    min_rows: int | None = Field(default=None, ge=0, le=2**53)
    max_rows: int | None = Field(default=None, ge=0, le=2**53)
    most: int = Field(default=12, ge=2, le=200, description="So many of those that an order could name.")


class NewExploration(Body):
    """Which datasets are to be ranked, on what, for how much device time at most."""

    model_config = ConfigDict(
        **(
            Body.model_config
            | example(datasets=[DATASET, OTHER_DATASET], test_dataset=TEST_DATASET, budget="2.00", currency="EUR")
        )
    )

    datasets: list[DatasetId] = Field(default_factory=list, max_length=1000, description="Published datasets.")
    search: CatalogSearch | None = Field(default=None, description="Instead of `datasets`.")
    beside: ValuationId | None = Field(
        default=None,
        description="A job of yours that has succeeded: what each of the datasets would add to all of its own, by its "
        "test set, model and metric, which are then left out here. A dataset of the job that has another version since "
        "may be named, too: what that version adds to all others.",
    )
    difference: bool = Field(
        default=False,
        description="Beside a job, and instead of a ranking: what its model of everybody scores with these datasets, "
        "or these new versions of its own, beside what it scored. One model is trained; the job's is known.",
    )
    test_dataset: DatasetId | None = Field(default=None, description="Your own test set; needed without `beside`.")
    target: str | None = Field(default=None, max_length=200, description="As in an order.")
    target_is: TargetIs | None = Field(default=None, description="As in an order.")
    model: Model | None = None
    base: CheckpointId | None = Field(default=None, description="As in an order.")
    image_size: int | None = Field(default=None, ge=8, le=1024)
    features: FeatureChoice = Field(default=ALL_FEATURES, description="As in an order.")
    label_map: dict[Label, Label] = Field(default_factory=dict, max_length=1000)
    missing_labels: MissingLabels = Field(default="leave_out", description="As in an order.")
    metric: Annotated[str, OneOf("metric", tuple(METRICS))] = Accuracy.name
    budget: str | None = Field(
        default=None,
        max_length=40,
        description="The most that device time may cost; fewer worths are computed where they would cost more.",
    )
    currency: str = Field(default="EUR", min_length=3, max_length=3)
    max_evaluations: int | None = Field(default=None, ge=4, le=100_000)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    device: Annotated[str, OneOf("device", tuple(DEVICES))] = "cpu"
    purpose: str | None = Field(default=None, max_length=40, description="As in an order.")
    territory: str | None = Field(default=None, max_length=2, description="As in an order.")
    metadata: dict[Key, Label] = Field(default_factory=dict, max_length=32)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if bool(self.datasets) == (self.search is not None):
            raise ValueError("give datasets or a search, one of them")
        if len(set(self.datasets)) != len(self.datasets):
            raise ValueError("a dataset is named twice; name each once")
        if self.difference and (self.beside is None or self.search is not None):
            raise ValueError("a difference is one from a job, by datasets that are named: give beside and datasets")
        if self.beside is None:
            if self.test_dataset is None:
                raise ValueError("give test_dataset, your own test set; or beside, a job of yours")
            return self
        fixed = _ORDERED & self.model_fields_set
        if fixed:
            raise ValueError(f"beside a job its own {', '.join(sorted(fixed))} counts; leave that out")
        return self


# what a job beside which something is explored has said already
_ORDERED = {
    "test_dataset", "target", "target_is", "model", "base", "image_size", "features", "label_map", "missing_labels",
    "metric", "seed", "currency",
}  # fmt: skip

_DATASET: dict[str, Any] = {
    "rank": 1, "dataset_id": DATASET, "name": "ward admissions", "provider_id": ACCOUNT, "provider": "City Hospital",
    "rows": 412, "price": "80.00", "share": 0.35, "low": 0.25, "high": 0.45, "added": False,
}  # fmt: skip


class ExploredDataset(Answer):
    """One dataset, best first. Numbers are multiples of 5 points."""

    model_config = example(**_DATASET)

    rank: int | None = Field(description="Null before the exploration has ended, and where nothing is ranked.")
    dataset_id: DatasetId
    name: str
    provider_id: AccountId
    provider: str
    rows: int
    price: str | None = Field(description="What its provider asks for each use (its reserve price); null: nothing.")
    share: float | None = Field(description="About what part of a pool it would be due.")
    low: float | None
    high: float | None
    added: bool = Field(description="It is explored beside the job, and not of it.")


class BestSetAnswer(Answer):
    """The best few datasets of one size among those that were computed."""

    model_config = example(
        size=4, datasets=[DATASET, OTHER_DATASET], part=0.96, low=0.9, high=1.02, price="410.00", price_part=0.41,
        sentence="These 4 of 12 give about 96 % of the gain (90 to 102 %) at 41 % of the price.",
    )  # fmt: skip

    size: int
    datasets: list[DatasetId]
    part: float = Field(description="Of everybody's gain over the baseline; a multiple of 2 points.")
    low: float | None
    high: float | None
    price: str | None = Field(description="What their providers ask for; null where none of all asks for anything.")
    price_part: float | None
    sentence: str


class AdditionAnswer(Answer):
    """What one dataset adds to all the others: two models that were both trained, so no unlearning is in it."""

    model_config = example(
        dataset_id=DATASET,
        part=0.04,
        low=0.0,
        high=0.08,
        sentence="ward admissions adds about 4 % of the gain (0 to 8 %).",
    )

    dataset_id: DatasetId
    part: float = Field(description="Of the gain with it; a multiple of 2 points.")
    low: float | None
    high: float | None
    sentence: str


class DifferenceAnswer(Answer):
    """Everybody's model with a change of the data beside the job's own: two models that were both trained."""

    model_config = example(
        datasets=[OTHER_DATASET], before=0.861, after=0.874, part=0.04, low=0.0, high=0.08,
        sentence="With ward admissions everybody's model gains +4% of what the job gained (+0% to +8%): it scores "
        "about 0.8740 instead of 0.8610.",
    )  # fmt: skip

    datasets: list[DatasetId] = Field(description="What is new, or of another version.")
    before: float = Field(description="What the job's model of everybody scored.")
    after: float = Field(description="About what it scores with them: `before`, and `part` of what the job gained.")
    part: float = Field(description="Of the job's gain over its baseline; a multiple of 2 points.")
    low: float
    high: float
    sentence: str


class ExplorationQuote(ComputeQuote):
    """What an exploration would compute, and what that costs at most. Nothing is stored."""

    model_config = example(
        evaluations={"unlearn": 0, "repair": 0, "retrain": 0}, device_seconds=1.3, compute="0.04", currency="EUR",
        balance="12000.00", sufficient=True, notes=["One model is trained; the job's is known."],
    )  # fmt: skip


class ExplorationSummary(Answer):
    """An exploration in a list."""

    model_config = example(
        id=EXPLORATION, status="succeeded", datasets=12, compute="1.20", currency="EUR", metadata={},
        created_at="2026-11-23T12:00:00Z", finished_at="2026-11-23T12:00:20Z",
    )  # fmt: skip

    id: ExplorationId
    status: ValuationStatus
    datasets: int
    compute: str = Field(description="What device time cost; at most, before it has ended.")
    currency: str
    metadata: dict[str, str]
    created_at: datetime
    finished_at: datetime | None


class ExplorationAnswer(ExplorationSummary):
    """An exploration: cheap, coarse, and not audited. It pays nobody."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": EXPLORATION, "object": "exploration", "status": "succeeded", "datasets": 12,
                    "compute": "1.20",
                    "currency": "EUR", "metadata": {}, "created_at": "2026-11-23T12:00:00Z",
                    "finished_at": "2026-11-23T12:00:20Z", "reason": None, "error": None, "beside": None,
                    "test_dataset": TEST_DATASET, "metric": "accuracy", "model": "logistic",
                    "evaluations": {"unlearn": 400},
                    "audited": False, "gained": True, "ranked": [_DATASET], "sets": [], "additions": [],
                    "difference": None,
                    "notes": ["Worths are unlearned and were not compared with training anew."], "findings": [],
                }
            ]
        }
    )  # fmt: skip

    object: Literal["exploration"] = "exploration"
    reason: str | None
    error: str | None
    beside: ValuationId | None
    test_dataset: DatasetId
    metric: str
    model: str
    evaluations: dict[str, int]
    audited: Literal[False] = False
    gained: bool | None = Field(description="Whether everybody's model surely beats the baseline; null before.")
    ranked: list[ExploredDataset]
    sets: list[BestSetAnswer]
    additions: list[AdditionAnswer]
    difference: DifferenceAnswer | None = Field(description="Where it was asked for, once it is known.")
    notes: list[str]
    findings: list[FindingAnswer]
