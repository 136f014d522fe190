"""SQL of kept answers: which blobs hold models' answers on the test units, by game and source."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.valuations.tables import StoredAnswers


@dataclass(frozen=True)
class AnswerBlob:
    """A blob of answers of one source, in the order of ``coalitions`` (packed)."""

    source: str
    digest: str
    coalitions: tuple[bytes, ...]


def keep(session: Session, game_id: uuid.UUID, blob: AnswerBlob) -> None:
    """Record the blob of some answers; the same blob of a second try is recorded once."""
    values = {
        "game_id": game_id,
        "source": blob.source,
        "digest": blob.digest,
        "coalitions": b"".join(blob.coalitions),
        "count": len(blob.coalitions),
    }
    session.execute(upsert(StoredAnswers).values(values).on_conflict_do_nothing())


def of_game(session: Session, game_id: uuid.UUID) -> Sequence[AnswerBlob]:
    """Every blob of a game's answers, by source and digest."""
    statement = (
        select(StoredAnswers)
        .where(StoredAnswers.game_id == game_id)
        .order_by(StoredAnswers.source, StoredAnswers.digest)
    )
    blobs = []
    for row in session.scalars(statement):
        width = len(row.coalitions) // row.count
        packed = tuple(row.coalitions[start : start + width] for start in range(0, len(row.coalitions), width))
        blobs.append(AnswerBlob(row.source, row.digest, packed))
    return blobs


def erase(session: Session, game_id: uuid.UUID, but: str = "") -> set[str]:
    """Forget a game's answers, ``but`` those of one source; returns the digests of their blobs, which are then to be
    erased."""
    these = (StoredAnswers.game_id == game_id) & (StoredAnswers.source != but)
    statement = delete(StoredAnswers).where(these).returning(StoredAnswers.digest)
    return set(session.scalars(statement))


def named(session: Session, digest: str) -> bool:
    """Whether some game's answers are in this blob."""
    return session.scalar(select(StoredAnswers.game_id).where(StoredAnswers.digest == digest).limit(1)) is not None
