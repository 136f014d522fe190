"""The summary of a checkpoint's training data over HTTP and on its page: for its buyer alone."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app.checkpoints import repository
from app.checkpoints.summary_schemas import TO_FILL
from app.checkpoints.training_summary import NOT_OFFERED
from app.cli import app as cli
from app.datasets import repository as datasets
from app.http.ids import parse_id
from app.identity import Caller, Role
from app.valuations.training_data import of_checkpoint
from tests.app.cli.test_cli_market import address
from tests.app.conftest import Known
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["address", "browser"]

ROWS = b"age,label\n1,a\n2,b\n3,a\n"


@pytest.fixture
def trained(session: Session, buyer: Known, provider: Known, publish: Callable[..., Any]) -> tuple[str, str]:
    """The public ids of a checkpoint without weights of its own, and of the dataset that it has seen."""
    dataset = publish(provider, ROWS)
    body = {"name": "triage", "architecture": "mlp", "hyper": {"hidden": 4}}
    made = buyer.client.post("/v1/checkpoints", json=body).json()["id"]
    seen = {parse_id("ds", dataset["id"]): dataset["digest"]}
    repository.add_lineage(session, parse_id("ck", made), seen)
    session.commit()
    return made, dataset["id"]


def test_the_buyer_reads_whose_data_its_model_was_trained_on(
    trained: tuple[str, str], buyer: Known, provider: Known, known: Callable[..., Known], session: Session
) -> None:
    checkpoint, dataset = trained
    path = f"/v1/checkpoints/{checkpoint}/training-data"
    said = buyer.client.get(path).json()
    assert said["checkpoint_id"] == checkpoint
    (source,) = said["sources"][1]["sources"]
    assert (source["providers"], source["licence"]) == ([provider.account.name], "CC0-1.0")
    assert (source["modality"], source["size"], source["datasets"]) == ("tabular", "less than 100 rows", 1)
    assert said["general"]["model_provider"] == TO_FILL
    assert provider.client.get(path).status_code == 403
    assert known(buyer.account.role).client.get(path).status_code == 404
    assert provider.client.post(f"/v1/datasets/{dataset}/withdraw").status_code == 200
    assert provider.account.name not in buyer.client.get(path).text
    caller = Caller(buyer.account.id, Role.BUYER, frozenset(), None)
    assert of_checkpoint(session, caller, parse_id("ck", checkpoint)).sources[1].sources[0].providers == [NOT_OFFERED]
    assert len(datasets.versions_of(session, {parse_id("ds", dataset): ["00"]})) == 0


def test_the_page_prints_it_and_the_command_line_writes_it(
    trained: tuple[str, str], buyer: Known, provider: Known, browser: Callable[[], Browser], address: str
) -> None:
    checkpoint, _ = trained
    here = browser().log_in(buyer)
    text = here.get(f"/checkpoints/{checkpoint}/training-data").text
    assert provider.account.name in text
    assert TO_FILL in text
    assert f"/checkpoints/{checkpoint}/training-data" in here.get(f"/checkpoints/{checkpoint}").text
    download = here.get(f"/checkpoints/{checkpoint}/training-data.json")
    assert download.json()["checkpoint_id"] == checkpoint
    words = ["valuations", "training-data", checkpoint, "--api", address, "--key", buyer.token]
    done = CliRunner().invoke(cli, words)
    assert (done.exit_code, provider.account.name in done.stdout) == (0, True), done.output
    other = CliRunner().invoke(cli, ["valuations", "training-data", "ds_1", "--api", address, "--key", buyer.token])
    assert "ck_" in str(other.exception)
