"""The rules of checkpoints: known hyper-parameters, and weights that never change once they are set, but for what a
withdrawal makes them forget. Never commits."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.roles import Caller
from app.checkpoints import methods, repository
from app.checkpoints.hyper import faults
from app.checkpoints.tables import Architecture, Checkpoint, CheckpointLineage, Unlearning, UnlearnMethod
from app.errors import Conflict, FieldError, InvalidInput, NotFound
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.http.uploads import Upload
from app.storage.blobs import BlobStore


def create(
    session: Session,
    caller: Caller,
    name: str,
    architecture: Architecture,
    hyper: Mapping[str, float],
    unlearning: UnlearnMethod | None = None,
) -> Checkpoint:
    """A checkpoint without weights; raises InvalidInput for what the architecture cannot have."""
    if wrong := faults(architecture, hyper):
        told = [FieldError(f"/hyper/{each}", fault, "hyper_parameter") for each, fault in wrong.items()]
        raise InvalidInput(told[0].detail, errors=told)
    _check_method(architecture, unlearning)
    checkpoint = Checkpoint(
        buyer_id=caller.account_id,
        name=name,
        architecture=architecture,
        hyper=dict(hyper),
        digest=None,
        size_bytes=None,
        tensors=None,
        erased_at=None,
        version=1,
        unlearning=unlearning,
    )
    repository.add(session, checkpoint)
    return checkpoint


def change(session: Session, caller: Caller, checkpoint_id: uuid.UUID, changes: Mapping[str, Any]) -> Checkpoint:
    """Change ``name`` or ``unlearning``; a duty to unlearn that waits for the owner's word begins with it."""
    checkpoint = get(session, caller, checkpoint_id, lock=True)
    if changes.get("name") is not None:
        checkpoint.name = changes["name"]
    if "unlearning" in changes:
        _check_method(checkpoint.architecture, changes["unlearning"])
        checkpoint.unlearning = changes["unlearning"]
    session.flush()
    return checkpoint


def _check_method(architecture: Architecture, method: UnlearnMethod | None) -> None:
    if wrong := methods.fault(architecture, method):
        raise InvalidInput(wrong, errors=[FieldError("/unlearning", wrong, "unlearn_method")])


def get(session: Session, caller: Caller, checkpoint_id: uuid.UUID, *, lock: bool = False) -> Checkpoint:
    """One of the caller's own checkpoints; raises NotFound for anybody else's."""
    checkpoint = repository.own(session, caller.account_id, checkpoint_id, lock=lock)
    if checkpoint is None:
        raise NotFound(f"no checkpoint {public_id('ck', checkpoint_id)} of yours; list them with GET /v1/checkpoints")
    return checkpoint


def list_own(session: Session, caller: Caller, page: PageRequest) -> tuple[list[Checkpoint], str | None]:
    """The caller's own checkpoints, newest first."""
    return repository.own_page(session, caller.account_id, page)


def store_content(
    session: Session,
    blobs: BlobStore,
    caller: Caller,
    checkpoint_id: uuid.UUID,
    upload: Upload,
    tensors: dict[str, dict[str, Any]],
) -> Checkpoint:
    """Make a checked upload the checkpoint's weights. The same bytes again change nothing; others are a Conflict."""
    checkpoint = get(session, caller, checkpoint_id, lock=True)
    if checkpoint.digest == upload.digest:
        return checkpoint
    if checkpoint.erased_at is not None:
        raise Conflict(
            f"checkpoint {public_id('ck', checkpoint_id)} had weights that were erased, because they had seen a "
            "withdrawn dataset; create a new checkpoint"
        )
    if checkpoint.digest is not None:
        raise Conflict(
            f"checkpoint {public_id('ck', checkpoint_id)} already has other weights, and weights never change; "
            "create a new checkpoint for them"
        )
    if repository.forgotten_weights(session, caller.account_id, upload.digest):
        raise Conflict(
            "these weights have seen a dataset that was withdrawn, so they were unlearned or erased here; "
            "upload weights that have not seen it"
        )
    found = blobs.put_file(upload.path)
    checkpoint.digest, checkpoint.size_bytes, checkpoint.tensors = found.digest, found.size, tensors
    session.flush()
    return checkpoint


def lineage(session: Session, caller: Caller, checkpoint_id: uuid.UUID) -> Sequence[CheckpointLineage]:
    """What one of the caller's checkpoints has seen."""
    get(session, caller, checkpoint_id)
    return repository.lineage(session, checkpoint_id)


def unlearnings(session: Session, caller: Caller, checkpoint_id: uuid.UUID) -> Sequence[Unlearning]:
    """What one of the caller's checkpoints was made to forget, or is to forget."""
    get(session, caller, checkpoint_id)
    return repository.unlearnings(session, checkpoint_id)


def unlearning(session: Session, caller: Caller, checkpoint_id: uuid.UUID, unlearning_id: uuid.UUID) -> Unlearning:
    """One of them; raises NotFound."""
    for each in unlearnings(session, caller, checkpoint_id):
        if each.id == unlearning_id:
            return each
    name = public_id("ck", checkpoint_id)
    raise NotFound(
        f"no unlearning {public_id('ul', unlearning_id)} of {name}; "
        f"list them with GET /v1/checkpoints/{name}/unlearnings"
    )


def content_digest(session: Session, caller: Caller, checkpoint_id: uuid.UUID) -> str:
    """The digest of one of the caller's checkpoints' weights; raises Conflict where there are none."""
    checkpoint = get(session, caller, checkpoint_id)
    if checkpoint.digest is None:
        why = "were erased" if checkpoint.erased_at is not None else "were never uploaded"
        raise Conflict(f"checkpoint {public_id('ck', checkpoint_id)} has no weights: they {why}")
    return checkpoint.digest
