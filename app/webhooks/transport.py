"""One HTTPS request to a customer's server, restricted as far as HTTP allows.

The name is resolved once, its addresses are checked, and the connection goes to the checked address, while Host and the
certificate's name stay the URL's (so there is no moment between check and use). No redirects, no proxies of the
environment, no cookies, no decompression; one deadline over the whole exchange, however slowly it drips; a capped
answer. It uses httpcore directly, because a higher-level client adds what must not happen here.
"""

import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpcore
import httpx

from app.webhooks import guard
from app.webhooks.schedule import parse_retry_after

_CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
# read to let the receiver finish its answer, and what of it is kept
_READ_BYTES = 64 * 1024
EXCERPT_BYTES = 2048
_ADDRESSES_TRIED = 3

_SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (httpcore.ConnectTimeout, "no connection within {connect:.0f} s"),
    (httpcore.ConnectError, "could not connect: {error}"),
    (httpcore.TimeoutException, "no answer within {total:.0f} s"),
    (httpcore.ProtocolError, "the answer was not HTTP: {error}"),
    (httpcore.NetworkError, "the connection broke: {error}"),
)


@dataclass(frozen=True)
class ReceiverAnswer:
    """How one attempt went: a status, or the sentence that says why there is none."""

    status: int | None
    excerpt: str
    error: str | None
    retry_after: float | None
    seconds: float

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class _Deadlined(httpcore.NetworkStream):
    """A stream none of whose operations outlasts the deadline (monotonic seconds)."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, timeout, httpcore.ConnectTimeout)
        return _Deadlined(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None, late: type[Exception]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise late("the deadline of the whole exchange has passed")
    return left if timeout is None else min(left, timeout)


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to the addresses that it has itself resolved and checked, and to no others."""

    def __init__(
        self,
        policy: guard.AddressPolicy,
        deadline: float,
        resolve: guard.Resolver = guard.resolve,
        dial: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._policy = policy
        self._deadline = deadline
        self._resolve = resolve
        self._dial = dial or httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  the interface's; we never bind to one
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = guard.checked(self._addresses(host, port), self._policy)[:_ADDRESSES_TRIED]
        for address in addresses[:-1]:
            try:
                return self._open(address, port, timeout, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._open(addresses[-1], port, timeout, socket_options)

    def _open(
        self, address: str, port: int, timeout: float | None, socket_options: Iterable[Any] | None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, timeout, httpcore.ConnectTimeout)
        return _Deadlined(self._dial.connect_tcp(address, port, left, None, socket_options), self._deadline)

    def _addresses(self, host: str, port: int) -> list[str]:
        """Resolve in a thread of its own: the system's resolver knows no timeout."""
        addresses: list[str] = []
        failed: list[Exception] = []

        def look_up() -> None:
            try:
                addresses.extend(self._resolve(host, port))
            except (OSError, UnicodeError) as error:
                # UnicodeError: Python's own rules for names that are not ASCII
                failed.append(error)

        thread = threading.Thread(target=look_up, daemon=True)
        thread.start()
        thread.join(_left(self._deadline, _CONNECT_SECONDS, httpcore.ConnectTimeout))
        if thread.is_alive():
            raise httpcore.ConnectTimeout("the name server did not answer")
        if failed:
            raise httpcore.ConnectError("the URL's host has no address; check the name")
        return addresses


def post(
    url: httpx.URL,
    body: bytes,
    headers: Mapping[str, str],
    policy: guard.AddressPolicy,
    *,
    resolve: guard.Resolver = guard.resolve,
    dial: httpcore.NetworkBackend | None = None,
    ssl_context: ssl.SSLContext | None = None,
    total_seconds: float = TOTAL_SECONDS,
) -> ReceiverAnswer:
    """Send one POST; never raises for what the other side does. ``url`` comes from ``guard.parse``."""
    started = time.monotonic()
    backend = PinnedBackend(policy, started + total_seconds, resolve, dial)
    try:
        with httpcore.ConnectionPool(ssl_context=ssl_context, max_connections=1, network_backend=backend) as pool:
            status, retry_after, excerpt = _exchange(pool, url, body, headers, total_seconds)
    except guard.Refused as refusal:
        return ReceiverAnswer(None, "", f"not sent: {refusal}", None, time.monotonic() - started)
    except tuple(kind for kind, _ in _SENTENCES) as error:
        sentence = next(text for kind, text in _SENTENCES if isinstance(error, kind))
        reason = sentence.format(connect=_CONNECT_SECONDS, total=total_seconds, error=_printable(str(error))[:300])
        return ReceiverAnswer(None, "", reason, None, time.monotonic() - started)
    error_text = None if 200 <= status < 300 else _judge(status)
    return ReceiverAnswer(status, excerpt, error_text, retry_after, time.monotonic() - started)


def _exchange(
    pool: httpcore.ConnectionPool, url: httpx.URL, body: bytes, headers: Mapping[str, str], total_seconds: float
) -> tuple[int, float | None, str]:
    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    sent = {
        "Host": url.netloc.decode("ascii"),
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": "Cherish-Webhooks/1",
        **headers,
    }
    limits = {"connect": _CONNECT_SECONDS, "read": total_seconds, "write": total_seconds, "pool": total_seconds}
    with pool.stream(
        "POST", target, headers=list(sent.items()), content=body, extensions={"timeout": limits}
    ) as answer:
        wish = next((value.decode("latin-1") for name, value in answer.headers if name.lower() == b"retry-after"), None)
        return answer.status, parse_retry_after(wish, datetime.now(UTC)), _excerpt(answer)


def _excerpt(answer: httpcore.Response) -> str:
    """The beginning of the body. Its end may be missing or late: the status alone counts."""
    kept, read = b"", 0
    try:
        for chunk in answer.iter_stream():
            kept += chunk[: EXCERPT_BYTES - len(kept)]
            read += len(chunk)
            if read >= _READ_BYTES:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass
    return _printable(kept.decode("utf-8", errors="replace"))


def _printable(text: str) -> str:
    """Without NUL, which Postgres cannot store."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _judge(status: int) -> str:
    if 300 <= status < 400:
        return f"the answer was {status}, a redirect, and those are not followed; give the final URL"
    if status == 410:
        return "the answer was 410: the receiver wants no more"
    return f"the answer was {status}; only 2xx counts as received"
