"""The certificates of erasures and of checkpoints' unlearnings, over HTTP. Thin; the unlearnings themselves are listed
in ``app.checkpoints.endpoints``."""

from app.accounts.callers import BuyerCaller, ProviderCaller
from app.checkpoints import service
from app.erasure import erasing, unlearning
from app.erasure.schemas import UnlearningCertificate
from app.errors import Conflict, NotFound
from app.http.deps import SessionDep, SettingsDep
from app.http.ids import CheckpointId, DatasetId, UnlearningId, public_id
from app.http.problems import responses
from app.http.routes import api_router
from app.valuations.results import certificates
from app.valuations.results.payout_schemas import Certificate

# in the API's document each endpoint is under the resource that it belongs to
router = api_router("/v1/datasets", "valuations")
unlearnings = api_router("/v1/checkpoints", "checkpoints")


@router.get("/{dataset_id}/erasure", responses=responses(NotFound, Conflict))
def get_erasure(
    dataset_id: DatasetId, caller: ProviderCaller, session: SessionDep, settings: SettingsDep
) -> Certificate:
    """The signed record of what was erased when one's own dataset was withdrawn: digests, models, checkpoints."""
    erasure = erasing.erasure_of(session, caller, dataset_id)
    if erasure.finished_at is None:
        raise Conflict(f"dataset {public_id('ds', dataset_id)} is still being erased; ask again in a minute")
    return Certificate.model_validate(certificates.sign(settings, erasing.record_of(erasure)))


@unlearnings.get("/{checkpoint_id}/unlearnings/{unlearning_id}/certificate", responses=responses(NotFound, Conflict))
def get_unlearning_certificate(
    checkpoint_id: CheckpointId,
    unlearning_id: UnlearningId,
    caller: BuyerCaller,
    session: SessionDep,
    settings: SettingsDep,
) -> UnlearningCertificate:
    """How one of one's own checkpoints was made to forget a dataset, and what is left to see of it, signed.

    Check it with `GET /v1/valuations/certificates/key`, as a valuation's.
    """
    done = service.unlearning(session, caller, checkpoint_id, unlearning_id)
    if done.finished_at is None:
        raise Conflict(
            f"unlearning {public_id('ul', unlearning_id)} is not done yet; wait for checkpoint.unlearned, or ask again"
        )
    return UnlearningCertificate.model_validate(certificates.sign(settings, unlearning.content(done)))
