"""What a job's values rest on, over HTTP: the buyer's archive, and a provider's proofs. Thin, like the others."""

from pathlib import Path
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from app.accounts.callers import AnyCaller, ProviderCaller
from app.errors import Conflict, NotFound
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.headers import attachment, binary, conditional
from app.http.ids import ValuationId, public_id
from app.http.problems import responses
from app.http.routes import api_router
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations import evidence
from app.valuations.results.payout_schemas import InclusionAnswer

router = api_router("/v1", "valuations")


@router.get(
    "/valuations/{valuation_id}/evidence",
    response_class=Response,
    responses=responses(NotFound, Conflict)
    | binary(
        "A zip: evidence.json, job.json, and models' answers where all licences grant `model`.",
        "PK...",
        evidence.MEDIA_TYPE,
    ),
)
def get_evidence(
    valuation_id: ValuationId,
    caller: AnyCaller,
    session: SessionDep,
    blobs: BlobsDep,
    request: Request,
    response: Response,
) -> Response:
    """All that your job's values, intervals and amounts rest on: each worth, and what the pool was divided by. Its
    Merkle root is the certificate's: `cherish verify CERTIFICATE EVIDENCE` repeats the job from it. 409 before the job
    has settled, and after a withdrawal."""
    job_evidence = evidence.of_job(session, blobs, caller, valuation_id)
    conditional(request, response, job_evidence.tag)
    return archived(job_evidence, blobs, valuation_id)


@router.get("/me/valuations/{valuation_id}/evidence", responses=responses(NotFound, Conflict))
def get_my_evidence(
    valuation_id: ValuationId,
    caller: ProviderCaller,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    after: Annotated[int, Query(ge=-1, le=2**31 - 1, description="The `next_after` of the answer before.")] = -1,
    limit: Annotated[int, Query(ge=1, le=1000, examples=[200])] = 200,
) -> InclusionAnswer:
    """Proofs that the coalitions your data is in are among those that the job's certificate commits to, without any
    worth; check them with `cherish verify FILE`."""
    proofs = evidence.inclusion(session, blobs, settings, caller, valuation_id, after, limit)
    return InclusionAnswer.of(proofs.signed, proofs.items, proofs.following)


def archived(job_evidence: evidence.JobEvidence, blobs: BlobStore, valuation_id: ValuationId) -> Response:
    """The archive as a file that is removed once it is sent."""
    path: Path = scratch.keep(f"{public_id('val', valuation_id)}-evidence.zip")
    evidence.write(path, blobs, job_evidence)
    headers = {"ETag": job_evidence.tag, "Cache-Control": "private, no-store"} | attachment(path.name)
    return FileResponse(
        path, media_type=evidence.MEDIA_TYPE, headers=headers, background=BackgroundTask(scratch.drop, path)
    )
