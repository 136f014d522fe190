"""How an operation becomes a call: what is sent of its arguments, and how an answer becomes a model."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter

from cherish.contents import Content as Content
from cherish.contents import held, pieces_of, size_of

Answers = Mapping[int, Any]
_JSON = "application/json"


class Sends(Protocol):
    """A client that sends calls, tries again what may pass, and raises ``Problem``."""

    def send(
        self, method: str, path: str, content: Callable[[], Iterator[bytes]] | None, how: dict[str, Any]
    ) -> httpx.Response: ...


class SendsLater(Protocol):
    """The same, awaited."""

    async def send(
        self, method: str, path: str, content: Callable[[], Iterator[bytes]] | None, how: dict[str, Any]
    ) -> httpx.Response: ...


def part(value: object) -> str:
    """A value as one part of a path."""
    return quote(str(value), safe="")


def request(
    method: str,
    answers: Answers,
    query: Mapping[str, Any] | None,
    header: Mapping[str, Any] | None,
    body: Any,
    content: Content | None,
) -> tuple[Callable[[], Iterator[bytes]] | None, dict[str, Any]]:
    """The bytes that a call sends, anew for each try, and httpx's other words. A POST has an Idempotency-Key: the
    caller's, or one of its own that stays the same over retries."""
    headers = {name: str(value) for name, value in (header or {}).items() if value is not None}
    if any(issubclass(kind, BaseModel) for kind in answers.values() if isinstance(kind, type)):
        headers.setdefault("Accept", _JSON)
    if method == "POST" and not any(name.lower() == "idempotency-key" for name in headers):
        headers["Idempotency-Key"] = uuid.uuid4().hex
    how: dict[str, Any] = {"headers": headers}
    if query:
        how["params"] = {name: _plain(value) for name, value in query.items() if value is not None}
    if content is not None:
        sent = held(content)
        total = size_of(sent)
        headers = {"Content-Type": "application/octet-stream"} | headers | {"Content-Length": str(total)}
        how["headers"] = headers
        return (lambda: pieces_of(sent, total, None)), how
    if body is not None:
        how["json"] = body.plain() if hasattr(body, "plain") else _plain(body)
    return None, how


def read(answer: httpx.Response, answers: Answers) -> Any:
    """A success as what its status says; one that the document does not know is read as the first."""
    kind = answers.get(answer.status_code, next(iter(answers.values())))
    if kind is None or not answer.content:
        return None
    if kind is bytes:
        return answer.content
    return TypeAdapter(kind).validate_json(answer.content)


class Calls:
    """What the operations of a client stand on."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def _call(
        self,
        method: str,
        path: str,
        answers: Answers,
        *,
        query: Mapping[str, Any] | None = None,
        header: Mapping[str, Any] | None = None,
        body: Any = None,
        content: Content | None = None,
    ) -> Any:
        stream, how = request(method, answers, query, header, body, content)
        return read(self._client.send(method, path, stream, how), answers)


class AsyncCalls:
    """The same, awaited."""

    def __init__(self, client: SendsLater) -> None:
        self._client = client

    async def _call(
        self,
        method: str,
        path: str,
        answers: Answers,
        *,
        query: Mapping[str, Any] | None = None,
        header: Mapping[str, Any] | None = None,
        body: Any = None,
        content: Content | None = None,
    ) -> Any:
        stream, how = request(method, answers, query, header, body, content)
        return read(await self._client.send(method, path, stream, how), answers)


def _plain(value: Any) -> Any:
    """JSON's types of what may hold models and moments."""
    return TypeAdapter(Any).dump_python(value, mode="json", exclude_unset=True, by_alias=True)
