"""What is shown of a job is one story: values, shares, amounts and reasons agree on every page and in every file.

For generated results (``story``) a job is settled on a real ledger, and everything a buyer or a provider can look at is
compared: the API's values and payouts, the statement, the report, the job's page, the tables, the certificate.
"""

import csv
import io
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from sqlalchemy.orm import Session

from app.http.ids import public_id
from app.identity import Role
from app.payouts import service as payouts
from app.settings import Settings
from app.valuations.results import certificates, settlement
from tests.app.conftest import Known
from tests.app.valuations import story
from tests.app.web.test_web_rules import Browser

_PEOPLE = 6
_PLAIN = "in proportion to its value"


@dataclass
class Scene:
    """A buyer with a browser, providers, and all of what is shown of one job."""

    session: Session
    settings: Settings
    buyer: Known
    providers: list[Known]
    browser: Browser

    def look(self, job: story.Job) -> "Shown":
        names = [f"Provider {number} & sons" for number in range(len(job.seating))]
        payouts.deposit(self.session, self.buyer.account.id, story.POOL, "EUR", uuid.uuid4().hex)
        ids = [each.account.id for each in self.providers]
        id_ = story.posted(self.session, self.buyer.account.id, ids, names, job).id
        assert settlement.settle(self.session, self.settings, id_)
        self.session.commit()
        path = f"/v1/valuations/{public_id('val', id_)}"
        get = self.buyer.client.get
        return Shown(
            job=job,
            id=public_id("val", id_),
            values=get(f"{path}/values").json(),
            payouts=get(f"{path}/payouts").json(),
            report=get(f"{path}/report").text,
            certificate=get(f"{path}/certificate").json(),
            values_csv=_rows(get(f"{path}/values?format=csv").text),
            payouts_csv=_rows(self.browser.get(f"/jobs/{public_id('val', id_)}/payouts.csv").text),
            page=self.browser.get(f"/jobs/{public_id('val', id_)}").text,
        )

    def statement(self, who: Known, job: str) -> list[dict[str, Any]]:
        entries = who.client.get("/v1/me/statement?limit=200").json()["items"]
        return [each for each in entries if each["valuation_id"] == job]


@dataclass
class Shown:
    job: story.Job
    id: str
    values: dict[str, Any]
    payouts: dict[str, Any]
    report: str
    certificate: dict[str, Any]
    values_csv: list[dict[str, str]]
    payouts_csv: list[dict[str, str]]
    page: str


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def cents(amount: str) -> int:
    return round(float(amount) * 100)


@pytest.fixture
def scene(app: FastAPI, known: Callable[..., Known], session: Session, settings: Settings) -> Scene:
    buyer = known(Role.BUYER)
    return Scene(session, settings, buyer, [known(Role.PROVIDER) for _ in range(_PEOPLE)], Browser(app).log_in(buyer))


_DRAWN = hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@_DRAWN
@given(job=story.jobs())
def test_what_is_shown_of_a_job_is_one_story(scene: Scene, job: story.Job) -> None:
    shown = scene.look(job)
    amounts_follow_from_the_shares_that_are_shown(shown)
    a_share_is_inside_its_interval_which_has_a_width(shown)
    a_difference_has_its_reason(shown)
    tables_and_pages_say_the_same(shown)
    where_nobody_is_paid_everything_says_why(scene, shown)
    statements_add_up_and_nothing_waits_for_ever(scene, shown)
    sentences_do_not_contradict_each_other(shown)
    providers_see_their_part_of_it(scene, shown)


def amounts_follow_from_the_shares_that_are_shown(shown: Shown) -> None:
    told, paid = shown.values["players"], shown.payouts
    divided = cents(paid["divided"])
    assert sum(cents(each["amount"]) for each in told) == divided
    assert divided + sum(cents(paid[name]) for name in ("fee", "compute", "refunded")) == cents(paid["pool"])
    for player, line in zip(told, paid["payouts"], strict=True):
        assert (player["amount"], player["paid_share"], player["share"]) == (
            line["amount"],
            line["paid_share"],
            line["share"],
        )
        assert abs(cents(player["amount"]) - player["paid_share"] * divided) < 1 + 1e-6
        assert sum(cents(line[name]) for name in ("released", "held", "accrued")) == cents(line["amount"])


def a_share_is_inside_its_interval_which_has_a_width(shown: Shown) -> None:
    again = shown.values["without_harm"]
    for player in shown.values["players"]:
        for name in ("share_ci", "share_band"):
            if player[name] is None:
                continue
            low, high = player[name]
            assert low - 1e-12 <= player["share"] <= high + 1e-12
            certain = player["seat"] is None or (again and player["seat"] in again["excluded"])
            # at 0 or 1 an interval may end where it begins, if the value itself is uncertain
            assert (
                high > low
                or certain
                or (player["share"] in (0.0, 1.0) and player["value_ci"][1] > player["value_ci"][0])
            )
        if player["value_ci"] is not None and player["seat"] is not None:
            assert player["value_ci"][0] <= player["value"] <= player["value_ci"][1]
            assert player["value_ci"][1] > player["value_ci"][0]


def a_difference_has_its_reason(shown: Shown) -> None:
    for player in shown.values["players"]:
        assert player["reason"]
        differs = abs(player["paid_share"] - player["share"]) > 1e-9
        assert differs <= (player["reason"] != _PLAIN)
        if differs:
            assert player["reason"] in unescape(shown.report)
            assert player["reason"] in unescape(shown.page) or shown.payouts["nobody_paid"]


def tables_and_pages_say_the_same(shown: Shown) -> None:
    report, page = _cells(shown.report), _cells(shown.page)
    certified = shown.certificate["certificate"]["players"]
    rows = zip(shown.values["players"], shown.values_csv, shown.payouts_csv, certified, strict=True)
    for player, value, payout, signed in rows:
        for told in (value, payout):
            assert told["amount"] == player["amount"]
            assert float(told["share"]) == player["share"]
            assert float(told["paid_share"]) == player["paid_share"]
            assert told["reason"] == player["reason"]
        assert (signed["amount"], signed["paid_share"], signed["reason"]) == (
            player["amount"],
            player["paid_share"],
            player["reason"],
        )
        shares = [f"{100 * player[name]:.2f} %" for name in ("share", "paid_share")]
        line = report[player["provider"]]
        assert [line[4], line[6]] == shares
        assert line[7] == f"{player['amount']} EUR"
        line = page[player["provider"]]
        assert [line[4], line[6]] == shares
        assert line[7] == f"€{Decimal(player['amount']):,}"
        if player["value_ci"] is not None and shown.values["without_harm"] is None:
            assert line[2].replace("−", "-") == f"{player['value']:.4f}"


def _cells(page: str) -> dict[str, list[str]]:
    """The first table row that begins with a provider's name, by that name: its cells' text."""
    found: dict[str, list[str]] = {}
    for row in re.findall(r"<tr>(.*?)(?=<tr>|</tr>|</table>|</tbody>)", page, re.S):
        parts = [re.sub(r"<[^>]*>", "", part).strip() for part in re.split(r"<td[^>]*>", row)[1:]]
        cells = [unescape(part).replace("\N{NO-BREAK SPACE}", " ") for part in parts]
        if cells and cells[0].startswith("Provider"):
            found.setdefault(cells[0], cells)
    return found


def where_nobody_is_paid_everything_says_why(scene: Scene, shown: Shown) -> None:
    why, certified = shown.payouts["nobody_paid"], shown.certificate["certificate"]["money"]
    assert certified["nobody_paid"] == why
    if cents(shown.payouts["divided"]):
        assert why is None
        assert "Nobody was paid" not in shown.page
        return
    assert why
    assert shown.payouts["fee"] == "0.00"
    for text in (shown.page, shown.report):
        assert "Nobody was paid" in text
        assert why in unescape(text)
    ended = [each for each in scene.statement(scene.buyer, shown.id) if each["code"] in ("refund", "settle")]
    assert [each["reference"] for each in ended] == [why]


def statements_add_up_and_nothing_waits_for_ever(scene: Scene, shown: Shown) -> None:
    mine = scene.statement(scene.buyer, shown.id)
    assert {each["state"] for each in mine}.isdisjoint({"pending"})
    spent = -sum(cents(each["amount"]) for each in mine)
    assert spent == cents(shown.payouts["pool"]) - cents(shown.payouts["refunded"])
    for who, line in zip(scene.providers, shown.payouts["payouts"], strict=False):
        entries = [each for each in scene.statement(who, shown.id) if each["code"] != "minimum_reached"]
        assert sum(cents(each["amount"]) for each in entries) == cents(line["amount"])
        assert all(each["state"] == "posted" for each in entries)


def sentences_do_not_contradict_each_other(shown: Shown) -> None:
    audited = shown.job.result.audit.status != "unaudited"
    precision = shown.values["precision"]
    for text in (shown.page, shown.report):
        assert not re.search(r"\b0\.00 (<small>)?points", text)
        if any("rest on retrainings alone" in note for note in shown.values["notes"]):
            assert "times as long" not in text
        if not precision["met"]:
            assert "not reached" in text or "cannot be said" in text
    assert precision["met"] == (
        audited and precision["reached"] is not None and precision["reached"] <= precision["asked"]
    )
    assert ('class="amber"' in shown.page) == (not precision["met"])
    gain = shown.values["gain"]
    if gain is not None and not gain["gained"] and not shown.job.payout["pay_without_gain"]:
        assert cents(shown.payouts["divided"]) == 0
    if not audited and not shown.job.payout["pay_unaudited"]:
        assert cents(shown.payouts["divided"]) == 0
    assert shown.certificate["certificate"]["format"] == certificates.FORMAT


def providers_see_their_part_of_it(scene: Scene, shown: Shown) -> None:
    for who, player in zip(scene.providers, shown.values["players"], strict=False):
        (mine,) = [each for each in who.client.get("/v1/me/valuations").json()["items"] if each["id"] == shown.id]
        (part,) = mine["players"]
        for name in ("value", "value_ci", "share", "share_ci", "paid_share", "amount", "reason"):
            assert part[name] == player[name], name
        assert mine["terms"] == shown.payouts["terms"]
