"""What ASGI's scopes and messages say, read in one place. They are plain dicts by the protocol; nothing else of them is
read by name here or elsewhere in this package.
"""

from starlette.types import Message, Scope


def is_http(scope: Scope) -> bool:
    """Whether this is a request, and no start-up or websocket."""
    return bool(scope["type"] == "http")


def path_of(scope: Scope) -> str:
    """The path that was asked for, decoded."""
    return str(scope["path"])


def status_of(message: Message) -> int | None:
    """The status of an answer that begins with this message; None for other messages."""
    return int(message["status"]) if message["type"] == "http.response.start" else None


def is_body(message: Message) -> bool:
    """Whether this is a piece of an answer's body."""
    return bool(message["type"] == "http.response.body")


def is_request(message: Message) -> bool:
    """Whether this is a piece of a request's body, and not that the client hung up."""
    return bool(message["type"] == "http.request")


def piece_of(message: Message) -> bytes:
    """The bytes of a request's body that this message brings."""
    return bytes(message.get("body", b""))


def goes_on(message: Message) -> bool:
    """Whether more of the request's body follows."""
    return bool(message.get("more_body", False))
