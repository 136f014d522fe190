"""The application as an ASGI server wants it: ``uvicorn --factory app.asgi:application``.

Settings come from the environment; nothing happens at import.
"""

import gc

from fastapi import FastAPI
from sqlalchemy.orm import configure_mappers

from app.main import create_app
from app.sandbox import report, walls
from app.settings import get_settings


def application() -> FastAPI:
    """The service for this process's settings."""
    walls.hide()
    app = create_app(get_settings())
    configure_mappers()
    # a look for garbage that goes through all that was loaded for good holds every call up for a tenth of a second
    gc.collect()
    gc.freeze()
    report.say_at_start()
    return app
