"""``/metrics`` for Prometheus: this process's counters, and gauges that are read from Postgres at every scrape.

The gauges are the deployment's, so every API process shows the same; the counters are this process's alone.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from app.accounts.callers import authenticated, bearer, cookie
from app.admin import service
from app.errors import Forbidden, TooManyRequests, Unauthorized
from app.http import outages
from app.http.deps import SessionDep, SettingsDep
from app.http.metrics import Metrics
from app.http.problems import responses
from app.http.routes import api_router
from app.identity import Role

router = api_router("", "admin")

_EXAMPLE = (
    'cherish_jobs{status="running"} 2.0\ncherish_http_requests_total{method="GET",route="/v1/me",status="200"} 17.0\n'
)
_GAUGES = {
    "jobs": ("cherish_jobs", "Jobs that have not ended.", ["status"]),
    "shards": ("cherish_shards", "Shards that are not done.", ["queue", "kind", "status"]),
    "shard_age": ("cherish_shard_age_seconds", "Age of the oldest such shard.", ["queue", "kind", "status"]),
    "outbox": ("cherish_outbox_due", "Messages that are due and not sent.", ["queue"]),
    "outbox_age": ("cherish_outbox_age_seconds", "How long the oldest such message waits.", ["queue"]),
    "brake": (
        "cherish_collector_braked",
        "1 while the collector erases nothing, as it must not.",
        [],
    ),
    "unreferenced": ("cherish_blobs_unreferenced", "Old blobs that nothing referred to at the last look.", []),
    "ended": (
        "cherish_jobs_ended",
        "Jobs posted within 24 hours that have ended, by state and reason.",
        ["status", "reason"],
    ),
    "retried": ("cherish_shards_retried", "Open shards that an attempt has failed before.", []),
    "unsealed_age": ("cherish_ledger_unsealed_seconds", "How long the oldest transfer outside the chain waits.", []),
    "deliveries": ("cherish_webhooks_due", "Events that are due and not delivered.", []),
    "delivery_age": ("cherish_webhooks_age_seconds", "How long the oldest such event waits.", []),
    "disclosed": ("cherish_disclosure_points", "Points of disclosure budgets spent within 24 hours.", []),
    "workers": ("cherish_workers", "Workers heard of within 30 seconds.", ["queue"]),
}


def may_scrape(
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    browser: Annotated[str | None, Depends(cookie)],
) -> None:
    """Anybody where the settings say so; else an administrator's key."""
    if settings.metrics_open:
        return
    if authenticated(request, session, settings, credentials, browser).role is not Role.ADMIN:
        raise Forbidden("metrics are for an admin key; the operator may open them with CHERISH_METRICS_OPEN")


@router.get(
    "/metrics",
    dependencies=[Depends(may_scrape)],
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        **responses(Unauthorized, Forbidden, TooManyRequests),
    },
)
def get_metrics(request: Request, session: SessionDep) -> Response:
    """Counters of this process and gauges of the deployment, in Prometheus' text format; while the database is away
    the counters alone, and `cherish_database_up` is 0."""
    metrics: Metrics = request.app.state.metrics
    samples: Mapping[str, Sequence[tuple[tuple[str, ...], float]]] = {}
    try:
        samples = service.gauges(session)
    except SQLAlchemyError as error:
        if outages.outage(error) is None:
            raise
        session.rollback()
    text = generate_latest(metrics.registry) + generate_latest(_gauges(samples))
    return Response(text, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _gauges(samples: Mapping[str, Sequence[tuple[tuple[str, ...], float]]]) -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("cherish_database_up", "1 where the gauges below could be read.", registry=registry).set(bool(samples))
    for key, (name, meaning, labels) in _GAUGES.items():
        gauge = Gauge(name, meaning, labels, registry=registry)
        for values, number in samples.get(key, ()):
            (gauge.labels(*values) if labels else gauge).set(number)
    return registry
