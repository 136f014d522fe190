"""Values of rows that a job found: kept for each payee, and handed to whom they are for. Never commits.

A provider gets those of its own rows, and nobody's besides; the buyer those of providers whose licence grants the data,
which it may have anyway. A withdrawal erases those of the withdrawn dataset's payee. The table is one blob for each
payee, in Parquet; what it says of the rows is read from nowhere else.
"""

import io
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.datasets.tables import Dataset, DatasetStatus
from app.errors import Conflict, NotFound
from app.http.ids import public_id
from app.identity import Caller, Role
from app.storage.blobs import BlobStore
from app.valuations import repository
from app.valuations.results.delivery_schemas import RowsAnswer, RowsOfPayee
from app.valuations.results.row_glimpses import SHOWN_TEXT, with_glimpses
from app.valuations.results.row_tables import COLUMNS
from app.valuations.states import TERMINAL, ValuationStatus
from app.valuations.tables import RowValues, Valuation, ValuationPlayer
from contract.orders.grants import Grant
from contract.orders.job import PayeePart
from contract.results.result import PlayerResult
from contract.results.row_values import ABOUT, ROWS_NONE


@dataclass(frozen=True)
class PayeeRows:
    """A payee whose rows are to be told apart: its place, name, datasets, and its part of a player."""

    position: int
    name: str
    datasets: frozenset[str]
    part: PayeePart


@dataclass(frozen=True)
class RowsWanted:
    """What settling a job is to find of rows: the game's players as the job valued them, and its payees."""

    players: tuple[PlayerResult, ...]
    payees: tuple[PayeeRows, ...]


@dataclass(frozen=True)
class ComputedRows:
    """What was found of a payee's rows: the blob of their table, how many, how they were told apart, and how many have
    each finding."""

    position: int
    digest: str
    rows: int
    by: str
    findings: dict[str, int]


def wanted(session: Session, valuation_id: uuid.UUID) -> RowsWanted | None:
    """What is to be found when a job settles; None where its order does not ask, or it is not settling."""
    valuation = repository.of_id(session, valuation_id)
    kept = repository.result_of(session, valuation_id)
    if valuation.status is not ValuationStatus.SETTLING or kept is None or valuation.order.rows == ROWS_NONE:
        return None
    seating = valuation.job_inputs.seating
    payees = tuple(
        PayeeRows(player.position, player.name, frozenset(player.datasets), seating[player.position])
        for player in repository.players(session, valuation_id)
    )
    return RowsWanted(kept.document.players, payees)


def keep(session: Session, valuation_id: uuid.UUID, rows: Sequence[ComputedRows]) -> None:
    """Keep what was found, but of payees with a dataset that was withdrawn meanwhile; its datasets are held."""
    withdrawn = _withdrawn(session, valuation_id)
    payees = {player.position: player for player in repository.players(session, valuation_id)}
    for each in rows:
        if withdrawn.isdisjoint(payees[each.position].datasets):
            session.merge(
                RowValues(
                    valuation_id=valuation_id,
                    position=each.position,
                    digest=each.digest,
                    rows=each.rows,
                    told_by=each.by,
                    findings=each.findings,
                )
            )
    session.flush()


def erase(session: Session, dataset_id: uuid.UUID) -> set[str]:
    """Forget the values of the rows of every payee that has this dataset; the digests of their blobs."""
    owned = select(ValuationPlayer.valuation_id, ValuationPlayer.position).where(
        ValuationPlayer.datasets.contains([str(dataset_id)])
    )
    digests = set[str]()
    for valuation_id, position in session.execute(owned).all():
        these = (RowValues.valuation_id == valuation_id) & (RowValues.position == position)
        digests |= set(session.scalars(delete(RowValues).where(these).returning(RowValues.digest)))
    return digests


def named(session: Session, digest: str) -> bool:
    """Whether some payee's values are in this blob."""
    return session.scalar(select(RowValues.valuation_id).where(RowValues.digest == digest).limit(1)) is not None


def of_job(session: Session, caller: Caller, valuation_id: uuid.UUID) -> RowsAnswer:
    """What the caller may know of a job's rows; raises NotFound for anybody else's job, Conflict with the reason where
    there is nothing (yet)."""
    valuation, rows = _of(session, caller, valuation_id)
    names = {player.position: player.name for player in repository.players(session, valuation_id)}
    return RowsAnswer(
        valuation_id=valuation_id,
        metric=valuation.order.metric,
        players=[
            RowsOfPayee(
                position=row.position,
                provider=names[row.position],
                rows=row.rows,
                by=row.told_by,
                findings=row.findings,
            )
            for row in rows
        ],
        about={name.value: words for name, words in ABOUT.items()},
    )


def table(session: Session, blobs: BlobStore, caller: Caller, valuation_id: uuid.UUID) -> pa.Table:
    """The rows that the caller may know of, of all of its payees; raises as ``of_job`` does."""
    return _read(session, blobs, caller, valuation_id).select(COLUMNS)


def own_table(session: Session, blobs: BlobStore, caller: Caller, valuation_id: uuid.UUID) -> pa.Table:
    """The caller's own rows, with what is shown of some of them to their owner; raises as ``of_job`` does, and NotFound
    for a buyer."""
    if caller.role is Role.BUYER:
        raise NotFound(f"there is no valuation {public_id('val', valuation_id)} with rows of yours")
    own = _read(session, blobs, caller, valuation_id)
    return own if SHOWN_TEXT in own.column_names else with_glimpses(own, {})


def _read(session: Session, blobs: BlobStore, caller: Caller, valuation_id: uuid.UUID) -> pa.Table:
    _, rows = _of(session, caller, valuation_id)
    return pa.concat_tables([pyarrow.parquet.read_table(io.BytesIO(blobs.get(row.digest))) for row in rows])


def to_parquet(rows: pa.Table) -> bytes:
    """The table as Parquet."""
    sink = io.BytesIO()
    pyarrow.parquet.write_table(rows, sink)
    return sink.getvalue()


def to_csv(rows: pa.Table) -> bytes:
    """The table as CSV."""
    sink = io.BytesIO()
    pyarrow.csv.write_csv(rows, sink)
    return sink.getvalue()


def _of(session: Session, caller: Caller, valuation_id: uuid.UUID) -> tuple[Valuation, Sequence[RowValues]]:
    """The job and those of its payees' values that are for the caller."""
    name = public_id("val", valuation_id)
    valuation = session.get(Valuation, valuation_id)
    players = () if valuation is None else repository.players(session, valuation_id)
    positions = () if valuation is None else _for(caller, valuation, players)
    if valuation is None or positions is None:
        raise NotFound(f"there is no valuation {name}, or it is not yours")
    if valuation.order.rows == ROWS_NONE:
        raise Conflict(f"valuation {name} was ordered without values of rows; order one with rows: values")
    if valuation.status is not ValuationStatus.SUCCEEDED:
        over = "" if valuation.status not in TERMINAL else " and has none"
        raise Conflict(f"valuation {name} is {valuation.status.value}{over}; rows have values when it has settled")
    these = select(RowValues).where(RowValues.valuation_id == valuation_id, RowValues.position.in_(positions))
    rows = session.scalars(these.order_by(RowValues.position)).all()
    if not rows:
        raise Conflict(
            f"valuation {name} has no values of rows for you: no licence grants you the data, none of the rows was "
            "used, or they were withdrawn"
        )
    return valuation, rows


def _for(caller: Caller, valuation: Valuation, players: Sequence[ValuationPlayer]) -> list[int] | None:
    """The positions whose rows are for the caller; None for somebody who has no part in the job."""
    if caller.role is Role.BUYER:
        if valuation.buyer_id != caller.account_id:
            return None
        grants = valuation.job_inputs.terms.grants
        return [player.position for player in players if grants and Grant.DATA in grants[player.position]]
    own = [player.position for player in players if player.provider_id == caller.account_id]
    return own or None


def _withdrawn(session: Session, valuation_id: uuid.UUID) -> set[str]:
    ids = {uuid.UUID(each) for player in repository.players(session, valuation_id) for each in player.datasets}
    gone = select(Dataset.id).where(Dataset.id.in_(ids), Dataset.status == DatasetStatus.WITHDRAWN)
    return {str(each) for each in session.scalars(gone)}
