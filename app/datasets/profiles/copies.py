"""Copies among datasets, from their stored sketches: SQL and arithmetic, no rows. Never commits.

What a provider is told of others is a band (``app.disclosure.bands``), never a number, a row or a name, and nothing
where its dataset or the other one has so few rows that the answer would tell whether one row is somebody else's. Rows
are counted, not what a sketch is made of: one long document has hundreds of runs of words, and is one row.
"""

import hashlib
import uuid
from collections.abc import Mapping

import numpy as np
from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.datasets.profiles.minhash import Sketch, StoredSketch, contained
from app.datasets.tables import Dataset, DatasetKind, DatasetSignature, DatasetStatus, DatasetVersion, Modality
from app.disclosure import service as disclosure
from app.disclosure.bands import Band, Bands
from app.disclosure.service import ChargedQuestion
from app.settings import Settings
from contract.document import digest_of

KINDS = ("rows", "coarse")
_MOST_CANDIDATES = 500


def store(session: Session, dataset_id: uuid.UUID, number: int, sketches: Mapping[str, StoredSketch]) -> None:
    """Keep a version's sketches; again is the same."""
    for kind in KINDS:
        row = {"dataset_id": dataset_id, "number": number, "kind": kind}
        plain = sketches[kind].plain()
        statement = upsert(DatasetSignature).values(**row, **plain)
        session.execute(statement.on_conflict_do_update(index_elements=["dataset_id", "number", "kind"], set_=plain))


def elsewhere(session: Session, settings: Settings, dataset: Dataset, number: int) -> dict[str, str]:
    """Kind of sketch -> how much of a dataset is in the one other provider's published dataset that has most of it:
    a ``Band``'s value. Each listing that shares rows is charged to the dataset's owner."""
    return {kind: _elsewhere(session, settings, dataset, number, kind).value for kind in KINDS}


def _elsewhere(session: Session, settings: Settings, dataset: Dataset, number: int, kind: str) -> Band:
    bands = Bands.of(settings)
    mine = session.get(DatasetSignature, (dataset.id, number, kind))
    version = session.get(DatasetVersion, (dataset.id, number))
    if mine is None or version is None or _disclosed_rows(mine, version) < bands.told_rows:
        return Band.UNTOLD
    if kind == "coarse" and version.modality is Modality.TEXT:
        # runs of words, of which one long document may have more than all others together
        return Band.UNTOLD
    others = session.execute(
        select(DatasetSignature, DatasetVersion, Dataset.provider_id)
        .join(Dataset, and_(Dataset.id == DatasetSignature.dataset_id, Dataset.version == DatasetSignature.number))
        .join(
            DatasetVersion,
            and_(
                DatasetVersion.dataset_id == DatasetSignature.dataset_id,
                DatasetVersion.number == DatasetSignature.number,
            ),
        )
        .where(
            DatasetSignature.kind == kind,
            DatasetSignature.hashes.overlap(mine.hashes),
            Dataset.provider_id != dataset.provider_id,
            Dataset.status == DatasetStatus.PUBLISHED,
            Dataset.kind == DatasetKind.TRAIN,
        )
        .limit(_MOST_CANDIDATES)
    ).all()
    content, of = content_of(mine), version.rows
    compared = [row for row in others if _disclosed_rows(row[0], row[1]) >= bands.told_rows]
    questions = [
        ChargedQuestion(other.dataset_id, owner, digest_of({"listing": kind, "of": content, "in": theirs.digest}))
        for other, theirs, owner in compared
    ]
    allowed = disclosure.charge_listing(session, settings, dataset.provider_id, questions)
    band_set = {Band.NONE}
    for other, theirs, _ in compared:
        if other.dataset_id in allowed:
            about = ("listing", kind, dataset.provider_id.hex, content, theirs.digest)
            band_set.add(bands.band(round(contained(_sketch(mine), _sketch(other)) * of), of, about))
    return next(band for band in (Band.MUCH, Band.SOME, Band.NONE) if band in band_set)


def _disclosed_rows(signature: DatasetSignature, version: DatasetVersion) -> int:
    """Rows that are not the same one again and again; of documents, at most as many as there are."""
    return min(signature.distinct, version.rows)


def content_of(signature: DatasetSignature) -> str:
    """A digest of what a sketch is of: the same for the same rows in another order or format."""
    return hashlib.sha256(np.array(signature.hashes, dtype="<i8").tobytes()).hexdigest()


def _sketch(row: DatasetSignature) -> Sketch:
    return Sketch(np.array(row.hashes, dtype=np.int64), row.distinct)


def version_of(session: Session, dataset_id: uuid.UUID, number: int) -> DatasetVersion | None:
    """A version, locked, for whoever writes what was found in it."""
    return session.get(DatasetVersion, (dataset_id, number), with_for_update=True, populate_existing=True)
