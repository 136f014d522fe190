"""SQL of evidence: which blobs hold what a game's results rest on. A withdrawal erases them with the game's worths."""

import uuid

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.valuations.tables import EvidenceDocument


def keep(session: Session, game_id: uuid.UUID, digest: str) -> None:
    """Record the evidence of a result; the same of a second job is recorded once."""
    statement = upsert(EvidenceDocument).values(game_id=game_id, digest=digest)
    session.execute(statement.on_conflict_do_nothing())


def kept(session: Session, game_id: uuid.UUID, digest: str) -> bool:
    """Whether the evidence of this digest is (still) there."""
    return session.get(EvidenceDocument, (game_id, digest)) is not None


def erase(session: Session, game_id: uuid.UUID) -> set[str]:
    """Forget the evidence of a game's results; returns the digests of the blobs, which are then to be erased."""
    statement = delete(EvidenceDocument).where(EvidenceDocument.game_id == game_id)
    return set(session.scalars(statement.returning(EvidenceDocument.digest)))
