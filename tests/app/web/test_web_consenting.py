"""A provider is asked about a job on a page of its own, and answers there; the buyer's page says whom it waits for."""

import re
from collections.abc import Callable

from sqlalchemy.orm import Session

from app.identity import Role
from app.payouts import service as payouts
from tests.app.conftest import Known
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["browser"]


def csv(seed: int, rows: int) -> bytes:
    return ("u,v,label\n" + "".join(f"{i % 7}.{seed},{i % 5},{'abc'[i % 3]}\n" for i in range(rows))).encode()


def test_a_provider_approves_each_job_and_reads_for_whom_and_what_for(
    browser: Callable[[], Browser],
    known: Callable[..., Known],
    upload: Callable[..., dict[str, str]],
    publish: Callable[..., dict[str, str]],
    session: Session,
) -> None:
    buyer, asked, other = known(Role.BUYER, "City Hospital"), known(Role.PROVIDER, "Hill"), known(Role.PROVIDER)
    named = [publish(each, csv(number, 24))["id"] for number, each in enumerate((asked, other))]
    test = upload(buyer, csv(8, 24))["id"]
    payouts.deposit(session, buyer.account.id, 100_00, "EUR", "start")
    session.commit()
    here, there = browser().log_in(asked), browser().log_in(buyer)
    assert "No job has asked" in here.get("/consents").text
    terms = {"spdx": "CC0-1.0", "by_request": "yes"}
    assert here.fill(f"/datasets/{named[0]}/publish", f"/datasets/{named[0]}", **terms).status_code == 303
    assert 'name="by_request" value="yes" checked' in here.get(f"/datasets/{named[0]}").text
    assert "of each job, by its provider" in there.get(f"/catalogue/{named[0]}").text

    order = {"datasets": named, "test_dataset": test, "pool": "50.00", "purpose": "triage", "drop_refused": True}
    posted = buyer.client.post("/v1/valuations", json=order)
    assert posted.json()["status"] == "awaiting_consent", posted.text
    job = posted.json()["id"]
    assert posted.json()["consent_until"] is not None
    waiting = there.get(f"/jobs/{job}").text
    assert "Whose consent it needs" in waiting
    assert "Hill" in waiting
    assert "goes on without whoever did not approve" in waiting
    shown = here.get(f"/consents/{job}").text
    assert all(words in shown for words in ("City Hospital", "triage", "50.00", "On these terms"))
    assert browser().log_in(other).get(f"/consents/{job}").status_code == 404
    assert job in here.get("/consents").text

    assert here.fill(f"/consents/{job}/approve", f"/consents/{job}", note="welcome").status_code == 303
    after = here.get(f"/consents/{job}").text
    assert "approved" in after
    assert re.search(r"<button[^>]*>Refuse", after) is None
    assert buyer.client.get(f"/v1/valuations/{job}").json()["status"] != "awaiting_consent"
    (said,) = buyer.client.get(f"/v1/valuations/{job}/consents").json()["items"]
    assert (said["provider"], said["status"], said["note"]) == ("Hill", "approved", "welcome")
    (mine,) = asked.client.get("/v1/me/consents?status=approved").json()["items"]
    assert mine["valuation_id"] == job
    late = asked.client.post(f"/v1/me/consents/{job}/refuse", json={})
    assert (late.status_code, "is final" in late.json()["detail"]) == (409, True)
