"""A job that ordered its model gets it at settlement: of those who are paid and grant it, and nobody else's."""

import hashlib
import io
import json
import os
import re
import uuid
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from app.cli import app as cli
from app.datasets.licences import Licence
from app.datasets.tables import Dataset, DatasetVersion
from app.db.session import transaction
from app.errors import InvalidInput, NotFound
from app.valuations import data_delivery, handover
from app.valuations.delivery import data as delivered_data
from app.valuations.delivery import releases
from app.valuations.states import ValuationStatus
from contract.errors import InvalidProblem
from contract.orders.grants import Grant
from contract.results.answers import unpack_anchors
from tests.app.erasure.forgetting import step, withdraw
from tests.market import Hand, Market, rows_of
from tests.place import PROVIDERS, Place
from worker.engine.games.problem import Rows
from worker.engine.unlearning.second_order import hidden_quadratic
from worker.jobs.deliver import ModelDeliverer
from worker.loading import packages

ALL = (Grant.VALUE, Grant.MODEL, Grant.DATA)


def grant(market: Market, numbers: range | list[int], grants: tuple[Grant, ...] = ALL) -> None:
    with transaction(market.factory) as session:
        for number in numbers:
            dataset = session.get_one(Dataset, market.datasets[number])
            dataset.licence = Licence("CC0-1.0", grants=grants).to_json()


def settled(market: Market, hand: Hand, **changes: Any) -> uuid.UUID:
    order = {"deliver": ["model"], "payout": {"policy": "proportional", "pay_without_gain": True}} | changes
    job = market.post(**order)
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED, market.job(job).traceback
    return job


def package(place: Place, job: uuid.UUID) -> zipfile.ZipFile:
    answer = place.clients["buyer"].get(f"/v1/valuations/val_{job.hex}/model")
    assert answer.status_code == 200, answer.text
    return zipfile.ZipFile(io.BytesIO(answer.content))


def predicted(path: Path, rows: Path) -> np.ndarray[Any, Any]:
    """The probabilities that ``cherish predict`` prints."""
    answer = CliRunner().invoke(cli, ["predict", str(path), str(rows)])
    assert answer.exit_code == 0, answer.output + repr(answer.exception)
    lines = [line.split(",") for line in answer.stdout.splitlines()]
    assert lines[0][:2] == ["row", "prediction"]
    return np.array([[float(cell) for cell in line[2:]] for line in lines[1:]])


def by_program(folder: Path, capsys: pytest.CaptureFixture[str]) -> np.ndarray[Any, Any]:
    """The probabilities that the program of the package's card prints."""
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)
    assert code is not None
    assert len(code[1].splitlines()) <= 20
    before = Path.cwd()
    os.chdir(folder)
    try:
        exec(code[1], {})  # noqa: S102 - the code under test
    finally:
        os.chdir(before)
    return np.array([json.loads(line[line.index("[") :]) for line in capsys.readouterr().out.splitlines()])


def saved(place: Place, job: uuid.UUID, folder: Path) -> tuple[Path, Path]:
    """The package as it came, and unpacked."""
    zipped, unpacked = folder / "model.zip", folder / "package"
    zipped.write_bytes(place.clients["buyer"].get(f"/v1/valuations/val_{job.hex}/model").content)
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(unpacked)
    return zipped, unpacked


def write_rows(folder: Path, X: Any) -> tuple[Path, Path]:
    """The same rows as an NPZ, which the market reads, and as the CSV that the card's program reads."""
    preprocessing = json.loads((folder / "preprocessing.json").read_text())
    names = [feature["name"] for feature in preprocessing["encoding"]["features"]]
    at = [int(re.sub(r"\D", "", name)) for name in names]
    arrays, table = folder / "rows.npz", folder / "rows.csv"
    np.savez(arrays, X=X, y=np.zeros(len(X), dtype=np.int64))
    lines = [",".join(repr(float(value)) for value in row[at]) for row in X]
    table.write_text("\n".join([",".join(names), *lines]))
    return arrays, table


def odds(answers: Any) -> np.ndarray[Any, Any]:
    raised = np.exp(np.asarray(answers, dtype=np.float64) - np.max(answers, axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    "model", [{"name": "logistic", "hyper": {"l2": 0.01}}, {"name": "mlp", "hyper": {"hidden": 8, "steps": 20}}]
)
def test_the_package_predicts_what_the_worker_computed_by_the_command_and_by_the_program_of_its_card(
    market: Market, hand: Hand, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: dict[str, Any]
) -> None:
    grant(market, [0, 1])
    job = settled(market, hand, model=model, datasets=market.datasets[:2], share_ci=50.0)
    facts = place.clients["buyer"].get(f"/v1/valuations/val_{job.hex}/delivery").json()["model"]
    assert (facts["status"], facts["retrained"], facts["rows"], facts["left_out"]) == ("ready", False, 100, [])
    zipped, folder = saved(place, job, tmp_path)
    X, _ = rows_of(9, 80)
    arrays, _ = write_rows(folder, X)
    shares = predicted(zipped, arrays)
    assert np.abs(shares - by_program(folder, capsys)).max() < 1e-6
    blob = market.scalar("SELECT digest FROM kept_answers WHERE source = 'anchors'")
    own = odds(unpack_anchors(market.blobs.get(blob)).everybody)
    # the job's test rows are in an order of its own: each of its answers is one of these
    assert max(np.abs(shares - row).max(axis=1).min() for row in own) < 1e-6
    certified = place.clients["buyer"].get(f"/v1/valuations/val_{job.hex}/certificate").json()
    manifest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert certified["certificate"]["digests"]["model"] == manifest == facts["package_digest"]
    card = (folder / "README.md").read_text()
    assert certified["digest"] in card
    assert "provider 0 | 60 | CC0-1.0" in card


def test_whoever_is_not_paid_or_does_not_grant_it_is_not_in_the_model(
    market: Market, hand: Hand, place: Place, tmp_path: Path
) -> None:
    grant(market, [0, 1, 2])  # the third holds flipped labels and earns nothing; the fourth grants values alone
    grant(market, [3], (Grant.VALUE,))
    job = settled(market, hand, share_ci=50.0)
    facts = place.clients["buyer"].get(f"/v1/valuations/val_{job.hex}/delivery").json()["model"]
    left_out = {each["provider"]: each["reason"] for each in facts["left_out"]}
    assert left_out["provider 3"] == "its licence does not grant the model"
    assert "not paid" in left_out["provider 2"]
    assert sorted(facts["trained_on"]) == ["provider 0", "provider 1"]
    assert (facts["retrained"], facts["rows"]) == (True, 100)
    # the same objective, solved by somebody else: the bias is a column, so that it is penalised as the weights are
    _, folder = saved(place, job, tmp_path)
    preprocessing = json.loads((folder / "preprocessing.json").read_text())
    at = [int(re.sub(r"\D", "", feature["name"])) for feature in preprocessing["encoding"]["features"]]
    X, y = (np.concatenate(parts) for parts in zip(rows_of(1, 60), rows_of(2, 40), strict=True))
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    other = LogisticRegression(C=1 / (0.01 * len(y)), fit_intercept=False, tol=1e-10, max_iter=10_000)
    other.fit(np.hstack([X[:, at], np.ones((len(X), 1))]), y)
    order = [int(label) for label in preprocessing["labels"]]
    found = np.hstack([weights["weight"], weights["bias"][:, None]])
    assert np.abs(found - other.coef_[order]).max() < 1e-3
    lineage = market.rows("SELECT dataset_id FROM checkpoint_lineage ORDER BY dataset_id")
    assert [row[0] for row in lineage] == sorted(market.datasets[:2])


def test_others_get_no_model_and_nobody_gets_one_before_settlement_or_without_an_order(
    market: Market, hand: Hand, place: Place
) -> None:
    grant(market, [0, 1])
    job = market.post(deliver=["model"], datasets=market.datasets[:2], share_ci=50.0)
    path = f"/v1/valuations/val_{job.hex}/model"
    early = place.clients["buyer"].get(path)
    assert (early.status_code, "released at settlement" in early.json()["detail"]) == (409, True)
    assert place.clients["tides"].get(path).status_code == 403
    without = market.post(datasets=market.datasets[:2], share_ci=50.0)
    hand.finish(job), hand.finish(without)
    unasked = place.clients["buyer"].get(f"/v1/valuations/val_{without.hex}/model")
    assert (unasked.status_code, "without its model" in unasked.json()["detail"]) == (409, True)
    part = place.clients["buyer"].get(path, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"PK\x03\x04")
    checkpoint = market.scalar("SELECT checkpoint_id FROM model_releases")
    with pytest.raises(InvalidInput, match="a model that a job delivered"):
        market.post(model=None, checkpoint=checkpoint, datasets=market.datasets[:2])


def test_partial_mode_starts_from_a_delivered_model_by_what_is_stored_beside_it_until_a_withdrawal(
    market: Market, hand: Hand, place: Place
) -> None:
    grant(market, [0, 1, 2, 3])
    terms = {"policy": "proportional", "pay_without_gain": True, "copies": "separate"}
    settled(market, hand, share_ci=50.0, metric="clipped_log_loss", payout=terms)
    seen = {row[0] for row in market.rows("SELECT dataset_id FROM checkpoint_lineage")}
    assert seen == {market.datasets[at] for at in (0, 1, 3)}, "the third is not paid"
    checkpoint, kept = market.rows("SELECT id, statistics_digest FROM checkpoints")[0]
    whole = safetensors.numpy.load(market.blobs.get(kept))
    assert {name.split("/", 1)[1].split("/", 1)[1] for name in whole} == {
        "residuals/trained/A",
        "residuals/trained/b",
        "residuals/trained/rows",
    }
    content = place.clients["buyer"].get(f"/v1/checkpoints/ck_{checkpoint.hex}/content").content
    assert set(safetensors.numpy.load(content)) == {"weight", "bias"}, "nobody is given them"
    partial = {"model": None, "checkpoint": checkpoint, "mode": "partial", "metric": "clipped_log_loss"}
    with pytest.raises(InvalidInput, match="a delivered model reads columns and labels as its own job did"):
        market.post(**partial, datasets=market.datasets[:2], label_map={"7": "1"})
    with pytest.raises(InvalidInput, match="the model was not trained on ds_"):
        market.post(**partial, datasets=market.datasets[1:3])
    job = market.post(**partial, datasets=market.datasets[:2], payout={"policy": "proportional", "pay_unaudited": True})
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED, market.job(job).traceback
    frozen = market.scalar("SELECT frozen FROM games WHERE frozen ->> 'mode' = 'partial'")
    assert frozen["statistics"] == kept
    found = place.clients["buyer"].get(f"/v1/valuations/val_{job.hex}/values").json()
    assert found["source"] == "unlearn:hidden_quadratic"
    assert not [note for note in found["notes"] if "besides the players' is not known" in note]
    # the hidden provider's rows are those of the first, whose copy they are
    part = next(each for each, _ in hand.runtime.games._games.values() if each.context.partial)
    copied = next(player for player in part.problem.players if len(player) == 60)
    assert part.context.hidden_rows == 60
    own = part.hidden_statistics(Rows(copied.X, copied.y))
    known = hidden_quadratic.prepare(part.context).A.numpy()
    assert np.allclose(known, next(array for name, array in own.items() if name.endswith("/A")), atol=1e-6)
    withdraw(market, 1)
    assert "unlearn" in step(hand)
    assert market.scalar("SELECT statistics_digest FROM checkpoints WHERE id = :id", id=checkpoint) is None
    with pytest.raises(NotFound):
        market.blobs.get(kept)


def test_a_withdrawal_makes_the_delivered_model_forget_and_the_buyer_gets_the_successor(
    market: Market, hand: Hand, place: Place
) -> None:
    grant(market, [0, 1])
    job = settled(market, hand, datasets=market.datasets[:2], share_ci=50.0)
    path = f"/v1/valuations/val_{job.hex}"
    before = package(place, job).read("model.safetensors")
    gone = withdraw(market, 1)
    waiting = place.clients["buyer"].get(f"{path}/model")
    assert (waiting.status_code, "withdrawn" in waiting.json()["detail"]) == (409, True)
    assert step(hand) == ["forget", "unlearn", "forget"]
    facts = place.clients["buyer"].get(f"{path}/delivery").json()["model"]
    assert facts["status"] == "ready"
    assert [(each["dataset_id"], each["outcome"]) for each in facts["forgotten"]] == [(f"ds_{gone.hex}", "unlearned")]
    successor = package(place, job)
    assert successor.read("model.safetensors") != before
    assert facts["forgotten"][0]["unlearning_id"] in successor.read("README.md").decode()
    record = market.scalar("SELECT record FROM unlearnings")
    assert record["weights"]["after"] == hashlib.sha256(successor.read("model.safetensors")).hexdigest()
    assert record["method"] == "retrain"
    # an EventSource that has all events of a job that has ended is told not to connect again
    last = market.scalar("SELECT event_seq FROM valuations")
    stream = {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
    assert place.clients["buyer"].get(f"{path}/events", headers=stream).status_code == 204
    # the certificate of the job stays what it was
    certified = place.clients["buyer"].get(f"{path}/certificate").json()
    assert certified["certificate"]["digests"]["model"] == facts["package_digest"]


def test_another_buyer_finds_no_model_and_a_package_that_was_altered_is_refused(
    market: Market, hand: Hand, place: Place, tmp_path: Path
) -> None:
    grant(market, [0, 1])
    job = settled(market, hand, datasets=market.datasets[:2], share_ci=50.0)
    other = market.add_buyer("somebody else")
    with market.factory() as session:
        with pytest.raises(NotFound, match="no valuation"):
            handover.model_package(session, market.blobs, market.settings, other, job)
        release = releases.of_job(session, job)
        assert release is not None
        assert release.checkpoint_id is not None
        start = releases.start_of(session, release.checkpoint_id)
        assert start is not None
        assert start[0].id == job
    assert isinstance(hand.runtime.steps._deliverer, ModelDeliverer)
    _, folder = saved(place, job, tmp_path)
    assert packages.read(folder).config.learner == "logistic"
    (folder / "config.json").write_text((folder / "config.json").read_text().replace("logistic", "mlp"))
    with pytest.raises(InvalidProblem, match="it is not the file that manifest"):
        packages.read(folder)


def test_the_rows_go_to_the_buyer_who_paid_each_access_is_shown_and_a_withdrawal_ends_it(
    market: Market, hand: Hand, place: Place
) -> None:
    grant(market, [0])
    grant(market, [1], (Grant.VALUE, Grant.MODEL))
    with transaction(market.factory) as session:
        file = session.get_one(Dataset, market.datasets[0])
        facts = {"digest": file.digest, "format": file.format, "size_bytes": file.size_bytes, "rows": file.rows}
        session.add(DatasetVersion(dataset_id=file.id, number=1, modality=file.modality, columns=[], **facts))
    job = market.post(deliver=["data"], datasets=market.datasets[:2], share_ci=50.0)
    buyer, path = place.clients["buyer"], f"/v1/valuations/val_{job.hex}"
    granted, other = (f"{path}/data/ds_{dataset.hex}" for dataset in market.datasets[:2])
    assert "released at settlement" in buyer.get(granted).json()["detail"]
    hand.finish(job)
    found = {each["provider"]: each["reason"] for each in buyer.get(f"{path}/delivery").json()["data"]}
    assert found == {"provider 0": None, "provider 1": "its licence does not grant the data"}
    content = buyer.get(granted)
    assert content.status_code == 200
    digest = market.scalar("SELECT digest FROM datasets WHERE id = :id", id=market.datasets[0])
    assert hashlib.sha256(content.content).hexdigest() == digest
    assert buyer.get(other).status_code == 409
    assert buyer.get(f"{path}/data/ds_{uuid.uuid4().hex}").status_code == 404
    owner, stranger = place.clients[PROVIDERS[0]], place.clients[PROVIDERS[1]]
    answer = owner.get("/v1/me/data-accesses")
    assert answer.status_code == 200, answer.text
    seen = answer.json()["items"]
    assert [(each["dataset_id"], each["buyer"], each["content"]) for each in seen] == [
        (f"ds_{market.datasets[0].hex}", "buyer", digest)
    ]
    assert stranger.get("/v1/me/data-accesses").json()["items"] == []
    other_buyer = market.add_buyer("somebody else")
    with market.factory() as session, pytest.raises(NotFound, match="no valuation"):
        data_delivery.to_be_copied(session, other_buyer, job, market.datasets[0])
    with market.factory() as session:
        assert delivered_data.buyers_of(session, market.providers[0], [job]) == {job: "buyer"}
    withdraw(market, 0)
    gone = buyer.get(granted)
    assert (gone.status_code, "was withdrawn" in gone.json()["detail"]) == (409, True)


def test_an_order_that_no_licence_serves_is_refused_and_one_that_some_do_says_which_do_not(
    market: Market, place: Place
) -> None:
    with pytest.raises(InvalidInput, match="no licence of these datasets grants `model`"):
        market.post(deliver=["model"])
    grant(market, [0, 1, 2])
    body = market.order(deliver=["model"]).model_dump(mode="json", exclude_defaults=True)
    quote = place.clients["buyer"].post("/v1/valuations/quote", json=body).json()
    assert any("provider 3: its licence does not grant `model`" in note for note in quote["notes"]), quote
    assert any("the buyer gets the model" in line for line in quote["terms"])
