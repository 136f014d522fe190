"""The application as an ASGI server wants it: ``uvicorn --factory app.asgi:application``.

Settings come from the environment; nothing happens at import.
"""

from fastapi import FastAPI

from app.main import create_app
from app.settings import get_settings


def application() -> FastAPI:
    """The service for this process's settings."""
    return create_app(get_settings())
