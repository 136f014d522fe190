"""Spans for whoever collects traces by OTLP: one trace from a call through its tasks to its webhooks. Off by itself.

The trace travels as W3C ``traceparent`` in the log context, with which tasks and events are recorded anyway. Without
``CHERISH_OTLP_URL`` nothing of OpenTelemetry is loaded, and the context is handed on as the caller gave it.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from app.errors import Unavailable
from app.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_MEND = "install the extra: python -m pip install -c constraints.txt 'cherish[traces]'"


@dataclass
class _State:
    """The process's provider of spans; None where traces are not collected."""

    provider: "TracerProvider | None" = None


_state = _State()


def open_tracing(settings: Settings, role: str) -> None:
    """Send spans to ``settings.otlp_url``, named by the process's role; a second call changes nothing.

    Raises Unavailable where a URL is set and OpenTelemetry is not installed.
    """
    if settings.otlp_url is None or _state.provider is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise Unavailable(f"CHERISH_OTLP_URL is set and OpenTelemetry is not installed; {_MEND}") from error
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"cherish-{role}", "service.namespace": "cherish"})
    )
    # spans wait in memory and are dropped when there are too many: a collector that is away holds nothing up
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.otlp_url)))
    _state.provider = provider


def close_tracing() -> None:
    """Send what waits and send no more."""
    if _state.provider is not None:
        _state.provider.shutdown()
        _state.provider = None


class OpenSpan:
    """A span under way. ``traceparent`` is what those that it causes are told; None where nobody traces."""

    def __init__(self, span: Any = None, traceparent: str | None = None) -> None:
        self._span, self.traceparent = span, traceparent

    def name(self, name: str, **facts: str | int) -> None:
        """Name it anew, with more facts: what a call was is known at its end."""
        if self._span is not None:
            self._span.update_name(name)
            self._span.set_attributes(facts)


@contextlib.contextmanager
def span(name: str, *, kind: str = "internal", parent: str | None = None, **facts: str | int) -> Iterator[OpenSpan]:
    """A span under ``parent``, else under the log context's trace; what is recorded meanwhile belongs to it.

    ``kind`` is OpenTelemetry's: server, consumer, client or internal. An exception that passes through marks it.
    """
    bound = parent or structlog.contextvars.get_contextvars().get("traceparent")
    if _state.provider is None:
        yield OpenSpan(traceparent=bound)
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    propagator = TraceContextTextMapPropagator()
    above = propagator.extract({"traceparent": bound}) if bound else None
    tracer = _state.provider.get_tracer("cherish")
    with tracer.start_as_current_span(name, above, SpanKind[kind.upper()], attributes=facts) as own:
        carrier: dict[str, str] = {}
        propagator.inject(carrier)
        with structlog.contextvars.bound_contextvars(traceparent=carrier["traceparent"]):
            yield OpenSpan(own, carrier["traceparent"])
