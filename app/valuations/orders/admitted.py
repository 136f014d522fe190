"""What admission hands on: an order as far as its files say, and an order that may become a job; checks nothing."""

import uuid
from dataclasses import dataclass
from typing import Any

from app.datasets.tables import Dataset
from app.valuations.orders.fitted_files import Fitted
from app.valuations.orders.model_choice import Chosen
from app.valuations.orders.quotes import JobSize
from contract.agents import Registration
from contract.orders.asking import RowsOffer
from contract.orders.fit import Offer, PlayerFitted
from contract.orders.game import FrozenGame
from contract.orders.grants import Grant
from contract.orders.job import AwayTerms, LateTest, PayeePart, TestCommitment
from contract.orders.lot import LotDraw
from contract.rows.files import InputFile
from contract.rows.findings import FileFinding
from contract.rows.segments import Segment


@dataclass(frozen=True)
class AdmittedPayee:
    """A payee, before the job exists. ``name`` is unique in the job and never changes; ``shown`` is for people.

    ``part`` says which player of the game its rows are in, and what part of that player's amount it gets.
    """

    name: str
    shown: str
    provider_id: uuid.UUID
    datasets: tuple[uuid.UUID, ...]
    digest: str
    rows: int
    reserve: int  # the least this payee takes, in minor units; 0 is no reserve
    part: PayeePart
    grants: tuple[Grant, ...]  # what the licences of all of its datasets grant
    segments: tuple[int, ...] = ()  # their numbers, where the order values segments
    rows_offers: tuple[RowsOffer, ...] = ()  # what is asked for the rows of its datasets
    by_request: tuple[uuid.UUID, ...] = ()  # those of its datasets whose licence demands approval of each job


@dataclass(frozen=True)
class Admitted:
    """An order that may become a job: the game, its players in canonical order, the payees, the money in minor
    units."""

    game: FrozenGame
    players: tuple[PlayerFitted, ...]
    payees: tuple[AdmittedPayee, ...]
    test: InputFile
    test_dataset: uuid.UUID
    pool_minor: int
    size: JobSize
    contents: dict[uuid.UUID, str]  # each dataset's digest
    measured: TestCommitment
    notes: tuple[str, ...] = ()
    findings: tuple[FileFinding, ...] = ()
    lot: tuple[InputFile, ...] = ()  # the payees' files, with all but the test rows by lot left out
    trained: bool = False  # the checkpoint holds the model trained on everybody, not the base model alone
    away: AwayTerms | None = None  # where data stays with its owner: what agents are told of the order
    agents: int = 0  # the datasets that stay with their owners
    segments: tuple[Segment, ...] = ()  # by number, where the order values them

    @property
    def player_rows(self) -> list[dict[str, Any]]:
        """The job's payees as columns of its players' table."""
        return [
            {
                "position": position,
                "provider_id": payee.provider_id,
                "name": payee.shown,
                "datasets": [str(dataset) for dataset in payee.datasets],
                "digest": payee.digest,
                "rows": payee.rows,
            }
            for position, payee in enumerate(self.payees)
        ]

    @property
    def named_datasets(self) -> list[uuid.UUID]:
        """Every dataset that the job reads, its test set included, in the order of their ids."""
        return sorted({dataset for payee in self.payees for dataset in payee.datasets} | {self.test_dataset})


@dataclass(frozen=True)
class FittedOrder:
    """An order as far as its files say: its money, model, datasets (those of each payee in ``groups``), its files."""

    pool_minor: int
    chosen: Chosen
    test: Dataset
    datasets: list[Dataset]
    groups: list[list[Dataset]]
    offers: list[Offer]
    fitted: Fitted
    away: dict[uuid.UUID, Registration]
    late: LateTest
    draw: LotDraw | None = None
