"""What HTTP sees of consents: what a provider is asked about a job, what it says, and who has not answered."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.http.ids import AccountId, DatasetId, ValuationId
from app.http.schemas import Answer, Body, example
from app.valuations.example_ids import ACCOUNT, DATASET, VALUATION
from app.valuations.job_schemas import MeasuredOn
from app.valuations.states import ConsentStatus, ValuationStatus

_NOW = "2026-11-23T12:00:00Z"


class ConsentBody(Body):
    """What is said with an approval or a refusal; the buyer reads it."""

    model_config = example(note="Not for insurers.")

    note: Annotated[str | None, Field(max_length=1000)] = None


class ConsentAnswer(Answer):
    """What a provider is asked: may this job use these datasets, for whom, what for, where, on which terms and for
    what price. Once approved it is final for the job and what tops it up."""

    model_config = example(
        valuation_id=VALUATION, status="pending", job_status="awaiting_consent", datasets=[DATASET], rows=412,
        buyer="City Hospital", buyer_id=ACCOUNT, purpose="research", territory="NO", deliver=["model"],
        metric="accuracy",
        pool="1000.00", currency="EUR", reserve="25.00", providers=4,
        terms=["The pool is divided in proportion to the values that are above zero."], measured_on=None,
        answer_until="2026-11-26T12:00:00Z", created_at=_NOW, answered_at=None, note=None,
    )  # fmt: skip

    valuation_id: ValuationId
    status: ConsentStatus
    job_status: ValuationStatus
    datasets: list[DatasetId] = Field(description="Those of yours whose licence demands approval of each job.")
    rows: int = Field(description="Rows of them.")
    buyer: str
    buyer_id: AccountId
    purpose: str | None = Field(description="What the data is to be used for, as the order says.")
    territory: str | None = Field(description="Where, as the order says.")
    deliver: list[str] = Field(description="What the buyer gets beside values, where you are paid.")
    metric: str
    pool: str = Field(description="What is divided among all providers, before fee and computing.")
    currency: str
    reserve: str | None = Field(description="The least that these datasets earn if they are used; null: no least.")
    providers: int = Field(description="Among how many the pool is divided, with you.")
    terms: list[str] = Field(description="How values will become money, in sentences.")
    measured_on: MeasuredOn | None
    answer_until: datetime
    created_at: datetime
    answered_at: datetime | None
    note: str | None


class JobConsent(Answer):
    """One provider that a job waits for, or waited for, as the job's buyer sees it."""

    model_config = example(
        provider_id=ACCOUNT, provider="Hill Clinic", datasets=[DATASET], status="pending",
        answer_until="2026-11-26T12:00:00Z", answered_at=None, note=None,
    )  # fmt: skip

    provider_id: AccountId
    provider: str
    datasets: list[DatasetId]
    status: ConsentStatus
    answer_until: datetime
    answered_at: datetime | None
    note: str | None


class JobConsents(Answer):
    """Whose consent a job needs, and what they said; empty where it needs none."""

    model_config = example(items=[])

    items: list[JobConsent]
