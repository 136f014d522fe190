"""Each part of a verification says in a sentence what it found, and what to do where it does not hold."""

from dataclasses import replace

import numpy as np
import pytest

from app.cli.proving import verdicts
from app.cli.valuing.request import ValueRequest
from contract.orders.spec import ValuationSpec
from contract.proof.sealing import sealed, spelled
from contract.results.result import ValuationResult
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.valuation import value

ASKED = ValueRequest(
    providers=(("p0", "a.csv"), ("p1", "b.csv"), ("p2", "c.csv")),
    test="test.csv",
    target="label",
    model="logistic",
    metric="log_loss",
    mode="full",
    seed=3,
)


@pytest.fixture(scope="module")
def result() -> ValuationResult:
    table = np.sqrt(all_coalitions(3) @ np.array([0.1, 0.4, 0.9]))
    players = [Player(f"p{i}", 10, f"d{i}") for i in range(3)]
    return value(
        TableFidelityGame(players, {"retrain": table}), ValuationSpec(metric="log_loss", seed=3, fidelity="retrain")
    )


def test_a_seal_holds_for_the_bytes_that_were_sealed_and_no_others(result: ValuationResult) -> None:
    content = spelled(sealed(result.to_dict()))
    assert verdicts.seal(content).match
    changed = content.replace(b'"empty_worth": 0', b'"empty_worth": 1')
    assert changed != content
    found = verdicts.seal(changed)
    assert not found.match
    assert found.sentence


def test_other_versions_are_named_with_the_mend_unless_they_are_accepted() -> None:
    here = ASKED.to_json()["versions"]
    assert verdicts.versions(here, ASKED, accepted=False).match
    other = here | {"torch": "0.1"}
    refused, taken = (verdicts.versions(other, ASKED, accepted=accepted) for accepted in (False, True))
    assert not refused.match
    assert f"torch 0.1 (here {here['torch']})" in refused.sentence
    assert "--other-versions" in refused.sentence
    assert taken.match
    assert "torch 0.1" in taken.sentence


def test_what_was_asked_must_be_what_was_answered(result: ValuationResult) -> None:
    assert verdicts.request(result, ASKED).match
    other = verdicts.request(result, replace(ASKED, seed=4))
    assert (other.match, other.sentence) == (False, "seed 4 was asked and 3 answered")
    fewer = verdicts.request(result, replace(ASKED, providers=ASKED.providers[:2]))
    assert (fewer.match, fewer.sentence) == (False, "'p2' was asked about or answered, not both")


def test_what_is_shown_must_follow_from_the_stored_worths(result: ValuationResult) -> None:
    honest = verdicts.estimate(result)
    assert honest.match
    assert "the same to the last digit" in honest.sentence
    raised = replace(result, players=(replace(result.players[0], value=9.0), *result.players[1:]))
    assert not verdicts.estimate(raised).match
    missing = verdicts.estimate(replace(result, worths=result.worths[:3]))
    assert not missing.match
    assert "cannot be repeated" in missing.sentence


def test_a_verdict_is_written_with_its_report_where_there_is_one() -> None:
    assert verdicts.Verdict(True, "it holds").plain() == {"match": True, "found": "it holds"}
    assert verdicts.Verdict(False, "no", {"n": 1}).plain() == {"match": False, "found": "no", "report": {"n": 1}}


def test_without_files_it_says_that_more_was_not_checked() -> None:
    told = [
        len(verdicts.unchecked(with_files=one, with_intervals=other))
        for one, other in ((False, False), (True, False), (True, True))
    ]
    assert told == [3, 4, 3]
