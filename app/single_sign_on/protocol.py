"""OpenID Connect as this service speaks it: the code flow with PKCE, state and nonce, and what an ID token must say.

Discovery names the endpoints; the token comes over the provider's own TLS connection and its signature is checked all
the same, with the provider's keys and by asymmetric algorithms only. Nothing here knows a database.
"""

import base64
import hashlib
import hmac
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel

from app.errors import Forbidden, Unavailable
from app.single_sign_on.fetching import Fetcher

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_LEEWAY_SECONDS = 60
_SIGNED_OUT = "http://schemas.openid.net/event/backchannel-logout"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True)
class Client:
    """One organisation's client at its provider, with what decides whom it lets in."""

    account_id: uuid.UUID
    organisation: str
    issuer: str
    client_id: str
    secret: str
    domains: tuple[str, ...]
    admits_domain: bool


@dataclass(frozen=True)
class Attempt:
    """A sign-in that a browser has begun: what must come back to it, and what shows that it was this browser."""

    account_id: uuid.UUID
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class SignedInPerson:
    """Whom an ID token speaks of: the provider's own name for the person, a verified address, a name to show."""

    subject: str
    email: str
    name: str
    session: str = ""


@dataclass(frozen=True)
class SignedOut:
    """Whom a provider has signed out, or which of its sessions is over; ``at`` the latest when it was."""

    subject: str | None
    provider_session: str | None
    at: datetime


class _Discovery(BaseModel):
    """What is read of a provider's document, unchecked."""

    issuer: Any = None
    authorization_endpoint: Any = None
    token_endpoint: Any = None
    jwks_uri: Any = None
    token_endpoint_auth_methods_supported: Any = None


class _Claims(BaseModel):
    """What is read of a token, unchecked: others' JSON may have anything in any place."""

    iss: Any = None
    aud: Any = None
    azp: Any = None
    nonce: Any = ""
    exp: Any = None
    iat: Any = None
    sub: Any = None
    sid: Any = None
    email: Any = None
    email_verified: Any = None
    name: Any = None
    events: Any = None


@dataclass(frozen=True)
class Endpoints:
    """What discovery says of a provider."""

    authorization: str
    token: str
    keys: str
    secret_in_form: bool


def discover(fetcher: Fetcher, issuer: str) -> Endpoints:
    """The provider's endpoints; raises Unavailable where its document is not that of ``issuer``."""
    document = _Discovery.model_validate(fetcher.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
    if document.issuer != issuer:
        raise Unavailable(f"the document of {issuer} names another issuer; give the issuer as its document has it")
    addresses = [document.authorization_endpoint, document.token_endpoint, document.jwks_uri]
    if not all(isinstance(address, str) for address in addresses):
        raise Unavailable(f"the document of {issuer} lacks one of {', '.join(_ENDPOINTS)}")
    authorization, token, keys = map(str, addresses)
    secure = issuer.startswith("https://")
    if not authorization.startswith(("https://",) if secure else ("https://", "http://")):
        raise Unavailable(f"the document of {issuer} has an authorization endpoint that is not https")
    ways = document.token_endpoint_auth_methods_supported or ["client_secret_basic"]
    return Endpoints(authorization, token, keys, "client_secret_basic" not in ways and "client_secret_post" in ways)


def depart(fetcher: Fetcher, client: Client, return_url: str) -> tuple[str, Attempt]:
    """Where the browser goes, and what it must bring back."""
    endpoints = discover(fetcher, client.issuer)
    attempt = Attempt(client.account_id, *(secrets.token_urlsafe(32) for _ in range(3)))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": return_url,
        "scope": "openid email profile",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    separator = "&" if "?" in endpoints.authorization else "?"
    return f"{endpoints.authorization}{separator}{urlencode(asked)}", attempt


def exchange(
    fetcher: Fetcher, client: Client, attempt: Attempt, return_url: str, *, code: str, state: str, issuer: str
) -> SignedInPerson:
    """Who has signed in at the provider; ``issuer`` is what came back with the code (RFC 9207; "": nothing did).

    Raises Forbidden where what came back does not belong to this attempt or the token does not say what it must.
    """
    if not hmac.compare_digest(state.encode(), attempt.state.encode()) or attempt.account_id != client.account_id:
        raise Forbidden("this sign-in was not begun in this browser, or another one was begun since; begin again")
    if issuer and issuer != client.issuer:
        raise Forbidden("the answer is from another identity provider than the one that was asked; begin again")
    endpoints = discover(fetcher, client.issuer)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": return_url,
        "code_verifier": attempt.verifier,
    }
    headers = {}
    if endpoints.secret_in_form:
        form |= {"client_id": client.client_id, "client_secret": client.secret}
    else:
        pair = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    token = fetcher.post(endpoints.token, form, headers).get("id_token")
    if not isinstance(token, str):
        raise Forbidden("the identity provider gave no ID token; its client must be allowed the scope openid")
    return _person(_claims(token, fetcher.get(endpoints.keys), client, attempt.nonce))


def _claims(token: str, keys: dict[str, Any], client: Client, nonce: str) -> _Claims:
    """What an ID token says, once signature, issuer, audience, time and nonce are right; raises Forbidden."""
    claims = _signed(token, keys, "ID token")
    faults = _faults(claims, client) | {
        "authorised party": "azp" in claims.model_fields_set and claims.azp != client.client_id,
        "nonce": not hmac.compare_digest(str(claims.nonce).encode(), nonce.encode()),
    }
    if wrong := [name for name, fault in faults.items() if fault]:
        raise Forbidden(f"the ID token is not for this sign-in: its {', '.join(wrong)} is another; begin again")
    return claims


def signed_out(fetcher: Fetcher, client: Client, token: str) -> SignedOut:
    """What a logout token says (OpenID Connect Back-Channel Logout 1.0, 2.6); raises Forbidden for one that is not
    this provider's, not for this client, or no logout token."""
    keys = fetcher.get(discover(fetcher, client.issuer).keys)
    claims = _signed(token, keys, "logout token")
    events, subject, session = claims.events, claims.sub, claims.sid
    faults = _faults(claims, client) | {
        "event": not isinstance(events, dict) or not isinstance(events.get(_SIGNED_OUT), dict),
        # an ID token has one: it must not pass for a logout token
        "nonce": "nonce" in claims.model_fields_set,
        "person": not any(isinstance(each, str) and each for each in (subject, session)),
    }
    if wrong := [name for name, fault in faults.items() if fault]:
        raise Forbidden(f"this is no logout token for this client: its {', '.join(wrong)} is wrong")
    return SignedOut(
        subject if isinstance(subject, str) else None,
        session if isinstance(session, str) else None,
        # whole seconds of another's clock
        datetime.fromtimestamp(claims.iat + _LEEWAY_SECONDS, UTC),
    )


def _signed(token: str, keys: dict[str, Any], what: str) -> _Claims:
    """What a token says that one of these keys has signed."""
    try:
        decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]  # checked by it
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Forbidden(f"the {what}'s signature is not the identity provider's ({type(error).__name__})") from None
    return _Claims.model_validate(dict(decoded.claims))


def _faults(claims: _Claims, client: Client) -> dict[str, bool]:
    """What every token must say, and whether it does not."""
    audience = claims.aud
    audiences = [audience] if isinstance(audience, str) else audience
    now = time.time()
    times = [claims.exp, claims.iat]
    return {
        "issuer": claims.iss != client.issuer,
        "audience": not isinstance(audiences, list) or client.client_id not in audiences,
        "time": not all(isinstance(each, int | float) and not isinstance(each, bool) for each in times)
        or times[0] <= now - _LEEWAY_SECONDS
        or times[1] > now + _LEEWAY_SECONDS,
    }


def _person(claims: _Claims) -> SignedInPerson:
    subject, email = claims.sub, claims.email
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise Forbidden("the ID token names nobody (sub)")
    if not isinstance(email, str) or claims.email_verified is not True:
        raise Forbidden(
            "the identity provider names no verified address of yours; its client needs the scope email, and the "
            "claim email_verified must be true"
        )
    name = claims.name
    shown = name if isinstance(name, str) and name.strip() and name.isprintable() else email
    session = claims.sid
    known_as = session if isinstance(session, str) and len(session) <= 255 and session.isprintable() else ""
    return SignedInPerson(subject, email.strip().lower(), shown.strip()[:200], known_as)
