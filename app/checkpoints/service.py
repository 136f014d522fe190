"""The rules of checkpoints: known hyper-parameters, and weights that never change once they are set, but for what a
withdrawal makes them forget. Never commits.

A checkpoint's content is one safetensors file, or for models that come as a folder a zip of it; ``uploads`` checks
either before anything is stored.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from app.accounts import registration
from app.checkpoints import repository
from app.checkpoints.schemas import CheckpointChanges
from app.checkpoints.tables import Checkpoint, CheckpointLineage, UnlearningDuty
from app.checkpoints.uploads import CheckedWeights, ExpectedWeights
from app.datasets import quotas
from app.errors import Conflict, FieldError, InvalidInput, NotFound
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.http.uploads import Upload
from app.identity import Caller
from app.settings import Settings
from app.storage.blobs import Blob, BlobStore
from contract.learning import withdrawal
from contract.learning.learners import ARCHITECTURES, Architecture
from contract.learning.withdrawal import WithdrawalMethod


def create(
    session: Session,
    caller: Caller,
    name: str,
    architecture: Architecture,
    hyper: Mapping[str, float],
    unlearning: WithdrawalMethod | None = None,
    base_id: uuid.UUID | None = None,
) -> Checkpoint:
    """A checkpoint without weights; raises InvalidInput for what the architecture cannot have or stand on."""
    if not ARCHITECTURES[architecture].kept:
        fault = (
            f"models of {architecture.value} are not kept as weights: order it as `model`, and the job trains all that"
            " it needs"
        )
        raise InvalidInput(fault, errors=[FieldError("/architecture", fault, "architecture")])
    if wrong := ARCHITECTURES[architecture].faults(hyper):
        errors = [FieldError(f"/hyper/{field}", fault, "hyper_parameter") for field, fault in wrong.items()]
        raise InvalidInput(errors[0].detail, errors=errors)
    _check_method(architecture, unlearning)
    if base_id is not None:
        _check_base(session, caller, architecture, base_id)
    checkpoint = Checkpoint(
        buyer_id=caller.account_id,
        name=name,
        architecture=architecture,
        hyper=dict(hyper),
        digest=None,
        size_bytes=None,
        tensors=None,
        base_id=base_id,
        facts=None,
        tokenizer_digest=None,
        erased_at=None,
        version=1,
        unlearning=unlearning,
    )
    repository.add(session, checkpoint)
    return checkpoint


def change(session: Session, caller: Caller, checkpoint_id: uuid.UUID, changes: CheckpointChanges) -> Checkpoint:
    """Change ``name`` or ``unlearning``; a duty to unlearn that waits for the owner's choice then begins."""
    checkpoint = get(session, caller, checkpoint_id, lock=True)
    if changes.name is not None:
        checkpoint.name = changes.name
    if "unlearning" in changes.model_fields_set:
        _check_method(checkpoint.architecture, changes.unlearning)
        checkpoint.unlearning = changes.unlearning
    session.flush()
    return checkpoint


def _check_method(architecture: Architecture, method: WithdrawalMethod | None) -> None:
    if wrong := withdrawal.fault(architecture, method):
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


def _check_base(session: Session, caller: Caller, architecture: Architecture, base_id: uuid.UUID) -> None:
    base = repository.own(session, caller.account_id, base_id)
    name = public_id("ck", base_id)
    allowed = ARCHITECTURES[architecture].stands_on
    if base is None:
        fault = f"no checkpoint {name} of yours; list them with GET /v1/checkpoints"
    elif not allowed:
        fault = f"a checkpoint of architecture {architecture.value} stands on no base; leave it out"
    elif base.architecture not in allowed or base.base_id is not None:
        kinds = " or ".join(kind.value for kind in allowed)
        fault = f"checkpoint {name} is no base for {architecture.value}; name a model folder of architecture {kinds}"
    elif base.digest is None or base.facts is None:
        fault = f"checkpoint {name} has no weights yet; upload the model folder first"
    else:
        return
    raise InvalidInput(fault, errors=[FieldError("/base", fault, "base")])


def expect_content(session: Session, caller: Caller, checkpoint_id: uuid.UUID) -> ExpectedWeights:
    """What an upload must be; raises NotFound before a long body is read in vain."""
    checkpoint = get(session, caller, checkpoint_id)
    base = None
    if checkpoint.base_id is not None:
        below = get(session, caller, checkpoint.base_id)
        if below.facts is None or below.digest is None:
            raise Conflict(f"the base {public_id('ck', checkpoint.base_id)} has no weights (any more); name another")
        base = below.model_facts
    return ExpectedWeights(
        f"checkpoint {public_id('ck', checkpoint_id)}", checkpoint.architecture, base, checkpoint.hyper
    )


def check_quota(session: Session, settings: Settings, caller: Caller, size_bytes: int) -> None:
    """Raises Conflict where so many more bytes of weights are above what an organisation may keep."""
    kept = repository.stored_bytes(session, caller.account_id)
    most = registration.limits_of(session, settings, caller.account_id).max_stored_bytes
    quotas.check_bytes(kept, size_bytes, most, "checkpoints")


def store_content(
    session: Session,
    blobs: BlobStore,
    caller: Caller,
    checkpoint_id: uuid.UUID,
    upload: Upload,
    checked: CheckedWeights,
) -> Checkpoint:
    """Make a checked upload the checkpoint's weights. The same bytes again change nothing; others are a Conflict."""
    checkpoint = get(session, caller, checkpoint_id, lock=True)
    if checked.facts is not None:
        # the files are stored in one fixed order, and not as the archive that was sent
        upload = replace(upload, path=checked.content, digest=BlobStore.digest_of(checked.content))
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
    stored: Blob = blobs.put_file(upload.path)
    checkpoint.digest, checkpoint.size_bytes = stored.digest, stored.size
    checkpoint.tensors = {label: tensor.plain() for label, tensor in checked.tensors.items()}
    checkpoint.facts = None if checked.facts is None else checked.facts.plain()
    if checked.tokenizer is not None:
        checkpoint.tokenizer_digest = blobs.put_bytes(checked.tokenizer).digest
    if checked.facts is not None and checkpoint.base_id is not None:
        checkpoint.hyper = {**checkpoint.hyper, **checked.facts.sizes}
    session.flush()
    return checkpoint


def lineage(session: Session, caller: Caller, checkpoint_id: uuid.UUID) -> Sequence[CheckpointLineage]:
    """What one of the caller's checkpoints has seen."""
    get(session, caller, checkpoint_id)
    return repository.lineage(session, checkpoint_id)


def unlearnings(session: Session, caller: Caller, checkpoint_id: uuid.UUID) -> Sequence[UnlearningDuty]:
    """What one of the caller's checkpoints was made to forget, or is to forget."""
    get(session, caller, checkpoint_id)
    return repository.unlearnings(session, checkpoint_id)


def unlearning(session: Session, caller: Caller, checkpoint_id: uuid.UUID, unlearning_id: uuid.UUID) -> UnlearningDuty:
    """One of them; raises NotFound."""
    for duty in unlearnings(session, caller, checkpoint_id):
        if duty.id == unlearning_id:
            return duty
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
