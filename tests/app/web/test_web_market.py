"""What the pages on organisations, keys, the catalogue, orders, checkpoints and the shown job insist on."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from fastapi import FastAPI
from sqlalchemy.orm import Session

from app.accounts import repository
from app.accounts.tables import Account
from app.datasets.profiles import profiling
from app.datasets.profiles.minhash import StoredSketch
from app.datasets.profiles.profile import FileProfile
from app.datasets.repository import version
from app.datasets.tables import Dataset
from app.http.ids import parse_id
from app.identity import AccountStatus, Role
from app.payouts import service as payouts
from app.settings import Settings
from app.valuations import repository as jobs
from app.valuations.states import Reason
from app.valuations.work import lifecycle
from tests.app.conftest import Known
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["browser"]

Open = Callable[[], Browser]
ROWS = b"ward,age,label\nnorth,61,yes\nsouth,34,no\nnorth,47,yes\n"
# no row of a provider: how many of its rows must be outside the test set is drawn anew for each order
TEST = b"ward,age,label\nwest,52,yes\neast,29,no\nwest,30,yes\n"
LONG = "The long name of a consortium for handwriting without a single break: " + "W" * 120


def path_of(account: Account) -> str:
    return f"/admin/accounts/acc_{account.id.hex}"


def test_an_administrator_approves_suspends_with_a_reason_and_reinstates(
    browser: Open, admin: Known, buyer: Known, session: Session
) -> None:
    here, path = browser().log_in(admin), path_of(buyer.account)
    session.get_one(Account, buyer.account.id).status = AccountStatus.PENDING
    session.commit()
    assert f"acc_{buyer.account.id.hex}" in here.get("/admin/accounts?status=pending").text
    assert buyer.client.get("/v1/me").status_code == 403
    assert here.fill(f"{path}/approve", path).status_code == 303
    assert buyer.client.get("/v1/me").status_code == 200

    assert here.fill(f"{path}/suspend", path).status_code == 422, "a suspension has a reason"
    assert here.fill(f"{path}/suspend", path, reason="the bill of March").status_code == 303
    assert "the bill of March" in buyer.client.get("/v1/me").json()["detail"]
    assert "the bill of March" in here.get(path).text
    assert here.fill(f"{path}/reinstate", path).status_code == 303
    told = buyer.client.get("/v1/audit").json()["items"]
    assert {"approve_account", "suspend_account", "reinstate_account"} <= {each["action"] for each in told}


def test_a_mistaken_deposit_is_taken_back_on_the_organisation_s_page(
    browser: Open, admin: Known, buyer: Known, session: Session
) -> None:
    made = payouts.deposit(session, buyer.account.id, 50_000, "EUR", "bank 9")
    session.commit()
    here, path = browser().log_in(admin), path_of(buyer.account)
    assert "bank 9" in here.get(path).text
    back = f"{path}/deposits/tr_{made.id.hex}/reversal"
    assert here.fill(back, path).status_code == 422, "it has a reason"
    assert here.fill(back, path, reason="of another buyer").status_code == 303
    assert "of another buyer" in here.get(path).text
    (left,) = buyer.client.get("/v1/me/balance").json()["balances"]
    assert left["available"] == "0.00"
    assert browser().log_in(buyer).fill(back, "/keys", reason="mine").status_code == 403


def test_an_administrator_does_not_suspend_itself(browser: Open, admin: Known) -> None:
    here, path = browser().log_in(admin), path_of(admin.account)
    assert "Suspend it" not in here.get(path).text
    assert here.fill(f"{path}/suspend", path, reason="why not").status_code == 409


def test_limits_are_set_and_an_empty_field_is_the_deployment_s_again(
    browser: Open, admin: Known, buyer: Known, session: Session
) -> None:
    here, path = browser().log_in(admin), path_of(buyer.account)

    def stored() -> tuple[int | None, ...]:
        session.expire_all()
        found = session.get_one(Account, buyer.account.id)
        return found.max_running_jobs, found.reads_per_minute, found.writes_per_minute

    assert here.fill(f"{path}/limits", path, max_running_jobs="0", reads_per_minute="120").status_code == 303
    assert stored() == (0, 120, None)
    refused = here.fill(f"{path}/limits", path, reads_per_minute="0")
    assert (refused.status_code, "give 1 to" in refused.text) == (422, True)
    assert here.fill(f"{path}/limits", path).status_code == 303
    assert stored() == (None, None, None)


@pytest.mark.parametrize("action", ["approve", "suspend", "reinstate", "limits"])
def test_only_administrators_change_organisations(
    browser: Open, buyer: Known, provider: Known, session: Session, action: str
) -> None:
    here = browser().log_in(buyer)
    assert here.fill(f"{path_of(provider.account)}/{action}", "/keys", reason="x").status_code == 403
    assert here.get(path_of(provider.account)).status_code == 403


def test_a_key_is_made_with_an_end_and_rotated_into_a_new_one_that_is_shown_once(
    browser: Open, buyer: Known, session: Session
) -> None:
    here = browser().log_in(buyer)
    made = here.fill("/keys", "/keys", name="nightly", days="30", scopes="datasets:read")
    assert made.status_code == 201
    key = next(each for each in buyer.client.get("/v1/keys").json()["items"] if each["name"] == "nightly")
    ends = datetime.fromisoformat(key["expires_at"])
    assert 29 < (ends - datetime.now(UTC)).days + 1 <= 30
    assert here.fill("/keys", "/keys", name="x", days="0").status_code == 422

    rotated = here.fill(f"/keys/{key['id']}/rotate", "/keys")
    assert rotated.status_code == 201
    assert "shown this once" in rotated.text
    pair = [each for each in buyer.client.get("/v1/keys").json()["items"] if each["name"] == "nightly"]
    assert [each["scopes"] for each in pair] == [["datasets:read"]] * 2
    assert here.fill(f"/keys/{key['id']}/rotate", "/keys").status_code == 409, "a key is rotated once"
    assert "shown this once" not in here.get("/keys").text


def test_the_catalogue_is_searched_by_words_and_narrowed(
    browser: Open, buyer: Known, provider: Known, publish: Callable[..., Any]
) -> None:
    publish(provider, ROWS, name="ward admissions", reserve_price="25.00", reserve_currency="EUR")
    publish(provider, b"a,label\n1,x\n2,y\n", name="coin tosses")
    here = browser().log_in(buyer)

    def found(query: str) -> set[str]:
        text = here.get(f"/catalogue?{query}").text
        return {name for name in ("ward admissions", "coin tosses") if name in text.partition("<table")[2]}

    assert found("") == {"ward admissions", "coin tosses"}
    assert found("q=admissions") == found("min_rows=3") == {"ward admissions"}
    assert found("licence=MIT") == set()
    assert "Show everything" in here.get("/catalogue?licence=MIT").text
    assert here.get("/catalogue?min_rows=many").status_code == 422
    assert here.get("/catalogue?licence=nonsense").status_code == 422
    assert 'value="25.00" data-currency="EUR"' in here.get("/catalogue").text


def test_a_buyer_sees_of_a_listing_what_its_provider_allows_and_nothing_once_it_is_gone(
    browser: Open, buyer: Known, provider: Known, publish: Callable[..., Any], session: Session
) -> None:
    dataset = publish(provider, ROWS, name=LONG[:200], preview_rows=1)
    looked_at(session, dataset["id"], [["north", 61, "yes"], ["south", 34, "no"]])
    here = browser().log_in(buyer)
    text = here.get(f"/catalogue/{dataset['id']}").text
    assert "<td>north</td>" in text
    assert "<td>south</td>" not in text
    provider.client.post(f"/v1/datasets/{dataset['id']}/withdraw")
    assert here.get(f"/catalogue/{dataset['id']}").status_code == 404


def looked_at(session: Session, dataset_id: str, rows: list[list[Any]]) -> None:
    """As if a worker had taken the preview out."""
    found = version(session, parse_id("ds", dataset_id), 1)
    assert found is not None
    dataset = session.get_one(Dataset, found.dataset_id)
    none = StoredSketch(hashes=[], distinct=0)
    found_in_it = FileProfile(profile={"rows": 3, "columns": []}, preview=rows, sketches={"rows": none, "coarse": none})
    profiling.finish(session, Settings(), dataset.id, 1, found_in_it, dataset.preview_rows)
    session.commit()


def test_an_order_is_filled_in_from_the_catalogue_and_from_an_earlier_job(
    browser: Open, buyer: Known, known: Callable[..., Known], publish: Callable[..., Any], upload: Any, session: Session
) -> None:
    one, two = (publish(known(Role.PROVIDER), rows)["id"] for rows in (ROWS, b"ward,age,label\na,1,no\nb,2,yes\n"))
    test = upload(buyer, b"ward,age,label\nwest,52,yes\neast,29,no\n")["id"]
    payouts.deposit(session, buyer.account.id, 50_000, "EUR", "start")
    session.commit()
    here = browser().log_in(buyer)
    assert f'value="{one}" checked' in here.get(f"/jobs/new?datasets={one}").text
    given = {
        "datasets_text": f"{one} {two}", "test_dataset": test, "pool": "90.00", "policy": "interval_aware",
        "dispute_days": "2.5", "copies": "group", "model": "mlp", "hyper": "hidden=8", "seed": "5", "revalue": "yes",
        "max_evaluations": "64", "label": "order 17", "purpose": "research", "pay_without_gain": "yes",
        "label_map": "Yes = yes\n\nNO = no", "use": "ward\nage", "rename": "district = ward", "drop_unfit": "yes",
        "missing_labels": "refuse",
    }  # fmt: skip
    posted = here.fill("/jobs", "/jobs/new", **given)
    assert posted.status_code == 303, posted.text
    job = posted.headers["location"].rpartition("/")[2]
    spec = buyer.client.get(f"/v1/valuations/{job}").json()["spec"]
    assert (spec["payout"]["dispute_window_seconds"], spec["payout"]["copies"]) == (216_000, "group")
    assert spec["model"] == {"name": "mlp", "hyper": {"hidden": 8}}
    assert spec["label_map"] == {"Yes": "yes", "NO": "no"}
    assert spec["features"] == {
        "use": ["ward", "age"],
        "leave_out": [],
        "rename": {"district": "ward"},
        "fills": "players",
    }
    assert (spec["missing_labels"], spec["drop_unfit"]) == ("refuse", True)
    assert (spec["payout"]["pay_without_gain"], spec["payout"]["pay_unaudited"]) == (True, False)

    again = here.get(f"/jobs/new?again={job}").text
    assert re.search(r'name="pay_without_gain" value="yes" checked', again)
    assert not re.search(r'name="pay_unaudited" value="yes" checked', again)
    for shown in ("Yes = yes</textarea>", "district = ward</textarea>", 'value="refuse" selected'):
        assert shown in again
    for shown in (f'value="{one}" checked', 'value="2.5"', 'value="hidden=8"', 'value="64"', 'value="order 17"'):
        assert shown in again
    assert here.get("/jobs/new?again=val_" + "0" * 32).status_code == 404
    repeated = here.fill("/jobs", f"/jobs/new?again={job}", **given)
    other = repeated.headers["location"].rpartition("/")[2]
    assert buyer.client.get(f"/v1/valuations/{other}").json()["spec"] == spec


def test_what_was_noticed_of_files_is_on_the_quote_and_on_its_provider_s_page(
    browser: Open, buyer: Known, known: Callable[..., Known], publish: Callable[..., Any], upload: Any, session: Session
) -> None:
    owner = known(Role.PROVIDER)
    rows = b"ward,age,label\n" + b"".join(b"a%d,%d,%s\n" % (at % 3, at, (b"no", b"yes")[at % 2]) for at in range(12))
    one = publish(owner, rows + b"a1,?,yes\na1,?,yes\n")["id"]
    two = publish(known(Role.PROVIDER), rows.replace(b"yes", b"Yes"))["id"]
    test = upload(buyer, rows)["id"]
    payouts.deposit(session, buyer.account.id, 50_000, "EUR", "start")
    session.commit()
    here = browser().log_in(buyer)
    order = {"datasets_text": f"{one} {two}", "test_dataset": test, "pool": "90.00"}
    quote = here.fill("/jobs/estimate", "/jobs/new", **order).text
    assert re.search(rf'<ul class="problem">.*{two}.*<code>Yes</code> in <code>label</code> is another class', quote)
    assert "What else was noticed of the files (3)" in quote
    assert re.search(rf"{one}.*: 1 of 14 rows repeats an earlier row", quote)
    assert here.fill("/jobs", "/jobs/new", **order).status_code == 303
    seen = browser().log_in(owner).get("/earnings").text
    assert "What was noticed of your files" in seen
    assert "repeats an earlier row" in seen
    assert two not in seen
    wrong = here.fill("/jobs", "/jobs/new", **order, label_map="Yes")
    assert "label map: &#39;Yes&#39; is not <code>old = new</code>" in wrong.text


def test_ids_that_are_in_no_catalogue_stay_in_the_form(browser: Open, buyer: Known) -> None:
    gone = "ds_" + "0" * 32
    answer = browser().log_in(buyer).fill("/jobs", "/jobs/new", datasets_text=gone, pool="1.00")
    assert answer.status_code == 422
    assert f"{gone}</textarea>" in answer.text


def test_a_checkpoint_is_made_by_its_architecture_and_takes_weights_once(
    browser: Open, buyer: Known, other: Known
) -> None:
    here = browser().log_in(buyer)
    token = {"X-CSRF-Token": here.token("/checkpoints")}
    made = here.fill("/checkpoints", "/checkpoints", name="triage", architecture="mlp", hyper="hidden=4, l2=0.1")
    assert made.status_code == 201
    weights = safetensors.numpy.save({"0.weight": np.ones((2, 3), dtype=np.float32)})
    content, page = made.json()["content"], made.json()["page"]
    assert "trains them" in here.get(page).text
    assert here.put(content, content=b"pickle", headers=token).status_code == 422
    assert here.put(content, content=weights, headers=token).status_code == 200
    assert "F32 2×3" in here.get(page).text
    assert here.put(content, content=weights[:-8] + b"\0" * 8, headers=token).status_code == 409
    assert browser().log_in(other).get(page).status_code == 404
    refused = here.fill("/checkpoints", "/checkpoints", name="x", architecture="mlp", hyper="hidden:4")
    assert (refused.status_code, "name=number" in refused.text) == (422, True)


@pytest.fixture
def other(known: Callable[..., Known]) -> Known:
    return known(Role.BUYER)


def test_the_first_page_shows_nobody_s_job_unless_the_operator_names_a_buyer(
    app: FastAPI, browser: Open, known: Callable[..., Known], publish: Callable[..., Any], upload: Any, session: Session
) -> None:
    shown, hidden = known(Role.BUYER, "Shown"), known(Role.BUYER, "Hidden")
    datasets = [publish(known(Role.PROVIDER, f"Secret provider {i}"), ROWS + b"a,%d,no\n" % i)["id"] for i in (1, 2)]
    for buyer, pool in ((shown, "11.00"), (hidden, "22.00")):
        payouts.deposit(session, buyer.account.id, 50_000, "EUR", "start")
        session.commit()
        order = {"datasets": datasets, "test_dataset": upload(buyer, TEST)["id"], "pool": pool}
        assert buyer.client.post("/v1/valuations", json=order).status_code == 202
    nobody = browser()
    assert "11.00" not in nobody.get("/").text
    assert nobody.get("/demo/progress").status_code == 404

    app.state.settings = app.state.settings.model_copy(update={"shown_buyer": "Shown"})
    text = nobody.get("/").text
    assert "11.00" in text
    assert 'data-stream="/demo/progress"' in text
    assert "22.00" not in text
    assert "Secret provider" not in text, "a job that runs names nobody"
    with nobody.stream("GET", "/demo/progress") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
    # a name that is not a buyer's shows nothing
    app.state.settings = app.state.settings.model_copy(update={"shown_buyer": "Secret provider 1"})
    assert "data-stream" not in nobody.get("/").text


def test_a_delivery_s_page_shows_what_is_sent_and_only_its_owner_opens_it(
    browser: Open, buyer: Known, other: Known, app: FastAPI
) -> None:
    here = browser().log_in(buyer)
    app.state.settings = app.state.settings.model_copy(update={"webhook_allow_private": True})
    answer = here.fill("/webhooks", "/webhooks", url="http://127.0.0.1:8999/hook")
    assert answer.status_code == 200, answer.text
    hook = buyer.client.get("/v1/webhooks").json()["items"][0]["id"]
    here.fill(f"/webhooks/{hook}/ping", f"/webhooks/{hook}")
    delivery = buyer.client.get(f"/v1/webhooks/{hook}/deliveries").json()["items"][0]["id"]
    page = f"/webhooks/{hook}/deliveries/{delivery}"
    assert "webhook.ping" in here.get(page).text
    assert page in here.get(f"/webhooks/{hook}?status=pending").text
    assert page not in here.get(f"/webhooks/{hook}?status=failed").text
    assert browser().log_in(other).get(page).status_code == 404


def test_the_audit_page_is_narrowed_to_an_action_or_an_object(browser: Open, buyer: Known, session: Session) -> None:
    here = browser().log_in(buyer)
    here.fill("/keys", "/keys", name="nightly")
    account = repository.account(session, buyer.account.id)
    assert account is not None
    text = here.get("/audit?action=create+key").text.partition("<tbody>")[2]
    assert "create key" in text
    assert "log in" not in text
    assert account.name in text
    assert "No entry fits" in here.get("/audit?object=ds_17").text


def test_a_failure_is_shown_with_its_cause_and_repeated_as_a_new_job(
    browser: Open, admin: Known, buyer: Known, known: Callable[..., Known], publish: Any, upload: Any, session: Session
) -> None:
    datasets = [publish(known(Role.PROVIDER), ROWS + b"a,%d,no\n" % i)["id"] for i in (1, 2)]
    payouts.deposit(session, buyer.account.id, 50_000, "EUR", "start")
    session.commit()
    order = {"datasets": datasets, "test_dataset": upload(buyer, TEST)["id"], "pool": "10.00"}
    job = buyer.client.post("/v1/valuations", json=order).json()["id"]
    valuation = jobs.lock(session, parse_id("val", job))
    settings = admin.client.app.state.settings  # type: ignore[attr-defined]  # the application of the test
    lifecycle.fail(session, settings, valuation, Reason.INTERNAL, "it broke; nothing was charged", "Traceback: boom")
    session.commit()
    here = browser().log_in(admin)
    for page in ("/admin", f"/jobs/{job}"):
        assert "it broke; nothing was charged" in here.get(page).text
        assert "Traceback: boom" in here.get(page).text
    assert "boom" not in browser().log_in(buyer).get(f"/jobs/{job}").text
    assert browser().log_in(buyer).fill(f"/jobs/{job}/requeue", "/keys").status_code == 403
    answer = here.fill(f"/jobs/{job}/requeue", "/admin")
    repeated = answer.headers["location"].rpartition("/")[2]
    assert repeated != job
    assert buyer.client.get(f"/v1/valuations/{repeated}").json()["metadata"]["repeats"] == job


def test_a_preview_begins_with_the_column_to_predict(
    browser: Open, buyer: Known, known: Callable[..., Known], publish: Callable[..., Any], session: Session
) -> None:
    owner = known(Role.PROVIDER)
    wide = [f"c{at}" for at in range(60)]
    content = ",".join([*wide, "label"]) + "\n" + "".join(f"{','.join(['7'] * 60)},yes\n" for _ in range(3))
    one = publish(owner, content.encode(), preview_rows=2)["id"]
    dataset = session.get_one(Dataset, parse_id("ds", one))
    found = version(session, dataset.id, dataset.version)
    assert found is not None
    found.preview = [[*range(60), "yes"]] * 2
    session.commit()
    page = browser().log_in(buyer).get(f"/catalogue/{one}").text
    table = page[page.index('<table class="preview">') :]
    assert re.findall("<th>(.*?)</th>", table)[:3] == ["label", "c0", "c1"]
    assert re.findall("<td>(.*?)</td>", table)[:3] == ["yes", "0", "1"]
