"""What an administrator sees of organisations in their list and of one on its page: money, jobs, people."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import users
from app.accounts.tables import Account
from app.admin import organisations, service
from app.identity import Role
from app.payouts import service as payouts
from tests.app.conftest import Known
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["browser"]

Open = Callable[[], Browser]
ROWS = b"ward,age,label\nnorth,61,yes\nsouth,34,no\nnorth,47,yes\n"
TEST = b"ward,age,label\nwest,52,yes\neast,29,no\nwest,30,yes\n"


def posted(buyer: Known, owners: list[Known], publish: Any, upload: Any) -> str:
    """A job that values a dataset of each owner."""
    datasets = [publish(owner, ROWS + b"a,%d,no\n" % at)["id"] for at, owner in enumerate(owners)]
    order = {"datasets": datasets, "test_dataset": upload(buyer, TEST)["id"], "pool": "10.00"}
    answer = buyer.client.post("/v1/valuations", json=order)
    assert answer.status_code == 202, answer.text
    identifier: str = answer.json()["id"]
    return identifier


def test_each_organisation_has_its_own_money_jobs_and_people(
    buyer: Known, known: Callable[..., Known], publish: Any, upload: Any, session: Session
) -> None:
    owners, other = [known(Role.PROVIDER), known(Role.PROVIDER)], known(Role.BUYER)
    payouts.deposit(session, buyer.account.id, 50_000, "EUR", "start")
    payouts.deposit(session, buyer.account.id, 700, "NOK", "start, too")
    users.create_user(
        session, session.get_one(Account, buyer.account.id), "ada@ward.example", "Ada", "a long phrase of words"
    )
    session.commit()
    first = posted(buyer, owners, publish, upload)
    assert buyer.client.post(f"/v1/valuations/{first}/cancel").status_code == 202
    posted(buyer, [*owners[:1], known(Role.PROVIDER)], publish, upload)
    ids = [each.account.id for each in (buyer, *owners, other)]
    lines = organisations.lines(session, ids)
    assert [(line.jobs, line.at_work, line.people) for line in (lines[each] for each in ids)] == [
        (2, 1, 1), (2, 1, 0), (1, 0, 0), (0, 0, 0),
    ]  # fmt: skip
    assert [(each.currency, each.available, each.reserved) for each in lines[ids[0]].balances] == [
        ("EUR", 49_000, 1_000),
        ("NOK", 700, 0),
    ]
    assert lines[ids[0]].balances == payouts.balances(session, ids[0])
    assert lines[ids[3]].balances == []


def test_the_pages_show_them(
    browser: Open, admin: Known, buyer: Known, known: Callable[..., Known], publish: Any, upload: Any, session: Session
) -> None:
    payouts.deposit(session, buyer.account.id, 50_000, "EUR", "start")
    users.create_user(
        session, session.get_one(Account, buyer.account.id), "ada@ward.example", "Ada", "a long phrase of words"
    )
    session.commit()
    owners = [known(Role.PROVIDER), known(Role.PROVIDER)]
    job = posted(buyer, owners, publish, upload)
    here = browser().log_in(admin)
    listed = here.get("/admin/accounts").text
    assert "1 (1 at work)" in listed
    assert 'value="490.00"' in listed
    for owner in (buyer, *owners):
        page = here.get(f"/admin/accounts/acc_{owner.account.id.hex}").text
        assert f'href="/jobs/{job}"' in page
    assert "ada@ward.example" in here.get(f"/admin/accounts/acc_{buyer.account.id.hex}").text
    work = here.get("/admin").text
    assert 'data-chart="throughput"' in work
    assert 'data-say="0 hours ago: 1 under way"' in work
    assert service.throughput(session)[-1].under_way == 1
