"""What HTTP sees of a valuation that has ended: values, payouts, certificate. Shapes only; orders, progress and events
are in ``schemas``.
"""

from typing import Any, Literal

from pydantic import Field

from app.http.ids import AccountId, DatasetId, ValuationId
from app.http.schemas import Answer, example
from app.valuations.example_ids import ACCOUNT, DATASET, VALUATION
from app.valuations.job_schemas import FINDING, FindingAnswer, LotAnswer, SegmentValue
from contract.results.openings import OpenedRows, OpenedStatus
from contract.results.result import Gain, grouped_sentence

_PLAYER: dict[str, Any] = {
    "position": 0, "provider_id": ACCOUNT, "provider": "Provider A", "datasets": [DATASET], "rows": 150,
    "digest": "ab" * 32,
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


_OPENED: dict[str, Any] = {
    "rows": 8, "status": "borne_out", "sentence": "8 of its rows were opened, and bear out the sums that it sent.",
}  # fmt: skip


class OpenedRowsAnswer(Answer):
    """How many rows of data that stays with its owner were opened once all sums were in, and what was found."""

    model_config = example(**_OPENED)

    rows: int
    status: OpenedStatus
    sentence: str

    @classmethod
    def of(cls, opened: OpenedRows) -> "OpenedRowsAnswer":
        return cls(rows=opened.rows, status=opened.status, sentence=opened.sentence)


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
    opened: OpenedRowsAnswer | None = Field(
        default=None,
        description="What was found when rows of it were opened; null where its rows are here, or none were to be.",
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
        valuation_id=VALUATION, game_digest="5f" * 32, pool="10000.00", currency="EUR", empty_worth=0.1,
        full_worth=0.91,
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

    model_config = example(valuation_id=VALUATION, metric="roc_auc", status="computing")

    valuation_id: ValuationId
    metric: str
    status: Literal["computing"] = "computing"
