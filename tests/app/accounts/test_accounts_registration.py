"""Who may register, and what an administrator decides afterwards; the same rules without HTTP in between."""

import uuid
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.accounts import registration, service
from app.errors import Conflict, Forbidden, InvalidInput, NotFound
from app.identity import SCOPES, AccountStatus, Caller, Role
from app.settings import Settings

PASSWORD = "a quiet harbour at dawn"


def register(session: Session, settings: Settings, mode: str, **changes: Any) -> Any:
    form: dict[str, Any] = {
        "name": "Harbour",
        "role": Role.PROVIDER,
        "email": "ada@harbour.example",
        "user_name": "Ada",
        "password": PASSWORD,
    }
    return registration.register(session, settings.model_copy(update={"registration": mode}), **form | changes)


@pytest.mark.parametrize(("mode", "status"), [("open", AccountStatus.ACTIVE), ("approval", AccountStatus.PENDING)])
def test_the_settings_say_whether_a_new_organisation_may_act_at_once(
    session: Session, settings: Settings, mode: str, status: AccountStatus
) -> None:
    account, token = register(session, settings, mode)
    assert (account.name, account.role, account.status) == ("Harbour", Role.PROVIDER, status)
    assert token.startswith("cherish_")


def test_where_registration_is_closed_nobody_registers_and_an_administrator_nowhere(
    session: Session, settings: Settings
) -> None:
    for mode, role in [("closed", Role.BUYER), ("open", Role.ADMIN), ("approval", Role.ADMIN)]:
        with pytest.raises(Forbidden, match="ask the operator"):
            register(session, settings, mode, role=role)
    assert service.by_name(session, "Harbour") is None


def test_a_taken_name_or_address_and_a_weak_password_are_refused(session: Session, settings: Settings) -> None:
    register(session, settings, "open")
    with pytest.raises(Conflict, match="exists already"):
        register(session, settings, "open", email="bob@harbour.example")
    with pytest.raises(Conflict, match="belongs to a user"):
        register(session, settings, "open", name="Other")
    with pytest.raises(InvalidInput):
        register(session, settings, "open", name="Third", email="cy@harbour.example", password="short")


def test_approving_lets_a_waiting_organisation_act_and_again_changes_nothing(
    session: Session, settings: Settings
) -> None:
    account, _ = register(session, settings, "approval")
    for _ in range(2):
        assert registration.approve(session, account.id).status is AccountStatus.ACTIVE


def test_a_suspension_has_a_reason_until_it_is_lifted_and_approval_does_not_lift_it(
    session: Session, admin: Any, provider: Any
) -> None:
    caller = Caller(admin.account.id, Role.ADMIN, SCOPES[Role.ADMIN], uuid.uuid4())
    suspended = registration.suspend(session, caller, provider.account.id, "unpaid")
    assert (suspended.status, suspended.status_reason) == (AccountStatus.SUSPENDED, "unpaid")
    with pytest.raises(Conflict, match="reinstate it instead"):
        registration.approve(session, provider.account.id)
    lifted = registration.reinstate(session, provider.account.id)
    assert (lifted.status, lifted.status_reason) == (AccountStatus.ACTIVE, None)
    with pytest.raises(Conflict, match="is active, not suspended"):
        registration.reinstate(session, provider.account.id)


def test_an_administrator_does_not_lock_itself_out(session: Session, admin: Any) -> None:
    caller = Caller(admin.account.id, Role.ADMIN, SCOPES[Role.ADMIN], uuid.uuid4())
    with pytest.raises(Conflict, match="let another one do it"):
        registration.suspend(session, caller, admin.account.id, "tired")
    assert admin.account.status is AccountStatus.ACTIVE


def test_nothing_is_decided_of_an_organisation_that_is_not_there(session: Session, settings: Settings) -> None:
    for decide in (registration.approve, registration.reinstate):
        with pytest.raises(NotFound, match="GET /v1/accounts"):
            decide(session, uuid.uuid4())
    with pytest.raises(NotFound):
        registration.adjust(session, settings, uuid.uuid4(), {"max_running_jobs": 1})


def test_an_organisation_s_own_limit_counts_zero_too_and_none_is_the_settings_again(
    session: Session, settings: Settings, buyer: Any
) -> None:
    usual = registration.limits(settings, buyer.account)
    assert (usual.max_running_jobs, usual.reads_per_minute, usual.writes_per_minute) == (
        settings.max_running_per_buyer,
        settings.reads_per_minute,
        settings.writes_per_minute,
    )
    own = registration.adjust(session, settings, buyer.account.id, {"max_running_jobs": 0, "reads_per_minute": 7})
    assert (own.max_running_jobs, own.reads_per_minute) == (0, 7)
    assert own.writes_per_minute == settings.writes_per_minute
    # what is not named stays as it was decided
    own = registration.adjust(session, settings, buyer.account.id, {"max_running_jobs": None})
    assert (own.max_running_jobs, own.reads_per_minute) == (settings.max_running_per_buyer, 7)
