"""What a job reads and was agreed on (``JobInputs``), what preparing its game found (``GameFacts``), and what a worker
needs to know of it (``Job``)."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from pydantic import Field, field_validator

from contract.agents import AGENT_FORMAT
from contract.document import Document
from contract.orders.asking import RowsOffer
from contract.orders.game import FrozenGame
from contract.orders.grants import Grant
from contract.orders.lot import LotSeal
from contract.orders.spec import ValuationSpec
from contract.rows.files import InputFile
from contract.rows.findings import FileFinding
from contract.rows.segments import Segment


class DeviceTimeTerms(Document):
    """The price of a device hour, a plain decimal, and the most that a job is charged, in minor units."""

    hourly: str
    most: int


# what a player's file is called, before its dataset's id in hex
_DATASET = "dataset ds_"
# the rules of the market that a job posted now is settled by
EDITION = 4


class AgreedTerms(Document):
    """What is fixed at posting besides the order: the fee of that day, each payee's reserve in minor units, and what
    device time costs (None: nothing).

    ``grants``: what the licences of each payee's datasets all grant (empty in jobs from before there were grants, which
    deliver nothing). ``rows``: what is asked for the rows of datasets whose licence grants them, where anything is.

    ``edition`` numbers the market's rules. Under 1, which jobs from before it was written down have, the fee is taken
    where nobody is paid too, and a job's share is the one that was paid. Under 2 no fee is taken where nobody is paid,
    and the share by value and the share that is paid are two numbers, with a reason where they differ. Under 3 a gain
    that could not be tested is none. Since 4 the terms say what cheating may still gain, and that repeats count once.
    """

    fee_basis_points: int
    reserves: tuple[int, ...]
    compute: DeviceTimeTerms | None = None
    edition: int = 1
    grants: tuple[tuple[Grant, ...], ...] = ()
    rows: tuple[RowsOffer, ...] = ()

    def rows_offer(self, dataset: uuid.UUID) -> RowsOffer | None:
        """What is asked for a dataset's rows; None: they come with the job."""
        return next((offer for offer in self.rows if offer.dataset == dataset.hex), None)


class LabelMix(Document):
    """The test set as providers are told of it: rows, share of each class, shares among the providers' rows (None: too
    few players, or no classes), half the sum of their differences."""

    rows: int
    labels: dict[str, float]
    pooled: dict[str, float] | None
    distance: float | None


class LateTest(Document):
    """The datasets (ids in hex) whose rows were uploaded before the test set, which could have been picked to suit
    them; of these ``seen``, of which the buyer could see rows then: its own, previewed, or handed over."""

    datasets: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


class TestCommitment(LabelMix):
    """The same with its seal, SHA-256 of ``salt`` and ``digest``, and what opens it; when the test set was uploaded,
    and for which data that is ``late`` (None: not noted then); and the seal of rows by ``lot`` (None: none)."""

    __test__ = False  # for pytest: this is no test

    commitment: str
    salt: str
    digest: str
    uploaded_at: datetime | None = None
    late: LateTest | None = None
    lot: LotSeal | None = None


class PayeePart(NamedTuple):
    """Which player of the game a payee's rows are in (None: none of them is used), and the part of its value that is
    the payee's: ``above`` / ``below``."""

    player: int | None
    above: int
    below: int

    @property
    def part(self) -> Fraction:
        return Fraction(self.above, self.below)


class AwayTerms(Document):
    """What agents are told of an order: who posted it, and for what purpose (None: it does not say); and the order's
    rule for copies, which holds for sums too. ``open_rows``: how many rows of each are opened at the end."""

    buyer: str
    purpose: str | None
    copies: str
    open_rows: int = 0


class Explored(Document):
    """An exploration: what is ``added`` (players' positions) to the datasets of the job ``beside`` (None: no job's).
    ``against``, where only the difference from that job is asked for: its game, whose model of everybody is known; the
    ``changed`` datasets are new, or of another version."""

    beside: uuid.UUID | None = None
    added: tuple[int, ...] = ()
    against: uuid.UUID | None = None
    changed: tuple[uuid.UUID, ...] = ()


class JobInputs(Document):
    """What a job reads. ``names``, ``players`` (their files) and ``rows`` are the game's players' in canonical order;
    ``seating`` is each payee's part of one of them."""

    names: tuple[str, ...]
    players: tuple[tuple[InputFile, ...], ...]
    rows: tuple[int, ...]
    seating: tuple[PayeePart, ...]
    notes: tuple[str, ...]
    test: InputFile
    measured: TestCommitment | None = None
    checkpoint: str | None
    base: str | None = None
    findings: tuple[FileFinding, ...] = ()
    terms: AgreedTerms
    # of a top-up: the digest of the earlier job's result, as it was then
    topped_up: str | None = None
    explored: Explored | None = None
    # where data of the job stays with its owner
    away: AwayTerms | None = None
    # by number, where the order values segments
    segments: tuple[Segment, ...] = ()
    # the payees' files, with all but the rows that were drawn as test rows left out
    lot: tuple[InputFile, ...] = ()

    @property
    def contents(self) -> dict[str, str]:
        """Dataset id in hex -> the digest of the content that is read of it; of none that was left out."""
        files = (file for player in self.players for file in player if file.name.startswith(_DATASET))
        return {file.name.removeprefix(_DATASET): file.digest for file in files}

    @property
    def test_files(self) -> tuple[InputFile, ...]:
        """The files whose used rows measure worths."""
        return (self.test, *self.lot)

    @property
    def own_test(self) -> InputFile | None:
        """The order's test set, where its own rows measure."""
        lot = self.measured.lot if self.measured is not None else None
        return self.test if lot is None or lot.beside else None

    def at_home(self, payee: int) -> bool:
        """Whether a payee's rows stay with it."""
        player = self.seating[payee].player
        return player is not None and any(file.format == AGENT_FORMAT for file in self.players[player])


class SourceCost(Document):
    """A source of worths and what one of them costs, in units of one full retraining."""

    name: str
    cost: float


class ShardFacts(Document):
    """A shard of a payee's rows, where shards play."""

    name: str
    rows: int
    digest: str
    owner: str


class DomainPerplexity(Document):
    """Perplexity per token of the base and of the full model on one domain, and how many tokens that is."""

    domain: str
    tokens: int
    base: float
    full: float


class GameFacts(Document):
    """What was found with a game's models, so that planning needs no data: its sources, cheapest first, and seconds
    that preparing took. ``unit_seconds`` are those of one full retraining by the cost model: costs are counted in it.

    ``answers_kept``: models' answers on the test units are kept. Where they are too large, ``sums_kept``: by the job's
    metric, what each test unit moves a worth by is. ``moved`` are
    sources whose worths are the metric of their answers, moved to where everybody's is known.
    """

    sources: tuple[SourceCost, ...]
    seconds: float
    unit_seconds: float | None = None
    answers_kept: bool = True
    sums_kept: bool = False
    moved: tuple[str, ...] = ()
    shards: tuple[ShardFacts, ...] = ()
    domains: tuple[DomainPerplexity, ...] = ()

    def plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True) | {"seconds": self.seconds}


class ShareSoFar(Document):
    """A share as it stands while a job runs, with its interval; whose it is, is told with the result alone."""

    share: float
    low: float
    high: float


class JobProgress(Document):
    """What a plan knows, for the buyer: worths by fidelity, the widest share interval so far, and what was checked.

    ``shares`` are the players' so far, the largest first; ``seconds_after`` the device seconds that may still be spent
    after the round that is asked for, None where that is not known.
    """

    evaluations: dict[str, int] = Field(default_factory=dict)
    widest_share_interval: float | None = None
    checked: dict[str, int] | None = None
    # once a job has a result: whether the width that was asked for was reached; None in plans from before it was told
    precision_met: bool | None = None
    shares: tuple[ShareSoFar, ...] = ()
    seconds_after: float | None = None

    @field_validator("widest_share_interval")
    @classmethod
    def _width(cls, width: float | None) -> float | None:
        """An interval of no width is none: nothing uncertain was counted. Plans from before that hold 0."""
        return width or None

    def plain(self) -> dict[str, Any]:
        whole = self.model_dump(mode="json")
        for name in ("checked", "precision_met", "shares", "seconds_after"):
            if whole[name] is None or whole[name] == []:
                del whole[name]
        return whole


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of a job; plain data, so that no transaction stays open while it works."""

    game_id: uuid.UUID
    game: FrozenGame
    game_digest: str
    inputs: JobInputs
    spec: ValuationSpec
    prepared: str | None
    facts: GameFacts | None
    checked_part: float = 0.0
    revalue_without_harm: bool = False
