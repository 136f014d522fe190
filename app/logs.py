"""Structured logs for every process: one line per event, context bound per request or task. Never logs a secret.

Keys named like secrets are dropped and anything shaped like one of our tokens is masked, wherever it stands.
"""

import logging
import re
import sys
import threading
from collections.abc import MutableMapping
from dataclasses import dataclass, fields
from types import TracebackType
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


class _OneLine(logging.Formatter):
    """A message as one line of printable characters: what came from outside makes up no line and moves no cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the library's name
        line = super().formatMessage(record)
        return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


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
    logging.captureWarnings(True)
    if as_json:
        _all_as_json(level)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_OneLine("%(levelname)s %(name)s %(message)s"))
        logging.basicConfig(level=level.upper(), handlers=[handler])


def _all_as_json(level: str) -> None:
    """What libraries log, warnings, and what ends a process or a thread: each a line of JSON like our own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_secrets,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    log = structlog.get_logger("uncaught")

    def ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("process.ended", exc_info=(kind, error, trace))

    def thread_ended(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            log.critical("thread.ended", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    sys.excepthook, threading.excepthook = ended, thread_ended
