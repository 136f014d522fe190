"""The catalogue over HTTP: search published datasets, look at one, see the rows that its provider shows."""

from typing import Annotated

from fastapi import Query

from app.accounts.callers import AnyCaller
from app.datasets.offering import catalog
from app.datasets.repository import Search
from app.datasets.schemas import Listing, Preview
from app.datasets.tables import DatasetFormat, Modality
from app.errors import InvalidInput, NotFound
from app.http.deps import PageDep, SessionDep
from app.http.ids import DatasetId
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router

router = api_router("/v1/catalog", "datasets")


@router.get("", responses=responses(InvalidInput))
def search_catalog(
    _caller: AnyCaller,
    session: SessionDep,
    page: PageDep,
    q: Annotated[
        str | None,
        Query(
            min_length=1, max_length=200, description='Words, "a phrase", -without, or.', examples=["ward admissions"]
        ),
    ] = None,
    modality: Modality | None = None,
    format: DatasetFormat | None = None,  # noqa: A002  the API's own word
    licence: Annotated[str | None, Query(max_length=200, description="SPDX.", examples=["CC-BY-4.0"])] = None,
    min_rows: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    max_rows: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> Page[Listing]:
    """Published datasets, newest first. Words are looked for in names, descriptions and names of columns."""
    matches, following = catalog.search(session, Search(q, modality, format, licence, min_rows, max_rows), page)
    return Page(items=[Listing.of(dataset, provider) for dataset, provider in matches], next_cursor=following)


@router.get("/{dataset_id}", responses=responses(NotFound))
def get_listing(dataset_id: DatasetId, _caller: AnyCaller, session: SessionDep) -> Listing:
    """One published dataset: what it is, who offers it, on which terms."""
    return Listing.of(*catalog.get(session, dataset_id))


@router.get("/{dataset_id}/preview", responses=responses(NotFound))
def get_listing_preview(dataset_id: DatasetId, _caller: AnyCaller, session: SessionDep) -> Preview:
    """As many rows as the provider shows; none until a worker has taken them out."""
    columns, rows = catalog.preview(session, dataset_id)
    return Preview(columns=columns, rows=rows)
