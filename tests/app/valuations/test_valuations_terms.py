"""The terms of an order: what holds by default, what jobs from before keep, how long a settlement can be disputed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session

from app.errors import InvalidInput
from app.http.ids import parse_id, public_id
from app.identity import Role
from app.payouts import service as payouts
from app.settings import Settings
from app.valuations.orders.terms import payout_terms, sentences, with_dispute_window
from app.valuations.results import settlement
from app.valuations.schemas import NewValuation, Payout
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from contract.orders.policies import PayoutPolicy
from tests.app.conftest import Known
from tests.app.valuations import story
from tests.app.valuations.test_valuations_endpoints import Bench, bench
from tests.app.web.test_web_rules import Browser

__all__ = ["bench"]

DAY = 86_400
ORDER = {"datasets": ["ds_" + "1" * 32], "test_dataset": "ds_" + "2" * 32, "pool": "10.00"}


def test_an_order_that_says_nothing_pays_gains_that_are_sure_and_audited() -> None:
    payout = NewValuation.model_validate(ORDER).payout
    assert payout.policy is PayoutPolicy.SIGNIFICANT
    assert (payout.pay_without_gain, payout.pay_unaudited, payout.dispute_window_seconds) == (False, False, None)
    told = " ".join(sentences(payout.model_copy(update={"dispute_window_seconds": 0}), "EUR", 250, False))
    assert "No gain, no pay" in told
    assert "error of unlearning was not measured, nobody is paid" in told
    assert "keeps 2.5 % of the pool, where somebody is paid" in told


def test_a_stored_order_means_what_it_meant_when_it_was_posted() -> None:
    before = {**ORDER, "payout": {"policy": "proportional", "dispute_window_seconds": 0}}
    payout = NewValuation.stored(before).payout
    assert (payout.pay_without_gain, payout.pay_unaudited, payout.policy.value) == (True, True, "proportional")
    terms = payout_terms(payout, "EUR", 250, edition=1)
    assert (terms.pay_without_gain, terms.pay_unaudited, terms.fee_without_payment) == (True, True, True)
    # word for word: certificates hold them
    assert sentences(payout, "EUR", 250, False, edition=1) == [
        "The pool is divided in proportion to the values that are above zero.",
        "Copies are players of their own, and equal copies are paid alike.",
        "Rows that are in the buyer's test set count for nobody, wherever a tenth of either is such rows.",
        "A provider whose value is below zero even at the upper bound gets nothing.",
        "The platform keeps 2.5 % of the pool.",
    ]


@pytest.mark.parametrize(
    ("asked", "shorter", "becomes"),
    [(None, False, 3 * DAY), (3 * DAY, False, 3 * DAY), (7 * DAY, False, 7 * DAY), (60, True, 60), (0, True, 0)],
)
def test_a_window_is_the_operators_unless_the_order_lengthens_it_or_may_shorten_it(
    asked: int | None, shorter: bool, becomes: int
) -> None:
    operator = Settings(default_dispute_window_days=3, shorter_dispute_windows=shorter)
    order = NewValuation.model_validate({**ORDER, "payout": {"dispute_window_seconds": asked}})
    assert with_dispute_window(order, operator).payout.dispute_window_seconds == becomes
    assert order.payout.dispute_window_seconds == asked


def test_a_window_that_is_too_short_is_refused_with_the_least() -> None:
    order = NewValuation.model_validate({**ORDER, "payout": {"dispute_window_seconds": 60}})
    with pytest.raises(InvalidInput, match=r"shorter than this market allows; give 259200 \(3 days\)") as refused:
        with_dispute_window(order, Settings(default_dispute_window_days=3))
    assert refused.value.errors[0].pointer == "/payout/dispute_window_seconds"
    with pytest.raises(ValueError, match="is not set yet"):
        payout_terms(Payout(), "EUR")


def test_the_operators_window_is_quoted_stored_and_enforced(bench: Bench, app: FastAPI) -> None:
    app.state.settings = app.state.settings.model_copy(update={"default_dispute_window_days": 3.0})
    quote = bench.buyer.client.post("/v1/valuations/quote", json=bench.order()).json()
    assert any("held for 3 days" in each for each in quote["terms"])
    # nothing to refuse: the market has a window to hold for
    posted = bench.post(payout={"policy": "interval_aware"})
    assert posted.status_code == 202, posted.text
    assert posted.json()["spec"]["payout"]["dispute_window_seconds"] == 3 * DAY
    refused = bench.post(payout={"dispute_window_seconds": 60})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/payout/dispute_window_seconds")


def test_a_failed_job_is_repeated_under_todays_window_if_that_is_longer(
    bench: Bench, app: FastAPI, session: Session, known: Callable[..., Known]
) -> None:
    posted = bench.post(payout={"policy": "proportional"}).json()["id"]
    job = session.get_one(Valuation, parse_id("val", posted))
    assert job.spec["payout"]["dispute_window_seconds"] == 0
    job.status = ValuationStatus.FAILED
    payouts.refund(session, job.id)
    session.commit()
    app.state.settings = app.state.settings.model_copy(update={"default_dispute_window_days": 3.0})
    told = known(Role.ADMIN).client.post(f"/v1/admin/valuations/{posted}/requeue")
    assert told.status_code == 200, told.text
    again = session.get_one(Valuation, parse_id("val", told.json()["repeated_as"]))
    assert again.spec["payout"]["dispute_window_seconds"] == 3 * DAY
    assert again.spec["payout"]["policy"] == "proportional"


def test_partial_mode_is_quoted_with_the_warning_that_nobody_will_be_paid(bench: Bench) -> None:
    def notes(**changes: Any) -> str:
        return " ".join(bench.buyer.client.post("/v1/valuations/quote", json=bench.order(**changes)).json()["notes"])

    assert "nobody will be paid" in notes(mode="partial")
    assert "nobody will be paid" not in notes(mode="partial", payout={"pay_unaudited": True})
    assert "nobody will be paid" not in notes()


def test_a_dispute_says_on_the_pages_what_it_is_about(
    market: tuple[Known, list[Known]], session: Session, settings: Settings, app: FastAPI, known: Callable[..., Known]
) -> None:
    buyer, providers = market
    payout = {"dispute_window_seconds": 3600}
    job = story.Job(payout, story.result([0.2, 0.3], 0.01, "audited"), story.alone(2), (0, 0), 0, None, 2.0)
    id_ = story.posted(session, buyer.account.id, [each.account.id for each in providers], ["a", "b"], job).id
    settlement.settle(session, settings, id_)
    session.commit()
    path, here = f"/jobs/{public_id('val', id_)}", Browser(app).log_in(buyer)
    assert here.fill(f"{path}/dispute", path, kind="mood", reason="x").status_code == 422
    assert here.fill(f"{path}/dispute", path, kind="data_not_delivered", reason="half is empty").status_code == 303
    assert "about data not delivered" in here.get(path).text
    decides = Browser(app).log_in(known(Role.ADMIN)).get("/admin/disputes").text
    assert "about data not delivered" in decides
    assert "half is empty" in decides


# Jobs of the first edition


def old_job() -> story.Job:
    """A job in which one is paid though nothing was gained: its model got worse."""
    result = replace(story.result([0.2, -0.3], 0.01, "unaudited"), chance=None)
    payout = {"policy": "proportional", "dispute_window_seconds": 0}
    return story.Job(payout, result, story.alone(2), (0, 0), 250, None, 2.0)


@pytest.fixture
def market(known: Callable[..., Known], session: Session) -> tuple[Known, list[Known]]:
    buyer = known(Role.BUYER)
    payouts.deposit(session, buyer.account.id, story.POOL, "EUR", "start")
    return buyer, [known(Role.PROVIDER), known(Role.PROVIDER)]


def test_a_job_from_before_is_settled_by_the_terms_it_was_posted_under(
    market: tuple[Known, list[Known]], session: Session, settings: Settings
) -> None:
    buyer, providers = market
    job = story.posted(session, buyer.account.id, [each.account.id for each in providers], ["a", "b"], old_job(), 1)
    job.spec = {**job.spec, "payout": {"policy": "proportional", "dispute_window_seconds": 0}}
    session.flush()
    assert settlement.settle(session, settings, job.id)
    session.commit()
    paid = buyer.client.get(f"/v1/valuations/{public_id('val', job.id)}/payouts").json()
    assert (paid["fee"], paid["divided"], paid["refunded"]) == ("25.00", "975.00", "0.00")
    assert not any("gain" in each.lower() for each in paid["terms"] + paid["explanation"])


def test_a_job_that_was_settled_before_shows_and_certifies_what_it_did(
    market: tuple[Known, list[Known]], session: Session, settings: Settings, app: FastAPI
) -> None:
    buyer, providers = market
    job = story.posted(session, buyer.account.id, [each.account.id for each in providers], ["a", "b"], old_job(), 1)
    job.spec = {**job.spec, "payout": {"policy": "proportional", "dispute_window_seconds": 0}}
    session.flush()
    settlement.settle(session, settings, job.id)
    for player in session.query(ValuationPlayer).where(ValuationPlayer.valuation_id == job.id):
        player.share, player.paid_share, player.reason = player.paid_share, None, None
    session.commit()
    path = f"/v1/valuations/{public_id('val', job.id)}"
    told = buyer.client.get(f"{path}/values").json()
    assert [(each["share"], each["paid_share"], each["reason"]) for each in told["players"]] == [
        (1.0, None, None),
        (0.0, None, None),
    ]
    assert told["precision"] is None
    certified = buyer.client.get(f"{path}/certificate").json()["certificate"]
    assert certified["format"] == "cherish-certificate-1"
    assert set(certified) == {
        "format", "valuation", "finished_at", "spec", "digests", "empty_worth", "full_worth", "estimator", "source",
        "stopped_by", "evaluations", "audit", "players", "money",
    }  # fmt: skip
    assert set(certified["money"]) == {
        "pool", "currency", "fee", "compute", "refunded", "performance", "policy", "terms",
    }  # fmt: skip
    assert "paid_share" not in certified["players"][0]
    mine = providers[0].client.get("/v1/me/valuations").json()["items"][0]["players"][0]
    assert (mine["share"], mine["paid_share"]) == (1.0, 1.0)
    assert "settled before" in Browser(app).log_in(buyer).get(f"/jobs/{public_id('val', job.id)}").text
