"""What HTTP sees of valuations: the order a buyer posts, how it goes on, and what providers see of it. Shapes only: the
rules are in ``orders/admission``, the answers about a result in ``results/schemas``.
"""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, field_validator, model_validator

from app.http.ids import CheckpointId, DatasetId
from app.http.schemas import Body, example
from app.valuations.example_ids import DATASET, OTHER_DATASET, TEST_DATASET
from contract.learning.learners import LEARNERS, RIDGE, Architecture
from contract.learning.methods import AUTO
from contract.metrics import METRICS, MetricOptions, Predicts, text_of
from contract.metrics.accuracy import Accuracy
from contract.metrics.r2 import R2
from contract.names import OneOf
from contract.openings import MOST_OPENED
from contract.orders.estimators import BUDGET, ESTIMATORS, PRECISION, RULES
from contract.orders.grants import DELIVERED, Grant
from contract.orders.lot import LEAST_PART, MOST_PART
from contract.orders.policies import DEFAULT_POLICY, DEVICES, PLAYERS, CopiesRule, PayoutPolicy
from contract.orders.spec import CHECKED_PART, FIDELITIES, MODES, SHARE_CI, ValuationSpec
from contract.results.row_values import ROWS, ROWS_NONE
from contract.rows.features import ALL_FEATURES, FeatureChoice
from contract.rows.reading import MissingLabels, TargetIs
from contract.tasks import CLASS_WEIGHTS

Number = Annotated[float, Field(allow_inf_nan=False)]
Label = Annotated[str, StringConstraints(max_length=500)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=64)]

ORDER_EXAMPLE: dict[str, Any] = {
    "datasets": [DATASET, OTHER_DATASET],
    "test_dataset": TEST_DATASET,
    "pool": "10000.00",
    "currency": "EUR",
    "model": {"name": "logistic", "hyper": {"l2": 0.001}},
    "metric": "accuracy",
    "share_ci": 2.0,
    "seed": 7,
    "metadata": {"order": "17"},
}


class Model(Body):
    """What is trained and unlearned: a learner by its name, and its hyper-parameters; lm and lora need a `base`."""

    name: Annotated[str, OneOf("learner", tuple(LEARNERS))] = Architecture.LOGISTIC.value
    hyper: dict[Key, int | Number | str] = Field(default_factory=dict, max_length=32)


class Segments(Body):
    """By what the rows of a provider are told apart."""

    column: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="A column of all providers' files, which is no feature then. A value is a segment where enough of "
        "the provider's rows have it, ten (`least_rows_valued`) to thirty as is drawn; the others are one together."
    )


class Unlearning(Body):
    """How forgetting is computed: a method and its options."""

    method: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = Field(
        default=None,
        description="`auto`: they compete on the audited sample. Null: what measured best for the model: of ridge "
        "`statistics` (exact), of lm `mixture`, of lora `merge` (in partial mode `mixture`), else `tangent` (of "
        "logistic in partial mode `hidden_quadratic`). The job says which.",
    )
    options: dict[Key, int | Number | str] = Field(default_factory=dict, max_length=32)


class TestLot(Body):
    """Test rows that are drawn by lot from each provider's own; those are not trained on."""

    model_config = example(part=0.2, beside=True)

    __test__ = False  # for pytest: this is no test

    part: Number = Field(
        default=0.2,
        ge=LEAST_PART,
        le=MOST_PART,
        description="Of each provider's rows, but of nobody more than of the one in the middle.",
    )
    beside: bool = Field(
        default=True,
        description="They count beside your own test rows. False: they alone, and yours give columns only.",
    )


class Payout(Body):
    """How values become money; providers are shown it before they agree."""

    policy: PayoutPolicy = Field(
        default=DEFAULT_POLICY,
        description="significant: nobody is paid whose value could be zero; proportional: everybody by its positive "
        "value; interval_aware: what is certain of a share now, the rest when the dispute window ends.",
    )
    pay_without_gain: bool = Field(
        default=False,
        description="Pay although the model of everybody's data is not surely better than the baseline; otherwise "
        "the pool then goes back, less device time.",
    )
    pay_unaudited: bool = Field(
        default=False,
        description="Pay on values whose error of unlearning was not measured (partial mode, no retraining); "
        "otherwise the pool then goes back, less device time.",
    )
    minimum_payout: str | None = Field(default=None, max_length=40, description="Less than this accrues.")
    performance_target: Number | None = Field(
        default=None, gt=0, description="The gain over the model of nobody's data that earns the whole pool."
    )
    dispute_window_seconds: int | None = Field(
        default=None,
        ge=0,
        le=366 * 86_400,
        description="How long you may dispute what is held back. Null: as long as this market sets; shorter than that "
        "only where its operator allows it.",
    )
    copies: CopiesRule = Field(
        default=CopiesRule.SEPARATE,
        description="separate: copies are players; group: near copies are one player, split by rows; first: a row "
        "counts for whoever uploaded it first, and rows of the test set for nobody.",
    )
    shards: int | None = Field(
        default=None,
        ge=8,
        le=400,
        description="Cut all rows of the job into about so many equal shards, value those, and pay each "
        "provider the sum "
        "over its own: splitting one's data over accounts then gains nothing. Takes many more evaluations.",
    )
    top_up_window_seconds: int | None = Field(
        default=None,
        ge=0,
        le=366 * 86_400,
        description="Where the precision asked for is missed and more computing would help, settlement waits so long "
        "for a top-up (`POST /v1/valuations/{id}/top-ups`), and pays on its values. Null: it does not wait.",
    )
    open_rows: int = Field(
        default=0,
        ge=0,
        le=MOST_OPENED,
        description="Of each dataset that stays with its owner, have so many rows opened to the service once all sums "
        "are in; whoever's rows do not bear out the sums, or are not opened, is paid nothing, and its part goes back. "
        "Its owner must allow as many.",
    )
    revalue_without_harm: bool = Field(
        default=False,
        description="Value the others again without whoever's value is below zero for certain, and pay on that; "
        "otherwise shares are those of the values among all, and whoever does harm gets nothing.",
    )


PROTECTED_SHARDS = 40
# what stored orders that lack these meant
_PAYOUT_ONCE: dict[str, Any] = {
    "policy": PayoutPolicy.PROPORTIONAL.value,
    "pay_without_gain": True,
    "pay_unaudited": True,
    "dispute_window_seconds": 0,
}


class NewValuation(Body):
    """An order: whose data, measured on what, for how much money, how precisely."""

    model_config = ConfigDict(**(Body.model_config | example(**ORDER_EXAMPLE)))

    datasets: list[DatasetId] = Field(min_length=1, max_length=10_000, description="The providers' datasets.")
    test_dataset: DatasetId = Field(description="Your own test set; it never leaves the workers.")
    target: str | None = Field(default=None, max_length=200, description="The label column; default: the test set's.")
    target_is: TargetIs | None = Field(
        default=None,
        description="What the target is predicted as: a number (metric r2, rmse, mae or a clipped form, model ridge, "
        "mlp or cnn; these are the defaults then), or classes. Null: as the metric says; a target that may be a number "
        "is then refused for a metric of classes, and the order asked to say which it is.",
    )
    test_group: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="A column of the test set whose rows with one value were drawn together, such as the visits of one "
        "patient: they are no feature then, and the test of the gain, intervals and the quote's expected width go by "
        "groups. Null: each row is by itself; blocks of texts for a language model go by document.",
    )
    segments: Segments | None = Field(
        default=None,
        description="Value the parts of each provider's data apart, by a column of its files: wards, months, sources. "
        "They are the players, and a provider's value and pay are the sums over its own.",
        examples=[{"column": "ward"}],
    )
    test_lot: TestLot | None = Field(
        default=None,
        description="Measure on rows that nobody picked, too: drawn by lot from each provider's own (three providers "
        "or more, in full mode; no language model).",
    )
    test_first: bool = Field(
        default=False,
        description="Refuse the order where the test set was uploaded after one of the datasets, which whoever picked "
        "its rows may have known.",
    )
    players: Annotated[str, OneOf("players", tuple(PLAYERS))] = Field(
        default="provider", description="provider: a provider's datasets are one player; dataset: each is its own."
    )
    pool: str = Field(max_length=40, description="What is to be divided, a decimal string.", examples=["10000.00"])
    currency: str = Field(default="EUR", min_length=3, max_length=3)
    model: Model | None = None
    checkpoint: CheckpointId | None = Field(default=None, description="Instead of `model`.")
    base: CheckpointId | None = Field(
        default=None,
        description="The frozen model below: of an lm the base that its adapters stand on, of a head on features the "
        "encoder or backbone that makes them. A checkpoint that names its own base needs none here.",
    )
    image_size: int | None = Field(
        default=None, ge=8, le=1024, description="For cnn: images of an archive are resized bilinearly to this square."
    )
    features: FeatureChoice = Field(
        default=ALL_FEATURES,
        description="Which columns of the test set are used (default: all that it has), and how strangers' files call "
        "them: `use`, `leave_out`, `rename` ({theirs: the test set's}). `fills`: missing cells become the median or "
        "the most frequent text of all players' rows, or (`test`) of the test set's, which data at home needs.",
    )
    label_map: dict[Label, Label] = Field(
        default_factory=dict,
        max_length=1000,
        description='Labels that are others by another spelling: {"Yes": "yes"}. Nothing is merged without it.',
    )
    missing_labels: MissingLabels = Field(
        default="leave_out", description="Rows without a label: left out and counted, or the file is refused."
    )
    drop_unfit: bool = Field(
        default=False,
        description="Go on without datasets that cannot be read with the others (they lack a column of the test set, "
        "or hold texts where the others hold numbers); each is named in `findings` and its provider is told.",
    )
    drop_refused: bool = Field(
        default=False,
        description="Where a provider approves each job by itself and refuses this one, or does not answer in time: go "
        "on without its data. Otherwise the job ends and the pool goes back.",
    )
    consent_seconds: int | None = Field(
        default=None,
        ge=60,
        le=90 * 86_400,
        description="How long providers who approve each job by itself may take. Null: as long as this market sets.",
    )
    metric: Annotated[str, OneOf("metric", tuple(METRICS))] = Accuracy.name
    metric_options: MetricOptions | None = Field(
        default=None, description="Of metrics that take or need any; classes are named as the files name them."
    )
    class_weights: Annotated[str, OneOf("class_weights", CLASS_WEIGHTS)] = Field(
        default="uniform",
        description="uniform: every test row counts alike; balanced: every class of the test set does; pooled: classes "
        "count as often as they are in the providers' rows. The latter two take the mix of labels out of the "
        "buyer's hand.",
    )
    protected: bool = Field(
        default=False,
        description="The recommended rules against cheating: `copies: first`, `policy: significant`, "
        f"`shards: {PROTECTED_SHARDS}` and `class_weights: balanced`, each where the order does not say otherwise.",
    )
    mode: Annotated[str, OneOf("mode", tuple(MODES))] = "full"
    fidelity: Annotated[str, OneOf("fidelity", tuple(FIDELITIES))] = "auto"
    unlearning: Unlearning = Field(default_factory=Unlearning)
    estimator: Annotated[str, OneOf("estimator", ESTIMATORS)] = "auto"
    share_ci: Number = Field(
        default=SHARE_CI, gt=0, le=100, description="Widest 95 % share interval, in points of the pool."
    )
    ruled_by: Annotated[str, OneOf("ruled_by", tuple(RULES))] = Field(
        default=BUDGET,
        description="budget: the job ends when its budgets are used up, or sooner where computing is precise enough; "
        "precision: it goes on until `share_ci` is reached with the test rows' chance in it, as long as computing can "
        "reach it, up to the retrainings and the cost that the quote names.",
    )
    checked_part: Number = Field(
        default=CHECKED_PART,
        ge=0,
        le=1,
        description="How many of the worths are computed a second time, by another worker where there is one, and must "
        "be the same to the last bit; else the job fails and nothing is charged.",
    )
    max_evaluations: int | None = Field(default=None, ge=2, le=10_000_000)
    max_retrains: int | None = Field(default=None, ge=0, le=10_000_000)
    max_seconds: Number | None = Field(default=None, gt=0, description="Device seconds, not seconds on the clock.")
    deadline: AwareDatetime | None = Field(default=None, description="The job ends as `expired` when it passes.")
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    device: Annotated[str, OneOf("device", tuple(DEVICES))] = "cpu"
    purpose: str | None = Field(
        default=None,
        max_length=40,
        description="What the data is used for, where a licence limits it.",
        examples=["research"],
    )
    territory: str | None = Field(
        default=None,
        max_length=2,
        description="Where it is used (ISO 3166), where a licence limits it.",
        examples=["NO"],
    )
    deliver: list[Literal["model", "data"]] = Field(
        default_factory=list,
        max_length=len(DELIVERED),
        description="What you get after settlement beside values, of those who are paid and whose licence grants it. "
        "model: the model trained on them; data: the datasets, in the versions that were valued.",
        examples=[["model"]],
    )
    attributions: bool = Field(
        default=False,
        description="Of a language model (`lm`) that is delivered: when the job settles, train and keep a model on "
        "each provider's data alone, so that you can ask which providers an answer of the delivered model leaned on "
        "(`POST /v1/models/{id}/attributions`). It takes device time of one training for each provider at most.",
    )
    rows: Annotated[str, OneOf("rows", tuple(ROWS))] = Field(
        default=ROWS_NONE,
        description="values: when the job settles, a value and a standard error for every row, which sum to its "
        "provider's value. Each provider gets those of its own rows, you those of providers whose licence grants "
        "`data` (`GET /v1/valuations/{id}/rows`).",
    )
    metadata: dict[Key, Label] = Field(default_factory=dict, max_length=32)
    payout: Payout = Field(default_factory=Payout)

    @field_validator("deliver")
    @classmethod
    def _named_once(cls, value: list[str]) -> list[str]:
        return [grant.value for grant in DELIVERED if grant.value in value]

    @property
    def delivered(self) -> tuple[Grant, ...]:
        """What the buyer is to get beside values."""
        return tuple(Grant(name) for name in self.deliver)

    @field_validator("datasets")
    @classmethod
    def _each_once(cls, value: list[uuid.UUID]) -> list[uuid.UUID]:
        if len(set(value)) != len(value):
            raise ValueError("a dataset is named twice; name each once")
        return value

    @model_validator(mode="after")
    def _predict(self) -> Self:
        """An order for a number that names no metric or model has those of numbers."""
        if self.target_is == "number" and "metric" not in self.model_fields_set:
            self.metric = R2.name
        number = Predicts.NUMBER in METRICS[self.metric].predicts
        if number and self.model is None and self.checkpoint is None:
            self.model = Model(name=RIDGE.name.value)
        return self

    @model_validator(mode="after")
    def _protect(self) -> Self:
        if self.protected:
            rules = {"copies": CopiesRule.FIRST, "policy": PayoutPolicy.SIGNIFICANT, "shards": PROTECTED_SHARDS}
            for name, rule in rules.items():
                if name not in self.payout.model_fields_set:
                    setattr(self.payout, name, rule)
            if "class_weights" not in self.model_fields_set and Predicts.NUMBER not in METRICS[self.metric].predicts:
                self.class_weights = "balanced"
        return self

    @classmethod
    def stored(cls, spec: Mapping[str, Any]) -> Self:
        """The order of a job that exists. What an order could not say when it was posted means what was done then."""
        return cls.model_validate({**spec, "payout": _PAYOUT_ONCE | spec.get("payout", {})})

    @model_validator(mode="after")
    def _agree(self) -> Self:
        text_of(self.metric, self.metric_options)
        if self.model is not None and self.checkpoint is not None:
            raise ValueError("give a model or a checkpoint, not both: a checkpoint names its own model")
        if self.mode == "partial" and self.fidelity in ("repair", "retrain"):
            raise ValueError(f"partial mode has nothing to {self.fidelity} with; set fidelity to auto or unlearn")
        if self.mode == "partial" and self.ruled_by == PRECISION:
            raise ValueError("partial mode is not audited, so no precision can be said of it; set ruled_by to budget")
        return self

    @property
    def measured_by(self) -> str:
        """The metric with its options, as one text (``contract.metrics.text_of``)."""
        return text_of(self.metric, self.metric_options)

    def spec(self) -> ValuationSpec:
        """What the engine is asked to do; the method is the one that was fixed when the job was posted."""
        return ValuationSpec(
            mode=self.mode,
            metric=self.measured_by,
            fidelity=self.fidelity,
            unlearning=self.unlearning.method or AUTO,
            estimator=self.estimator,
            share_ci=self.share_ci,
            max_evaluations=self.max_evaluations,
            max_retrains=self.max_retrains,
            max_seconds=self.max_seconds,
            seed=self.seed,
            ruled_by=self.ruled_by,
        )
