"""What a job reads and what was found of its game: read back as written, with defaults for what came later."""

from fractions import Fraction

import pytest
from pydantic import ValidationError

from contract.orders.fit import FitAnswer, FitQuestion, FitRequest, Offer, PayeeFitted, PlayerFitted, RowsFitted
from contract.orders.job import (
    AgreedTerms,
    DeviceTimeTerms,
    DomainPerplexity,
    GameFacts,
    JobInputs,
    JobProgress,
    LabelMix,
    PayeePart,
    ShardFacts,
    SourceCost,
    TestCommitment,
)
from contract.rows.files import InputFile

FILE = InputFile(name="dataset a", digest="d1", format="npz", target="y")
MIX = LabelMix(rows=3, labels={"x": 1.0}, pooled=None, distance=None)
INPUTS = JobInputs(
    names=("p0",),
    players=((FILE,),),
    rows=(3,),
    seating=(PayeePart(0, 1, 3), PayeePart(None, 1, 1)),
    notes=("a note",),
    test=FILE,
    measured=TestCommitment(**MIX.model_dump(), commitment="c", salt="s", digest="d"),
    checkpoint=None,
    terms=AgreedTerms(fee_basis_points=500, reserves=(0, 7), compute=DeviceTimeTerms(hourly="1.20", most=60)),
)


def test_what_a_job_reads_is_read_back_as_written() -> None:
    assert JobInputs.read(INPUTS.plain()) == INPUTS


def test_a_payees_part_is_exact_however_often_it_is_stored() -> None:
    assert INPUTS.seating[0].part == Fraction(1, 3)
    assert JobInputs.read(INPUTS.plain()).seating[0].part == Fraction(1, 3)
    assert JobInputs.read(INPUTS.plain()).seating[1].player is None


def test_inputs_of_jobs_before_device_time_had_a_price_cost_none_and_before_commitments_have_none() -> None:
    plain = INPUTS.plain()
    del plain["measured"], plain["base"], plain["terms"]["compute"]
    older = JobInputs.read(plain)
    assert (older.measured, older.base, older.terms.compute) == (None, None, None)


def test_facts_of_a_game_name_only_what_was_found_and_always_the_seconds() -> None:
    bare = GameFacts(sources=(SourceCost(name="retrain", cost=1.0),), seconds=0.0)
    assert bare.plain() == {"sources": [{"name": "retrain", "cost": 1.0}], "seconds": 0.0}
    full = GameFacts(
        sources=bare.sources,
        seconds=2.5,
        answers_kept=False,
        moved=("unlearn:tangent",),
        shards=(ShardFacts(name="p0/1", rows=4, digest="d", owner="p0"),),
        domains=(DomainPerplexity(domain="sea", tokens=10, base=9.0, full=4.0),),
    )
    for facts in (bare, full):
        assert GameFacts.read(facts.plain()) == facts


def test_progress_says_what_was_checked_only_where_something_was() -> None:
    assert "checked" not in JobProgress(evaluations={"retrain": 2}).plain()
    checked = JobProgress(checked={"computed": 2, "differing": 0})
    assert JobProgress.read(checked.plain()) == checked


def test_a_question_about_files_and_its_answer_are_read_back_and_hold_no_other_member() -> None:
    question = FitQuestion(
        kind="table",
        test=FILE,
        files={"ds": FILE},
        members=(Offer(name="p0", shown="provider p0", datasets=("ds",)),),
        copies="first",
        uploaded={"ds": "2026-01-01"},
        limits={"rows": 10},
    )
    request = FitRequest(question=question, name="it", paths={"d1": "/blobs/d1"}, tokenizer=None)
    assert FitRequest.read(request.plain()) == request
    answer = FitAnswer(
        labels=("x",),
        encoding=None,
        shape=None,
        test=RowsFitted(rows=3, digest="d"),
        seats=(PlayerFitted(name="p0", files=(FILE,), digest="d", rows=3),),
        members=(PayeeFitted(digest="d", rows=3, seat=0, part=(1, 2), in_test=0, in_others=0, raw="r"),),
        order=(0,),
        raw_test="t",
        mix=MIX,
    )
    assert FitAnswer.read(answer.plain()) == answer
    with pytest.raises(ValidationError, match="a_row"):
        FitAnswer.read(answer.plain() | {"a_row": [1, 2]})


@pytest.mark.parametrize(("kept", "known"), [(0.0, None), (None, None), (2.5, 2.5)])
def test_an_interval_of_no_width_is_none_in_plans_of_before_too(kept: float | None, known: float | None) -> None:
    assert JobProgress.read({"evaluations": {}, "widest_share_interval": kept}).widest_share_interval == known
