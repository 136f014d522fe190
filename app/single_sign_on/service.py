"""An organisation's own identity provider: who may name one, and which user somebody is who comes from it.

A provider speaks for its own organisation alone: it never signs in a user of another, whatever address it asserts.
Never commits, and never waits for a provider: ``protocol`` does, while no connection is held.
"""

import re
import uuid
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app.accounts import approval, people, policy, sealing, users
from app.accounts.service import get_account
from app.accounts.tables import User
from app.errors import FieldError, Forbidden, InvalidInput, NotFound
from app.http.ids import public_id
from app.identity import Caller
from app.settings import Settings
from app.single_sign_on import repository
from app.single_sign_on.protocol import Client, SignedInPerson, SignedOut
from app.single_sign_on.tables import Admits, IdentityProvider, ProviderPerson
from app.webhooks import guard

_PURPOSE = b"secrets of identity providers' clients"
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")


def return_url(settings: Settings) -> str:
    """Where a provider sends browsers back to; it must be registered there."""
    return f"{settings.public_url.rstrip('/')}/sso/return"


def sign_out_url(settings: Settings, account_id: uuid.UUID) -> str:
    """Where an organisation's provider tells that it has signed somebody out."""
    return f"{settings.public_url.rstrip('/')}/sso/sign-out/{public_id('acc', account_id)}"


def is_required(session: Session, account_id: uuid.UUID) -> bool:
    """Whether an organisation's people sign in through its provider alone."""
    return get_account(session, account_id).provider_required


def get(session: Session, caller: Caller) -> IdentityProvider:
    """That of the caller's organisation; raises NotFound."""
    row = repository.provider(session, caller.account_id)
    if row is None:
        raise NotFound("your organisation has no identity provider; name one with PUT /v1/identity-provider")
    return row


def checked(settings: Settings, issuer: str, domains: list[str], admits: Admits) -> tuple[str, list[str]]:
    """The issuer and the domains in the form in which they are stored; raises InvalidInput."""
    try:
        guard.parse(issuer, guard.policy_of(settings))
    except guard.Refused as refusal:
        raise InvalidInput(f"issuer: {refusal}", errors=[FieldError("/issuer", str(refusal))]) from None
    if urlsplit(issuer).query:
        detail = "an issuer has no query; give it as its discovery document has it"
        raise InvalidInput(detail, errors=[FieldError("/issuer", detail)])
    lower = list(dict.fromkeys(each.strip().lower() for each in domains))
    for at, each in enumerate(lower):
        if not _DOMAIN.fullmatch(each):
            detail = f"{each[:60]!r} is not a domain; give one like harbour.example"
            raise InvalidInput(detail, errors=[FieldError(f"/domains/{at}", detail)])
    if admits is Admits.DOMAIN and not lower:
        detail = "whoever has an address of a domain is let in, and no domain is named; name one, or admit `invited`"
        raise InvalidInput(detail, errors=[FieldError("/domains", detail)])
    return issuer, lower


def configure(
    session: Session,
    settings: Settings,
    caller: Caller,
    *,
    issuer: str,
    client_id: str,
    secret: str | None,
    domains: list[str],
    admits: Admits,
    required: bool | None = None,
) -> IdentityProvider:
    """Name the organisation's provider, or change it; without ``secret`` the present one stays, and without
    ``required`` whether it is the only way in.

    Another issuer knows nobody yet. Raises Forbidden for a key with less than all scopes of its role.
    """
    policy.insist_on_all_scopes(caller)
    row = repository.provider(session, caller.account_id)
    if secret is None and (row is None or row.issuer != issuer):
        detail = "the secret of the client at this provider is missing; send it"
        raise InvalidInput(detail, errors=[FieldError("/client_secret", detail)])
    if row is not None and row.issuer != issuer:
        repository.drop_provider(session, caller.account_id)
        session.expunge(row)
        row = None
    if row is None:
        row = IdentityProvider(account_id=caller.account_id, issuer=issuer)
    row.client_id, row.domains, row.admits = client_id, domains, admits
    if secret is not None:
        row.client_secret = sealing.seal(settings, _PURPOSE, caller.account_id, secret)
    if required is not None:
        get_account(session, caller.account_id).provider_required = required
    repository.add(session, row)
    return row


def remove(session: Session, caller: Caller) -> None:
    """The organisation's people sign in by password or passkey alone; raises NotFound."""
    policy.insist_on_all_scopes(caller)
    if not repository.drop_provider(session, caller.account_id):
        raise NotFound("your organisation has no identity provider")
    get_account(session, caller.account_id).provider_required = False
    session.flush()


def sign_out(session: Session, client: Client, told: SignedOut) -> int:
    """End the sessions that a provider says are over; how many. Only those that it began, and before it said so."""
    whom = repository.people_of(session, client.account_id, client.issuer, told.subject)
    return people.end_provider_sessions(session, whom, told.provider_session, told.at, datetime.now(UTC))


def client_named(session: Session, settings: Settings, organisation: str) -> Client:
    """The client of the organisation that is called so; raises NotFound."""
    return _client(session, settings, repository.provider_by_name(session, organisation.strip()))


def client_of(session: Session, settings: Settings, account_id: uuid.UUID) -> Client:
    """The client of an organisation; raises NotFound."""
    return _client(session, settings, repository.provider(session, account_id))


def _client(session: Session, settings: Settings, row: IdentityProvider | None) -> Client:
    if row is None:
        raise NotFound("no organisation of this name signs in through a provider of its own; check the name")
    account = get_account(session, row.account_id)
    approval.insist(account)
    secret = sealing.opened(settings, _PURPOSE, row.account_id, row.client_secret)
    return Client(
        row.account_id,
        account.name,
        row.issuer,
        row.client_id,
        secret,
        tuple(row.domains),
        row.admits is Admits.DOMAIN,
    )


def user_of(session: Session, client: Client, person: SignedInPerson) -> User:
    """Which user of the organisation somebody is: known by the provider's name for the person, at the first sign-in by
    the address. Raises Forbidden for whoever is neither invited nor let in by domain."""
    people.lock_account(session, client.account_id)
    known = repository.person(session, client.account_id, client.issuer, person.subject)
    if known is not None:
        return known
    if client.domains and person.email.rpartition("@")[2] not in client.domains:
        raise Forbidden(f"{person.email} is no address of {client.organisation}'s domains")
    row = people.user_by_email(session, person.email)
    if row is not None and row[0].account_id != client.account_id:
        raise Forbidden(f"{person.email} cannot sign in for {client.organisation}; ask there to be invited")
    user = row[0] if row is not None else None
    if user is None:
        if not client.admits_domain:
            raise Forbidden(f"{person.email} is not invited; ask at {client.organisation}")
        user = users.admit(session, client.account_id, person.email, person.name)
    elif repository.link_of(session, user.id) is not None:
        raise Forbidden(f"{person.email} is another person's at this identity provider; ask at {client.organisation}")
    repository.forget_removed(session, client.account_id, client.issuer, person.subject)
    link = ProviderPerson(user_id=user.id, account_id=client.account_id, issuer=client.issuer, subject=person.subject)
    repository.add(session, link)
    return user
