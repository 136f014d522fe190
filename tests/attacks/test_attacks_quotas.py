"""One organisation fills drafts, versions, keys and the disk: each has an end, and the answer names it."""

from collections.abc import Callable
from typing import Any

import pytest

from app.identity import Role
from app.settings import Settings
from tests.app.conftest import Known


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_drafts": 2, "max_versions": 2, "max_keys": 3, "max_stored_bytes": 2_000})


def draft(known: Known) -> Any:
    return known.client.post("/v1/datasets", json={"name": "it", "target": "y"})


def refusal(answer: Any) -> str:
    assert answer.status_code == 409, answer.text
    assert [fault["type"] for fault in answer.json()["errors"]] == ["quota"]
    return str(answer.json()["detail"])


def rows(number: int, count: int = 30) -> bytes:
    return b"a,y\n" + b"".join(b"%d,%d\n" % (number * 100 + at, at % 2) for at in range(count))


def test_drafts_have_an_end(provider: Known) -> None:
    assert [draft(provider).status_code for _ in range(2)] == [201, 201]
    assert "may have 2 drafts" in refusal(draft(provider))


def test_versions_and_bytes_have_an_end(provider: Known) -> None:
    path = f"/v1/datasets/{draft(provider).json()['id']}/content"
    assert [provider.client.put(path, content=rows(n)).status_code for n in (1, 2)] == [200, 200]
    assert "has 2 versions, which is all" in refusal(provider.client.put(path, content=rows(3)))
    other = f"/v1/datasets/{draft(provider).json()['id']}/content"
    kept = len(rows(1)) + len(rows(2))
    large = rows(4, 400)
    for body in (large, iter([large])):
        told = refusal(provider.client.put(other, content=body))
        assert f"may have 2000 bytes together, and yours have {kept} without these {len(large)}" in told


def test_weights_have_an_end(buyer: Known) -> None:
    made = buyer.client.post("/v1/checkpoints", json={"name": "it", "architecture": "mlp"}).json()
    told = refusal(buyer.client.put(f"/v1/checkpoints/{made['id']}/content", content=b"x" * 2_001))
    assert "an organisation's checkpoints may have 2000 bytes together" in told


def test_keys_have_an_end_and_a_revoked_one_makes_room(buyer: Known) -> None:
    made = [buyer.client.post("/v1/keys", json={"name": f"key {n}"}) for n in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 409]
    assert "may have 3 keys" in refusal(made[-1])
    assert buyer.client.delete(f"/v1/keys/{made[0].json()['id']}").status_code in (200, 204)
    assert buyer.client.post("/v1/keys", json={"name": "again"}).status_code == 201


def test_an_administrator_gives_one_organisation_quotas_of_its_own(
    provider: Known, admin: Known, known: Callable[..., Known]
) -> None:
    path = f"/v1/admin/accounts/acc_{provider.account.id.hex}/limits"
    usual = admin.client.get(path).json()
    assert (usual["max_drafts"], usual["max_stored_bytes"]) == (2, 2_000)
    own = {"max_drafts": 3, "max_versions": 1, "max_keys": 1, "max_stored_bytes": 500}
    assert admin.client.patch(path, json=own).json() == usual | own
    made = [draft(provider) for _ in range(4)]
    assert [answer.status_code for answer in made] == [201, 201, 201, 409]
    assert "may have 3 drafts" in refusal(made[-1])
    content = f"/v1/datasets/{made[0].json()['id']}/content"
    assert "may have 500 bytes together" in refusal(provider.client.put(content, content=rows(1, 200)))
    assert provider.client.put(content, content=rows(1)).status_code == 200
    assert "has 1 versions, which is all" in refusal(provider.client.put(content, content=rows(2)))
    assert "may have 1 keys" in refusal(provider.client.post("/v1/keys", json={"name": "another"}))
    other = known(Role.PROVIDER)
    assert [draft(other).status_code for _ in range(3)] == [201, 201, 409], "nobody else's have changed"
    assert admin.client.patch(path, json=dict.fromkeys(own)).json() == usual
    assert admin.client.patch(path, json={"max_keys": 0}).status_code == 422
