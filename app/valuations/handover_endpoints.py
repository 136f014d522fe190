"""What a job delivers, over HTTP: its model as a zip, and how that stands. Thin, like the others."""

from fastapi import Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from app.accounts.callers import BuyerCaller
from app.checkpoints.summary_schemas import TrainingSummary
from app.errors import Conflict, NotFound
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.headers import attachment, binary, conditional, make_etag
from app.http.ids import CheckpointId, ValuationId, public_id
from app.http.problems import responses
from app.http.routes import api_router
from app.storage import scratch
from app.valuations import handover, training_data
from app.valuations.delivery.package import MEDIA_TYPE, write
from app.valuations.results.delivery_schemas import JobDeliveryAnswer

router = api_router("/v1", "valuations")


@router.get("/valuations/{valuation_id}/delivery", responses=responses(NotFound, Conflict))
def get_delivery(valuation_id: ValuationId, caller: BuyerCaller, session: SessionDep) -> JobDeliveryAnswer:
    """What your job delivers beside values, and how that stands; 409 before it has settled."""
    return handover.delivery(session, caller, valuation_id)


@router.get(
    "/valuations/{valuation_id}/model",
    response_class=Response,
    responses=responses(NotFound, Conflict)
    | binary("A zip: weights, preprocessing, and a model card that says how to use them.", "PK...", MEDIA_TYPE),
)
def get_model(
    valuation_id: ValuationId,
    caller: BuyerCaller,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    request: Request,
    response: Response,
) -> Response:
    """The model that was trained on everybody who is paid and whose licence grants it; 409, with the reason, where it
    is not there (yet). `Range` fetches a part of it. Predict with `cherish predict MODEL.zip FILE`."""
    package = handover.model_package(session, blobs, settings, caller, valuation_id)
    tag = make_etag(package.digest, package.card)
    conditional(request, response, tag)
    return zipped(package, valuation_id, tag)


@router.get("/checkpoints/{checkpoint_id}/training-data", responses=responses(NotFound))
def get_training_data(checkpoint_id: CheckpointId, caller: BuyerCaller, session: SessionDep) -> TrainingSummary:
    """What a model was trained on, in the sections of the EU's template for public summaries of training content (AI
    Act, Article 53(1)(d)). A delivered model's checkpoint is named by its job's delivery. What this market does not
    know says that the model's provider is to fill it."""
    return training_data.of_checkpoint(session, caller, checkpoint_id)


def zipped(package: handover.ModelPackage, valuation_id: ValuationId, tag: str) -> Response:
    """The package as a file that is removed once it is sent."""
    path = scratch.keep(f"{public_id('val', valuation_id)}-model.zip")
    write(path, package.files, package.card)
    headers = {"ETag": tag, "Cache-Control": "private, no-store"} | attachment(path.name)
    return FileResponse(path, media_type=MEDIA_TYPE, headers=headers, background=BackgroundTask(scratch.drop, path))
