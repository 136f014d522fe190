"""Secrets in the database: bound to their owner, their purpose and the deployment."""

import uuid

import pytest
from cryptography.exceptions import InvalidTag
from pydantic import SecretStr

from app.accounts import sealing
from app.settings import Settings


def test_what_is_sealed_opens_for_its_owner_purpose_and_pepper_alone() -> None:
    settings, owner = Settings(), uuid.UUID(int=1)
    sealed = sealing.seal(settings, b"one", owner, "a secret")
    assert "secret" not in sealed
    assert sealing.seal(settings, b"one", owner, "a secret") != sealed
    assert sealing.opened(settings, b"one", owner, sealed) == "a secret"
    other = settings.model_copy(update={"key_pepper": SecretStr("another pepper")})
    for with_, purpose, whose in (
        (other, b"one", owner),
        (settings, b"two", owner),
        (settings, b"one", uuid.UUID(int=2)),
    ):
        with pytest.raises(InvalidTag):
            sealing.opened(with_, purpose, whose, sealed)
