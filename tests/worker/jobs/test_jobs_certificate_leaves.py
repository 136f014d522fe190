"""Whatever an operator changes in a certificate, in its division or in its result, seals and signs anew, ``cherish
verify`` refuses, or has said that it is the operator's word: those members are listed here."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InvalidInput
from app.valuations.results.recomputed import certified_again
from contract.document import digest_of
from contract.orders.grants import Grant
from contract.proof.division import Division
from tests.app.cli.test_cli_every_leaf import Changed, changed, changes
from tests.market import Hand, Market
from tests.place import Place
from tests.worker.jobs.test_jobs_evidence import Job, settled

EARLIER = "members of a result that earlier versions did not write"
# places as patterns, and what the verification says of them
OPERATORS_WORD = {
    r"certificate\.finished_at": "the moment of settlement",
    r"certificate\.digests (an unknown member|one more of it)": "digests of files",
    r"certificate(\.late_test\b.*| without late_test)": "when the test set came",
    r"certificate(\.checked\b.*| without checked)": "how many worths were computed twice",
    r"division\.payees\.\d+\.reserve": "reserve prices",
    r"division\.payees\.\d+\.(rows|datasets|digest|provider_id|player_id)": "who brought which datasets",
    r"division\.payees\.\d+\.(part|position)": "whose part of a player is whose",
    r"division\.reserves": "reserve prices",
    r"division\.fee_basis_points": "the agreed fee",
    r"division\.metered": "device seconds",
    r"division\.edition": "the edition of the terms",
    r"division.* without explores": "the edition of the terms",
    r"result\.spec\.(nested|by_seconds|max_seconds)": "options without effect here",
    r"result.* without \w+": EARLIER,
}


@pytest.fixture
def job(market: Market, hand: Hand, place: Place, tmp_path: Path) -> Job:
    return settled(market, hand, place, tmp_path, (Grant.VALUE, Grant.MODEL))


def walked(job: Job) -> list[Changed]:
    inside = json.loads(job.files["job.json"])
    parts = {"certificate": job.signed["certificate"], "division": inside["division"], "result": inside["result"]}
    return [each for name, part in parts.items() for each in changes(part, (name,))]


def forged(job: Job, place: Sequence[str | int], new: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Certificate and evidence with one change, and what follows from it made and signed as an operator would."""
    inside, certificate = json.loads(job.files["job.json"]), job.signed["certificate"]
    if place[0] == "certificate":
        return job.sign(changed(certificate, tuple(place[1:]), new)), job.files
    name = str(place[0])
    inside[name] = changed(inside[name], tuple(place[1:]), new)
    files = job.files | {"job.json": json.dumps(inside).encode()}
    try:
        sealed = {**certificate, "digests": {**certificate["digests"], "result": digest_of(inside["result"])}}
        return job.sign(certified_again(sealed, Division.read(inside["division"]), inside["result"])), files
    except (InvalidInput, KeyError, IndexError, TypeError, ValueError):
        return job.signed, files


def check(job: Job, some: Sequence[Changed]) -> None:
    honest = job.verify(job.signed, job.files)
    assert honest.exit_code == 0, honest.output
    said, passed = " ".join(honest.output.split()), []
    for place, what, new in some:
        answer = job.verify(*forged(job, place, new))
        # a refusal is a sentence, never a traceback
        assert type(answer.exception).__name__ in ("NoneType", "SystemExit", "InvalidInput"), (
            place, what, answer.exception,
        )  # fmt: skip
        if answer.exit_code == 0:
            passed.append(f"{'.'.join(map(str, place))} {what}")
    unsaid = [
        each
        for each in passed
        if not any(re.match(pattern, each) and words in said for pattern, words in OPERATORS_WORD.items())
    ]
    assert unsaid == [], "\n".join(unsaid)


def test_no_member_can_be_changed_that_is_not_the_operators_word(job: Job) -> None:
    every = walked(job)
    check(job, [every[at] for at in np.random.default_rng(5).choice(len(every), 40, replace=False)])


@pytest.mark.long
def test_none_of_all_members_can(job: Job) -> None:
    check(job, walked(job))
