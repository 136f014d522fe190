"""What HTTP sees of a valuation that has ended: values, payouts, certificate. Shapes only; orders, progress and events
are in ``schemas``.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.http.ids import AccountId, CheckpointId, DatasetId, UnlearningId, ValuationId
from app.http.schemas import Answer, example
from app.valuations.results.data_schemas import DELIVERED_EXAMPLE, DeliveredDataAnswer
from app.valuations.schemas import FINDING, FindingAnswer, LotAnswer, SegmentValue
from contract.orders.policies import PayoutPolicy
from contract.results.result import Gain, grouped_sentence

_VAL = "val_019ab5f0c1d27e3f8a4b5c6d7e8f9a0e"
_ACC = "acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a0f"
_DS = "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"

_PLAYER: dict[str, Any] = {
    "position": 0, "provider_id": _ACC, "provider": "Provider A", "datasets": [_DS], "rows": 150, "digest": "ab" * 32,
    "value": 0.112, "stderr": 0.002, "value_ci": [0.107, 0.117], "share": 0.131, "share_ci": [0.124, 0.138],
    "share_band": [0.121, 0.141], "paid_value": None, "paid_value_ci": None, "paid_share": 0.131, "amount": "1310.00",
    "reason": "in proportion to its value", "seat": 0, "part": 1.0,
    "parts": {"test_rows": 1.2, "unlearning": 0.6, "seeds": 0.2}, "at_home": False,
}  # fmt: skip


_PARTS: dict[str, Any] = {"test_rows": 1.2, "unlearning": 0.6, "seeds": 0.2}


class IntervalPartsAnswer(Answer):
    """How wide a share's interval would be, in points of the pool, if one cause alone were uncertain: which test rows
    the buyer has, unlearning (and which models were trained anew), the seeds of training. Null: not measured."""

    model_config = example(**_PARTS)

    test_rows: float | None
    unlearning: float | None
    seeds: float | None


class PlayerValue(Answer):
    """What one player is worth, and what it is paid.

    ``value`` is among all players, on the metric. ``share`` is its part of all positive values, inside its interval;
    ``share_band`` holds for all players at once. ``paid_share`` is its part of what was divided, from which the amount
    follows; where that is not the share, ``reason`` says why. An interval is null where the job could not say it.
    """

    model_config = example(**_PLAYER)

    position: int
    provider_id: AccountId
    provider: str
    datasets: list[DatasetId]
    rows: int
    digest: str
    value: float
    stderr: float | None
    value_ci: tuple[float, float] | None
    share: float | None
    share_ci: tuple[float, float] | None
    share_band: tuple[float, float] | None
    paid_value: float | None = Field(
        description="The value among those who were valued again because somebody does harm; null where nobody was."
    )
    paid_value_ci: tuple[float, float] | None
    paid_share: float | None = Field(description="Null for jobs that were settled before it was told: `share` is it.")
    amount: str
    reason: str | None = Field(description="Why it is paid that; null for jobs that were settled before it was told.")
    seat: int | None = Field(description="Its player of the game; null where all of its rows count for others.")
    part: float = Field(description="The part of that player's value that is its own: 1 but for groups of copies.")
    parts: IntervalPartsAnswer | None = Field(
        default=None, description="What makes `share_ci` wide; null where there is no interval, and in older results."
    )
    segments: list[SegmentValue] = Field(
        default_factory=list, description="What its parts are worth, where the order values segments."
    )
    at_home: bool = Field(
        default=False, description="Its rows stayed with their owner, whose agent answered with sums over them."
    )


class WithoutHarm(Answer):
    """Who was left out because its value is below zero for certain, and the values of the others without it."""

    model_config = example(
        excluded=[3], kept=[0, 1, 2], empty_worth=0.1, full_worth=0.93,
        evaluations={"unlearn": 0, "repair": 0, "retrain": 8},
        players=[{"provider": "acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a0f", "value": 0.12, "share": 0.3}],
    )  # fmt: skip

    excluded: list[int] = Field(description="Players of the game left out (`seat`).")
    kept: list[int] = Field(description="Players of the game valued again (`seat`), in the order of `players`.")
    empty_worth: float
    full_worth: float
    evaluations: dict[str, int]
    players: list[dict[str, Any]]


_POINT = {"removed": 1, "seat": 0, "worth": 0.87, "retrained": None}


class RemovalPointAnswer(Answer):
    """The worth of all players' data less that of ``removed`` players, ``seat`` being the last of them."""

    model_config = example(**_POINT)

    removed: int
    seat: int | None
    worth: float
    retrained: float | None = Field(description="The same by training anew, where the job did that.")


class RemovalAnswer(Answer):
    """The test score as players are removed one by one, by ``source`` throughout; without curves ``reason``."""

    model_config = example(source="unlearn:tangent", reason=None, highest_first=[_POINT], lowest_first=[_POINT])

    source: str | None
    reason: str | None
    highest_first: list[RemovalPointAnswer]
    lowest_first: list[RemovalPointAnswer]


_PAIR: dict[str, Any] = {
    "first": 0, "second": 1, "value": -0.021, "stderr": 0.004, "interval": [-0.029, -0.013],
}  # fmt: skip


class PairAnswer(Answer):
    """What two players of the game (``seat``) are worth together beyond each alone: the Shapley interaction index.
    Under zero they are substitutes, above it complements."""

    model_config = example(**_PAIR)

    first: int
    second: int
    value: float
    stderr: float
    interval: tuple[float, float]


class InteractionsAnswer(Answer):
    """Of all pairs; without any, ``reason`` says why."""

    model_config = example(pairs=[_PAIR], reason=None)

    pairs: list[PairAnswer]
    reason: str | None


class DomainAnswer(Answer):
    """A language model's perplexity on one domain of the test set, of the base and with all players' data."""

    model_config = example(domain="legal", tokens=51_200, base=21.4, full=14.9)

    domain: str
    tokens: int = Field(description="How many were predicted; in partial mode those that measure worth.")
    base: float
    full: float


class Checked(Answer):
    """Worths that were computed a second time and were the same to the last bit."""

    model_config = example(worths=42, by_another_worker=42)

    worths: int
    by_another_worker: int = Field(description="So many of them by another worker than the one that was checked.")

    def sentence(self) -> str:
        """For people."""
        by = f"{self.by_another_worker} of them by another worker" if self.by_another_worker else "by the same worker"
        return f"Worths computed a second time, as a check: {self.worths}, {by}; all were the same to the last bit."


_GAIN: dict[str, Any] = {
    "baseline": 0.42, "full": 0.91, "difference": 0.49, "stderr": 0.021, "lower": 0.45, "p_value": 1e-9,
    "gained": True, "basis": "right answers on 400 test rows against the majority class, one-sided at 5 %",
}  # fmt: skip


class GainAnswer(Answer):
    """Whether everybody's model is better than the baseline: the mean paired difference on test rows and its test."""

    model_config = example(**_GAIN)

    baseline: float
    full: float
    difference: float
    stderr: float
    lower: float = Field(description="The difference is at least this, by the one-sided test.")
    p_value: float
    gained: bool
    basis: str = Field(description="What was compared, on what, by which rule.")

    def sentence(self) -> str:
        """For people."""
        return Gain(**self.model_dump()).sentence()


class TestChanceAnswer(Answer):
    """What other test rows would change. ``halves`` are the shares of the game's players on two halves of the test
    rows, drawn by ``seed``; they are ``apart`` by so many points at the most, and chance alone keeps them within
    ``allowed`` in 95 of 100 jobs."""

    model_config = example(units=400, halves=[[0.4, 0.6], [0.44, 0.56]], apart=4.0, allowed=6.3, seed=7)

    units: int
    halves: tuple[list[float], list[float]]
    apart: float
    allowed: float
    seed: int
    within: int | None = Field(
        default=None,
        description="Where `units` counts groups of test rows (or blocks) that were drawn together: how many rows "
        "these are. Null: each is a unit.",
    )

    def grouped(self) -> str | None:
        """That groups are what is counted, for people; None where each test unit is by itself."""
        return None if self.within is None else grouped_sentence(self.within, self.units)


_FORECAST: dict[str, Any] = {"budget": "max_retrains", "most": 120, "widest": 2.4}


class ForecastAnswer(Answer):
    """How wide the widest share interval is expected to be, in points, under a larger budget."""

    model_config = example(**_FORECAST)

    budget: str = Field(description="Its name in an order, and in a top-up.")
    most: int
    widest: float


_PRECISION: dict[str, Any] = {
    "asked": 2.0, "reached": 3.1, "met": False, "ruled_by": "budget", "test_rows": 1.4, "only_test_rows": False,
    "forecast": "More computing is expected to bring about 2.40 with max_retrains 120.", "forecasts": [_FORECAST],
}  # fmt: skip


class PrecisionAnswer(Answer):
    """The width of interval that was asked for, and what came of it. Points are hundredths of the pool."""

    model_config = example(**_PRECISION)

    asked: float = Field(description="The widest share interval that the order accepts, in points.")
    reached: float | None = Field(description="The widest share interval, in points; null where it cannot be said.")
    met: bool
    forecast: str | None = Field(description="What would narrow it, in words; null where nothing has to, or is known.")
    ruled_by: str | None = Field(default=None, description="What ruled the job; null in older results.")
    test_rows: float | None = Field(
        default=None, description="How wide the test rows alone make it, which no computing narrows; null: not known."
    )
    only_test_rows: bool | None = Field(
        default=None, description="Whether what was asked for needs more test rows, whatever is computed."
    )
    forecasts: list[ForecastAnswer] = Field(
        default_factory=list, description="What more computing is expected to bring, smaller budgets first."
    )


_EVIDENCE: dict[str, Any] = {"root": "7d" * 32, "leaves": 1097, "document": "9e" * 32}


class EvidenceSealAnswer(Answer):
    """What commits a result to its evidence: the Merkle root over its worths and models' answers, how many leaves it is
    over, and the SHA-256 of the document that holds them."""

    model_config = example(**_EVIDENCE)

    root: str
    leaves: int
    document: str


class LateTestAnswer(Answer):
    """Datasets that were uploaded before the test set, whose rows could have been picked knowing theirs."""

    datasets: list[DatasetId]
    seen: list[DatasetId] = Field(
        description="Of these, those of which the buyer could see rows then: its own, previewed, or handed over."
    )


class Values(Answer):
    """The result: every player's value, and how it was computed, how far it can be trusted, what it cost."""

    model_config = example(
        valuation_id=_VAL, game_digest="5f" * 32, pool="10000.00", currency="EUR", empty_worth=0.1, full_worth=0.91,
        metric="accuracy", ordered_metric="accuracy", players=[_PLAYER], estimator="multifidelity", source="retrain",
        evaluations={"unlearn": 1024, "repair": 0, "retrain": 60}, stopped_by="share_ci", notes=[],
        findings=[FINDING], shares_note=None,
        audit={"source": "unlearn:tangent", "pairs": 30}, bake_off=[], seconds=15.3,
        seconds_by_source={"unlearn:tangent": 1.3, "retrain": 14.0}, retrain_seconds_estimate=238.0,
        digests={"result": "cd" * 32, "plan": "ef" * 32}, trace=[], without_harm=None, domains=[],
        checked={"worths": 54, "by_another_worker": 54}, gain=_GAIN,
        precision=_PRECISION,
        removal={"source": "unlearn:tangent", "reason": None, "highest_first": [_POINT], "lowest_first": [_POINT]},
        evidence=_EVIDENCE,
    )  # fmt: skip

    valuation_id: ValuationId
    game_digest: str
    pool: str
    currency: str
    metric: str = Field(description="What values and shares are measured by.")
    ordered_metric: str = Field(description="What the job was paid by: amounts and paid shares are always as ordered.")
    empty_worth: float
    full_worth: float
    players: list[PlayerValue]
    estimator: str
    source: str
    evaluations: dict[str, int]
    stopped_by: str
    notes: list[str]
    findings: list[FindingAnswer] = Field(description="What was noticed of the files, warnings first.")
    shares_note: str | None
    audit: dict[str, Any]
    bake_off: list[dict[str, Any]]
    seconds: float
    seconds_by_source: dict[str, float]
    retrain_seconds_estimate: float | None
    digests: dict[str, str]
    trace: list[dict[str, Any]]
    without_harm: WithoutHarm | None = Field(description="What was paid on, where somebody does harm for certain.")
    removal: RemovalAnswer | None = Field(description="Null for jobs that ended before there were such curves.")
    interactions: InteractionsAnswer | None = Field(
        default=None, description="Which players are substitutes or complements. Null for jobs from before it was told."
    )
    checked: Checked | None = Field(description="Null for jobs that ended before there were such checks.")
    gain: GainAnswer | None = Field(description="Null where the gain was not tested.")
    precision: PrecisionAnswer | None = Field(description="Null for jobs that were settled before it was told.")
    chance: TestChanceAnswer | None = Field(default=None, description="Null where the models' answers were not kept.")
    late_test: LateTestAnswer | None = Field(
        default=None, description="The datasets that were there before the test set. Null in older jobs."
    )
    test_lot: LotAnswer | None = Field(default=None, description="The test rows that were drawn by lot; null: none.")
    domains: list[DomainAnswer] = Field(description="Perplexities of a language model; empty for others.")
    tops_up: ValuationId | None = Field(default=None, description="The job that this one goes on with.")
    evidence: EvidenceSealAnswer | None = Field(default=None, description="Null for jobs from before it was kept.")


class ValuesPending(Answer):
    """A worker is at the values by another metric; ask again."""

    model_config = example(valuation_id=_VAL, metric="roc_auc", status="computing")

    valuation_id: ValuationId
    metric: str
    status: Literal["computing"] = "computing"


_LINE: dict[str, Any] = {
    "provider_id": _ACC, "provider": "Provider A", "share": 0.131, "paid_share": 0.131, "amount": "1310.00",
    "released": "1240.00",
    "held": "70.00", "accrued": "0.00", "reason": "in proportion to its value",
}  # fmt: skip


class PayoutLine(Answer):
    """One player's amount: released now, held until the dispute window ends, or accrued below the minimum payout."""

    model_config = example(**_LINE)

    provider_id: AccountId
    provider: str
    share: float | None = Field(description="By value, as in the values.")
    paid_share: float = Field(description="Of what was divided; the amount follows from it.")
    amount: str
    released: str
    held: str
    accrued: str
    reason: str


class Payouts(Answer):
    """Who gets how much: the amounts, the fee, compute and what went back to the buyer add up to the pool."""

    model_config = example(
        valuation_id=_VAL, pool="10000.00", currency="EUR", policy="interval_aware", fee="0.00", compute="0.00",
        refunded="0.00", performance=1.0, divided="10000.00", nobody_paid=None,
        disputable_until="2026-12-07T12:01:00Z", payouts=[_LINE],
        terms=["The pool is divided in proportion to the values that are above zero."],
        explanation=["The budget is 10000.00 EUR."], plan_digest="ef" * 32,
    )  # fmt: skip

    valuation_id: ValuationId
    pool: str
    currency: str
    policy: PayoutPolicy
    fee: str
    compute: str
    refunded: str
    performance: float = Field(description="The part of the pool that the model's gain earned, 0 to 1.")
    divided: str = Field(description="What was divided: all amounts together.")
    nobody_paid: str | None = Field(description="Why nobody is paid; null where somebody is.")
    disputable_until: datetime
    payouts: list[PayoutLine]
    terms: list[str] = Field(description="The terms as they were agreed at posting, in sentences.")
    explanation: list[str] = Field(description="How this settlement came about, in sentences.")
    plan_digest: str


class LeftOutAnswer(Answer):
    """A payee whose data the delivered model is not trained on."""

    model_config = example(provider="Ward 3", reason="its licence does not grant the model")

    provider: str
    reason: str


class ForgottenAnswer(Answer):
    """A withdrawn dataset that the delivered model was made to forget; the certificate is the unlearning's."""

    model_config = example(
        unlearning_id="ul_019ab5f0c1d27e3f8a4b5c6d7e8f9a0f", dataset_id=_DS, outcome="unlearned",
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

    model_config = example(valuation_id=_VAL, model=_MODEL, data=[DELIVERED_EXAMPLE])

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
        valuation_id=_VAL, metric="accuracy", players=[_ROWS_OF], about={"harm": "its value is clearly under zero"}
    )

    valuation_id: ValuationId
    metric: str
    players: list[RowsOfPayee]
    about: dict[str, str]


_IF_LINE: dict[str, Any] = {
    "provider_id": _ACC, "provider": "Provider A", "paid_share": 0.131, "amount": "655.00", "paid": "1310.00",
    "reason": "in proportion to its value",
}  # fmt: skip


class WhatIfLine(Answer):
    """What one player would be paid, and what it was paid."""

    model_config = example(**_IF_LINE)

    provider_id: AccountId
    provider: str
    paid_share: float
    amount: str
    paid: str = Field(description="What was paid as agreed.")
    reason: str


class WhatIf(Answer):
    """A job's pool divided with another amount or policy, on the values that are stored; nothing is carried out."""

    model_config = example(
        valuation_id=_VAL, pool="5000.00", currency="EUR", policy="proportional", fee="0.00", compute="0.00",
        refunded="0.00", nobody_paid=None, payouts=[_IF_LINE], explanation=["The budget is 5000.00 EUR."],
    )  # fmt: skip

    valuation_id: ValuationId
    pool: str
    currency: str
    policy: PayoutPolicy
    fee: str
    compute: str
    refunded: str
    nobody_paid: str | None = Field(description="Why nobody would be paid; null where somebody would.")
    payouts: list[WhatIfLine]
    explanation: list[str]


class Certificate(Answer):
    """The result and the payouts, signed: Ed25519 over the canonical JSON (sorted keys, no spaces) of `certificate`."""

    model_config = example(
        certificate={"format": "cherish-certificate-2", "valuation": _VAL, "digests": {"game": "5f" * 32}},
        digest="cd" * 32, algorithm="Ed25519", public_key="MCowBQ...", signature="kGp3...",
    )  # fmt: skip

    certificate: dict[str, Any]
    digest: str
    algorithm: str
    public_key: str
    signature: str


_PROOF: dict[str, Any] = {
    "index": 12, "leaf": {"kind": "worth", "source": "retrain", "coalition": "05", "commitment": "3a" * 32},
    "path": ["b1" * 32],
}  # fmt: skip


class WorthLeafAnswer(Answer):
    """A worth under the root: its source, its coalition (bit i of byte j of the hex text: player 8 j + i), and the
    commitment to the number, which is not told."""

    model_config = example(**_PROOF["leaf"])

    kind: Literal["worth"]
    source: str
    coalition: str
    commitment: str


class InclusionProofAnswer(Answer):
    """That a leaf is under the root (RFC 6962): its place among all, and the hashes beside its way up."""

    model_config = example(**_PROOF)

    index: int
    leaf: WorthLeafAnswer
    path: list[str]


class InclusionAnswer(Answer):
    """What a provider gets of a job's evidence: the signed root, and a proof for each coalition that its data is in.

    ``statement`` is signed like a certificate: Ed25519 over its canonical JSON. It names the root, which is that of the
    buyer's certificate, and the players of the game that are yours.
    """

    model_config = example(
        statement={
            "format": "cherish-inclusion-1", "valuation": _VAL, "root": "7d" * 32, "leaves": 1097,
            "seats": [0], "digests": ["ab" * 32],
        },
        digest="cd" * 32, algorithm="Ed25519", public_key="MCowBQ...", signature="kGp3...", items=[_PROOF],
        next_after=None,
    )  # fmt: skip

    statement: dict[str, Any]
    digest: str
    algorithm: str
    public_key: str
    signature: str
    items: list[InclusionProofAnswer]
    next_after: int | None = Field(description="Ask again with `after` this; null: there are no more.")


class CertificateKey(Answer):
    """The public key that this deployment's certificates are checked with, base64 of 32 bytes; those it signed with
    earlier, in whose files they are named."""

    model_config = example(algorithm="Ed25519", public_key="MCowBQ...", earlier_public_keys=[])

    algorithm: str
    public_key: str
    earlier_public_keys: list[str]
