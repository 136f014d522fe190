"""Structured logs for every process: one line per event, context bound per request or task. Never logs a secret.

Keys named like secrets are dropped and anything shaped like one of our tokens is masked, wherever it stands.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass, fields
from typing import Any

import structlog

_TOKEN = re.compile(r"(cherish_[0-9A-Za-z]{8})_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}")
_URL_PASSWORD = re.compile(r"(://[^:/@\s]*):[^@/\s]+@")
_SECRET_NAMES = {"authorization", "cookie", "token", "secret", "password", "pepper", "key_pepper", "signing_secret"}


@dataclass(frozen=True)
class RequestFacts:
    """What is bound to the request at hand: its id, who calls from where, and the trace that it belongs to."""

    request_id: str | None
    address: str | None
    traceparent: str | None


def request_facts() -> RequestFacts:
    """The facts of the request at hand; None for each that is not known, all of them outside of a request."""
    bound = structlog.contextvars.get_contextvars()
    return RequestFacts(**{each.name: bound.get(each.name) for each in fields(RequestFacts)})


def mask(text: str) -> str:
    """The text with tokens and the passwords of URLs made unreadable."""
    return _URL_PASSWORD.sub(r"\1:***@", _TOKEN.sub(r"\1_***", text))


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor that keeps secrets out."""
    for name, value in event.items():
        if name.lower() in _SECRET_NAMES:
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = mask(value)
    return event


def configure_logging(level: str, *, as_json: bool) -> None:
    """Set up structlog for this process; the standard library's loggers below ``level`` are silenced with it."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # never the rich one: it prints local variables, and with them secrets
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # before the mask: the text of an exception may hold a secret too
            structlog.processors.format_exc_info,
            mask_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    for chatty in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
