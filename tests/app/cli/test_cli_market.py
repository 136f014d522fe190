"""The market from a terminal, against a real server: push, list, quote and create, statements, a certificate."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app.cli import app as cli
from app.identity import Role
from app.payouts import service as payouts
from app.settings import Settings
from app.valuations.results import certificates
from cherish.client import Client
from tests.serving import serving

ROWS = "u,v,label\n" + "".join(f"{i % 7},{i % 5},{'abc'[i % 3]}\n" for i in range(15))


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with serving(app) as url:
        yield url


def test_a_market_from_the_terminal(address: str, known: Callable[..., Any], session: Session, tmp_path: Path) -> None:
    def run(key: str, *words: str) -> str:
        done = CliRunner().invoke(cli, [*words, "--api", address, "--key", key])
        assert done.exit_code == 0, done.output + repr(done.exception)
        return done.stdout

    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    buyer, providers = known(Role.BUYER), [known(Role.PROVIDER), known(Role.PROVIDER)]
    pushed = []
    for provider in providers:
        words = run(provider.token, "datasets", "push", str(file), "--target", "label", "--licence", "CC0-1.0")
        pushed.append(words.split("\t")[0])
        assert "published" in words
    assert pushed[0] in run(providers[0].token, "datasets", "list")
    # rows of a test set count for nobody, so the buyer's are others
    file.write_text("u,v,label\n" + "".join(f"{i % 7},{i % 5}.5,{'abc'[i % 3]}\n" for i in range(15)))
    test = run(buyer.token, "datasets", "push", str(file), "--target", "label", "--kind", "test").split("\t")[0]
    payouts.deposit(session, buyer.account.id, 100_00, "EUR", "start")
    session.commit()
    order = tmp_path / "order.json"
    order.write_text(json.dumps({"datasets": pushed, "test_dataset": test, "pool": "50.00"}))
    assert json.loads(run(buyer.token, "valuations", "create", str(order), "--quote"))["players"] == 2
    assert run(buyer.token, "valuations", "create", str(order)).startswith("val_")
    file.write_text(ROWS.replace("0,", "1,"))
    words = ("--target", "label", "--licence", "CC0-1.0", "--by-request")
    asking = run(providers[0].token, "datasets", "push", str(file), *words).split("\t")[0]
    order.write_text(json.dumps({"datasets": [asking, pushed[1]], "test_dataset": test, "pool": "20.00"}))
    job = run(buyer.token, "valuations", "create", str(order)).strip()
    assert f"{job}\tpending\t" in run(providers[0].token, "consents", "list", "--pending")
    assert run(providers[0].token, "consents", "refuse", job, "--note", "no") == "refused\n"
    assert run(providers[0].token, "consents", "list", "--pending") == ""
    assert "100.00 EUR" in run(buyer.token, "statements")
    # the quote and the job
    assert "\t8 of 100 points\t2 questions\t" in run(providers[0].token, "datasets", "asked", pushed[0])


def test_a_certificate_is_checked_with_the_key_that_is_given(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(certificates.sign(settings, {"valuation": "val_1"})))
    good = CliRunner().invoke(cli, ["certificate", str(file), "--key", certificates.public_key(settings)])
    assert good.exit_code == 0
    assert "Genuine" in good.stdout
    file.write_text(file.read_text().replace("val_1", "val_2"))
    assert (
        CliRunner().invoke(cli, ["certificate", str(file), "--key", certificates.public_key(settings)]).exit_code != 0
    )


def test_a_job_by_class_says_who_did_what_and_what_is_not_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {
        "source": "retrain",
        "classes": [{"name": "ill", "rows": 120, "nobody": 0.0, "everybody": 0.83}],
        "players": [
            {"providers": ["Ward 1"], "cells": [{"value": 0.81, "low": 0.7, "high": 0.9, "sure": True}]},
            {"providers": ["Ward 2", "its copy"], "cells": [{"value": 0.02, "sure": False}]},
        ],
        "untold": ["rare"],
    }
    monkeypatch.setattr(Client, "classes", lambda _, __: body)
    shown = CliRunner().invoke(cli, ["valuations", "classes", "val_1", "--key", "k"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    for words in ("ill (120)", "Ward 1", "+0.81 (+0.70 to +0.90)", "Ward 2 and its copy", "+0.02 ?", "0.83", "rare"):
        assert words in shown.output
    assert "+0.81 ?" not in shown.output
