"""A listing as DCAT: for everybody who may see it, with the licence as an offer, and with nothing to fetch."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.datasets.offering import dcat
from app.datasets.offering.croissant import Described
from app.datasets.tables import DatasetFormat
from tests.app.conftest import Known

ROWS = b"ward,age,label\nnorth,61,yes\nsouth,34,no\n"
TOLD = Described(
    "Wards", "", "https://x/v1/catalog/ds_1", "Alder", 3, "ab" * 32, 7, DatasetFormat.CSV, [], "y", None, None
)


def test_rows_that_have_a_price_carry_the_duty_to_pay_it(
    provider: Any, buyer: Any, publish: Callable[..., dict[str, Any]]
) -> None:
    licence = {"spdx": "CC-BY-4.0", "grants": ["value", "data"], "approval": "by_request"}
    asking = {"currency": "EUR", "data": "200.00"}
    dataset = publish(provider, b"age,label\n1,yes\n2,no\n3,yes\n", licence=licence, asking=asking)
    policy = buyer.client.get(f"/v1/datasets/{dataset['id']}/dcat").json()["odrl:hasPolicy"]
    value, data = policy["permission"]
    assert value["duty"] == [{"action": "obtainConsent"}]
    consent, paid = data["duty"]
    assert (data["action"], consent) == ("reproduce", {"action": "obtainConsent"})
    (price,) = paid["action"]["refinement"]
    assert (price["leftOperand"], price["rightOperand"]["@value"], price["unit"][-3:]) == ("payAmount", "200.00", "EUR")


def test_what_is_published_is_described_and_a_draft_is_its_owner_s(
    provider: Known, buyer: Known, publish: Callable[..., dict[str, Any]], upload: Callable[..., dict[str, Any]]
) -> None:
    listed = publish(provider, ROWS, name="Wards", licence={"spdx": "CC-BY-4.0", "purposes": ["research"]})
    answer = buyer.client.get(f"/v1/datasets/{listed['id']}/dcat")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "application/ld+json")
    told = answer.json()
    assert (told["@type"], told["dct:title"], told["dcat:version"]) == ("dcat:Dataset", "Wards", "1")
    assert told["dct:publisher"]["foaf:name"] == provider.account.name
    (distribution,) = told["dcat:distribution"]
    assert distribution["spdx:checksum"]["spdx:checksumValue"]["@value"] == hashlib.sha256(ROWS).hexdigest()
    assert distribution["dct:license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0.html"}
    assert told["odrl:hasPolicy"]["permission"][0]["constraint"][0]["rightOperand"] == ["research"]
    assert "downloadURL" not in json.dumps(told)
    draft = upload(provider, ROWS + b"east,1,no\n")
    assert buyer.client.get(f"/v1/datasets/{draft['id']}/dcat").status_code == 404
    assert provider.client.get(f"/v1/datasets/{draft['id']}/dcat").json().get("odrl:hasPolicy") is None


def test_every_prefix_that_is_used_is_declared() -> None:
    used = {name.split(":")[0] for name in dcat.document(TOLD) if ":" in name}
    assert used <= set(dcat.CONTEXT)
    assert dcat.document(TOLD)["dct:description"] == "Wards", "a title where there is no description"
    assert dcat.document(replace(TOLD, description="words"))["dct:description"] == "words"
