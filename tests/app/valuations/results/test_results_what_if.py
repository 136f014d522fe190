"""What another pool or rule would have paid: the settlement's own plan, to the cent, and nothing of it carried out."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import InvalidInput, NotFound
from app.http.ids import public_id
from app.identity import Role
from app.payouts import service as payouts
from app.payouts.tables import LedgerTransfer
from app.settings import Settings
from app.valuations.results import report_links, settlement, what_if
from app.valuations.tables import Valuation
from app.web.ended import sharing
from contract.orders.policies import PayoutPolicy
from tests.app.conftest import Known
from tests.app.valuations import story
from tests.app.web.test_web_rules import Browser


@dataclass
class Ended:
    """A buyer and a job of two providers that was paid 400.00 and 600.00 of 1000.00."""

    buyer: Known
    job: Valuation
    here: Browser

    @property
    def path(self) -> str:
        return f"/jobs/{public_id('val', self.job.id)}"


@pytest.fixture
def ended(app: FastAPI, session: Session, settings: Settings, known: Callable[..., Known]) -> Ended:
    buyer, providers = known(Role.BUYER), [known(Role.PROVIDER) for _ in range(2)]
    payouts.deposit(session, buyer.account.id, 3 * story.POOL, "EUR", "start")
    drawn = story.Job(
        {"policy": "proportional", "dispute_window_seconds": 0},
        story.result([0.2, 0.3], 0.01, "audited"), story.alone(2), (0, 0), 0, None, 2.0,
    )  # fmt: skip
    job = story.posted(
        session, buyer.account.id, [each.account.id for each in providers], ["北京 A", "B & sons"], drawn
    )
    settlement.settle(session, settings, job.id)
    session.commit()
    return Ended(buyer, job, Browser(app).log_in(buyer))


def test_as_agreed_it_is_what_was_paid_and_another_pool_is_divided_alike(session: Session, ended: Ended) -> None:
    same = what_if.what_if(session, ended.job, None, None)
    assert [line.amount for line in same.payouts] == [line.paid for line in same.payouts] == ["400.00", "600.00"]
    other = what_if.what_if(session, ended.job, "77.77", None)
    assert sum(round(100 * float(line.amount)) for line in other.payouts) == 7777
    assert [line.paid for line in other.payouts] == ["400.00", "600.00"]


def test_another_rule_is_the_settlement_s_own_and_one_that_the_terms_rule_out_is_refused(
    session: Session, ended: Ended
) -> None:
    assert what_if.what_if(session, ended.job, None, PayoutPolicy.SIGNIFICANT).policy is PayoutPolicy.SIGNIFICANT
    with pytest.raises(InvalidInput, match="dispute window"):
        what_if.what_if(session, ended.job, None, PayoutPolicy.INTERVAL_AWARE)
    with pytest.raises(InvalidInput):
        what_if.what_if(session, ended.job, "-1", None)


def test_it_is_asked_by_page_and_by_api_moves_no_money_and_is_the_buyer_s_alone(
    session: Session, ended: Ended, known: Callable[..., Known]
) -> None:
    def transfers() -> int:
        return session.scalar(select(func.count()).select_from(LedgerTransfer)) or 0

    before = transfers()
    assert ended.here.get(f"{ended.path}/certificate").status_code == 200
    page = ended.here.get(f"{ended.path}/what-if?pool=500.00")
    assert page.status_code == 200
    assert "€200.00" in page.text
    assert ended.here.get(f"{ended.path}/what-if?pool=x").status_code == 422
    assert ended.here.get(f"{ended.path}/what-if?policy=x").status_code == 422
    api = f"/v1/valuations/{public_id('val', ended.job.id)}/what-if?pool=500.00"
    answer = ended.buyer.client.get(api)
    assert [line["amount"] for line in answer.json()["payouts"]] == ["200.00", "300.00"]
    assert known(Role.BUYER).client.get(api).status_code == 404
    assert transfers() == before


def test_two_jobs_are_compared_on_a_page_and_another_s_is_not_found(
    app: FastAPI, ended: Ended, known: Callable[..., Known]
) -> None:
    id_ = public_id("val", ended.job.id)
    assert "choose" in ended.here.get("/jobs/compare").text
    page = ended.here.get(f"/jobs/compare?a={id_}&b={id_}")
    assert page.status_code == 200
    assert "北京 A" in page.text
    assert "the intervals overlap" in page.text
    other = Browser(app).log_in(known(Role.BUYER))
    assert other.get(f"/jobs/compare?a={id_}&b={id_}").status_code == 404
    assert ended.here.get("/jobs/compare?a=x&b=y").status_code == 404


def test_a_link_shows_the_report_to_anybody_until_it_ends_and_nothing_else(
    app: FastAPI, settings: Settings, ended: Ended
) -> None:
    made = ended.here.fill(f"{ended.path}/share", f"{ended.path}/share", days="3")
    assert made.status_code == 201
    link = made.text.partition("/shared/")[2].partition("<")[0]
    nobody = Browser(app)
    shared = nobody.get(f"/shared/{link}")
    assert shared.status_code == 200
    assert "北京 A" in shared.text
    assert shared.headers["x-robots-tag"] == "noindex"
    assert nobody.get(ended.path).status_code == 303
    assert nobody.get(f"/shared/{link}x").status_code == 404
    for days in ("", "0", "91", "x"):
        assert ended.here.fill(f"{ended.path}/share", f"{ended.path}/share", days=days).status_code == 422


def test_a_link_is_taken_back_by_its_buyer_alone_and_shows_nothing_from_then_on(app: FastAPI, ended: Ended) -> None:
    made = ended.here.fill(f"{ended.path}/share", f"{ended.path}/share", days="3")
    link = made.text.partition("/shared/")[2].partition("<")[0]
    other = ended.here.fill(f"{ended.path}/share", f"{ended.path}/share", days="3")
    kept = other.text.partition("/shared/")[2].partition("<")[0]
    of = re.findall(r'name="link" value="([0-9a-f]{32})"', other.text)
    assert len(of) >= 2
    nobody = Browser(app)
    assert nobody.get(f"/shared/{link}").status_code == 200
    here = f"{ended.path}/share"
    assert ended.here.fill(f"{here}/take-back", here, link="0" * 32).status_code == 404
    assert ended.here.fill(f"{here}/take-back", here, link=of[1]).status_code == 303
    assert nobody.get(f"/shared/{link}").status_code == 404
    assert "taken back" in nobody.get(f"/shared/{link}").text
    assert nobody.get(f"/shared/{kept}").status_code == 200
    assert of[1] not in ended.here.get(here).text


def test_a_link_that_was_not_signed_here_shows_nothing() -> None:
    link = story.uuid.UUID(int=1)
    token = sharing.sign("s", link)
    assert sharing.read("s", token) == link
    for secret, sent in (("t", token), ("s", token + "x"), ("s", "")):
        with pytest.raises(NotFound, match="no link"):
            sharing.read(secret, sent)


def test_a_link_that_has_ended_shows_nothing(session: Session, ended: Ended) -> None:
    now = datetime.now(UTC)
    job = ended.job.id
    link = report_links.make(session, job, now + timedelta(days=1))
    assert report_links.opened(session, link.id, now).id == job
    assert list(report_links.working(session, job, now + timedelta(days=2))) == []
    with pytest.raises(NotFound, match="ended on"):
        report_links.opened(session, link.id, now + timedelta(days=2))
