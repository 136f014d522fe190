"""Keys end with whatever made them, and with all that is open: no key outlives or exceeds the one at hand."""

import contextlib
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.accounts import registration, service, users
from app.accounts.tables import ApiKey
from app.errors import InvalidInput, NotFound, Unauthorized
from app.http.ids import parse_id
from app.identity import SCOPES, Caller, Role
from app.settings import Settings
from app.valuations import stream_endpoints
from tests.app.conftest import Known

PASSWORD = "a quiet harbour at dawn"


def with_key(app: FastAPI, token: str) -> TestClient:
    return TestClient(app, headers={"Authorization": f"Bearer {token}"})


def works(client: TestClient) -> bool:
    return client.get("/v1/me").status_code == 200


def test_a_key_makes_none_that_outlives_it(app: FastAPI, known: Callable[..., Known]) -> None:
    ends = datetime.now(UTC) + timedelta(days=3)
    owner = known(Role.PROVIDER, expires_at=ends)
    later = {"name": "later", "expires_at": (ends + timedelta(seconds=1)).isoformat()}
    refused = owner.client.post("/v1/keys", json=later)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/expires_at")
    unsaid = owner.client.post("/v1/keys", json={"name": "unsaid"}).json()
    assert datetime.fromisoformat(unsaid["expires_at"]) == ends
    earlier = {"name": "earlier", "expires_at": (ends - timedelta(days=1)).isoformat()}
    assert owner.client.post("/v1/keys", json=earlier).status_code == 201


def test_a_key_does_not_prolong_itself_by_rotation(known: Callable[..., Known], session: Session) -> None:
    ends = datetime.now(UTC) + timedelta(days=3)
    owner = known(Role.PROVIDER, expires_at=ends)
    [key] = owner.client.get("/v1/keys").json()["items"]
    session.get_one(ApiKey, parse_id("key", key["id"])).created_at = datetime.now(UTC) - timedelta(days=30)
    session.commit()
    fresh = owner.client.post(f"/v1/keys/{key['id']}/rotate", json={"overlap_seconds": 60}).json()
    assert datetime.fromisoformat(fresh["expires_at"]) == ends


def test_revoking_a_key_ends_all_that_was_made_with_it_and_nothing_else(app: FastAPI, provider: Known) -> None:
    def made(by: TestClient, name: str) -> tuple[str, TestClient]:
        key = by.post("/v1/keys", json={"name": name}).json()
        return key["id"], with_key(app, key["token"])

    child_id, child = made(provider.client, "child")
    _, grandchild = made(child, "grandchild")
    _, sibling = made(provider.client, "sibling")
    assert all(map(works, (child, grandchild, sibling)))
    assert provider.client.delete(f"/v1/keys/{child_id}").status_code == 204
    assert list(map(works, (provider.client, child, grandchild, sibling))) == [True, False, False, True]


def test_what_took_a_keys_place_takes_over_what_it_made(app: FastAPI, provider: Known) -> None:
    old = provider.client.post("/v1/keys", json={"name": "old"}).json()
    child = with_key(app, with_key(app, old["token"]).post("/v1/keys", json={"name": "child"}).json()["token"])
    fresh = provider.client.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_seconds": 60}).json()
    assert provider.client.delete(f"/v1/keys/{old['id']}").status_code == 204
    assert works(child)
    assert works(with_key(app, fresh["token"]))
    assert provider.client.delete(f"/v1/keys/{fresh['id']}").status_code == 204
    assert not works(child)


def signed_in(app: FastAPI, email: str) -> tuple[TestClient, dict[str, str]]:
    browser = TestClient(app)
    answer = browser.post("/v1/sessions", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return browser, {"X-CSRF-Token": answer.json()["csrf_token"]}


def test_removing_a_user_ends_the_keys_that_the_user_made(app: FastAPI, session: Session, buyer: Known) -> None:
    user = users.create_user(session, buyer.account, "ada@harbour.example", "Ada", PASSWORD)
    session.commit()
    browser, token = signed_in(app, "ada@harbour.example")
    made = with_key(app, browser.post("/v1/keys", json={"name": "hers"}, headers=token).json()["token"])
    further = with_key(app, made.post("/v1/keys", json={"name": "its own"}).json()["token"])
    assert works(made)
    assert works(further)
    assert buyer.client.delete(f"/v1/users/usr_{user.id.hex}").status_code == 204
    assert not works(made)
    assert not works(further)
    assert works(buyer.client)
    assert browser.get("/v1/me").status_code == 401


def test_a_suspension_ends_sessions_for_good(app: FastAPI, session: Session, buyer: Known, admin: Known) -> None:
    users.create_user(session, buyer.account, "ada@harbour.example", "Ada", PASSWORD)
    session.commit()
    browser, _ = signed_in(app, "ada@harbour.example")
    operator = Caller(admin.account.id, Role.ADMIN, SCOPES[Role.ADMIN], None)
    registration.suspend(session, operator, buyer.account.id, "unpaid")
    registration.reinstate(session, buyer.account.id)
    session.commit()
    assert works(buyer.client)
    assert browser.get("/v1/me").status_code == 401


def test_an_open_stream_ends_with_its_key_and_not_before(
    app: FastAPI, session: Session, settings: Settings, buyer: Known
) -> None:
    """What a stream looks at every half second: first whether its caller may still act."""
    caller = service.authenticate(session, settings, buyer.token)
    look = (app.state.session_factory, caller, uuid.uuid4(), 0)
    with pytest.raises(NotFound):
        stream_endpoints._look(*look)
    assert caller.key_id is not None
    service.revoke_key(session, caller.account_id, caller.key_id)
    session.commit()
    with pytest.raises(Unauthorized):
        stream_endpoints._look(*look)


def test_a_signed_in_caller_may_go_on_until_it_signs_out(app: FastAPI, session: Session, settings: Settings) -> None:
    account = service.create_account(session, "Harbour", Role.BUYER)
    users.create_user(session, account, "ada@harbour.example", "Ada", PASSWORD)
    session.commit()
    browser, token = signed_in(app, "ada@harbour.example")
    from app.accounts import sessions

    caller = sessions.caller_of_session(session, settings, browser.cookies["cherish_session"])
    service.insist_still(session, caller)
    assert browser.delete("/v1/sessions/current", headers=token).status_code == 204
    with pytest.raises(Unauthorized):
        service.insist_still(session, caller)


@pytest.mark.parametrize(
    "password", ["password1234", "Password1234!", "qwertyuiop12", "iloveyou123456", "123456789012345", "adalovelace1"]
)
def test_common_and_guessable_passwords_are_refused(session: Session, buyer: Known, password: str) -> None:
    with pytest.raises(InvalidInput, match="choose another"):
        users.create_user(session, buyer.account, "ada.lovelace@harbour.example", "Ada", password)


def test_the_page_and_the_api_share_the_limit_of_one_address_of_mail(
    app: FastAPI, settings: Settings, known: Callable[..., Known]
) -> None:
    """Before: the page let a hundred guesses through, each from another machine."""
    app.state.settings = settings.model_copy(update={"sign_ins_per_minute": 3})
    email = f"{known(Role.BUYER).account.id.hex}@harbour.example"
    wrong = {"email": email, "password": "another harbour"}
    tried = []
    for number in range(5):
        client = TestClient(app, client=(f"192.0.2.{number}", 1))
        if number % 2:
            tried.append(client.post("/v1/sessions", json=wrong).status_code)
        else:
            token = client.get("/login").text.split('name="csrf" value="')[1].split('"')[0]
            tried.append(client.post("/login", data={**wrong, "csrf": token}).status_code)
    assert tried == [401, 401, 401, 429, 429]


def test_making_and_revoking_at_once_leaves_no_orphan(market: Any) -> None:
    """A key that is asked for while its maker is revoked is refused, or revoked with it."""
    from app.accounts.tables import Account
    from app.db.session import transaction

    with transaction(market.factory) as session:
        account = session.get_one(Account, market.buyer.account_id)
        parent, token = service.issue_key(session, market.settings, account, "parent")
        parent_id = parent.id
    made: list[str] = []
    gate = threading.Barrier(2)

    def make() -> None:
        with contextlib.suppress(Unauthorized), transaction(market.factory) as session:
            caller = service.authenticate(session, market.settings, token)
            gate.wait()
            made.append(service.delegate_key(session, market.settings, caller, "child", None, None)[1])

    def revoke() -> None:
        gate.wait()
        with transaction(market.factory) as session:
            service.revoke_key(session, market.buyer.account_id, parent_id)

    threads = [threading.Thread(target=each) for each in (make, revoke)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for child in made:
        with transaction(market.factory) as session, pytest.raises(Unauthorized):
            service.authenticate(session, market.settings, child)
