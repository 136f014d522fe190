"""Rows at home that are opened once all sums are in: who tells the truth is paid, who lies or stays away is not."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent import openings, sums
from agent.errors import NotAllowed
from agent.serve import Server
from app.accounts import service as accounts
from app.accounts.tables import Account
from app.agents import repository as agents
from app.cli import app as cli
from app.db.session import transaction
from app.identity import Role
from app.valuations.results import certificates, rechecks
from cherish import Client, Problem
from contract.agents import AgentQuestion, Array
from contract.openings import OpeningQuestion
from tests.agent_market import AgentMarket, allowed, table
from worker.jobs.recheck import recheck
from worker.loading.away import QuestionDesk
from worker.loading.openings import Opener

RIDGE: dict[str, Any] = {
    "target_is": "number", "model": {"name": "ridge"}, "metric": "clipped_r2", "features": {"leave_out": ["ill"]},
    "payout": {"open_rows": 8, "policy": "proportional", "pay_without_gain": True, "pay_unaudited": True},
}  # fmt: skip
LOGISTIC: dict[str, Any] = {
    **RIDGE, "target_is": None, "metric": "clipped_log_loss", "features": {"leave_out": ["stay"]},
    "model": {"name": "logistic", "hyper": {"l2": 0.01, "tol": 1e-9}},
}  # fmt: skip
NETWORK: dict[str, Any] = {
    **LOGISTIC, "model": {"name": "mlp", "hyper": {"hidden": 8, "steps": 12, "double": 1}},
}  # fmt: skip
Answered = Callable[[AgentQuestion, Any, Any, Array], dict[str, Array]]


def started(market: AgentMarket, learner: str = "ridge", *, open_rows: int = 40) -> list[str]:
    target = "stay" if learner == "ridge" else "ill"
    for home in market.homes:
        home.start(market.url, target, allowed(learners=(learner,), open_rows=open_rows))
    return [home.dataset for home in market.homes]


def lies(monkeypatch: pytest.MonkeyPatch, market: AgentMarket, change: Callable[[dict[str, Array]], None]) -> None:
    """The first home sends sums that were changed; it opens the rows that it is committed to."""
    liar, honest = market.homes[0].dataset.removeprefix("ds_"), sums.answered

    def answered(question: AgentQuestion, X: Any, y: Any, models: Array) -> dict[str, Array]:
        arrays = honest(question, X, y, models)
        if question.dataset == liar:
            change(arrays)
        return arrays

    monkeypatch.setattr(sums, "answered", answered)


def by_dataset(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert job["status"] == "succeeded", job
    return {player["datasets"][0]: player for player in job["values"]["players"]}


@pytest.mark.parametrize(
    ("order", "learner"),
    [
        pytest.param(RIDGE, "ridge", id="ridge"),
        pytest.param(LOGISTIC, "logistic", id="logistic", marks=pytest.mark.long),
        pytest.param(NETWORK, "mlp", id="mlp", marks=pytest.mark.long),
    ],
)
def test_who_tells_the_truth_is_paid_as_without_openings(
    agent_market: AgentMarket, order: dict[str, Any], learner: str, tmp_path: Path
) -> None:
    datasets = started(agent_market, learner)
    test = agent_market.test_set(table(9, 200), "stay" if learner == "ridge" else "ill")
    plain = {**order, "payout": {**order["payout"], "open_rows": 0}}
    jobs = [agent_market.run(datasets, test, **each) for each in (order, plain)]
    opened, closed = map(by_dataset, jobs)
    verifies(agent_market, jobs[0]["id"], tmp_path)
    for dataset in datasets:
        assert opened[dataset]["opened"] == {
            "rows": 8,
            "status": "borne_out",
            "sentence": "8 of its rows were opened, and bear out the sums that it sent.",
        }
        assert opened[dataset]["amount"] == closed[dataset]["amount"]
        assert closed[dataset]["opened"] is None
    desk = agent_market.homes[0].desk("stay", allowed())
    assert list(desk.state.opened.values()) == [8]


def verifies(market: AgentMarket, job: str, folder: Path) -> None:
    """Whoever has the certificate and the evidence finds the same amounts and values from them."""
    (folder / "certificate.json").write_text(json.dumps(market.buyer.get(f"/v1/valuations/{job}/certificate")))
    (folder / "evidence.zip").write_bytes(market.buyer.evidence(job))
    files = [str(folder / "certificate.json"), str(folder / "evidence.zip")]
    verified = CliRunner().invoke(cli, ["verify", *files, "--key", certificates.public_key(market.market.settings)])
    assert verified.exit_code == 0, verified.output


def test_sums_that_are_not_of_the_rows_are_paid_nothing_and_the_part_goes_back(
    agent_market: AgentMarket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    datasets = started(agent_market)

    def more(arrays: dict[str, Array]) -> None:
        arrays["b"] = arrays["b"] * 1.2

    lies(monkeypatch, agent_market, more)
    test = agent_market.test_set(table(9, 200), "stay")
    before = agent_market.buyer.get("/v1/me/balance")
    job = agent_market.run(datasets, test, **RIDGE)
    players, payouts = by_dataset(job), agent_market.buyer.get(f"/v1/valuations/{job['id']}/payouts")
    liar = players[datasets[0]]
    assert (liar["amount"], liar["paid_share"], liar["opened"]["status"]) == ("0.00", 0.0, "mismatch")
    assert "add up to" in liar["opened"]["sentence"]
    assert liar["reason"].startswith("nothing: the rows that it opened do not bear out the sums")
    line = next(each for each in payouts["payouts"] if each["provider_id"] == liar["provider_id"])
    assert float(line["voided"]) > 0
    assert payouts["refunded"] == line["voided"]
    assert float(payouts["divided"]) + float(line["voided"]) == pytest.approx(100.0)
    assert any("did not bear out the sums" in each for each in payouts["explanation"])
    after = agent_market.buyer.get("/v1/me/balance")
    spent = float(before["balances"][0]["available"]) - float(after["balances"][0]["available"])
    assert spent == pytest.approx(float(payouts["divided"]) + float(line["voided"]))
    follows_from_its_evidence(agent_market, job["id"], line["voided"], tmp_path)
    told = agent_market.market.rows("SELECT reason FROM valuation_players WHERE amount_minor = 0")
    assert [row[0] for row in told] == [liar["reason"]]
    noted = provider(agent_market, "get", "/v1/audit")["items"]
    assert [each["detail"]["amount"] for each in noted if each["action"] == "void_payout"] == [line["voided"]]
    void = rechecked(agent_market, job["id"], liar["provider_id"])
    assert (void["state"], void["reopens"]) == ("returned", False)
    assert "do not bear out the sums" in void["finding"]
    entries = agent_market.buyer.get("/v1/me/statement")["items"]
    assert [each["amount"] for each in entries if each["code"] == "void"] == [line["voided"]]


def provider(market: AgentMarket, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A request of the first home's provider."""
    with Client(market.url, market.keys[0]) as client:
        answer: dict[str, Any] = client.get(path) if method == "get" else client.post(path, body or {})
        return answer


def administrator(market: AgentMarket) -> Client:
    with transaction(market.market.factory) as session:
        account = Account(name="the market", role=Role.ADMIN)
        session.add(account)
        session.flush()
        key = accounts.issue_key(session, market.market.settings, account, "test")[1]
    return Client(market.url, key)


def rechecked(market: AgentMarket, job: str, liar: str) -> dict[str, Any]:
    """The first home's void payout of a job, once it was disputed and rows were opened once more."""
    mine = provider(market, "get", f"/v1/me/valuations/{job}")["players"][0]["void"]
    assert (mine["state"], mine["dispute"]) == ("waits", None)
    provider(market, "post", f"/v1/ledger/voids/{job}", {"reason": "the host was being moved"})
    with administrator(market) as admin:
        assert [each["dispute"] for each in admin.get("/v1/ledger/voids")["items"]] == ["the host was being moved"]
        decided = admin.post(f"/v1/ledger/voids/{job}/{liar}", {"decision": "recheck"})["items"]
        assert [each["reopens"] for each in decided] == [True]
        (waiting,) = market.market.rows("SELECT transfer_id FROM payout_void_disputes")
        with transaction(market.market.factory) as session:
            asked = rechecks.begin(session, waiting[0])
            assert asked is not None
            assert asked.job.inputs.players[asked.player][0].name.endswith(market.homes[0].dataset)
        recheck(market.market.factory, market.hand.runtime.steps.opener, market.market.settings, waiting[0])
        with transaction(market.market.factory) as session:
            assert rechecks.begin(session, waiting[0]) is None
        with pytest.raises(Problem, match="a decision stands"):
            admin.post(f"/v1/ledger/voids/{job}/{liar}", {"decision": "stands"})
    void: dict[str, Any] = provider(market, "get", f"/v1/me/valuations/{job}")["players"][0]["void"]
    return void


def follows_from_its_evidence(market: AgentMarket, job: str, voided: str, folder: Path) -> None:
    """The certificate says what is void, and who verifies it finds the same, to the cent; another amount is found."""
    signed = market.buyer.get(f"/v1/valuations/{job}/certificate")
    said = [player.get("voided") for player in signed["certificate"]["players"]]
    assert sorted(said, key=str) == [voided, None, None]
    (folder / "evidence.zip").write_bytes(market.buyer.evidence(job))
    settings = market.market.settings
    for forged, code in ((False, 0), (True, 1)):
        if forged:
            next(each for each in signed["certificate"]["players"] if each.get("voided"))["opened"]["status"] = (
                "borne_out"
            )
            signed = certificates.sign(settings, signed["certificate"])
        (folder / "certificate.json").write_text(json.dumps(signed))
        files = [str(folder / "certificate.json"), str(folder / "evidence.zip")]
        verified = CliRunner().invoke(cli, ["verify", *files, "--key", certificates.public_key(settings)])
        assert verified.exit_code == code, verified.output


def test_who_refuses_to_open_what_it_agreed_to_is_paid_once_it_opens_them(
    agent_market: AgentMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = started(agent_market)
    first = agent_market.homes[0].dataset.removeprefix("ds_")
    allows = openings.check

    def refuse(policy: Any, state: Any, question: OpeningQuestion) -> None:
        if question.dataset == first and question.root:
            raise NotAllowed("the owner has thought better of it")
        allows(policy, state, question)

    monkeypatch.setattr(openings, "check", refuse)
    job = agent_market.run(datasets, agent_market.test_set(table(9, 200), "stay"), **RIDGE)
    players = by_dataset(job)
    assert [players[dataset]["opened"]["status"] for dataset in datasets] == ["refused", "borne_out", "borne_out"]
    assert "the owner has thought better of it" in players[datasets[0]]["opened"]["sentence"]
    assert [float(players[dataset]["amount"]) > 0 for dataset in datasets] == [False, True, True]
    monkeypatch.setattr(openings, "check", allows)
    # answers of a day ago are dropped, but for those that may be looked at again
    with transaction(agent_market.market.factory) as session:
        agents.forget_before(session, timedelta(0))
    void = rechecked(agent_market, job["id"], players[datasets[0]]["provider_id"])
    assert (void["state"], void["finding"]) == (
        "paid",
        "8 of its rows were opened, and bear out the sums that it sent.",
    )
    entries = provider(agent_market, "get", "/v1/me/statement")["items"]
    assert [each["amount"] for each in entries if each["code"] == "void_lifted"] == [void["amount"]]


@pytest.mark.long
def test_who_does_not_come_is_waited_for_and_then_paid_nothing(
    agent_market: AgentMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = started(agent_market)
    first, handle = agent_market.homes[0].dataset.removeprefix("ds_"), Server._handle

    def ignore(server: Server, name: str, plain: dict[str, Any], models: str) -> None:
        if server.desk.state.dataset != first or "about" not in plain:
            handle(server, name, plain, models)

    monkeypatch.setattr(Server, "_handle", ignore)
    runtime = agent_market.hand.runtime
    patience = runtime.settings.model_copy(update={"agent_patience_seconds": 0.0})
    opener = Opener(
        agent_market.market.factory, runtime.blobs, patience, QuestionDesk(agent_market.market.factory, 5.0)
    )
    monkeypatch.setattr(runtime.steps, "opener", opener)
    players = by_dataset(agent_market.run(datasets, agent_market.test_set(table(9, 200), "stay"), **RIDGE))
    assert [players[dataset]["opened"]["status"] for dataset in datasets] == ["away", "borne_out", "borne_out"]
    assert players[datasets[0]]["amount"] == "0.00"


def test_an_order_opens_no_more_rows_than_every_owner_allows(agent_market: AgentMarket) -> None:
    datasets = started(agent_market, open_rows=4)
    test = agent_market.test_set(table(9, 200), "stay")
    with pytest.raises(Problem, match="its owner lets 4 rows be opened for a job, and the order asks for 8"):
        agent_market.run(datasets, test, **RIDGE)
    body = {"datasets": datasets, "test_dataset": test, "pool": "100.00", "currency": "EUR", **RIDGE}
    fewer = {**body, "payout": {**RIDGE["payout"], "open_rows": 4}}
    quote = agent_market.buyer.post("/v1/valuations/quote", fewer)
    assert quote["agents"]["rounds"] == 5
    assert any("4 rows of each of them, drawn at random, are opened" in note for note in quote["notes"])
    closed = agent_market.buyer.post("/v1/valuations/quote", {**body, "payout": {**RIDGE["payout"], "open_rows": 0}})
    assert closed["agents"]["rounds"] == 1
    assert any("would not be noticed" in note for note in closed["notes"])
