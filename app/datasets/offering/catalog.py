"""What others may see of published datasets: listings, previews as allowed, Croissant documents. Never commits.

Never a row beyond the preview, never the bytes, and of a dataset that is not published nothing at all.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.datasets import repository, service
from app.datasets.licences import Licence, canonical_spdx
from app.datasets.offering import croissant as documents
from app.datasets.offering import dcat
from app.datasets.repository import Search
from app.datasets.service import Draft
from app.datasets.tables import Dataset, Modality
from app.errors import NotFound
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.identity import Caller


def search(session: Session, query: Search, page: PageRequest) -> tuple[list[tuple[Dataset, str]], str | None]:
    """Published datasets and their providers' names, newest first; raises InvalidInput for a licence nobody knows."""
    if query.licence is not None:
        query = Search(**{**vars(query), "licence": canonical_spdx(query.licence)})
    rows, following = repository.published_page(session, query, page)
    names = repository.provider_names(session, rows)
    return [(row, names[row.provider_id]) for row in rows], following


def get(session: Session, dataset_id: uuid.UUID) -> tuple[Dataset, str]:
    """A published dataset and its provider's name; raises NotFound."""
    dataset = repository.published(session, dataset_id)
    if dataset is None:
        raise NotFound(f"no published dataset {public_id('ds', dataset_id)}; search them with GET /v1/catalog")
    return dataset, repository.provider_names(session, [dataset])[dataset.provider_id]


def preview(session: Session, dataset_id: uuid.UUID) -> tuple[list[str], list[list[Any]]]:
    """Names of columns, and as many rows as the provider allows and a worker has taken out."""
    dataset, _ = get(session, dataset_id)
    version = repository.version(session, dataset.id, dataset.version)
    rows = (version.preview or []) if version is not None else []
    return [column.name for column in dataset.file_columns], rows[: dataset.preview_rows]


def croissant(session: Session, caller: Caller, dataset_id: uuid.UUID, public_url: str) -> dict[str, Any]:
    """The Croissant document of a published dataset, or of one of the caller's own with content; raises NotFound."""
    return documents.document(_described(session, caller, dataset_id, public_url))


def dcat_document(session: Session, caller: Caller, dataset_id: uuid.UUID, public_url: str) -> dict[str, Any]:
    """The same as DCAT 3; raises NotFound."""
    return dcat.document(_described(session, caller, dataset_id, public_url))


def _described(session: Session, caller: Caller, dataset_id: uuid.UUID, public_url: str) -> documents.Described:
    dataset = repository.published(session, dataset_id) or repository.own(session, caller.account_id, dataset_id)
    name = public_id("ds", dataset_id)
    if dataset is None or dataset.digest is None or dataset.format is None or dataset.size_bytes is None:
        raise NotFound(f"no dataset {name} with content, published or yours; search them with GET /v1/catalog")
    return documents.Described(
        name=dataset.name,
        description=dataset.description,
        url=f"{public_url.rstrip('/')}/v1/catalog/{name}",
        creator=repository.provider_names(session, [dataset])[dataset.provider_id],
        version=dataset.version,
        digest=dataset.digest,
        size_bytes=dataset.size_bytes,
        format=dataset.format,
        columns=dataset.file_columns,
        target=dataset.target,
        licence=Licence.from_json(dataset.licence) if dataset.licence is not None else None,
        published_at=dataset.published_at,
        asking=dataset.prices,
    )


def from_croissant(
    session: Session, caller: Caller, plain: Mapping[str, Any], target: str | None, modality: Modality | None
) -> tuple[Dataset, str | None]:
    """A draft made of a Croissant document, and the licence that it names; raises InvalidInput, Forbidden."""
    description = documents.read(plain)
    draft = Draft(
        name=description.name,
        target=target if target is not None else description.target,
        description=description.description,
        format=description.format,
        modality=modality,
    )
    return service.create(session, caller, draft), description.spdx
