"""Fixtures of attacks: the application under its default settings, and accounts that speak to it over HTTP only."""

from pathlib import Path

import pytest

from app.settings import Settings
from tests.app.conftest import admin, app, buyer, client, known, npz, provider, publish, upload

__all__ = ["admin", "app", "buyer", "client", "known", "npz", "provider", "publish", "settings", "upload"]


@pytest.fixture
def settings(postgres_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """The defaults, but for where things are."""
    return Settings(
        database_url=postgres_url,  # type: ignore[arg-type]  # pydantic makes the secrets
        redis_url=redis_url,  # type: ignore[arg-type]  # same
        blob_url=f"file://{tmp_path}/blobs",
        log_level="WARNING",
        sign_ins_per_minute=100_000,
    )
