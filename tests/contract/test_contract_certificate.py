"""A signed file is read as far as it is checked; what is missing or of a wrong kind is named, never a traceback."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.cli.proving import proof
from app.cli.proving.verdicts import Verdict
from app.errors import InvalidInput
from app.settings import Settings
from app.valuations.results.certificates import public_key, sign
from contract.proof.certificate import CertifiedJob, ProofStatement, SignedFile

BODY: dict[str, Any] = {
    "valuation": "val_" + "0" * 32,
    "finished_at": "2026-11-23T12:00:00Z",
    "spec": {"metric": "accuracy"},
    "digests": {"game": "a", "result": "b", "plan": "c", "spec": "d"},
    "players": [{"digest": "e", "share": 1.0}],
    "money": {"pool": "1.00", "currency": "EUR", "divided": "1.00", "fee": "0.00"},
}


def test_members_that_nothing_reads_may_be_there_and_those_that_are_read_must_be() -> None:
    read = CertifiedJob.read(BODY | {"audit": {"anything": 1}})
    assert (read.digests.plan, read.players[0].digest, read.evidence) == ("c", "e", None)
    for name in BODY:
        with pytest.raises(ValidationError, match=name):
            CertifiedJob.read({key: value for key, value in BODY.items() if key != name})


def test_a_statement_names_its_root_and_its_places() -> None:
    said = {"valuation": "val_1", "root": "ff", "leaves": 3, "seats": [0, 2], "digests": ["e"]}
    assert ProofStatement.read(said).seats == (0, 2)
    with pytest.raises(ValidationError, match="leaves"):
        ProofStatement.read(said | {"leaves": "many"})


@pytest.mark.parametrize("content", [b"{}", b"[1]", b'{"signature": 3, "certificate": {}}', b"no JSON"])
def test_a_file_that_is_no_signed_one_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(ValidationError):
        SignedFile.model_validate_json(content)
    with pytest.raises(InvalidInput, match="this file is no certificate and no proofs"):
        proof.check(content, None, None, lambda _part, verdict: verdict.match)


@pytest.mark.parametrize("left_out", ["spec", "money", "digests"])
def test_a_signed_certificate_that_lacks_a_member_does_not_hold(
    left_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings()
    signed = sign(settings, {name: value for name, value in BODY.items() if name != left_out})
    found: dict[str, Verdict] = {}

    def record(part: str, verdict: Verdict) -> bool:
        found[part] = verdict
        return verdict.match

    monkeypatch.setattr(proof, "read_archive", lambda path: path)
    left = proof.check(json.dumps(signed).encode(), tmp_path, public_key(settings), record)
    assert found["signature"].match
    assert not found["root"].match
    assert left_out in found["root"].sentence
    assert left == ["everything else"]
