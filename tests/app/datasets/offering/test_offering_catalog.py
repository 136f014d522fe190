"""The catalogue: what is found, what is shown and what is not, and Croissant documents out and in."""

import uuid
from collections.abc import Callable
from typing import Any

import mlcroissant
import pytest
from fastapi import FastAPI
from mlcroissant._src.core.rdf import make_context
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.datasets.offering import catalog
from app.datasets.offering.croissant import CONFORMS_TO, READ_FROM
from app.datasets.profiles import profiling
from app.datasets.repository import Search
from app.errors import InvalidInput, NotFound
from app.http.ids import parse_id, public_id
from app.http.pages import PageRequest
from app.identity import SCOPES, Caller, Role
from app.outbox.tables import OutboxMessage
from worker.jobs.profile import profile

CSV = b"age,city,label\n61,Oslo,yes\n34,Bergen,no\n"


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


def test_the_catalogue_shows_what_is_published_and_nothing_else(
    known: Callable[..., Any], upload: Callable[..., Any], publish: Callable[..., Any]
) -> None:
    clinic, buyer = known(Role.PROVIDER, "Hill Clinic"), known(Role.BUYER)
    upload(clinic, CSV, name="hidden")
    gone = publish(clinic, CSV, name="gone")
    shown = publish(clinic, CSV, name="shown", reserve_price="3.00")
    clinic.client.post(f"/v1/datasets/{gone['id']}/withdraw")
    assert names(buyer.client.get("/v1/catalog")) == ["shown"]
    listing = buyer.client.get(f"/v1/catalog/{shown['id']}").json()
    assert listing == buyer.client.get("/v1/catalog").json()["items"][0]
    assert (listing["provider"], listing["reserve_price"], listing["rows"]) == ("Hill Clinic", "3.00", 2)
    for path in (gone["id"], f"ds_{uuid.uuid4().hex}"):
        for what in ("", "/preview"):
            assert buyer.client.get(f"/v1/catalog/{path}{what}").status_code == 404
    # what is listed is still nobody else's
    assert buyer.client.get(f"/v1/datasets/{shown['id']}").status_code == 404


def test_words_modality_licence_and_rows_narrow_it(
    provider: Any, publish: Callable[..., Any], buyer: Any, npz: Callable[..., bytes]
) -> None:
    import numpy as np

    publish(provider, CSV, name="admissions of wards", licence={"spdx": "CC-BY-4.0"})
    publish(provider, b"salary,label\n1,a\n2,b\n3,a\n", name="pay")
    publish(provider, npz(X=np.ones((5, 2)), y=np.arange(5)), target="y", name="vectors")
    for query, expected in (
        ({"q": "ward"}, ["admissions of wards"]),
        ({"q": "salary"}, ["pay"]),
        ({"q": "ward or salary"}, ["pay", "admissions of wards"]),
        ({"q": "nothing"}, []),
        # one word of the name, one of a column, in one search
        ({"q": "the wards label"}, ["admissions of wards"]),
        ({"q": "label -wards -y"}, ["pay"]),
        ({"q": '"admissions of wards" or salary'}, ["pay", "admissions of wards"]),
        ({"q": '"wards of admissions"'}, []),
        ({"q": "or - --"}, []),
        ({"q": "'; drop table datasets; --"}, []),
        ({"modality": "array"}, ["vectors"]),
        ({"format": "csv"}, ["pay", "admissions of wards"]),
        ({"licence": "cc-by-4.0"}, ["admissions of wards"]),
        ({"min_rows": 3, "max_rows": 4}, ["pay"]),
    ):
        assert names(buyer.client.get("/v1/catalog", params=query)) == expected, query
    assert buyer.client.get("/v1/catalog", params={"licence": "mine"}).status_code == 422


def test_pages_go_by_cursor_and_a_cursor_keeps_its_search(
    provider: Any, publish: Callable[..., Any], buyer: Any
) -> None:
    for number in range(5):
        publish(provider, CSV, name=f"n{number}")
    first = buyer.client.get("/v1/catalog", params={"limit": 2, "q": "label"}).json()
    more = {"limit": 3, "cursor": first["next_cursor"]}
    rest = buyer.client.get("/v1/catalog", params=more | {"q": "label"})
    assert [item["name"] for item in first["items"]] + names(rest) == ["n4", "n3", "n2", "n1", "n0"]
    assert rest.json()["next_cursor"] is None
    assert buyer.client.get("/v1/catalog", params=more | {"q": "age"}).status_code == 422


def test_a_preview_has_as_many_rows_as_the_provider_allows_now(
    provider: Any, buyer: Any, publish: Callable[..., Any], app: FastAPI, session: Session
) -> None:
    dataset = publish(provider, CSV, preview_rows=2)
    path = f"/v1/catalog/{dataset['id']}/preview"
    assert buyer.client.get(path).json() == {"columns": ["age", "city", "label"], "rows": []}
    for message in session.scalars(select(OutboxMessage).where(OutboxMessage.task == profiling.TASK)):
        profile(
            app.state.session_factory, app.state.blobs, app.state.settings,
            uuid.UUID(message.args["dataset_id"]), message.args["number"],
        )  # fmt: skip
    assert buyer.client.get(path).json()["rows"] == [[61, "Oslo", "yes"], [34, "Bergen", "no"]]
    for allowed in (1, 0):
        terms = {"licence": {"spdx": "CC0-1.0"}, "preview_rows": allowed}
        provider.client.post(f"/v1/datasets/{dataset['id']}/publish", json=terms)
        assert len(buyer.client.get(path).json()["rows"]) == allowed


# rdflib's own warning about its own class, which mlcroissant uses
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
def test_a_published_dataset_is_a_valid_croissant(
    provider: Any,
    buyer: Any,
    publish: Callable[..., Any],
    npz: Callable[..., bytes],
) -> None:
    import numpy as np

    lines = b'{"age": 1, "label": "a"}\n{"age": 2, "label": "b"}\n'
    for content, target in ((CSV, "label"), (lines, "label"), (npz(X=np.ones((2, 2)), y=np.arange(2)), "y")):
        dataset = publish(provider, content, target=target, licence={"spdx": "CC-BY-4.0"})
        answer = buyer.client.get(f"/v1/datasets/{dataset['id']}/croissant")
        assert answer.headers["content-type"] == "application/ld+json"
        found = mlcroissant.Dataset(jsonld=answer.json())
        assert not found.metadata.issues.errors
        assert (answer.json()["conformsTo"], found.metadata.ctx.is_v1_1()) == (CONFORMS_TO, True)
        assert make_context(found.metadata.ctx).keys() <= answer.json()["@context"].keys()
        assert found.metadata.distribution[0].sha256 == dataset["digest"]
        assert found.metadata.license == ["https://spdx.org/licenses/CC-BY-4.0.html"]


@pytest.mark.parametrize("version", READ_FROM)
def test_a_croissant_becomes_a_draft_and_goes_round(provider: Any, upload: Callable[..., Any], version: str) -> None:
    dataset = upload(provider, CSV, name="round trip")
    told = provider.client.get(f"/v1/datasets/{dataset['id']}/croissant").json() | {"conformsTo": version}
    made = provider.client.post("/v1/datasets/croissant", json={"croissant": told})
    assert made.status_code == 201, made.text
    draft = made.json()
    assert (draft["name"], draft["target"], draft["format"], draft["status"]) == ("round trip", "label", "csv", "draft")
    stored = provider.client.put(f"/v1/datasets/{draft['id']}/content", content=CSV)
    assert stored.json()["status"] == "ready"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"name": "x"}, "does not conform"),
        ({"conformsTo": CONFORMS_TO, "name": 7}, "needs a name"),
        ({"conformsTo": CONFORMS_TO, "name": "x", "distribution": [{}, {}]}, "there are 2 files"),
        ({"conformsTo": CONFORMS_TO, "name": "x"}, "name the target"),
    ],
)
def test_documents_that_are_no_croissant_are_refused(provider: Any, document: dict[str, Any], says: str) -> None:
    refused = provider.client.post("/v1/datasets/croissant", json={"croissant": document})
    assert refused.status_code == 422, refused.text
    assert says in refused.json()["detail"]


def test_a_name_in_several_languages_is_read_in_english_or_the_first(provider: Any) -> None:
    for name, read in (({"de": "Station 3", "en": "ward 3"}, "ward 3"), ({"de": "Station 3"}, "Station 3")):
        document = {"conformsTo": CONFORMS_TO, "name": name, "description": {"en": "rows"}}
        made = provider.client.post("/v1/datasets/croissant", json={"croissant": document, "target": "label"})
        assert (made.status_code, made.json()["name"], made.json()["description"]) == (201, read, "rows"), made.text


def test_the_licence_of_a_document_is_a_proposal(provider: Any) -> None:
    document = {"conformsTo": CONFORMS_TO, "name": "x", "license": "https://spdx.org/licenses/CC-BY-4.0.html"}
    made = provider.client.post("/v1/datasets/croissant", json={"croissant": document, "target": "label"}).json()
    assert (made["proposed_licence"], made["licence"]) == ("CC-BY-4.0", None)


def test_a_strangers_unpublished_dataset_has_no_croissant(
    provider: Any, buyer: Any, upload: Callable[..., Any]
) -> None:
    dataset = upload(provider, CSV)
    assert buyer.client.get(f"/v1/datasets/{dataset['id']}/croissant").status_code == 404


def test_a_licence_is_searched_by_any_spelling_and_an_unknown_one_is_refused(
    provider: Any, publish: Callable[..., Any], session: Session
) -> None:
    publish(provider, CSV, licence={"spdx": "CC-BY-4.0"})
    page = PageRequest(10, None, b"secret")
    (found,), following = catalog.search(session, Search(licence="cc-by-4.0"), page)
    assert (found[0].name, found[1], following) == ("data", provider.account.name, None)
    assert catalog.search(session, Search(licence="CC0-1.0"), page) == ([], None)
    with pytest.raises(InvalidInput):
        catalog.search(session, Search(licence="my own"), page)


def test_of_a_dataset_that_is_not_published_only_its_owner_has_a_document(
    provider: Any, known: Callable[..., Any], upload: Callable[..., Any], session: Session
) -> None:
    hidden = parse_id("ds", upload(provider, CSV)["id"])
    owner, other = (
        Caller(each.account.id, Role.PROVIDER, SCOPES[Role.PROVIDER], uuid.uuid4())
        for each in (provider, known(Role.PROVIDER))
    )
    document = catalog.croissant(session, owner, hidden, "https://market.example/")
    assert document["url"] == f"https://market.example/v1/catalog/{public_id('ds', hidden)}"
    for what in (
        lambda: catalog.croissant(session, other, hidden, "https://market.example"),
        lambda: catalog.get(session, hidden),
        lambda: catalog.preview(session, hidden),
    ):
        with pytest.raises(NotFound, match=public_id("ds", hidden)):
            what()
