"""One job by a generated Python client (openapi-python-client): upload, publish, order, wait, read the values."""

import io
import os
import sys
import time

from cherish_client import AuthenticatedClient
from cherish_client.api.datasets import create_dataset, publish_dataset, put_dataset_content
from cherish_client.api.valuations import create_valuation, get_valuation, get_values
from cherish_client.models import DatasetBody, LicenceBody, NewValuation, PublishBody
from cherish_client.types import File

rows = ["u,v,label\n" + "".join(f"{i % 7},{i % 5}.{seed},{'abc'[i % 3]}\n" for i in range(40)) for seed in range(3)]


def client(role: str) -> AuthenticatedClient:
    return AuthenticatedClient(
        os.environ["CHERISH_API"], os.environ[f"CHERISH_{role}"], raise_on_unexpected_status=True
    )


def uploaded(owner: AuthenticatedClient, content: str, kind: str) -> str:
    made = create_dataset.sync(
        client=owner, body=DatasetBody.from_dict({"name": kind, "target": "label", "kind": kind})
    )
    put_dataset_content.sync(made.id, client=owner, body=File(io.BytesIO(content.encode())))
    return made.id


offered = []
for number, role in enumerate(("PROVIDER", "SECOND")):
    owner = client(role)
    dataset = uploaded(owner, rows[number], "train")
    body = PublishBody(licence=LicenceBody(spdx="CC0-1.0"))
    assert publish_dataset.sync(dataset, client=owner, body=body).status.value == "published"
    offered.append(dataset)
buyer = client("BUYER")
test = uploaded(buyer, rows[2], "test")
order = NewValuation.from_dict({"datasets": offered, "test_dataset": test, "pool": "10.00"})
job = create_valuation.sync(client=buyer, body=order)
ends = time.monotonic() + 120
while (job := get_valuation.sync(job.id, client=buyer)).status.value not in ("succeeded", "failed"):
    assert time.monotonic() < ends, job.status
    time.sleep(0.3)
values = get_values.sync(job.id, client=buyer)
assert job.status.value == "succeeded", job.error
assert len(values.players) == 2
sys.stdout.write(f"a job of {len(values.players)} players, {values.players[0].provider}: {values.players[0].value}\n")
