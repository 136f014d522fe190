"""The administrator's search: one box on every page of theirs, reached by the key /."""

from typing import Annotated

from fastapi import Query, Request, Response

from app.admin import searching
from app.errors import CherishError
from app.http.deps import SessionDep
from app.web.members.organisations import Registrar
from app.web.rendering import page
from app.web.routes import page_router

router = page_router("/admin/search")


@router.get("")
def show_hits(
    request: Request, visitor: Registrar, session: SessionDep, q: Annotated[str, Query(max_length=300)] = ""
) -> Response:
    hits, error = None, None
    if q.strip():
        try:
            hits = searching.search(session, q)
        except CherishError as refused:
            error = refused
    shown = {"q": q, "hits": hits, "error": error}
    return page(request, "search.html", shown, visitor=visitor, status=error.status if error else 200)
