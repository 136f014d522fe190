"""The administrator's pages on organisations: adding, approving, suspending and reinstating them, and their limits."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import BackgroundTasks, Form, Query, Request, Response

from app import mail
from app.accounts import letters, people, registration, users
from app.accounts import service as accounts
from app.accounts.tables import Account
from app.admin import organisations
from app.audit import service as audit
from app.errors import CherishError, InvalidInput
from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.ids import AccountId, public_id
from app.http.pages import PageRequest
from app.http.routes import affects
from app.identity import AccountStatus, Caller, Role
from app.payouts import reversals
from app.payouts import schemas as payout_schemas
from app.payouts import service as payouts
from app.valuations import service as valuations
from app.valuations.job_schemas import MyValuation, ValuationSummary
from app.web.forms import PageForm, whole
from app.web.members.people import InvitationForm
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/admin/accounts")

Registrar = Annotated[Visitor, visiting("accounts:read", Role.ADMIN)]
Founder = Annotated[Visitor, visiting("accounts:write", Role.ADMIN)]
Treasurer = Annotated[Visitor, visiting("payouts:write", Role.ADMIN)]

_MOST = 1_000_000
_MOST_BYTES = 2**50
# of its ledger entries, so many are on its page; the API lists them all
_SHOWN = 20


class OrganisationForm(PageForm):
    """A new organisation."""

    name: str = ""
    role: str = ""


class SuspensionForm(PageForm):
    """Why an organisation may not act any more, in words for its people."""

    reason: str = ""


class ReversalForm(PageForm):
    """Why a deposit is taken back, in words for the buyer."""

    reason: str = ""


class LimitsForm(PageForm):
    """The limits of one organisation; a blank one is the deployment's."""

    max_running_jobs: str = ""
    reads_per_minute: str = ""
    writes_per_minute: str = ""
    max_drafts: str = ""
    max_versions: str = ""
    max_keys: str = ""
    max_stored_bytes: str = ""


@router.get("")
def show_accounts(
    request: Request,
    visitor: Registrar,
    session: SessionDep,
    settings: SettingsDep,
    paging: PageDep,
    status: Annotated[AccountStatus | None, Query()] = None,
) -> Response:
    return _list(request, visitor, session, settings, paging, status)


@router.post("")
def create_account(
    request: Request,
    visitor: Founder,
    session: SessionDep,
    settings: SettingsDep,
    paging: PageDep,
    form: Annotated[OrganisationForm, Form()],
) -> Response:
    try:
        with session.begin_nested():
            if not 0 < len(form.name) <= 200 or form.role not in {role.value for role in Role}:
                raise InvalidInput("an organisation has a name of at most 200 characters and a role; fill in both")
            created = accounts.create_account(session, form.name, Role(form.role))
            _, token = accounts.issue_key(session, settings, created, "first key")
            session.refresh(created)
    except CherishError as refused:
        return _list(request, visitor, session, settings, paging, None, error=refused)
    return _list(request, visitor, session, settings, paging, None, made=(created, token))


@router.get("/{account_id}")
def show_account(
    request: Request, visitor: Registrar, session: SessionDep, settings: SettingsDep, account_id: AccountId
) -> Response:
    return _one(request, visitor, session, settings, account_id, None)


@router.post("/{account_id}/approve")
def approve_account(request: Request, _visitor: Founder, session: SessionDep, account_id: AccountId) -> Response:
    affects(request, account_id)
    registration.approve(session, account_id)
    return see_other(f"/admin/accounts/{public_id('acc', account_id)}")


@router.post("/{account_id}/suspend")
def suspend_account(
    request: Request,
    visitor: Founder,
    session: SessionDep,
    settings: SettingsDep,
    account_id: AccountId,
    form: Annotated[SuspensionForm, Form()],
) -> Response:
    affects(request, account_id)
    try:
        with session.begin_nested():
            if not 0 < len(form.reason) <= 500:
                raise InvalidInput("give the reason in at most 500 characters; whoever calls with its keys is told it")
            registration.suspend(session, visitor.caller, account_id, form.reason)
    except CherishError as refused:
        return _one(request, visitor, session, settings, account_id, refused)
    return see_other(f"/admin/accounts/{public_id('acc', account_id)}")


@router.post("/{account_id}/reinstate")
def reinstate_account(request: Request, _visitor: Founder, session: SessionDep, account_id: AccountId) -> Response:
    affects(request, account_id)
    registration.reinstate(session, account_id)
    return see_other(f"/admin/accounts/{public_id('acc', account_id)}")


@router.post("/{account_id}/first-user")
def invite_first_user(
    request: Request,
    _visitor: Founder,
    visitor: Registrar,
    session: SessionDep,
    settings: SettingsDep,
    account_id: AccountId,
    tasks: BackgroundTasks,
    form: Annotated[InvitationForm, Form()],
) -> Response:
    """The token is shown once, and a letter with it is sent after the answer."""
    affects(request, account_id)
    account = accounts.get_account(session, account_id)
    try:
        with session.begin_nested():
            if not 0 < len(form.name) <= 200:
                raise InvalidInput("a user has a name of at most 200 characters")
            _, token = users.invite_first(session, settings, account, form.email, form.name)
    except CherishError as refused:
        return _one(request, visitor, session, settings, account_id, refused)
    response = _one(request, visitor, session, settings, account_id, None, token=token)
    tasks.add_task(mail.deliver, settings, letters.invitation(settings, form.email, form.name, account.name, token))
    response.background = tasks
    return response


@router.post("/{account_id}/deposits/{transfer_id}/reversal")
def take_deposit_back(
    request: Request,
    visitor: Treasurer,
    session: SessionDep,
    settings: SettingsDep,
    account_id: AccountId,
    transfer_id: payout_schemas.TransferId,
    form: Annotated[ReversalForm, Form()],
) -> Response:
    affects(request, account_id)
    try:
        with session.begin_nested():
            if not 0 < len(form.reason) <= 200:
                raise InvalidInput("give the reason in at most 200 characters; it is in the buyer's statement")
            reversals.take_back(session, transfer_id, form.reason)
    except CherishError as refused:
        return _one(request, visitor, session, settings, account_id, refused)
    return see_other(f"/admin/accounts/{public_id('acc', account_id)}")


@router.post("/{account_id}/limits")
def change_limits(
    request: Request,
    visitor: Founder,
    session: SessionDep,
    settings: SettingsDep,
    account_id: AccountId,
    form: Annotated[LimitsForm, Form()],
) -> Response:
    """The numbers as they are in the form; an empty one is the deployment's again."""
    affects(request, account_id)
    try:
        with session.begin_nested():
            changes = {name: whole(name, text) for name, text in form.model_dump().items()}
            for name, value in changes.items():
                least = 0 if name == "max_running_jobs" else 1
                most = _MOST_BYTES if name == "max_stored_bytes" else _MOST
                if value is not None and not least <= value <= most:
                    raise InvalidInput(f"{name.replace('_', ' ')}: {value} is not possible; give {least} to {most}")
            registration.adjust(session, settings, account_id, changes)
    except CherishError as refused:
        return _one(request, visitor, session, settings, account_id, refused)
    return see_other(f"/admin/accounts/{public_id('acc', account_id)}")


def _list(
    request: Request,
    visitor: Visitor,
    session: SessionDep,
    settings: SettingsDep,
    paging: PageRequest,
    status: AccountStatus | None,
    *,
    made: tuple[Account, str] | None = None,
    error: CherishError | None = None,
) -> Response:
    listed, following = accounts.list_accounts(session, paging, status)
    shown = {
        "accounts": listed,
        "lines": organisations.lines(session, [each.id for each in listed]),
        "next": following,
        "chosen": status.value if status else "",
        "statuses": [member.value for member in AccountStatus],
        "registration": settings.registration,
        "created": made[0] if made else None,
        "token": made[1] if made else None,
        "error": error,
    }
    return page(
        request, "accounts.html", shown, visitor=visitor, status=error.status if error else 201 if made else 200
    )


def _jobs_of(session: SessionDep, account: Account, newest: PageRequest) -> Sequence[ValuationSummary | MyValuation]:
    """The newest jobs that an organisation has posted, or that its data is valued in."""
    itself = Caller(account.id, account.role, frozenset(), key_id=None)
    if account.role is Role.BUYER:
        return valuations.list_valuations(session, itself, [], newest)[0]
    return valuations.list_mine(session, itself, newest)[0] if account.role is Role.PROVIDER else []


def _one(
    request: Request,
    visitor: Visitor,
    session: SessionDep,
    settings: SettingsDep,
    account_id: AccountId,
    error: CherishError | None,
    *,
    token: str | None = None,
) -> Response:
    account = accounts.get_account(session, account_id)
    recent = PageRequest(10, None, settings.signing_secret.get_secret_value().encode())
    its_people, _ = people.own_users(session, account_id, recent)
    done, _ = audit.entries(session, visitor.caller, {"account_id": account_id}, None, None, recent)
    shown = {
        "account": account,
        "limits": registration.limits(settings, account),
        "usual": asdict(registration.limits(settings, Account())),
        "balances": [payout_schemas.BalanceAnswer.of(balance) for balance in payouts.balances(session, account_id)],
        "entries": done,
        "people": its_people,
        "jobs": _jobs_of(session, account, recent),
        "money": [
            payout_schemas.StatementEntry.of(entry) for entry in payouts.statement(session, account_id, limit=_SHOWN)
        ],
        "own": account_id == visitor.caller.account_id,
        "peopled": bool(people.count_users(session, account_id)),
        "token": token,
        "mails": settings.mail == "smtp",
        "error": error,
    }
    return page(request, "account.html", shown, visitor=visitor, status=error.status if error else 200)
