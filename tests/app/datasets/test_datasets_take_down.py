"""A listing is paused by its owner, or taken down by an administrator with a reason; owners get their files back."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.webhooks.tables import WebhookEvent

CSV = b"age,city,label\n61,Oslo,yes\n34,Bergen,no\n"


def test_a_paused_dataset_is_in_no_catalogue_until_it_is_published_again(
    provider: Any, buyer: Any, upload: Callable[..., Any]
) -> None:
    made = upload(provider, CSV)
    path, terms = f"/v1/datasets/{made['id']}", {"licence": {"spdx": "MIT"}}
    provider.client.post(f"{path}/publish", json=terms)
    assert buyer.client.get(f"/v1/catalog/{made['id']}").status_code == 200
    assert provider.client.post(f"{path}/pause").json()["status"] == "ready"
    assert buyer.client.get(f"/v1/catalog/{made['id']}").status_code == 404
    assert provider.client.post(f"{path}/publish", json=terms).json()["status"] == "published"
    content = provider.client.get(f"{path}/content")
    assert (content.status_code, content.content) == (200, CSV)
    assert buyer.client.get(f"{path}/content").status_code == 404


def test_one_listing_is_taken_down_with_a_reason_that_its_provider_is_told(
    provider: Any, admin: Any, buyer: Any, upload: Callable[..., Any], session: Session
) -> None:
    made = upload(provider, CSV)
    path, terms = f"/v1/datasets/{made['id']}", {"licence": {"spdx": "MIT"}}
    provider.client.post(f"{path}/publish", json=terms)
    assert provider.client.post(f"/v1/admin/datasets/{made['id']}/take-down", json={"reason": "x"}).status_code == 403
    down = admin.client.post(f"/v1/admin/datasets/{made['id']}/take-down", json={"reason": "it shows names"})
    assert (down.status_code, down.json()["status"], down.json()["taken_down"]) == (200, "ready", "it shows names")
    assert buyer.client.get(f"/v1/catalog/{made['id']}").status_code == 404
    refused = provider.client.post(f"{path}/publish", json=terms)
    assert (refused.status_code, "it shows names" in refused.json()["detail"]) == (409, True)
    assert admin.client.post(f"/v1/admin/datasets/{made['id']}/lift").json()["taken_down"] is None
    assert provider.client.post(f"{path}/publish", json=terms).status_code == 200
    events = session.scalars(select(WebhookEvent.type)).all()
    assert not events or "dataset.taken_down" in events
