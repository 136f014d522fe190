"""A certificate is repeated from the evidence that it commits to, and no forgery of either passes, not even one that
the operator signs."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from app.cli.proving import proof
from app.datasets.licences import Licence
from app.datasets.tables import Dataset
from app.db.session import transaction
from app.valuations import evidence as job_evidence
from app.valuations.results import certificates
from app.valuations.results.division import divide, left_for_reserve
from app.valuations.results.payee_parts import players_paid
from app.valuations.results.recomputed import certified_again, order_of
from app.valuations.work import evidence as evidence_repository
from contract.document import digest_of
from contract.orders.grants import Grant
from contract.proof.certificate import CertifiedJob
from contract.proof.division import Division
from contract.proof.evidence import Evidence
from contract.results.result import StoredResult
from tests.app.erasure.forgetting import step, withdraw
from tests.market import Hand, Market
from tests.place import PROVIDERS, Place
from worker.jobs.evidence import game_of, repeated, salt_of

ORDER = {"max_retrains": 8, "payout": {"policy": "proportional", "pay_without_gain": True}}


class Job:
    """A settled job: its certificate, its evidence as it was downloaded, and how to change either and check again."""

    def __init__(self, place: Place, market: Market, folder: Path, job: uuid.UUID) -> None:
        self.place, self.market, self.folder, self.id = place, market, folder, job
        buyer = place.clients["buyer"]
        self.signed = buyer.get(f"/v1/valuations/val_{job.hex}/certificate").json()
        answer = buyer.get(f"/v1/valuations/val_{job.hex}/evidence")
        assert answer.status_code == 200, answer.text
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            self.files = {name: archive.read(name) for name in archive.namelist()}

    @property
    def key(self) -> str:
        return certificates.public_key(self.market.settings)

    def sign(self, certificate: dict[str, Any]) -> dict[str, Any]:
        """As the operator would."""
        return certificates.sign(self.market.settings, certificate)

    def verify(self, signed: dict[str, Any], files: dict[str, bytes], *more: str) -> Any:
        path, archive = self.folder / "certificate.json", self.folder / "evidence.zip"
        path.write_text(json.dumps(signed))
        with zipfile.ZipFile(archive, "w") as out:
            for name, content in files.items():
                out.writestr(name, content)
        return CliRunner().invoke(cli, ["verify", str(path), str(archive), "--key", self.key, *more])


def settled(market: Market, hand: Hand, place: Place, folder: Path, grants: tuple[Grant, ...], **changes: Any) -> Job:
    with transaction(market.factory) as session:
        for each in market.datasets:
            session.get_one(Dataset, each).licence = Licence("CC0-1.0", grants=grants).to_json()
    job = market.post(**ORDER | changes)
    assert hand.finish(job).result is not None, market.job(job).traceback
    return Job(place, market, folder, job)


@pytest.fixture
def granted(market: Market, hand: Hand, place: Place, tmp_path: Path) -> Job:
    return settled(market, hand, place, tmp_path, (Grant.VALUE, Grant.MODEL))


def _repeats(granted: Job, place: Place) -> None:
    """Values, intervals and amounts come out of the evidence again."""
    sealed = granted.signed["certificate"]["evidence"]
    assert any(name.startswith(job_evidence.ANSWERS) for name in granted.files)
    answer = granted.verify(granted.signed, granted.files, "--json", str(granted.folder / "found.json"))
    assert answer.exit_code == 0, answer.output
    found = json.loads((granted.folder / "found.json").read_text())
    assert found["match"]
    assert {"signature", "root", "request", "answers", "values", "amounts"} <= set(found)
    # evidence and certificate are the same again, byte for byte
    again = Job(place, granted.market, granted.folder, granted.id)
    assert (again.signed, again.files) == (granted.signed, granted.files)
    # alone, a certificate's signature is checked, and what that leaves open is said
    alone = CliRunner().invoke(cli, ["verify", str(granted.folder / "certificate.json")])
    assert alone.exit_code == 0, alone.output
    assert "pass --key" in alone.output
    assert "which take the evidence" in alone.output
    assert sealed["leaves"] == len(list(Evidence.model_validate_json(granted.files["evidence.json"]).leaves()))


def test_without_the_right_to_the_model_no_answers_are_handed_over_and_the_rest_is_repeated(
    market: Market, hand: Hand, place: Place, tmp_path: Path
) -> None:
    job = settled(market, hand, place, tmp_path, (Grant.VALUE,))
    assert set(job.files) == {job_evidence.DOCUMENT, job_evidence.JOB}
    answer = job.verify(job.signed, job.files)
    assert answer.exit_code == 0, answer.output
    assert "which take models' answers" in answer.output
    # values of worths that were changed, with a root that fits, are caught as before
    forged = _with_worth(job, 0.05)
    answer = job.verify(*forged)
    assert answer.exit_code == 1
    assert "Values: they do not follow" in answer.output
    _makes_the_game(job, market)


def _with_worth(job: Job, by: float, *, sealed: bool = True) -> tuple[dict[str, Any], dict[str, bytes]]:
    """One worth changed by so much, in the evidence alone or with everything that the operator can seal anew."""
    plain = json.loads(job.files["evidence.json"])
    column = next(part for part in plain["worths"] if part["source"] == "retrain")
    row = next(at for at, each in enumerate(column["coalitions"]) if each not in ("00", "0f"))
    column["worths"][row] += by
    changed = Evidence.read(plain)
    files = job.files | {"evidence.json": changed.content}
    if not sealed:
        return job.signed, files
    seal = changed.seal().plain()
    inside = json.loads(files["job.json"])
    inside["result"]["evidence"] = seal
    certificate = json.loads(json.dumps(job.signed["certificate"]))
    certificate["evidence"] = seal
    certificate["digests"]["result"] = digest_of(inside["result"])
    return job.sign(certificate), files | {"job.json": json.dumps(inside).encode()}


def _evidence_worth(job: Job) -> tuple[dict[str, Any], dict[str, bytes]]:
    return _with_worth(job, 0.01, sealed=False)


def _worth_sealed_anew(job: Job) -> tuple[dict[str, Any], dict[str, bytes]]:
    return _with_worth(job, 0.05)


def _signed_certificate(change: Callable[[dict[str, Any]], None]) -> Callable[[Job], Any]:
    def forge(job: Job) -> tuple[dict[str, Any], dict[str, bytes]]:
        certificate = json.loads(json.dumps(job.signed["certificate"]))
        change(certificate)
        return job.sign(certificate), job.files

    return forge


def _result(change: Callable[[dict[str, Any]], None]) -> Callable[[Job], Any]:
    def forge(job: Job) -> tuple[dict[str, Any], dict[str, bytes]]:
        inside = json.loads(job.files["job.json"])
        change(inside["result"])
        certificate = json.loads(json.dumps(job.signed["certificate"]))
        certificate["digests"]["result"] = digest_of(inside["result"])
        again = certified_again(certificate, Division.read(inside["division"]), inside["result"])
        return job.sign(again), job.files | {"job.json": json.dumps(inside).encode()}

    return forge


def _collapse(result: dict[str, Any]) -> None:
    for player in result["players"]:
        player["share_ci"] = player["share_band"] = [player["share"], player["share"]]


def _swap_values(result: dict[str, Any]) -> None:
    # two of them are exact copies, whose values are the same
    first, second = (choose(result["players"], key=lambda player: player["value"]) for choose in (min, max))
    for name in ("value", "value_ci", "value_band", "share", "share_ci", "share_band"):
        first[name], second[name] = second[name], first[name]


def _amount(certificate: dict[str, Any]) -> None:
    certificate["players"][0]["amount"], certificate["players"][1]["amount"] = "900.00", "0.00"


def _reserve(job: Job) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A payee is thrown out of the deal for a reserve that it did not set."""
    inside = json.loads(job.files["job.json"])
    paid = max(job.signed["certificate"]["players"], key=lambda player: float(player["amount"]))
    inside["division"]["payees"][paid["position"]]["reserve"] = inside["division"]["pool_minor"] + 1
    return job.signed, job.files | {"job.json": json.dumps(inside).encode()}


def _other_seed(certificate: dict[str, Any]) -> None:
    certificate["spec"]["seed"] = 4


def _altered_answers(job: Job) -> tuple[dict[str, Any], dict[str, bytes]]:
    name = sorted(each for each in job.files if each.startswith(job_evidence.ANSWERS))[0]
    return job.signed, job.files | {name: job.files[name][:-1] + b"\x00"}


def _other_root(certificate: dict[str, Any]) -> None:
    certificate["evidence"]["root"] = "00" * 32


def _dropped_coalition(job: Job) -> tuple[dict[str, Any], dict[str, bytes]]:
    plain = json.loads(job.files["evidence.json"])
    for name in ("coalitions", "worths", "seconds"):
        del plain["worths"][0][name][1]
    return job.signed, job.files | {"evidence.json": Evidence.read(plain).content}


FORGERIES: dict[str, tuple[Callable[[Job], Any], str]] = {
    "a worth changed in the evidence": (_evidence_worth, "Root: the evidence is not what"),
    "a worth changed and everything sealed anew": (_worth_sealed_anew, "Answers: the retrain worth of"),
    "intervals collapsed to points": (_result(_collapse), "Values: they do not follow"),
    "two players' values swapped": (_result(_swap_values), "Values: they do not follow"),
    "amounts changed and signed": (_signed_certificate(_amount), "Amounts: the certificate does not follow"),
    "a reserve made up": (_reserve, "the payout plan is another"),
    "another seed ordered than valued": (_signed_certificate(_other_seed), "Request: seed 4 was ordered and 3 valued"),
    "answers altered": (_altered_answers, "files of answers are missing or altered"),
    "another root": (_signed_certificate(_other_root), "Root: the evidence is not what"),
    "a coalition left out": (_dropped_coalition, "Root: the evidence is not what"),
}


def test_a_buyer_repeats_a_job_from_its_evidence_and_every_forgery_is_caught_and_named(
    granted: Job, place: Place
) -> None:
    _repeats(granted, place)
    passed = {}
    for name, (forge, said) in FORGERIES.items():
        answer = granted.verify(*forge(granted))
        if answer.exit_code != 1 or said not in answer.output or "NOT hold" not in answer.output:
            passed[name] = answer.output
    assert passed == {}
    unsigned = granted.signed | {"certificate": granted.signed["certificate"] | {"full_worth": 1.0}}
    answer = granted.verify(unsigned, granted.files)
    assert answer.exit_code == 1
    assert "Signature: this key did not sign this" in answer.output


def test_a_provider_is_proven_its_coalitions_and_no_worth_until_a_withdrawal_ends_it(
    granted: Job, market: Market, hand: Hand, place: Place, tmp_path: Path
) -> None:
    _proves(granted, place, tmp_path)
    _withdrawn(granted, market, hand, place)


def _proves(granted: Job, place: Place, tmp_path: Path) -> None:
    """The provider's coalitions are under the certificate's root, and proofs that are not its own are refused."""
    path = f"/v1/me/valuations/val_{granted.id.hex}/evidence"
    client = place.clients[PROVIDERS[1]]
    first = client.get(path, params={"limit": 5}).json()
    items, following = list(first["items"]), first["next_after"]
    while following is not None:
        page = client.get(path, params={"limit": 5, "after": following}).json()
        items += page["items"]
        following = page["next_after"]
    whole = client.get(path, params={"limit": 1000}).json()
    assert whole["items"] == items
    assert all(set(item["leaf"]) == {"kind", "source", "coalition", "commitment"} for item in items)
    seal = granted.signed["certificate"]["evidence"]
    assert (whole["statement"]["root"], whole["statement"]["leaves"]) == (seal["root"], seal["leaves"])
    proofs, certificate = tmp_path / "proofs.json", tmp_path / "signed.json"
    proofs.write_text(json.dumps(whole))
    certificate.write_text(json.dumps(granted.signed))
    assert proof.is_signed(proofs.read_bytes())
    answer = CliRunner().invoke(cli, ["verify", str(proofs), str(certificate), "--key", granted.key])
    assert answer.exit_code == 0, answer.output
    assert "your players are in it" in answer.output
    # a proof of a coalition without its data, and one that leads elsewhere, are refused
    for change in ({"index": items[0]["index"] + 1}, {"leaf": items[0]["leaf"] | {"coalition": "00"}}):
        proofs.write_text(json.dumps(whole | {"items": [items[0] | change]}))
        answer = CliRunner().invoke(cli, ["verify", str(proofs), "--key", granted.key])
        assert answer.exit_code == 1, answer.output
    # another root than the buyer has is noticed
    statement = whole["statement"] | {"root": "00" * 32}
    other = granted.sign(statement)
    told = {**other, "statement": statement, "items": []}
    del told["certificate"]
    proofs.write_text(json.dumps(told))
    answer = CliRunner().invoke(cli, ["verify", str(proofs), str(certificate), "--key", granted.key])
    assert answer.exit_code == 1
    assert "commits to another root" in answer.output


def _withdrawn(granted: Job, market: Market, hand: Hand, place: Place) -> None:
    """Nobody else gets evidence, and a withdrawal ends it while the certificate stays."""
    whole, mine = (f"/v1/{part}valuations/val_{granted.id.hex}/evidence" for part in ("", "me/"))
    assert place.clients[PROVIDERS[0]].get(whole).status_code == 404
    assert place.clients["buyer"].get(mine).status_code == 403
    stranger = f"/v1/me/valuations/val_{uuid.uuid4().hex}/evidence"
    assert place.clients[PROVIDERS[0]].get(stranger).status_code == 404
    document = granted.signed["certificate"]["evidence"]["document"]
    withdraw(market, 1)
    step(hand)
    answer = place.clients["buyer"].get(whole)
    assert answer.status_code == 409, answer.text
    assert "was withdrawn" in answer.json()["detail"]
    assert not market.blobs.exists(document)
    with market.factory() as session:
        assert not evidence_repository.kept(session, market.job(granted.id).game_id, document)
    again = place.clients["buyer"].get(f"/v1/valuations/val_{granted.id.hex}/certificate").json()
    assert again["certificate"]["evidence"] == granted.signed["certificate"]["evidence"]


def _makes_the_game(granted: Job, market: Market) -> None:
    """The document makes the game that was valued, and the division the plan; no reserve is told."""
    evidence = Evidence.model_validate_json(granted.files["evidence.json"])
    job = market.job(granted.id)
    assert evidence.salt == salt_of(market.settings, job.game_id)
    stored = StoredResult.from_dict(json.loads(granted.files["job.json"])["result"])
    game = game_of(evidence, None)
    assert [player.digest for player in game.players] == [player.digest for player in stored.players]
    assert sum(map(len, game.stored.values())) == sum(stored.evaluations.values())
    before, again = repeated(evidence, None, stored, revalue=False)
    assert before["players"] == json.loads(json.dumps(again["players"]))
    division = Division.read(json.loads(granted.files["job.json"])["division"])
    order = order_of(CertifiedJob.read(granted.signed["certificate"]))
    paid_on = players_paid(stored)
    plan = divide(job.id, division, order.payout, stored, paid_on)
    assert plan.digest == granted.signed["certificate"]["digests"]["plan"]
    highest = max(plan.lines, key=lambda line: line.amount)
    at = plan.lines.index(highest)
    reserved = division.payees[at].model_copy(update={"reserve": highest.amount + 1})
    payees = tuple(reserved if payee.position == at else payee for payee in division.payees)
    strict = division.model_copy(update={"payees": payees})
    assert left_for_reserve(job.id, strict, order.payout, stored, paid_on) == {at}
    masked = divide(job.id, strict.masked({at}), order.payout, stored, paid_on)
    assert masked.digest == divide(job.id, strict, order.payout, stored, paid_on).digest
