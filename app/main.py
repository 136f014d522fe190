"""The HTTP service: ``create_app`` wires rooms together. No I/O happens at import, and torch is never loaded here.

Each room brings one router; the lifespan opens what they share (database, blobs, Redis) and closes it again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import redis
from fastapi import FastAPI

from app import logs
from app.accounts import endpoints as accounts
from app.datasets import endpoints as datasets
from app.db.session import make_engine, make_session_factory
from app.http import etags, idempotency, problems
from app.http.middleware import BodyLimit, RequestContext
from app.payouts import endpoints as payouts
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import endpoints as valuations


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the engine, the blob store and Redis; none of them is contacted before it is needed."""
    settings: Settings = app.state.settings
    logs.configure_logging(settings.log_level, as_json=settings.log_json)
    engine = make_engine(settings.database_url.get_secret_value())
    app.state.engine = engine
    app.state.session_factory = make_session_factory(engine)
    app.state.blobs = BlobStore.from_url(settings.blob_url)
    app.state.parsing = anyio.CapacityLimiter(settings.max_parsing)
    app.state.redis = redis.Redis.from_url(settings.redis_url.get_secret_value())
    try:
        yield
    finally:
        app.state.redis.close()
        engine.dispose()


def create_app(settings: Settings) -> FastAPI:
    """The application for these settings."""
    app = FastAPI(
        title="Cherish",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    problems.register(app)
    app.add_exception_handler(etags.NotModified, etags.answer_not_modified)
    app.add_exception_handler(idempotency.Replayed, idempotency.answer_replayed)
    # the last one added is the outermost
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestContext)
    # one line for each room
    app.include_router(accounts.router)
    app.include_router(datasets.router)
    app.include_router(payouts.router)
    app.include_router(valuations.router)
    return app
