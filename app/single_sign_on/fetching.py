"""JSON from an identity provider's server, fetched as restrictedly as webhooks are sent: the address behind the name is
checked and is the one that is connected to, nothing is redirected, and size and time are bounded.
"""

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpcore

from app.errors import Unavailable
from app.settings import Settings
from app.webhooks import guard
from app.webhooks.transport import PinnedBackend

SECONDS = 10.0
MOST_BYTES = 512 * 1024


@dataclass(frozen=True)
class Fetcher:
    """How a provider is reached. The resolver and the certificates are the product's; tests name others."""

    policy: guard.AddressPolicy
    resolve: guard.Resolver = guard.resolve
    certificates: ssl.SSLContext | None = None
    seconds: float = SECONDS

    def get(self, url: str) -> dict[str, Any]:
        """A JSON object; raises Unavailable where the provider gives none."""
        return self._ask("GET", url, None, {})

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
        """The JSON object that answers a form; raises as ``get``."""
        return self._ask("POST", url, urlencode(form).encode(), headers)

    def _ask(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
        try:
            parsed = guard.parse(url, self.policy)
        except guard.Refused as refusal:
            raise Unavailable(f"the identity provider is not asked: {refusal}") from None
        sent = {
            "Host": parsed.netloc.decode("ascii"),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "Cherish/1",
            **({} if body is None else {"Content-Type": "application/x-www-form-urlencoded"}),
            **headers,
        }
        target = httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self.seconds)
        backend = PinnedBackend(self.policy, time.monotonic() + self.seconds, self.resolve)
        try:
            with (
                httpcore.ConnectionPool(
                    ssl_context=self.certificates, max_connections=1, network_backend=backend
                ) as pool,
                pool.stream(
                    method, target, headers=list(sent.items()), content=body, extensions={"timeout": limits}
                ) as answer,
            ):
                return _object(parsed.host, answer)
        except guard.Refused as refusal:
            raise Unavailable(f"the identity provider is not asked: {refusal}") from None
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Unavailable(
                f"the identity provider at {parsed.host} did not answer ({type(error).__name__})"
            ) from None


def fetcher_of(settings: Settings) -> Fetcher:
    """How this deployment reaches providers."""
    return Fetcher(guard.policy_of(settings))


def _object(host: str, answer: httpcore.Response) -> dict[str, Any]:
    body = bytearray()
    for chunk in answer.iter_stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise Unavailable(f"the identity provider at {host} answered more than {MOST_BYTES} bytes")
    if answer.status != 200:
        raise Unavailable(f"the identity provider at {host} answered {answer.status}")
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise Unavailable(f"the identity provider at {host} did not answer with a JSON object")
    return read
