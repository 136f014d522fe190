"""The first page: what this is and how it works, for somebody who has never seen it. It reads no data."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app.web.rendering import page
from app.web.visitors import Visitor, current

router = APIRouter(include_in_schema=False)


@router.get("/")
def landing(request: Request, visitor: Annotated[Visitor | None, Depends(current)]) -> Response:
    return page(request, "landing.html", visitor=visitor)
