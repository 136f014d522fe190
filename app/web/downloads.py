"""What a buyer takes from a job that has ended: tables, report, certificate, the order. The bytes are the rooms' own.

Each is what the API answers, under a file name of its own; nothing here computes or formats a value.
"""

import json
from functools import partial
from typing import Annotated, Literal

from fastapi import Query, Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.headers import attachment
from app.http.ids import DatasetId, ValuationId, public_id
from app.http.lending import Lent
from app.identity import Role
from app.storage import scratch
from app.valuations import by_metric, data_copying, data_delivery, evidence, handover, service
from app.valuations.delivery.package import MEDIA_TYPE, packed
from app.valuations.results import certificates, exports, reports
from app.valuations.results.payout_schemas import InclusionAnswer
from app.web.jobs import Reader
from app.web.rendering import page
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/jobs")

# whoever has paid for it, and no administrator
Provider = Annotated[Visitor, visiting("valuations:read", Role.PROVIDER)]
Taker = Annotated[Visitor, visiting("valuations:read", Role.BUYER)]
_PRIVATE = {"Cache-Control": "private, no-store"}


@router.get("/{valuation_id}/values.{kind}")
def download_values(
    visitor: Reader, session: SessionDep, valuation_id: ValuationId, kind: Literal["json", "csv", "parquet"]
) -> Response:
    values = service.values(session, visitor.caller, valuation_id)
    match kind:
        case "csv":
            return _download(exports.to_csv(values), "text/csv; charset=utf-8", valuation_id, "values.csv")
        case "parquet":
            return _download(exports.to_parquet(values), exports.PARQUET_TYPE, valuation_id, "values.parquet")
        case "json":
            return _json(values.model_dump_json(indent=2), valuation_id, "values.json")


@router.get("/{valuation_id}/report.{kind}")
def download_report(
    visitor: Reader,
    session: SessionDep,
    settings: SettingsDep,
    valuation_id: ValuationId,
    kind: Literal["html", "pdf"],
    metric: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    if metric:
        report = by_metric.report(session, settings, visitor.caller, valuation_id, metric)
    else:
        report = service.report(session, visitor.caller, valuation_id)
    if kind == "pdf":
        return _download(reports.to_pdf(report), "application/pdf", valuation_id, "report.pdf")
    return _download(reports.to_html(report), "text/html; charset=utf-8", valuation_id, "report.html")


@router.get("/{valuation_id}/payouts.csv")
def download_payouts(visitor: Reader, session: SessionDep, valuation_id: ValuationId) -> Response:
    paid = service.payout_lines(session, visitor.caller, valuation_id)
    return _download(exports.payouts_to_csv(paid), "text/csv; charset=utf-8", valuation_id, "payouts.csv")


@router.get("/{valuation_id}/model.zip")
def download_model(
    visitor: Taker, session: SessionDep, blobs: BlobsDep, settings: SettingsDep, valuation_id: ValuationId
) -> Response:
    package = handover.model_package(session, blobs, settings, visitor.caller, valuation_id)
    name = f"{public_id('val', valuation_id)}-model.zip"
    return Response(packed(package.files, package.card), media_type=MEDIA_TYPE, headers=attachment(name) | _PRIVATE)


@router.get("/{valuation_id}/data/{dataset_id}")
async def download_data(
    request: Request,
    visitor: Taker,
    session: SessionDep,
    blobs: BlobsDep,
    valuation_id: ValuationId,
    dataset_id: DatasetId,
) -> Response:
    ready = partial(data_delivery.to_be_copied, session, visitor.caller, valuation_id, dataset_id)
    copy = await data_copying.handed_over(Lent.of(request, session), session, blobs, ready)
    dropped = BackgroundTask(scratch.drop, copy.path)
    headers = attachment(copy.name) | _PRIVATE
    return FileResponse(copy.path, media_type="application/octet-stream", headers=headers, background=dropped)


@router.get("/{valuation_id}/order.json")
def download_order(visitor: Reader, session: SessionDep, valuation_id: ValuationId) -> Response:
    spec = service.get(session, visitor.caller, valuation_id).spec
    return _json(json.dumps(spec, indent=2), valuation_id, "order.json")


@router.get("/{valuation_id}/certificate.json")
def download_certificate(
    visitor: Reader, session: SessionDep, settings: SettingsDep, valuation_id: ValuationId
) -> Response:
    signed = service.certificate(session, settings, visitor.caller, valuation_id)
    return _json(json.dumps(signed, indent=2), valuation_id, "certificate.json")


@router.get("/{valuation_id}/evidence.zip")
def download_evidence(visitor: Reader, session: SessionDep, blobs: BlobsDep, valuation_id: ValuationId) -> Response:
    """What the certificate commits to, to repeat the job from."""
    job_evidence = evidence.of_job(session, blobs, visitor.caller, valuation_id)
    return _download(evidence.packed(blobs, job_evidence), evidence.MEDIA_TYPE, valuation_id, "evidence.zip")


@router.get("/{valuation_id}/proofs.json")
def download_proofs(
    visitor: Provider, session: SessionDep, blobs: BlobsDep, settings: SettingsDep, valuation_id: ValuationId
) -> Response:
    """A provider's proofs that the coalitions with its data are under the certificate's root: all of them."""
    proofs = evidence.inclusion(session, blobs, settings, visitor.caller, valuation_id, -1, None)
    answer = InclusionAnswer.of(proofs.signed, proofs.items, proofs.following)
    return _json(answer.model_dump_json(indent=1), valuation_id, "proofs.json")


@router.get("/{valuation_id}/certificate")
def show_certificate(
    request: Request, visitor: Reader, session: SessionDep, settings: SettingsDep, valuation_id: ValuationId
) -> Response:
    """The certificate for people, checked once more with this service's own key."""
    signed = service.certificate(session, settings, visitor.caller, valuation_id)
    shown = {
        "job": service.get(session, visitor.caller, valuation_id),
        "signed": signed,
        "genuine": certificates.is_genuine(signed, certificates.public_key(settings)),
        "names": {
            player.position: player.provider for player in service.values(session, visitor.caller, valuation_id).players
        },
    }
    return page(request, "certificate.html", shown, visitor=visitor)


def _json(text: str, valuation_id: ValuationId, name: str) -> Response:
    return _download(text, "application/json; charset=utf-8", valuation_id, name)


def _download(content: str | bytes, kind: str, valuation_id: ValuationId, name: str) -> Response:
    file = f"{public_id('val', valuation_id)}-{name}"
    headers = attachment(file) | _PRIVATE
    return Response(content, media_type=kind, headers=headers)
