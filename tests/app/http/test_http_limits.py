"""Rate limits on a real Redis: budgets for reading and changing, headers, 429, and calls that pass where it is away."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.http.limits import Limiter
from app.http.metrics import Metrics
from app.settings import Settings
from tests.app.conftest import Known

FEW = {"reads_per_minute": 3, "writes_per_minute": 2, "anonymous_per_minute": 2, "sign_ins_per_minute": 1}


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    return settings.model_copy(update=getattr(request, "param", {}))


@pytest.fixture(autouse=True)
def fresh(app: Any) -> None:
    """Addresses are the same in all tests; their counts must not be."""
    app.state.redis.flushdb()


def statuses(client: TestClient, method: str, path: str, times: int, **sent: Any) -> list[int]:
    return [client.request(method, path, **sent).status_code for _ in range(times)]


@pytest.mark.parametrize("settings", [FEW], indirect=True)
def test_reading_and_changing_have_a_budget_each_and_every_key_its_own(provider: Known, buyer: Known) -> None:
    assert statuses(provider.client, "GET", "/v1/me", 4) == [200, 200, 200, 429]
    assert statuses(provider.client, "POST", "/v1/keys", 3, json={"name": "x"}) == [201, 201, 429]
    assert statuses(buyer.client, "GET", "/v1/me", 1) == [200]


@pytest.mark.parametrize("settings", [FEW], indirect=True)
def test_answers_say_what_is_left_and_refusals_how_long_to_wait(provider: Known) -> None:
    first = provider.client.get("/v1/me")
    assert first.headers["RateLimit-Policy"] == '"read";q=3;w=60'
    assert first.headers["RateLimit"].startswith('"read";r=2;t=')
    statuses(provider.client, "GET", "/v1/me", 2)
    refused = provider.client.get("/v1/me")
    assert (refused.status_code, refused.json()["type"].rsplit("/", 1)[1]) == (429, "too-many-requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 120
    assert refused.headers["RateLimit"].startswith('"read";r=0;t=')


@pytest.mark.parametrize("settings", [FEW], indirect=True)
def test_addresses_without_a_valid_key_have_one_budget_together(client: TestClient, provider: Known) -> None:
    assert statuses(client, "GET", "/v1/me", 2) == [401, 401]
    assert statuses(client, "GET", "/v1/me", 1, headers={"Authorization": "Bearer nonsense"}) == [429]
    assert statuses(provider.client, "GET", "/v1/me", 1) == [200]


@pytest.mark.parametrize("settings", [FEW | {"registration": "open"}], indirect=True)
def test_registering_and_trying_passwords_is_limited_by_address(client: TestClient) -> None:
    body = {"token": "guess", "password": "a quiet harbour at dawn"}
    assert statuses(client, "POST", "/v1/invitations/accept", 2, json=body) == [404, 429]
    assert client.post("/v1/registrations", json={}).status_code == 429


@pytest.mark.parametrize("settings", [FEW], indirect=True)
def test_an_administrator_can_give_an_account_other_limits(admin: Known, provider: Known) -> None:
    path = f"/v1/admin/accounts/acc_{provider.account.id.hex}/limits"
    assert admin.client.patch(path, json={"reads_per_minute": 5}).status_code == 200
    assert statuses(provider.client, "GET", "/v1/me", 6) == [200] * 5 + [429]


@pytest.mark.parametrize("settings", [FEW], indirect=True)
def test_where_redis_is_away_calls_pass_and_are_counted(app: Any, provider: Known, tmp_path: Path) -> None:
    metrics = Metrics()
    app.state.limiter.close()
    app.state.limiter = Limiter(f"unix://{tmp_path}/nobody.sock", metrics)
    answers = [provider.client.get("/v1/me") for _ in range(5)]
    assert [each.status_code for each in answers] == [200] * 5
    assert "RateLimit" not in answers[0].headers
    assert metrics.registry.get_sample_value("cherish_rate_limits_away_total") == 5


def test_the_defaults_are_far_above_what_one_client_does(settings: Settings) -> None:
    assert settings.reads_per_minute >= 200 * 60
    assert settings.writes_per_minute >= 100 * 60
