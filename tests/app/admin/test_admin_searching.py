"""One box finds organisations, people, datasets and jobs; an organisation's first person is invited, and no second."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from app.admin import searching
from app.errors import InvalidInput
from tests.app.conftest import Known
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["browser"]

Open = Callable[[], Browser]
ROWS = b"ward,age,label\nnorth,61,yes\nsouth,34,no\n"


def names(answer: Any, kind: str) -> list[str]:
    return [each["name"] for each in answer.json()[kind]]


def test_a_name_an_address_and_an_id_are_found(
    admin: Known, provider: Known, buyer: Known, upload: Callable[..., dict[str, Any]]
) -> None:
    dataset = upload(provider, ROWS, name="Ward 100%_admissions")
    whole, ending = dataset["id"], dataset["id"][-8:]
    invited = provider.client.post("/v1/users", json={"email": "ada@harbour.example", "name": "Ada"})
    assert invited.status_code == 201

    def asked(q: str) -> Any:
        return admin.client.get("/v1/admin/search", params={"q": q})

    for text in ("100%_adm", whole, ending, f"…{ending}"):
        found = asked(text)
        assert found.status_code == 200, found.text
        assert names(found, "datasets") == ["Ward 100%_admissions"], text
        assert found.json()["datasets"][0]["provider"] == provider.account.name
    assert names(asked("100X_adm"), "datasets") == [], "% and _ are letters here"
    assert names(asked("ada@harbour"), "accounts") == [provider.account.name]
    assert names(asked(f"acc_{buyer.account.id.hex}"), "accounts") == [buyer.account.name]
    assert asked("x").status_code == 422
    assert provider.client.get("/v1/admin/search", params={"q": "ward"}).status_code == 403


@pytest.mark.parametrize(
    ("text", "digits"),
    [("ds_" + "ab" * 16, "ab" * 16), ("…1234abcd", "1234abcd"), ("1234abc", None), ("ward 1234abcd", None), ("", None)],
)
def test_an_id_is_told_by_its_digits(text: str, digits: str | None) -> None:
    assert searching.id_digits(text) == digits


def test_a_text_has_two_characters(session: Any) -> None:
    with pytest.raises(InvalidInput, match="2 to 200"):
        searching.search(session, " a ")


def test_the_first_person_of_an_organisation_is_invited_by_an_administrator_and_no_second(
    admin: Known, provider: Known, client: Any
) -> None:
    path = f"/v1/admin/accounts/acc_{provider.account.id.hex}/first-user"
    made = admin.client.post(path, json={"email": "ada@harbour.example", "name": "Ada"})
    assert made.status_code == 201, made.text
    token = made.json()["invitation_token"]
    again = admin.client.post(path, json={"email": "bob@harbour.example", "name": "Bob"})
    assert (again.status_code, "people of its own" in again.text) == (409, True)
    assert provider.client.post(path, json={"email": "c@harbour.example", "name": "C"}).status_code == 403
    accepted = client.post("/v1/invitations/accept", json={"token": token, "password": "a long sentence of hers 7"})
    assert accepted.status_code in (200, 204), accepted.text


def test_on_its_pages(browser: Open, admin: Known, provider: Known) -> None:
    here = browser().log_in(admin)
    home = here.get("/admin").text
    assert 'id="find"' in home
    assert 'hx-trigger="every 10s"' in home
    assert 'id="find"' not in browser().log_in(provider).get("/datasets").text
    path = f"/admin/accounts/acc_{provider.account.id.hex}"
    assert path in here.get("/admin/search", params={"q": provider.account.name}).text
    assert here.get("/admin/search", params={"q": "x"}).status_code == 422
    assert "Nothing is called so" in here.get("/admin/search", params={"q": "zebra crossing"}).text
    assert browser().log_in(provider).get("/admin/search").status_code == 403

    assert "Invite its first person" in here.get(path).text
    shown = here.fill(f"{path}/first-user", path, name="Ada", email="ada@harbour.example")
    assert shown.status_code == 200, shown.text
    assert re.search(r"<code tabindex=\"0\">[^<]{20,}</code>", shown.text), "the token is shown this once"
    assert "Invite its first person" not in here.get(path).text
    assert here.fill(f"{path}/first-user", path, name="Bob", email="bob@harbour.example").status_code == 409


def test_the_document_of_the_api_has_the_site_s_header(browser: Open, buyer: Known) -> None:
    stranger = browser().get("/docs")
    assert stranger.status_code == 200
    assert "swagger-ui-bundle.js" in stranger.text
    assert 'class="brand"' in stranger.text
    assert "'unsafe-inline'" in stranger.headers["content-security-policy"]
    assert "'unsafe-inline'" not in browser().get("/").headers["content-security-policy"]
    assert "/jobs" in browser().log_in(buyer).get("/docs").text
