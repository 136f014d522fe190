"""A file of a stranger's server, written to a path unread: as restricted as a webhook, and bounded in bytes.

Each address, those of redirects too, passes the guard; the connection goes to the addresses that were checked. One
deadline stands over all hops. Nothing is unpacked, no cookie kept, no proxy of the environment asked. What is written
is opened by the sandbox alone. Errors name the host and never the query, which may hold a signature.
"""

import hashlib
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

import httpcore
import httpx

from app.datasets.remote.sources import RemoteSource, refused
from app.errors import InvalidInput, PayloadTooLarge, Unavailable
from app.http.uploads import Upload
from app.settings import Settings
from app.webhooks import guard
from app.webhooks.transport import PinnedBackend

MOST_REDIRECTS = 5
_PAUSE_SECONDS = 30.0
_REDIRECTS = (301, 302, 303, 307, 308)
_FAILED = "fetch_failed"


class _Elsewhere(Exception):
    """The answer was a redirect."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


@dataclass(frozen=True)
class RemoteFetcher:
    """How files are fetched. The resolver, the dialler and the certificates are the product's; tests name others."""

    policy: guard.AddressPolicy
    most_bytes: int
    seconds: float
    resolve: guard.Resolver = guard.resolve
    dial: httpcore.NetworkBackend | None = None
    certificates: ssl.SSLContext | None = None

    def fetch(self, source: RemoteSource, path: Path) -> Upload:
        """Write the file to ``path``: its digest and size. Raises InvalidInput for what the other side does,
        PayloadTooLarge, and Unavailable where our disk is full."""
        deadline = time.monotonic() + self.seconds
        address, headers = source.address, source.headers
        for _ in range(MOST_REDIRECTS + 1):
            parsed = self._allowed(address)
            try:
                return self._get(parsed, headers, path, deadline)
            except _Elsewhere as answer:
                following = self._allowed(str(parsed.join(answer.location)) if answer.location else "")
                # what was given for one server is no other's
                if (following.scheme, following.netloc) != (parsed.scheme, parsed.netloc):
                    headers = {}
                address = str(following)
        raise refused("url", f"{parsed.host} leads on more than {MOST_REDIRECTS} times; give the last address", _FAILED)

    def _allowed(self, address: str) -> httpx.URL:
        try:
            return guard.parse(address, self.policy)
        except guard.Refused as refusal:
            raise refused("url", f"it is not fetched: {refusal}") from None
        except httpx.InvalidURL:
            raise refused("url", "the server leads on to what is no address", _FAILED) from None

    def _get(self, url: httpx.URL, headers: dict[str, str], path: Path, deadline: float) -> Upload:
        sent = {
            "Host": url.netloc.decode("ascii"),
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "Cherish/1",
            **headers,
        }
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        limits = dict.fromkeys(("connect", "read", "write", "pool"), _PAUSE_SECONDS)
        backend = PinnedBackend(self.policy, deadline, self.resolve, self.dial)
        try:
            with (
                httpcore.ConnectionPool(
                    ssl_context=self.certificates, max_connections=1, network_backend=backend
                ) as pool,
                pool.stream("GET", target, headers=list(sent.items()), extensions={"timeout": limits}) as answer,
            ):
                _insist_on_file(url, answer, self.most_bytes)
                return _write(answer, path, self.most_bytes)
        except guard.Refused as refusal:
            raise refused("url", f"it is not fetched: {refusal}") from None
        except httpcore.TimeoutException:
            late = f"{url.host} did not send the file within {self.seconds:g} s, or paused for {_PAUSE_SECONDS:g} s"
            raise refused("url", f"{late}; upload it instead", _FAILED) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise refused("url", f"{url.host} did not send the file ({type(error).__name__})", _FAILED) from None
        except OSError as error:
            raise Unavailable(f"the file could not be written ({error.strerror})", retry_after=60) from error


def remote_fetcher(settings: Settings) -> RemoteFetcher:
    """How this deployment fetches files."""
    return RemoteFetcher(guard.policy_of(settings), settings.max_upload_bytes, settings.fetch_seconds)


def _insist_on_file(url: httpx.URL, answer: httpcore.Response, most: int) -> None:
    said = {name.lower(): value.decode("latin-1") for name, value in answer.headers}
    if answer.status in _REDIRECTS:
        raise _Elsewhere(said.get(b"location", ""))
    if answer.status != 200:
        raise _unanswered(url.host, answer.status)
    length = said.get(b"content-length", "")
    if length.isdecimal() and int(length) > most:
        raise _too_large(most)


def _unanswered(host: str, status: int) -> InvalidInput:
    mend = {401: "; give a token or a key", 403: "; give a token or a key that may read it", 404: "; check the path"}
    return refused("url", f"{host} answered {status}{mend.get(status, '')}", _FAILED)


def _too_large(most: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the file at the address is larger than the {most} bytes allowed here; split it")


def _write(answer: httpcore.Response, path: Path, most: int) -> Upload:
    hasher, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for chunk in answer.iter_stream():
            size += len(chunk)
            if size > most:
                raise _too_large(most)
            hasher.update(chunk)
            file.write(chunk)
    return Upload(path, hasher.hexdigest(), size)
