"""The domain's errors, raised by services and readers, turned into RFC 9457 problems by ``app.http.problems``.

Nothing here knows HTTP frameworks. Every message names the thing, the rule and the mend.

CherishError
├── InvalidInput           422  something the caller sent breaks a rule
│   ├── InvalidData        422  the bytes of a dataset, test set or checkpoint break a rule
│   └── PayloadTooLarge    413  more bytes than declared or allowed
├── UnsupportedMediaType   415  the body is of a kind that is not read here
├── NotFound               404  it does not exist, or it is somebody else's
├── MethodNotAllowed       405  the thing exists, but not for this method
├── RequestTimeout         408  the body came too slowly
├── Conflict               409  the thing is in a state that forbids this
├── Unauthorized           401  no key, or one that is not valid
├── Forbidden              403  a valid key without the scope
├── TooManyRequests        429  a limit is reached; carries how long to wait
└── Unavailable            503  a part this needs is away; carries how long to wait
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One broken rule inside a larger input: where (a JSON pointer, or a column name) and why."""

    pointer: str
    detail: str
    type: str = "value_error"


class CherishError(Exception):
    """Base of all errors the product raises on purpose.

    ``type`` is the stable slug of the problem's documentation page; ``title`` a short name that never varies;
    ``detail`` (the exception's text) names the thing, the rule and the mend.
    """

    status: int = 500
    type: str = "internal"
    title: str = "Internal error"

    def __init__(self, detail: str, *, errors: Sequence[FieldError] = (), retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after


class InvalidInput(CherishError):
    status, type, title = 422, "invalid-input", "Invalid input"


class InvalidData(InvalidInput):
    type, title = "invalid-data", "Invalid data"


class PayloadTooLarge(CherishError):
    status, type, title = 413, "payload-too-large", "Payload too large"


class UnsupportedMediaType(CherishError):
    status, type, title = 415, "unsupported-media-type", "Unsupported media type"


class MethodNotAllowed(CherishError):
    status, type, title = 405, "method-not-allowed", "Method not allowed"


class RequestTimeout(CherishError):
    status, type, title = 408, "request-timeout", "Request timeout"


class NotFound(CherishError):
    status, type, title = 404, "not-found", "Not found"


class Conflict(CherishError):
    status, type, title = 409, "conflict", "Conflict"


class Unauthorized(CherishError):
    status, type, title = 401, "unauthorized", "Unauthorized"


class Forbidden(CherishError):
    status, type, title = 403, "forbidden", "Forbidden"


class TooManyRequests(CherishError):
    status, type, title = 429, "too-many-requests", "Too many requests"


class Unavailable(CherishError):
    status, type, title = 503, "unavailable", "Unavailable"
