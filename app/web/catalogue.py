"""The catalogue for people: searching what is published, and one listing as anybody in the market may see it.

Never a row beyond the preview that its provider allows, and of a dataset that is not published nothing.
"""

import enum
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from app.datasets.offering import catalog
from app.datasets.repository import Search
from app.datasets.schemas import Listing
from app.datasets.tables import DatasetFormat, Modality
from app.errors import CherishError, InvalidInput
from app.http.deps import PageDep, SessionDep
from app.http.ids import DatasetId
from app.identity import Role
from app.web.rendering import page
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/catalogue")

Reader = Annotated[Visitor, visiting("datasets:read", Role.BUYER, Role.PROVIDER, Role.ADMIN)]
_Words = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class Narrowing:
    """What the search form was sent with, as texts without surrounding spaces; a blank one narrows nothing."""

    q: str
    modality: str
    format: str
    licence: str
    min_rows: str
    max_rows: str


@router.get("")
def search_catalogue(
    request: Request,
    visitor: Reader,
    session: SessionDep,
    paging: PageDep,
    q: _Words = "",
    modality: _Words = "",
    format: _Words = "",  # noqa: A002  as the API calls it
    licence: _Words = "",
    min_rows: _Words = "",
    max_rows: _Words = "",
) -> Response:
    """A field that is left empty narrows nothing; what cannot be read is said above the list."""
    criteria = (q, modality, format, licence, min_rows, max_rows)
    narrowing = Narrowing(*(text.strip() for text in criteria))
    written = {name: text for name, text in asdict(narrowing).items() if text}
    error, listings, following = None, [], None
    try:
        rows, following = catalog.search(session, _search(narrowing), paging)
        listings = [Listing.of(*row) for row in rows]
    except CherishError as refused:
        error = refused
    shown = {
        "narrowing": narrowing,
        "path": request.url.path,
        "here": "/catalogue?" + urlencode(written),
        "narrowed": bool(written),
        "listings": listings,
        "next": following,
        "error": error,
        "modalities": [member.value for member in Modality],
        "formats": [member.value for member in DatasetFormat],
    }
    return page(request, "catalogue.html", shown, visitor=visitor, status=error.status if error else 200)


@router.get("/{dataset_id}")
def show_listing(request: Request, visitor: Reader, session: SessionDep, dataset_id: DatasetId) -> Response:
    listing = Listing.of(*catalog.get(session, dataset_id))
    columns, rows = _label_first(listing.target, *catalog.preview(session, dataset_id))
    shown = {"listing": listing, "columns": columns, "rows": rows}
    return page(request, "listing.html", shown, visitor=visitor)


def _label_first(target: str | None, columns: list[str], rows: list[list[Any]]) -> tuple[list[str], list[list[Any]]]:
    """The preview with the column to predict at its beginning, where it is seen however many there are."""
    if target not in columns:
        return columns, rows
    order = sorted(range(len(columns)), key=lambda at: columns[at] != target)
    return [columns[at] for at in order], [[row[at] for at in order] for row in rows]


E = TypeVar("E", bound=enum.Enum)


def _member(kind: type[E], text: str) -> E | None:
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise InvalidInput(f"{text[:40]!r} is not one of {', '.join(member.value for member in kind)}") from None


def _rows(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 15:
        raise InvalidInput(f"{text[:40]!r} is not a number of rows; write digits")
    return int(text)


def _search(narrowing: Narrowing) -> Search:
    return Search(
        narrowing.q or None,
        _member(Modality, narrowing.modality),
        _member(DatasetFormat, narrowing.format),
        narrowing.licence or None,
        _rows(narrowing.min_rows),
        _rows(narrowing.max_rows),
    )
