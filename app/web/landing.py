"""The first page: what this is and how it works, for somebody who has never seen it. It reads no data."""

from typing import Annotated

from fastapi import Depends, Request, Response

from app.web.rendering import page
from app.web.routes import page_router
from app.web.visitors import Visitor, current

router = page_router()


@router.get("/")
def landing(request: Request, visitor: Annotated[Visitor | None, Depends(current)]) -> Response:
    return page(request, "landing.html", visitor=visitor)
