"""Pages on datasets: a provider's offers and a buyer's test sets; uploading, where each was used, withdrawing.

An upload is a raw stream from the page's script to the same checks as the API's; nothing is kept of one that fails.
"""

import contextlib
import json
import re
from typing import Annotated, Any, Literal

from fastapi import Form, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from app.datasets import quotas, schemas, service
from app.datasets.profiles.profile_schemas import ProfileAnswer
from app.datasets.remote.sources import BucketKey, source_of
from app.datasets.service import Draft
from app.datasets.tables import DatasetStatus, Modality
from app.datasets.uploads.receiving import FetchOrder, fetched
from app.db.session import transaction
from app.erasure import erasing as forgetting
from app.errors import Conflict, InvalidInput, NotFound
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep
from app.http.headers import attachment
from app.http.ids import DatasetId, ValuationId, public_id
from app.http.lending import Lent
from app.http.mounting import mounted
from app.http.pages import PageRequest
from app.http.routes import Change, record_as
from app.http.validation import broken_rules
from app.identity import Role
from app.payouts import voids
from app.valuations import by_class, participation
from app.valuations import service as valuations
from app.valuations.job_schemas import MyValuation
from app.valuations.results import certificates, exports, row_values
from app.valuations.results.row_glimpses import worth_a_look
from app.valuations.states import ValuationStatus
from app.web import charts
from app.web.forms import PageForm, whole
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting
from contract.results.row_values import ABOUT, RowFinding
from contract.rows.files import AS_IT_IS

router = page_router()

_ROLES = (Role.PROVIDER, Role.BUYER)
Reader = Annotated[Visitor, visiting("datasets:read", *_ROLES)]
Writer = Annotated[Visitor, visiting("datasets:write", *_ROLES)]
Disputer = Annotated[Visitor, visiting("payouts:write", Role.PROVIDER)]
Provider = Annotated[Visitor, visiting("valuations:read", Role.PROVIDER)]


class VoidForm(PageForm):
    """Why a provider says that its payout is not void."""

    reason: str = Field(default="", max_length=200)


class DatasetForm(PageForm):
    """A new dataset, before its bytes: rows with a column to predict, or text."""

    name: str = ""
    target: str = ""
    description: str = ""
    modality: str = ""


class FetchForm(PageForm):
    """An address to fetch a file from; of a bucket that is not public, a key."""

    url: str = ""
    sha256: str = ""
    token: str = ""
    region: str = ""
    endpoint: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""

    def bucket_key(self) -> BucketKey | None:
        """What was said of a bucket; None where nothing was."""
        if not (self.region or self.endpoint or self.access_key_id or self.secret_access_key):
            return None
        return BucketKey(
            self.region or "us-east-1",
            self.endpoint or None,
            self.access_key_id or None,
            self.secret_access_key or None,
        )


class TermsForm(PageForm):
    """The terms on which a dataset is published; several words are separated by spaces or commas."""

    spdx: str = ""
    purposes: str = ""
    territories: str = ""
    expires_on: str = ""
    reserve_price: str = ""
    reserve_currency: str = "EUR"
    preview_rows: str = ""
    model_price: str = ""
    data_price: str = ""
    data_share: str = ""
    grant_model: str = ""
    grant_data: str = ""
    test_first: str = ""
    by_request: str = ""


class WithdrawForm(PageForm):
    """``yes``: what withdrawing does has been read."""

    understood: str = ""


@router.get("/datasets")
def list_datasets(request: Request, visitor: Reader, session: SessionDep, paging: PageDep) -> Response:
    datasets, following = service.list_own(session, visitor.caller, None, None, paging)
    return page(request, "datasets.html", {"datasets": datasets, "next": following}, visitor=visitor)


@router.post("/datasets")
def create_dataset(
    visitor: Writer, session: SessionDep, settings: SettingsDep, form: Annotated[DatasetForm, Form()]
) -> Response:
    """A draft, for the script that uploads its bytes next."""
    text = form.modality == Modality.TEXT.value
    if not form.name or not (form.target or text):
        raise InvalidInput("a dataset has a name and the column to predict; fill in both, or say that it is text")
    if len(form.name) > 200 or len(form.target) > 200 or len(form.description) > 5000:
        raise InvalidInput("name and column have 200 characters at most, the description 5000; shorten them")
    draft = Draft(form.name, form.target or None, form.description, modality=Modality.TEXT if text else None)
    quotas.check_draft(session, settings, visitor.caller)
    dataset = service.create(session, visitor.caller, draft)
    address = f"/datasets/{public_id('ds', dataset.id)}"
    return JSONResponse({"page": mounted(address), "uploads": mounted(f"{address}/uploads")}, status_code=201)


@router.post("/datasets/{dataset_id}/fetch")
async def fetch_content(
    request: Request,
    dataset_id: DatasetId,
    visitor: Writer,
    session: SessionDep,
    settings: SettingsDep,
    blobs: BlobsDep,
    form: Annotated[FetchForm, Form()],
) -> Response:
    """The file's bytes, fetched from an address; a key or token is used for this one call."""
    source = source_of(form.url, form.bucket_key(), form.token or None, settings.hub_url)
    caller, order = visitor.caller, FetchOrder(dataset_id, source, AS_IT_IS, form.sha256 or None)
    lent = Lent.of(request, session, caller.account_id)
    _, upload = await fetched(lent, session, settings, blobs, caller, order)
    detail = {"url": source.shown, "digest": upload.digest, "size_bytes": upload.size}
    record_as(request, Change(visitor.caller, "add_dataset_version", public_id("ds", dataset_id), detail))
    return see_other(f"/datasets/{public_id('ds', dataset_id)}")


@router.get("/datasets/{dataset_id}")
def show_dataset(
    request: Request,
    visitor: Reader,
    session: SessionDep,
    settings: SettingsDep,
    paging: PageDep,
    dataset_id: DatasetId,
) -> Response:
    dataset = service.get(session, visitor.caller, dataset_id)
    erasure, profile, disclosures, uses = None, None, None, []
    if dataset.status is DatasetStatus.WITHDRAWN and visitor.role is Role.PROVIDER:
        # there is none until the sweeper has seen the withdrawal, seconds later
        with contextlib.suppress(NotFound):
            erasure = forgetting.erasure_of(session, visitor.caller, dataset_id)
    if dataset.version and dataset.status is not DatasetStatus.WITHDRAWN:
        profile = ProfileAnswer.model_validate(service.profile(session, visitor.caller, dataset_id))
    if visitor.role is Role.PROVIDER:
        disclosures = service.disclosures(session, settings, visitor.caller, dataset_id)
    if visitor.role is Role.PROVIDER and visitor.may("valuations:read"):
        mine, _ = valuations.list_mine(session, visitor.caller, PageRequest(200, None, paging.secret))
        uses = [job for job in (_part_in(own, dataset_id) for own in mine) if job is not None]
    shown = {
        "dataset": dataset,
        "uses": uses,
        "deletable": not service.is_used(session, dataset_id),
        "chart": charts.own_shares(uses),
        "values_chart": charts.own_values(uses),
        "profile": profile,
        "versions": service.versions(session, visitor.caller, dataset_id)[:20],
        "erasure": erasure,
        "told": disclosures,
    }
    return page(request, "dataset.html", shown, visitor=visitor)


@router.post("/datasets/{dataset_id}/publish")
def publish(
    visitor: Writer, session: SessionDep, dataset_id: DatasetId, form: Annotated[TermsForm, Form()]
) -> Response:
    """Put it into the catalogue on these terms, or change the terms of one that is there."""
    licence: dict[str, Any] = {
        "spdx": form.spdx,
        "purposes": _words(form.purposes),
        "territories": _words(form.territories.upper()),
        # a day that is named is still part of the licence
        "expires_at": f"{form.expires_on}T23:59:59Z" if form.expires_on else None,
        "grants": ["value", *(["model"] if form.grant_model else []), *(["data"] if form.grant_data else [])],
        "test_first": form.test_first == "yes",
        "approval": "by_request" if form.by_request else "automatic",
    }
    fields: dict[str, Any] = {
        "licence": licence,
        "reserve_price": form.reserve_price or None,
        "reserve_currency": form.reserve_currency.upper() or "EUR",
        "preview_rows": whole("preview_rows", form.preview_rows) or 0,
        "asking": _asking(form),
    }
    try:
        terms = schemas.PublishBody.model_validate(fields).terms()
    except ValidationError as error:
        broken = "; ".join(f"{rule.place[-1]}: {rule.sentence}" for rule in broken_rules(error.errors()))
        raise InvalidInput(f"the terms cannot be published: {broken}") from None
    service.publish(session, visitor.caller, dataset_id, terms)
    return see_other(f"/datasets/{public_id('ds', dataset_id)}")


@router.post("/datasets/{dataset_id}/withdraw")
def withdraw(
    visitor: Writer, session: SessionDep, dataset_id: DatasetId, form: Annotated[WithdrawForm, Form()]
) -> Response:
    if form.understood != "yes":
        raise InvalidInput("tick that you have read what withdrawing does; nothing was changed")
    service.withdraw(session, visitor.caller, dataset_id)
    return see_other(f"/datasets/{public_id('ds', dataset_id)}")


@router.get("/datasets/{dataset_id}/erasure.json")
def download_erasure(visitor: Reader, session: SessionDep, settings: SettingsDep, dataset_id: DatasetId) -> Response:
    """The signed record of what was erased when the dataset was withdrawn."""
    erasure = forgetting.erasure_of(session, visitor.caller, dataset_id)
    if erasure.finished_at is None:
        raise Conflict("its traces are being erased; the record is there in a minute")
    signed = certificates.sign(settings, forgetting.record_of(erasure))
    name = f"{public_id('ds', dataset_id)}-erasure.json"
    headers = attachment(name) | {"Cache-Control": "private, no-store"}
    return Response(json.dumps(signed, indent=2), media_type="application/json; charset=utf-8", headers=headers)


@router.post("/datasets/{dataset_id}/delete")
def delete(request: Request, visitor: Writer, session: SessionDep, dataset_id: DatasetId) -> Response:
    digests = service.delete(session, visitor.caller, dataset_id)
    # rows first: bytes must never be gone while a row still names them
    session.commit()
    with transaction(request.app.state.session_factory) as erasing:
        for digest in digests:
            service.erase_unused(erasing, request.app.state.blobs, digest)
    return see_other("/datasets")


@router.get("/earnings")
def show_earnings(request: Request, visitor: Provider, session: SessionDep, paging: PageDep) -> Response:
    jobs, following = valuations.list_mine(session, visitor.caller, paging)
    shown = {"jobs": jobs, "next": following, "chart": charts.own_shares(jobs), "values_chart": charts.own_values(jobs)}
    return page(request, "earnings.html", shown, visitor=visitor)


@router.get("/earnings/{valuation_id}")
def show_part(request: Request, visitor: Provider, session: SessionDep, valuation_id: ValuationId) -> Response:
    """One job that a provider's data is valued in: for whom, on which terms, what it came to and why."""
    job = participation.job(session, visitor.caller, valuation_id)
    names = {each.id: each.name for each in participation.datasets(session, visitor.caller, job)}
    classes, refusal = None, ""
    if job.status is ValuationStatus.SUCCEEDED:
        try:
            classes = by_class.mine(session, visitor.caller, valuation_id)
        except Conflict as refused:
            refusal = refused.detail
    shown = {"job": job, "names": names, "jobs": [job], "classes": classes, "classes_refused": refusal}
    return page(request, "part.html", shown, visitor=visitor)


@router.post("/earnings/{valuation_id}/dispute")
def dispute_void(
    visitor: Disputer, session: SessionDep, valuation_id: ValuationId, form: Annotated[VoidForm, Form()]
) -> Response:
    """Say that one's own payout is not void."""
    voids.open_dispute(session, valuation_id, visitor.caller.account_id, form.reason)
    return see_other(f"/earnings/{public_id('val', valuation_id)}")


@router.get("/earnings/{valuation_id}/certificate.json")
def download_part(visitor: Provider, session: SessionDep, settings: SettingsDep, valuation_id: ValuationId) -> Response:
    signed = participation.certificate(session, settings, visitor.caller, valuation_id)
    headers = attachment(f"{public_id('val', valuation_id)}-own.json") | {"Cache-Control": "private, no-store"}
    return Response(json.dumps(signed, indent=2), media_type="application/json", headers=headers)


@router.get("/earnings/{valuation_id}/rows")
def show_rows(
    request: Request, visitor: Provider, session: SessionDep, blobs: BlobsDep, valuation_id: ValuationId
) -> Response:
    """What a provider's own rows were worth in a job, and which are worth a second look."""
    said = row_values.of_job(session, visitor.caller, valuation_id)
    table = row_values.own_table(session, blobs, visitor.caller, valuation_id)
    lists = [(finding, worth_a_look(table, finding)) for finding in RowFinding]
    return page(request, "rows.html", {"said": said, "lists": lists, "about": ABOUT}, visitor=visitor)


@router.get("/earnings/{valuation_id}/rows.{kind}")
def download_rows(
    visitor: Provider, session: SessionDep, blobs: BlobsDep, valuation_id: ValuationId, kind: Literal["csv", "parquet"]
) -> Response:
    table = row_values.table(session, blobs, visitor.caller, valuation_id)
    headers = attachment(f"{public_id('val', valuation_id)}-rows.{kind}") | {"Cache-Control": "private, no-store"}
    content = row_values.to_csv(table) if kind == "csv" else row_values.to_parquet(table)
    return Response(content, media_type="text/csv" if kind == "csv" else exports.PARQUET_TYPE, headers=headers)


def _asking(form: TermsForm) -> dict[str, Any] | None:
    """What is asked for uses beyond the value; None where nothing is. Raises InvalidInput for a part that is none."""
    if not (form.model_price or form.data_price or form.data_share):
        return None
    try:
        share = float(form.data_share) / 100 if form.data_share else None
    except ValueError:
        raise InvalidInput(f"data_share: {form.data_share[:40]!r} is no number of percent; write one like 25") from None
    return {
        "currency": form.reserve_currency.upper() or "EUR",
        "model": form.model_price or None,
        "data": form.data_price or None,
        "data_share": share,
    }


def _words(text: str) -> list[str] | None:
    return [word for word in re.split(r"[\s,]+", text) if word] or None


def _part_in(job: MyValuation, dataset_id: Any) -> MyValuation | None:
    """The job with those of the provider's players that this dataset belongs to; None where it was not used."""
    players = [player for player in job.players if dataset_id in player.datasets]
    return job.model_copy(update={"players": players}) if players else None
