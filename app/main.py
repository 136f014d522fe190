"""The HTTP service: ``create_app`` wires rooms together. No I/O happens at import, and torch is never loaded here.

Each room brings one router; the lifespan opens what they share (database, blobs, Redis) and closes it again.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import redis
from fastapi import FastAPI

from app import logs, tracing
from app.accounts import endpoints as accounts
from app.accounts import factor_endpoints as second_factors
from app.accounts import passkey_endpoints as passkeys
from app.accounts import session_endpoints as own_sessions
from app.admin import endpoints as admin
from app.admin import metrics_endpoints as metrics
from app.agents import endpoints as agents
from app.audit import endpoints as audit
from app.audit import service as audit_log
from app.billing import endpoints as billing
from app.checkpoints import endpoints as checkpoints
from app.checkpoints import resumable_endpoints as resumable_checkpoints
from app.datasets import endpoints as datasets
from app.datasets.offering import catalog_endpoints as catalog
from app.datasets.remote.fetching import remote_fetcher
from app.datasets.uploads import direct_endpoints as direct
from app.datasets.uploads import remote_endpoints as remote
from app.datasets.uploads import resumable_endpoints as resumable
from app.db.limits import Process
from app.db.session import make_reading_factory, make_session_factory, open_engine
from app.erasure import endpoints as erasure
from app.http import headers, idempotency, limits, manners, outages, problems
from app.http.bodies import BodyLimit
from app.http.documentation import openapi
from app.http.metrics import Metrics
from app.http.middleware import RequestContext
from app.http.mounting import Mounted, mount_of
from app.http.probes import health
from app.http.turns.queues import FairQueue
from app.http.turns.shares import OpenStreams, Shares
from app.payouts import endpoints as payouts
from app.payouts import void_endpoints as voids
from app.settings import Settings
from app.single_sign_on import endpoints as single_sign_on
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.storage.incoming import IncomingFiles
from app.valuations import attribution_endpoints, data_endpoints, row_endpoints, value_endpoints
from app.valuations import endpoints as valuations
from app.valuations import evidence_endpoints as evidence
from app.valuations import handover_endpoints as handovers
from app.valuations import participation_endpoints as participations
from app.valuations.consents import endpoints as consents
from app.valuations.explorations import endpoints as explorations
from app.valuations.standing import endpoints as standing
from app.wanted import endpoints as wanted
from app.web import endpoints as web
from app.web.rendering import error_page
from app.webhooks import endpoints as webhooks

# requests with a session at a time: a few fewer than the pool's 20 connections, which streams and health share
CONNECTIONS = 16
_SWITCH_SECONDS = 0.001


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the engine, the blob store and Redis; none of them is contacted before it is needed."""
    settings: Settings = app.state.settings
    logs.configure_logging(settings.log_level, as_json=settings.log_json)
    tracing.open_tracing(settings, "api")
    # what an earlier process left when it was killed goes now
    scratch.folder()
    engine = open_engine(settings, Process.API)
    app.state.connections = anyio.Semaphore(CONNECTIONS)
    app.state.shares = Shares(CONNECTIONS // 4)
    app.state.streams = OpenStreams()
    app.state.engine = engine
    app.state.session_factory = make_session_factory(engine)
    app.state.reading_factory = make_reading_factory(engine)
    app.state.blobs = BlobStore.from_url(settings.blob_url)
    app.state.incoming = IncomingFiles.of(settings.blob_url, settings.direct_upload_url)
    app.state.reading = FairQueue(settings.max_parsing, settings.max_waiting)
    app.state.fetching = FairQueue(settings.max_fetching, settings.max_waiting)
    app.state.remote_fetcher = remote_fetcher(settings)
    app.state.limiter = limits.Limiter(settings.redis_url.get_secret_value(), app.state.metrics)
    app.state.redis = redis.Redis.from_url(
        settings.redis_url.get_secret_value(), socket_timeout=5, socket_connect_timeout=5
    )
    app.state.parts = health.parts_of(app)
    # a thread that computes lets the event loop go on after a millisecond, not after five
    sys.setswitchinterval(_SWITCH_SECONDS)
    watching = asyncio.create_task(app.state.shares.lag.watch())
    try:
        yield
    finally:
        watching.cancel()
        app.state.limiter.close()
        app.state.redis.close()
        engine.dispose()
        tracing.close_tracing()


def create_app(settings: Settings) -> FastAPI:
    """The application for these settings."""
    app = FastAPI(
        title="Cherish",
        version="1",
        lifespan=lifespan,
        # our own pages, which work offline
        docs_url=None,
        openapi_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        # a redirect to the path without its slash would be built from the Host header that somebody sent
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    problems.register(app)
    outages.register(app)
    app.state.error_page = error_page
    app.state.record_change = audit_log.record
    app.add_exception_handler(headers.NotModified, headers.answer_not_modified)
    app.add_exception_handler(idempotency.Replayed, idempotency.answer_replayed)
    # the last one added is the outermost
    app.add_middleware(BodyLimit)
    manners.install(app, settings)
    app.add_middleware(RequestContext)
    if mount := mount_of(settings.public_url):
        app.add_middleware(Mounted, mount=mount)
    app.mount("/static", web.static, name="static")
    _include_rooms(app)
    openapi.install(app)
    return app


def _include_rooms(app: FastAPI) -> None:
    """One line for each room."""
    app.include_router(health.router)
    app.include_router(accounts.router)
    app.include_router(second_factors.router)
    app.include_router(passkeys.router)
    app.include_router(own_sessions.router)
    app.include_router(single_sign_on.router)
    app.include_router(admin.router)
    app.include_router(metrics.router)
    app.include_router(audit.router)
    app.include_router(datasets.router)
    app.include_router(resumable.router)
    app.include_router(direct.router)
    app.include_router(remote.router)
    app.include_router(catalog.router)
    app.include_router(agents.router)
    app.include_router(checkpoints.router)
    app.include_router(resumable_checkpoints.router)
    app.include_router(payouts.router)
    app.include_router(voids.router)
    app.include_router(billing.router)
    app.include_router(participations.router)
    app.include_router(valuations.router)
    app.include_router(handovers.router)
    app.include_router(data_endpoints.router)
    app.include_router(row_endpoints.router)
    app.include_router(attribution_endpoints.router)
    app.include_router(evidence.router)
    app.include_router(value_endpoints.router)
    app.include_router(consents.router)
    app.include_router(consents.of_jobs)
    app.include_router(explorations.router)
    app.include_router(standing.router)
    app.include_router(wanted.router)
    app.include_router(erasure.router)
    app.include_router(erasure.unlearnings)
    app.include_router(webhooks.router)
    # last, because each call is tried against the routes in order
    app.include_router(web.router)
    app.webhooks.include_router(webhooks.described)
