"""What HTTP sees of a job: its state, progress and events, what a provider sees of it, and a quote. Shapes only; the
order itself is in ``schemas``, answers about a result in ``results/schemas``.
"""

import uuid
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field

from app.http.ids import AccountId, DatasetId, ValuationId
from app.http.schemas import Answer, example
from app.payouts.void_schemas import VoidAnswer
from app.valuations.example_ids import ACCOUNT, DATASET, VALUATION
from app.valuations.schemas import ORDER_EXAMPLE
from app.valuations.states import ValuationStatus
from contract.orders.lot import LotSeal
from contract.rows.findings import FileFinding, Severity


class ProgressAnswer(Answer):
    """How far the job is, from what Postgres holds; as true after a restart as before it."""

    round: int = Field(description="Requests of the estimator so far.")
    evaluations: dict[str, int] = Field(description="Worths known, by fidelity.")
    round_done: int = Field(description="Worths of the present round that are done.")
    round_worths: int = Field(description="Worths of the present round.")
    widest_share_interval: float | None = Field(description="In points of the pool; null before there is one.")
    workers: int = Field(description="Worker processes that hold work of this job.")
    seconds_left: float | None = Field(description="Estimate for the present round; null when unknown.")
    seconds_left_at_most: float | None = Field(
        default=None,
        description="Estimate for all that the budget still allows; the job may end sooner. Null when unknown.",
    )
    device_seconds: float


class ValuationAnswer(Answer):
    """A job as its buyer sees it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": VALUATION,
                    "object": "valuation",
                    "status": "running",
                    "reason": None,
                    "error": None,
                    "pool": "10000.00",
                    "currency": "EUR",
                    "spec": ORDER_EXAMPLE,
                    "metadata": {"order": "17"},
                    "game_digest": "5f" * 32,
                    "players": 2,
                    "progress": {
                        "round": 2,
                        "evaluations": {"unlearn": 4, "repair": 0, "retrain": 2},
                        "round_done": 2,
                        "round_worths": 4,
                        "widest_share_interval": 3.2,
                        "workers": 2,
                        "seconds_left": 1.5,
                        "seconds_left_at_most": 9.0,
                        "device_seconds": 3.1,
                    },
                    "created_at": "2026-11-23T12:00:00Z",
                    "started_at": "2026-11-23T12:00:01Z",
                    "finished_at": None,
                    "deadline": None,
                    "version": 5,
                    "links": {"self": f"/v1/valuations/{VALUATION}"},
                }
            ]
        },
    )

    id: ValuationId
    object: Literal["valuation"] = "valuation"
    status: ValuationStatus
    reason: str | None
    error: str | None
    pool: str
    currency: str
    spec: dict[str, Any]
    metadata: dict[str, str]
    game_digest: str
    players: int
    progress: ProgressAnswer
    precision_met: bool | None = Field(
        default=None,
        description="Of a job with a result: whether `share_ci` was reached. False: it has succeeded, and is less sure "
        "than it was asked to be; `precision` of its values says what would help.",
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline: datetime | None
    tops_up: ValuationId | None = Field(default=None, description="The job that this one goes on with.")
    consent_until: datetime | None = Field(
        default=None, description="It awaits the consent of providers, who may answer until then."
    )
    waits_until: datetime | None = Field(
        default=None, description="It missed its precision, and until then its settlement waits for a top-up."
    )
    version: int
    links: dict[str, str]


class ValuationSummary(Answer):
    """A job in a list."""

    model_config = example(
        id=VALUATION, status="succeeded", pool="10000.00", currency="EUR", metadata={"order": "17"},
        created_at="2026-11-23T12:00:00Z", finished_at="2026-11-23T12:01:00Z", buyer_id=ACCOUNT, buyer="City Hospital",
    )  # fmt: skip

    id: ValuationId
    status: ValuationStatus
    pool: str
    currency: str
    metadata: dict[str, str]
    buyer_id: AccountId = Field(description="Whose job it is.")
    buyer: str = Field(description="What that organisation is called.")
    precision_met: bool | None = Field(default=None, description="As in the job.")
    created_at: datetime
    finished_at: datetime | None


_EVENT: dict[str, Any] = {
    "seq": 3, "type": "valuation.progressed", "created_at": "2026-11-23T12:00:03Z",
    "data": {"round": 1, "worths": 1024},
}  # fmt: skip


class Event(Answer):
    model_config = example(**_EVENT)

    seq: int
    type: str
    created_at: datetime
    data: dict[str, Any]


class Events(Answer):
    """A job's events from ``after`` on; ask again with the last ``seq``."""

    model_config = example(items=[_EVENT])

    items: list[Event]


FINDING: dict[str, Any] = {
    "dataset": DATASET, "code": "missing_values", "severity": "note",
    "detail": "column `bp`: of 412 cells 3 are missing",
    "mend": "", "column": "bp", "rows": 3, "share": 0.007282,
}  # fmt: skip


class FindingAnswer(Answer):
    """What was noticed of a file; the codes are those of docs/datasets.md."""

    model_config = example(**FINDING)

    dataset: DatasetId | None = Field(description="Null: the test set.")
    code: str
    severity: Severity
    detail: str
    mend: str
    column: str | None
    rows: int | None
    share: float | None

    @classmethod
    def of(cls, said: FileFinding) -> Self:
        """The answer for what is said of one file."""
        dataset = None if said.dataset is None else uuid.UUID(said.dataset)
        return cls.model_validate({**said.finding.plain(), "dataset": dataset})


class SegmentValue(Answer):
    """What a part of a provider's rows is worth; a provider's segments sum to its value."""

    model_config = example(segment=2, name="ward B", rows=120, value=0.031, stderr=0.004)

    segment: int = Field(description="Its number: the same for the same value of the column in every provider's rows.")
    name: str | None = Field(
        description="The value. Empty: rows without one, or of rare ones. Null: not told, as neither your test set has "
        "it nor a licence grants you the data."
    )
    rows: int
    value: float
    stderr: float


class MyPlayer(Answer):
    """A provider's own part in a job, as a player; nothing of the others."""

    datasets: list[DatasetId]
    rows: int
    value: float | None
    stderr: float | None
    value_ci: tuple[float, float] | None
    share: float | None
    share_ci: tuple[float, float] | None
    paid_share: float | None = Field(description="Your part of what was divided; the amount follows from it.")
    amount: str | None
    reason: str | None = Field(description="Why it is that; null before it is settled.")
    segments: list[SegmentValue] = Field(
        default_factory=list, description="Of a job that values segments and has settled: what each of yours is worth."
    )
    void: VoidAnswer | None = Field(
        default=None, description="Where rows that were opened did not bear your sums out: what you would have got."
    )


class LotAnswer(Answer):
    """Test rows by lot: how many, which part of each provider's, and the commitment to what drew them."""

    model_config = example(part=0.2, beside=True, rows=90, commitment="ab" * 32, seed=None)

    part: float
    beside: bool = Field(description="They count beside the buyer's test rows; false: they alone.")
    rows: int
    commitment: str = Field(description="SHA-256 of the bytes of `seed`.")
    seed: str | None = Field(description="What drew them, once the job has ended.")

    @classmethod
    def of(cls, seal: LotSeal, *, closed: bool) -> Self:
        """The answer; ``closed``: while the job goes on."""
        return cls.model_validate(seal.plain() | ({"seed": None} if closed else {}))


class MeasuredOn(Answer):
    """What the job's data is measured on: the buyer's test set, committed to at posting, and its labels."""

    model_config = example(
        rows=400, labels={"no": 0.75, "yes": 0.25}, pooled={"no": 0.7, "yes": 0.3}, distance=0.05, commitment="ab" * 32
    )

    rows: int
    labels: dict[str, float] = Field(description="Share of each class; empty where there are more than 100.")
    pooled: dict[str, float] | None = Field(
        description="The same among all providers' rows; null in jobs of fewer than three players."
    )
    distance: float | None = Field(description="Half the sum of the differences: 0 alike, 1 nothing in common.")
    commitment: str = Field(description="The test commitment: SHA-256 of the bytes of `salt` and of `digest`.")
    uploaded_at: datetime | None = Field(
        default=None,
        description="When the test set was uploaded. One that was there before your rows cannot have been picked to "
        "suit anybody's. Null in older jobs.",
    )
    late: bool | None = Field(
        default=None,
        description="Whether it was uploaded after your rows, so that it could have been picked knowing them. Null in "
        "older jobs.",
    )
    lot: LotAnswer | None = Field(default=None, description="The test rows that were drawn by lot; null: none.")
    salt: str | None = Field(default=None, description="Opens the commitment, once the job has ended.")
    digest: str | None = Field(default=None, description="Digest of the test set's rows, once the job has ended.")


class MyValuation(Answer):
    """A job in which this provider's data is valued."""

    model_config = example(
        id=VALUATION, status="succeeded", metric="accuracy", currency="EUR", created_at="2026-11-23T12:00:00Z",
        finished_at="2026-11-23T12:01:00Z",
        terms=["The pool is divided in proportion to the values that are above zero."],
        measured_on={
            "rows": 400, "labels": {"no": 0.75, "yes": 0.25}, "pooled": {"no": 0.7, "yes": 0.3}, "distance": 0.05,
            "commitment": "ab" * 32,
        },
        players=[
            {
                "datasets": [DATASET], "rows": 150, "value": 0.112, "stderr": 0.002, "value_ci": [0.107, 0.117],
                "share": 0.131, "share_ci": [0.124, 0.138], "paid_share": 0.131, "amount": "1310.00",
                "reason": "in proportion to its value",
            }
        ],
        findings=[FINDING], rows_valued=True,
    )  # fmt: skip

    id: ValuationId
    status: ValuationStatus
    metric: str = Field(description="What the values of this job are measured in.")
    currency: str
    created_at: datetime
    finished_at: datetime | None
    terms: list[str] = Field(description="How values will become money, as agreed at posting, in sentences.")
    measured_on: MeasuredOn | None = Field(description="The buyer's test set, as far as providers see it.")
    buyer: str | None = Field(default=None, description="Whose job it is.")
    purpose: str | None = Field(default=None, description="What the data is used for, as the order says.")
    territory: str | None = Field(default=None, description="Where, as the order says.")
    pool: str | None = Field(default=None, description="What is divided among all providers, before fee and computing.")
    deliver: list[str] = Field(
        default_factory=list, description="What the buyer gets beside values, where you are paid."
    )
    players: list[MyPlayer]
    findings: list[FindingAnswer] = Field(description="What was noticed of your own files, and of no other.")
    rows_valued: bool = Field(description="Whether your rows have values: `GET /v1/valuations/{id}/rows`.")


class Failure(Answer):
    """What an administrator needs to know of a job that failed."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [{"valuation_id": VALUATION, "buyer_id": ACCOUNT, "traceback": "Traceback ..."}]
        },
    )

    valuation_id: ValuationId
    buyer_id: AccountId
    traceback: str | None


class LicenceProblem(Answer):
    """Why one of the datasets cannot be used as ordered."""

    model_config = example(pointer="/datasets/0", detail="is licensed for purpose research only; state the `purpose`")

    pointer: str
    detail: str


class ComputeQuote(Answer):
    """What something would compute, and what that costs. Nothing is stored."""

    evaluations: dict[str, int] = Field(description="The most worths that are computed, by fidelity.")
    device_seconds: float
    compute: str = Field(description="The most that device time will cost; it comes off your wallet.")
    currency: str
    balance: str
    sufficient: bool
    notes: list[str]


class AgentsEffort(Answer):
    """What each agent is asked, at most and roughly. ``seconds_per_100_ms`` is added by a latency of 100 ms a round."""

    model_config = example(
        agents=3, rounds=377, bytes_sent=14200000, bytes_received=13900000, seconds_per_100_ms=37.7,
        sentence="Each of 3 agents is asked in up to about 377 rounds and sends 14.2 MB; a connection that takes 100 "
        "ms to answer adds 38 s.",
    )  # fmt: skip
    agents: int
    rounds: int
    bytes_sent: int
    bytes_received: int
    seconds_per_100_ms: float
    sentence: str


class QuotedBudget(Answer):
    """What another number of retrainings would take, cost and bring."""

    model_config = example(max_retrains=120, device_seconds=27.1, compute="0.00", widest=3.4)

    max_retrains: int
    device_seconds: float
    compute: str
    widest: float | None = Field(
        description="The widest share interval that is expected, in points, from your earlier job of this kind; null "
        "where there is none."
    )


class Quote(Answer):
    """What an order would take and cost. Nothing is stored and no money is held; posting may still be refused."""

    model_config = example(
        players=10, distinct_coalitions=768, evaluations={"unlearn": 768, "repair": 0, "retrain": 60},
        device_seconds=14.2, device_seconds_basis="measured",
        device_seconds_note="from the measured device seconds of 3 past jobs with mlp, in proportion to rows",
        pool="10000.00", currency="EUR", fee="250.00", compute="0.00", distributable="9750.00", balance="12000.00",
        sufficient=True, licence_problems=[], notes=[], findings=[FINDING],
        terms=["The pool is divided in proportion to the values that are above zero."],
        budgets=[{"max_retrains": 120, "device_seconds": 27.1, "compute": "0.00", "widest": 3.4}],
        widths_of=VALUATION,
    )  # fmt: skip

    players: int
    shards: int | None = Field(
        default=None, description="The shards or segments that are valued, where the order asks for them."
    )
    distinct_coalitions: int
    evaluations: dict[str, int] = Field(description="The most worths that will be computed, by fidelity.")
    device_seconds: float
    device_seconds_basis: Literal["measured", "model"]
    device_seconds_note: str
    pool: str
    currency: str
    fee: str
    compute: str = Field(description="The most that device time will cost; it comes off the pool.")
    distributable: str = Field(description="The pool less the fee and the most for device time.")
    balance: str = Field(description="What your wallet has in this currency.")
    sufficient: bool
    licence_problems: list[LicenceProblem]
    notes: list[str]
    findings: list[FindingAnswer] = Field(description="What was noticed of the files, warnings first.")
    terms: list[str]
    agents: AgentsEffort | None = Field(
        default=None, description="What agents are asked, where datasets stay with their owners."
    )
    budgets: list[QuotedBudget] = Field(
        default=[], description="Precision against cost: half, once, twice and four times the retrainings quoted."
    )
    widths_of: ValuationId | None = Field(
        default=None, description="Your earlier job, on this test set and of this kind, that expected widths come from."
    )
