"""Passkeys (WebAuthn): a user registers a device's public key and signs in with it, without password or code.

The device asks its owner first (user verification is required), so a passkey is two factors by itself. It answers for
one site: the host and origin of CHERISH_PUBLIC_URL. A challenge is a random text signed by us, with its time and
purpose; it works once and for minutes. Attestation is not asked for: what kind of device it is decides nothing. Users
without a password sign in by their organisation's provider and have no passkeys. Never commits.
"""

import hashlib
import hmac
import ipaddress
import json
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import webauthn
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.accounts import approval, factors, people
from app.accounts.tables import Passkey, User
from app.errors import Conflict, FieldError, InvalidInput, NotFound, Unauthorized
from app.identity import Caller
from app.settings import Settings

MOST = 20
SECONDS = 300
_RANDOM_BYTES, _TIME_BYTES, _MAC_BYTES = 16, 8, 32
_SIGN_IN, _REGISTER = b"sign in", b"register"
_REFUSED = "this passkey is not known here, or its answer is not for this sign-in; try again, or use your password"

Json = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """What passkeys belong to: a host's name, and the origin of the pages that ask for them."""

    host: str
    origin: str


def site_of(settings: Settings) -> Site:
    """The site of CHERISH_PUBLIC_URL; raises Conflict where that is an address, which browsers refuse."""
    parts = urlsplit(settings.public_url)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return Site(host, f"{parts.scheme}://{parts.netloc}")
    raise Conflict(
        f"passkeys belong to a host's name, and CHERISH_PUBLIC_URL has the address {host}; sign in with a password"
    )


def listed(session: Session, caller: Caller) -> list[Passkey]:
    """The signed-in user's passkeys, oldest first; raises Forbidden for a key."""
    return list(people.passkeys(session, factors.user_of(session, caller).id))


def begin(session: Session, settings: Settings, caller: Caller, password: str) -> Json:
    """What the browser's ``navigator.credentials.create`` is given (WebAuthn's JSON form).

    Raises Unauthorized for a wrong password, Conflict where there are enough.
    """
    user, site = factors.user_of(session, caller), site_of(settings)
    factors.insist_on_password(user, password)
    present = people.passkeys(session, user.id)
    if len(present) >= MOST:
        raise Conflict(f"a user may have {MOST} passkeys; remove one that is not used")
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name="Cherish",
        user_id=user.id.bytes,
        user_name=user.email,
        user_display_name=user.name,
        challenge=_challenge(settings, _REGISTER + user.id.bytes),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(base64url_to_bytes(each.credential_id)) for each in present],
    )
    return _plain(webauthn.options_to_json(options))


def register(session: Session, settings: Settings, caller: Caller, name: str, credential: Json) -> Passkey:
    """Keep the public key that a device has made. Raises InvalidInput where the answer is not one to ``begin``."""
    user, site = factors.user_of(session, caller), site_of(settings)
    people.lock_account(session, user.account_id)
    try:
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=_answered(session, settings, credential, _REGISTER + user.id.bytes),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        detail = f"this is no answer to POST /v1/me/passkeys/options ({error}); begin again"
        raise InvalidInput(detail, errors=[FieldError("/credential", detail)]) from None
    if len(people.passkeys(session, user.id)) >= MOST:
        raise Conflict(f"a user may have {MOST} passkeys; remove one that is not used")
    passkey = Passkey(
        user_id=user.id,
        name=name,
        credential_id=bytes_to_base64url(verified.credential_id),
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
    )
    people.add(session, passkey)
    if caller.session_id is not None:
        people.strengthen(session, caller.session_id)
    return passkey


def remove(session: Session, caller: Caller, passkey_id: uuid.UUID, password: str) -> None:
    """The user signs in with it no longer. Raises Unauthorized for a wrong password, NotFound."""
    user = factors.user_of(session, caller)
    factors.insist_on_password(user, password)
    if not people.drop_passkeys(session, user.id, passkey_id):
        raise NotFound(f"no passkey pk_{passkey_id.hex} of yours; list them with GET /v1/me/passkeys")


def ask(settings: Settings) -> Json:
    """What the browser's ``navigator.credentials.get`` is given; it names nobody."""
    options = webauthn.generate_authentication_options(
        rp_id=site_of(settings).host,
        challenge=_challenge(settings, _SIGN_IN),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _plain(webauthn.options_to_json(options))


def user_of(session: Session, settings: Settings, credential: Json) -> User:
    """Whose passkey has answered; raises Unauthorized, and Forbidden where the organisation may not act."""
    site = site_of(settings)
    name = credential.get("id")
    passkey = people.passkey_by_credential(session, name) if isinstance(name, str) and name.isascii() else None
    row = people.present_user(session, passkey.user_id) if passkey is not None else None
    if passkey is None or row is None:
        raise Unauthorized(_REFUSED)
    try:
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=_answered(session, settings, credential, _SIGN_IN),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        raise Unauthorized(_REFUSED) from None
    user, account = row
    approval.insist(account)
    passkey.sign_count, passkey.last_used_at = verified.new_sign_count, datetime.now(UTC)
    return user


def _challenge(settings: Settings, purpose: bytes) -> bytes:
    body = secrets.token_bytes(_RANDOM_BYTES) + int(time.time()).to_bytes(_TIME_BYTES, "big")
    return body + _mac(settings, purpose, body)


def _answered(session: Session, settings: Settings, credential: Json, purpose: bytes) -> bytes:
    """The challenge that a credential answers, if it is ours, for this purpose, young and not answered before; it is
    used now. Raises ValueError."""
    response = credential["response"]
    challenge = parse_client_data_json(base64url_to_bytes(response["clientDataJSON"])).challenge
    body, mac = challenge[:-_MAC_BYTES], challenge[-_MAC_BYTES:]
    if len(body) != _RANDOM_BYTES + _TIME_BYTES or not hmac.compare_digest(mac, _mac(settings, purpose, body)):
        raise ValueError("its challenge is not ours")
    made = datetime.fromtimestamp(int.from_bytes(body[_RANDOM_BYTES:], "big"), UTC)
    ends = made + timedelta(seconds=SECONDS)
    if ends < datetime.now(UTC):
        raise ValueError(f"its challenge is older than {SECONDS} seconds")
    if not people.use_challenge(session, hashlib.sha256(challenge).hexdigest(), ends + timedelta(seconds=1)):
        raise ValueError("its challenge was answered already")
    return challenge


def _mac(settings: Settings, purpose: bytes, body: bytes) -> bytes:
    key = hmac.digest(settings.signing_secret.get_secret_value().encode(), b"challenges of passkeys", "sha256")
    return hmac.digest(key, purpose + b"\0" + body, "sha256")


def _plain(text: str) -> Json:
    found: Json = json.loads(text)
    return found
