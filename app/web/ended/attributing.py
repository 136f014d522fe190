"""The page on which a buyer asks whom an answer of a delivered language model leaned on, and what was found."""

from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import Form, Query, Request, Response
from pydantic import ConfigDict
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.errors import CherishError, NotFound
from app.http.deferred import answered
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.ids import ValuationId, parse_id, public_id
from app.valuations import attributions, service
from app.valuations.results.attribution_schemas import AttributionAnswer, NewAttribution
from app.web import charts
from app.web.forms import PageForm, body_of
from app.web.jobs import Buyer, Reader
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor

router = page_router("/jobs")


class AnswerForm(PageForm):
    """A prompt and its answer; white space counts in both."""

    model_config = ConfigDict(str_strip_whitespace=False)

    prompt: str = ""
    answer: str = ""


@router.get("/{valuation_id}/attributions")
def show_attributions(
    request: Request,
    visitor: Reader,
    session: SessionDep,
    valuation_id: ValuationId,
    asked: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """The form, and what one request found; asked again by the browser until it has."""
    service.get(session, visitor.caller, valuation_id)
    found = None
    if asked:
        try:
            attribution_id = parse_id("att", asked)
        except ValueError as error:
            raise NotFound(f"there is no such attribution: {error}") from None
        request_ = attributions.get(session, visitor.caller, valuation_id, attribution_id)
        found = attributions.describe(session, request_)
    response = _page(request, visitor, session, valuation_id, AnswerForm(), found, None)
    if found is not None and found.status == "queued":
        response.headers["Refresh"] = "2"
    return response


@router.post("/{valuation_id}/attributions")
async def ask_attribution(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    valuation_id: ValuationId,
    form: Annotated[AnswerForm, Form()],
) -> Response:
    """Ask about one answer; what is asked is charged as over HTTP."""
    caller, texts = visitor.caller, attributions.AnswersRead()
    try:
        # a browser sends line ends as two characters
        said = {"prompt": form.prompt.replace("\r\n", "\n"), "answer": form.answer.replace("\r\n", "\n")}
        body = body_of(NewAttribution, {"answers": [said]})
        read = partial(attributions.read, session, blobs, settings, caller, valuation_id, body, texts)
        await answered(request, session, caller.account_id, read)
        if texts.asked is None:
            raise AssertionError("texts were read and left no tokens")
        made = await run_in_threadpool(attributions.post, session, settings, caller, valuation_id, texts.asked)
    except NotFound:
        raise
    except CherishError as error:
        return await run_in_threadpool(_page, request, visitor, session, valuation_id, form, None, error)
    return see_other(f"/jobs/{public_id('val', valuation_id)}/attributions?asked={public_id('att', made.id)}")


def _page(
    request: Request,
    visitor: Visitor,
    session: Session,
    valuation_id: ValuationId,
    form: AnswerForm,
    found: AttributionAnswer | None,
    error: CherishError | None,
) -> Response:
    earlier: list[tuple[str, datetime]] = [
        (public_id("att", each.id), each.created_at) for each in attributions.latest(session, valuation_id)
    ]
    shown = {
        "id": public_id("val", valuation_id),
        "form": form,
        "found": found,
        "drawn": None if found is None or found.together is None else charts.attributed(found),
        "earlier": earlier,
        "error": error,
    }
    return page(request, "attributions.html", shown, visitor=visitor, status=error.status if error else 200)
