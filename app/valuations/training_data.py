"""What one of a buyer's models was trained on, for the public summary of it (``app.checkpoints.training_summary``).

Never commits. Whose a dataset was is told as long as it is not withdrawn; its licence is the one that it has now.
"""

import uuid
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.checkpoints import service as checkpoints
from app.checkpoints.summary_schemas import TrainingSummary
from app.checkpoints.tables import Checkpoint
from app.checkpoints.training_summary import SeenVersion, SummarisedModel, summary
from app.datasets import repository as datasets
from app.datasets.licences import Licence
from app.datasets.tables import DatasetStatus
from app.identity import Caller
from app.valuations.delivery import releases


def of_checkpoint(session: Session, caller: Caller, checkpoint_id: uuid.UUID) -> TrainingSummary:
    """The summary of one of the caller's checkpoints, a delivered model's among them; raises NotFound."""
    checkpoint = checkpoints.get(session, caller, checkpoint_id)
    named = None
    if checkpoint.base_id is not None:
        below = checkpoints.get(session, caller, checkpoint.base_id)
        named = f"{below.name}, weights with SHA-256 {below.digest}"
    trained_here = checkpoint.digest is None or releases.is_released(session, checkpoint_id)
    model = SummarisedModel(checkpoint_id, checkpoint.name, checkpoint.version, checkpoint.digest, named, trained_here)
    return summary(model, _seen(session, caller, checkpoint), datetime.now(UTC))


def _seen(session: Session, caller: Caller, checkpoint: Checkpoint) -> list[SeenVersion]:
    lineage = checkpoints.lineage(session, caller, checkpoint.id)
    digests: dict[uuid.UUID, list[str]] = {}
    for row in lineage:
        digests.setdefault(row.dataset_id, []).append(row.digest)
    known = {
        (version.dataset_id, version.digest): (version, dataset)
        for version, dataset in datasets.versions_of(session, digests)
    }
    names = datasets.provider_names(session, [dataset for _, dataset in known.values()])
    seen = []
    for row in lineage:
        version, dataset = known[row.dataset_id, row.digest]
        offered = dataset.status is not DatasetStatus.WITHDRAWN
        seen.append(
            SeenVersion(
                dataset_id=dataset.id,
                provider=names[dataset.provider_id] if offered else None,
                licence=Licence.from_json(dataset.licence).spdx if offered and dataset.licence else None,
                modality=version.modality.value,
                rows=version.rows,
                offered_at=version.created_at,
                seen_at=row.created_at,
                forgotten_at=row.forgotten_at,
                forgotten_by=row.forgotten_by,
            )
        )
    return seen
