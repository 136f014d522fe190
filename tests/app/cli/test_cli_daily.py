"""What each role does every day from a terminal, against a real server; and what a wrong address says."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app.cli import app as cli
from app.cli import daily
from app.http.schemas import example_of
from app.identity import Role
from app.payouts import service as payouts
from app.valuations.results.attribution_schemas import AttributionAnswer
from cherish import models
from tests.app.cli.test_cli_market import address
from tests.app.conftest import Known

__all__ = ["address"]

ROWS = b"u,v,label\n" + b"".join(b"%d,%d,%d\n" % (i % 7, i % 5, i % 3) for i in range(15))
Run = Callable[..., str]


@pytest.fixture
def run(address: str) -> Run:
    def act(who: Known, *words: str, code: int = 0, **how: Any) -> str:
        done = CliRunner().invoke(cli, [*words, "--api", address, "--key", who.token], **how)
        assert done.exit_code == code, done.output + repr(done.exception)
        return done.stdout if code == 0 else done.output + str(done.exception)

    return act


def test_a_provider_searches_pauses_and_withdraws_data(
    run: Run, provider: Known, buyer: Known, publish: Callable[..., Any]
) -> None:
    dataset = publish(provider, ROWS, name="wards")["id"]
    found = run(buyer, "datasets", "search", "wards", "--min-rows", "10")
    assert found == f"{dataset}\t15 rows\tCC0-1.0\t{provider.account.name}\twards\n"
    assert run(buyer, "datasets", "search", "nothing-like-it") == ""
    assert json.loads(run(buyer, "datasets", "search", "--json"))[0]["id"] == dataset
    assert run(provider, "datasets", "pause", dataset) == f"{dataset}\tready\n"
    assert run(buyer, "datasets", "search", "wards") == ""
    assert "Abort" in run(provider, "datasets", "withdraw", dataset, code=1, input="n\n")
    assert run(provider, "datasets", "withdraw", dataset, "--yes") == f"{dataset}\twithdrawn\n"
    assert run(provider, "valuations", "mine") == ""


def test_a_buyer_lists_and_cancels_jobs_and_sees_its_money(
    run: Run, known: Callable[..., Known], publish: Callable[..., Any], upload: Callable[..., Any], session: Session
) -> None:
    buyer, providers = known(Role.BUYER), [known(Role.PROVIDER), known(Role.PROVIDER)]
    datasets = [publish(each, ROWS.replace(b"0,", b"%d," % at))["id"] for at, each in enumerate(providers)]
    test = upload(buyer, ROWS.replace(b",0,", b",0.5,").replace(b",1,", b",1.5,").replace(b",2,", b",2.5,"))["id"]
    payouts.deposit(session, buyer.account.id, 100_00, "EUR", "start")
    session.commit()
    order = {"datasets": datasets, "test_dataset": test, "pool": "60.00"}
    posted = buyer.client.post("/v1/valuations", json=order)
    assert posted.status_code == 202, posted.text
    job, status = posted.json()["id"], posted.json()["status"]
    assert run(buyer, "valuations", "list", "--status", status).startswith(f"{job}\t{status}\t60.00 EUR\t")
    assert run(buyer, "valuations", "list", "--status", "failed") == ""
    assert run(buyer, "money", "balance") == "EUR\t40.00 available\t60.00 reserved\t0.00 held\t0.00 accrued\n"
    assert run(providers[0], "valuations", "mine").startswith(f"{job}\t{status}\taccuracy")
    assert run(buyer, "valuations", "cancel", job).startswith(f"{job}\tcancel")
    assert [each["id"] for each in json.loads(run(buyer, "valuations", "list", "--json", "--limit", "1"))] == [job]


def test_an_administrator_runs_a_market(run: Run, admin: Known, buyer: Known, provider: Known) -> None:
    account = f"acc_{buyer.account.id.hex}"
    line = run(admin, "admin", "deposit", account, "25.00", "EUR", "--reference", "transfer 17")
    assert line.endswith(f"\t25.00 EUR\t{account}\ttransfer 17\n")
    assert "25.00 available" in run(admin, "money", "balance", "--account", account)
    assert f"{account}\tbuyer\tactive\t{buyer.account.name}" in run(admin, "admin", "accounts", "--limit", "200")
    assert "suspended\t" in run(admin, "admin", "suspend", account, "--reason", "the bill of March")
    assert "the bill of March" in run(buyer, "money", "balance", code=1)
    assert run(admin, "admin", "reinstate", account).split("\t")[2] == "active"
    assert "0.00 EUR is available" in run(provider, "money", "withdraw", "1.00", "EUR", code=1)
    assert (run(provider, "money", "withdrawals"), run(admin, "admin", "withdrawals")) == ("", "")
    assert (run(admin, "admin", "failures"), json.loads(run(admin, "admin", "workers", "--json"))) == ("", [])
    assert "is for an admin" in run(provider, "admin", "accounts", code=1)


@pytest.fixture
def stranger() -> Iterator[str]:
    """A server that is none of ours: it answers everything with a page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_wrong_address_is_said_in_a_sentence_and_never_with_a_traceback(stranger: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    program = "import cherish.client as c; c.pause_before = lambda _: 0.0\n"
    program += "from app.cli import main; main()"
    for api, said in (
        (closed, "does not answer"),
        ("http://a:port", "is no address"),
        (stranger, "answered no JSON object"),
    ):
        words = ["datasets", "list", "--api", api, "--key", "k"]
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_buyer_asks_whom_answers_leaned_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    told = example_of(AttributionAnswer) or {}
    waiting = told | {"status": "queued", "providers": [], "answers": [], "together": None}

    class Answering:
        def create_attribution(self, valuation_id: str, body: Any) -> models.AttributionAnswer:
            asked.append((valuation_id, body))
            return models.AttributionAnswer.model_validate(waiting)

        def get_attribution(self, valuation_id: str, attribution_id: str) -> models.AttributionAnswer:
            asked.append((valuation_id, attribution_id))
            return models.AttributionAnswer.model_validate(told)

    monkeypatch.setattr(daily, "asked", lambda *_: nullcontext(Answering()))
    monkeypatch.setattr(daily, "_LOOK_SECONDS", 0)
    (tmp_path / "a.jsonl").write_text('{"prompt": " x", "answer": "y "}\n')
    done = CliRunner().invoke(cli, ["valuations", "attributions", "val_1", str(tmp_path / "a.jsonl"), "--key", "k"])
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert asked == [("val_1", {"answers": [{"prompt": " x", "answer": "y "}]}), ("val_1", told["id"])]
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines[0] == ["Austen", "0.40 nats a token", "80.00 %"]
    assert lines[-1] == ["1 answers", "12 tokens", "gain 0.50 nats a token"]
