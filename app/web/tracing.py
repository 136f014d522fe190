"""The page that says whose copy a leaked file is. Its script sends the file as it is; nothing of it is kept."""

from typing import Annotated

from fastapi import Request, Response

from app.datasets import service
from app.errors import CherishError
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.ids import DatasetId
from app.http.lending import Lent
from app.identity import Role
from app.valuations import data_copying, data_delivery
from app.web import localisation
from app.web.rendering import fragment, page
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/datasets")

Owner = Annotated[Visitor, visiting("datasets:write", Role.PROVIDER)]


@router.get("/{dataset_id}/trace")
def show_trace(request: Request, dataset_id: DatasetId, visitor: Owner, session: SessionDep) -> Response:
    dataset = service.get(session, visitor.caller, dataset_id)
    reason = None
    try:
        data_delivery.check_traceable(session, visitor.caller, dataset_id)
    except CherishError as error:
        reason = error
    return page(request, "trace.html", {"dataset": dataset, "reason": reason}, visitor=visitor)


@router.put("/{dataset_id}/trace/content")
async def trace_file(
    request: Request,
    dataset_id: DatasetId,
    visitor: Owner,
    session: SessionDep,
    settings: SettingsDep,
    blobs: BlobsDep,
) -> Response:
    """The answer about a file, as a part of the page; a refusal is one, too."""
    lent = Lent.of(request, session, visitor.caller.account_id)
    traced, problem = None, None
    try:
        traced = await data_copying.traced(lent, session, blobs, visitor.caller, dataset_id, settings.max_upload_bytes)
    except CherishError as error:
        problem = error
    localisation.use(request)
    shown = {"traced": traced, "problem": problem}
    status = problem.status if problem else 200
    return Response(fragment("_traced.html", shown), media_type="text/html", status_code=status)
