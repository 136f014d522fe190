"""Pages of wanted ads: what buyers lack, for providers; a buyer's own, with the form for another."""

from typing import Annotated

from fastapi import Form, Request, Response

from app.errors import CherishError
from app.http.deps import PageDep, SessionDep
from app.http.ids import AdId
from app.http.pages import PageRequest
from app.identity import Role
from app.wanted import service
from app.wanted.schemas import WantedAdBody
from app.web.forms import PageForm, body_of, whole
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/wanted")

Reader = Annotated[Visitor, visiting("datasets:read")]
Writer = Annotated[Visitor, visiting("datasets:write", Role.BUYER)]


class WantedForm(PageForm):
    """What a buyer lacks."""

    title: str = ""
    description: str = ""
    words: str = ""
    modality: str = ""
    target: str = ""
    min_rows: str = ""
    price: str = ""
    currency: str = "EUR"


@router.get("")
def list_ads(request: Request, visitor: Reader, session: SessionDep, paging: PageDep) -> Response:
    return _page(request, visitor, session, paging, None)


@router.post("")
def post_ad(
    request: Request, visitor: Writer, session: SessionDep, paging: PageDep, form: Annotated[WantedForm, Form()]
) -> Response:
    said = {name: text for name, text in form.model_dump().items() if text}
    try:
        with session.begin_nested():
            body = body_of(WantedAdBody, said | {"min_rows": whole("min_rows", form.min_rows)})
            service.post(session, visitor.caller, body)
    except CherishError as refused:
        return _page(request, visitor, session, paging, refused)
    return see_other("/wanted")


@router.post("/{ad_id}/close")
def close_ad(visitor: Writer, session: SessionDep, ad_id: AdId) -> Response:
    service.close(session, visitor.caller, ad_id)
    return see_other("/wanted")


def _page(
    request: Request, visitor: Visitor, session: SessionDep, paging: PageRequest, error: CherishError | None
) -> Response:
    ads, following = service.page_of(session, visitor.caller, None, paging)
    shown = {"ads": ads, "next": following, "error": error}
    return page(request, "wanted.html", shown, visitor=visitor, status=error.status if error else 200)
