"""What the terminal reads of the service's answers: the fields that a command prints, and no others.

A field that a newer service adds is passed over. Nothing here computes or formats.
"""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class ServiceAnswer(BaseModel):
    """An answer of the service, as far as a command reads it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @classmethod
    def read(cls, body: dict[str, Any]) -> Self:
        """The answer from its JSON; raises pydantic's ValidationError, which names the field that is missing."""
        return cls.model_validate(body)


class ListedDataset(ServiceAnswer):
    """A dataset of one's own; ``rows`` is null until its file was read."""

    id: str
    name: str
    status: str
    rows: int | None


class ListedCheckpoint(ServiceAnswer):
    """A checkpoint of one's own; ``size_bytes`` is null until it has weights."""

    id: str
    architecture: str
    size_bytes: int | None


class ConsentLine(ServiceAnswer):
    """A job that needs a provider's consent, and what it said."""

    valuation_id: str
    status: str
    buyer: str
    purpose: str | None
    pool: str
    currency: str
    answer_until: str


class AskerLine(ServiceAnswer):
    """What one organisation was told of a dataset."""

    asker: str
    spent: int
    questions: int
    last_at: str


class DatasetDisclosures(ServiceAnswer):
    """Who asked about a dataset; each may spend ``points``."""

    points: int
    askers: list[AskerLine]


class WorthCounts(ServiceAnswer):
    """Worths by how the model behind them came about."""

    unlearn: int
    repair: int
    retrain: int

    def plain(self) -> dict[str, int]:
        """The counts by their names, in the order above."""
        return {"unlearn": self.unlearn, "repair": self.repair, "retrain": self.retrain}

    def total(self) -> int:
        """All worths together."""
        return sum(self.plain().values())


class WatchedProgress(ServiceAnswer):
    """How far a job is; the interval is in points of the pool and null before there is one."""

    evaluations: WorthCounts
    widest_share_interval: float | None


class JobAnswer(ServiceAnswer):
    """A job that is followed to its end."""

    id: str
    status: str
    reason: str | None
    error: str | None
    progress: WatchedProgress
    precision_met: bool | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it has ended with a result."""
        return self.status == "succeeded"


class AuditSentence(ServiceAnswer):
    """The audit in one sentence, where there was one."""

    sentence: str | None = None


class IntervalWidths(ServiceAnswer):
    """How wide a share's interval would be, in points, if one cause alone were uncertain; null: not measured."""

    test_rows: float | None
    unlearning: float | None
    seeds: float | None

    def compact(self) -> str:
        """The three in that order, as a table has room for."""
        widths = (self.test_rows, self.unlearning, self.seeds)
        return " ".join("–" if width is None else f"{width:.1f}" for width in widths)


class PaidPlayer(ServiceAnswer):
    """One player: what its data is worth, and what it is paid."""

    provider: str
    rows: int
    value: float
    stderr: float | None
    share: float | None
    paid_share: float | None = None
    amount: str
    reason: str | None = None
    parts: IntervalWidths | None = None


class ReachedPrecision(ServiceAnswer):
    """The widest share interval that was asked for and that was reached, in points."""

    asked: float
    reached: float | None
    met: bool
    forecast: str | None = None


class JobValues(ServiceAnswer):
    """The result of a job that has succeeded."""

    currency: str
    metric: str = ""
    ordered_metric: str = ""
    evaluations: WorthCounts
    stopped_by: str
    audit: AuditSentence | None
    precision: ReachedPrecision | None = None
    players: list[PaidPlayer]


class LedgerLine(ServiceAnswer):
    """One of one's own ledger entries."""

    created_at: str
    code: str
    state: str
    amount: str
    currency: str
    reference: str | None = None


class SignedDigest(ServiceAnswer):
    """A certificate, as far as it is shown once its signature was checked."""

    digest: str


class ExploredLine(ServiceAnswer):
    """One dataset of an exploration; ``rank`` is null where nothing is ranked."""

    rank: int | None
    name: str
    provider: str
    rows: int
    price: str | None
    share: float | None
    low: float | None
    high: float | None


class ExploredSentence(ServiceAnswer):
    """What is said of a set of datasets, or of one that is added."""

    sentence: str


class ExploredAnswer(ServiceAnswer):
    """An exploration, as far as it has come."""

    id: str
    status: str
    error: str | None
    ranked: list[ExploredLine]
    sets: list[ExploredSentence]
    additions: list[ExploredSentence]
    difference: ExploredSentence | None = None
    notes: list[str]


class ExplorationPrice(ServiceAnswer):
    """What an exploration would cost at most."""

    compute: str
    currency: str
    device_seconds: float
    notes: list[str]


class ClassLine(ServiceAnswer):
    """A class of a test set."""

    name: str
    rows: int
    nobody: float
    everybody: float


class ContributionCell(ServiceAnswer):
    """What a player did for a class."""

    value: float
    sure: bool
    low: float | None = None
    high: float | None = None


class PlayerClasses(ServiceAnswer):
    """A player, and what it did for each class."""

    providers: list[str]
    cells: list[ContributionCell]


class JobByClass(ServiceAnswer):
    """What each player of a job did for each class."""

    source: str
    classes: list[ClassLine]
    players: list[PlayerClasses]
    untold: list[str]
