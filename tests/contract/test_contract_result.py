"""A valuation's answer as a document: floats come back bit for bit, what is altered or of another format is refused."""

import json
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.orders.job import DomainPerplexity
from contract.orders.spec import ValuationSpec
from contract.proof.evidence import EvidenceSeal
from contract.results.removal import RemovalCurves, RemovalPoint
from contract.results.result import (
    FORMAT,
    Audit,
    Candidate,
    Forecast,
    PlayerResult,
    Precision,
    RevaluedWithout,
    ShardRow,
    SizeRow,
    StoredResult,
    TraceRow,
    ValuationResult,
    WorthRow,
)

PLAYER = PlayerResult("p0", 3, "d0", 0.25, 0.01, (0.2, 0.3), 0.5, (0.4, 0.6), (0.1, 0.4), (0.3, 0.7))
RESULT = ValuationResult(
    players=(PLAYER, replace(PLAYER, provider="p1", share=None, share_ci=None, share_band=None)),
    covariance=((0.1, 0.0), (0.0, 0.1)),
    empty_worth=0.1,
    full_worth=0.6,
    estimator="exact",
    source="retrain",
    evaluations={"retrain": 4},
    audit=Audit("measured", "", by_size=(SizeRow(1, 0.5, 2, 0.0, 0.1, 0.0, 20.0),)),
    bake_off=(Candidate("unlearn:tangent", 0.1, 0.2, None, 3.0, True, "cheaper"),),
    stopped_by="precision",
    notes=("a note",),
    shares_note=None,
    seconds=1.5,
    seconds_by_source={"retrain": 1.0},
    retrain_seconds_estimate=None,
    costs={"retrain": 1.0},
    spec=ValuationSpec(),
    digests={"game": "g"},
    trace=(TraceRow(1, {"retrain": 4}, (0.25, 0.25), (0.0, 0.0), (0.5, 0.5), 0.0, None),),
    shards=(ShardRow("p0/0", "p0", 3, "d"),),
    worths=(WorthRow("retrain", "retrain", ("p0",), 0.4, 0.2),),
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, FINITE, st.floats(0, 1))
def test_floats_read_back_bit_for_bit(value: float, worth: float, share: float) -> None:
    player = replace(PLAYER, value=value, share=share)
    result = replace(RESULT, players=(player,), worths=(replace(RESULT.worths[0], worth=worth),))
    assert ValuationResult.from_json(result.to_json()) == result


def test_what_was_ordered_may_be_kept_beside_the_answer_and_is_no_part_of_it() -> None:
    data = json.loads(RESULT.to_json()) | {"request": {"files": ["a.csv"]}}
    assert ValuationResult.from_json(json.dumps(data)) == RESULT


def test_a_result_from_before_coalitions_were_nested_says_so_and_stays_what_it_was() -> None:
    data = json.loads(RESULT.to_json())
    assert data["spec"].pop("nested") is True
    assert data["spec"].pop("by_seconds") is True
    before = ValuationResult.from_dict(data)
    assert not before.spec.nested
    assert not before.spec.by_seconds
    assert json.loads(before.to_json()) == data


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": FORMAT + 1}, f"not a valuation result of format {FORMAT}"),
        ({"more": 1}, "incomplete or altered.*more"),
        ({"full_worth": "much"}, "incomplete or altered.*full_worth"),
        ({"worths": None}, "incomplete or altered.*worths"),
    ],
)
def test_another_format_and_an_altered_answer_are_refused_by_the_member(change: Any, sentence: str) -> None:
    data = json.loads(RESULT.to_json()) | change
    with pytest.raises(ValueError, match=f"(?s){sentence}"):
        ValuationResult.from_dict(data)


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_what_is_no_json_object_is_no_result(text: str) -> None:
    with pytest.raises(ValueError, match="not a valuation result"):
        ValuationResult.from_json(text)


def test_a_worth_that_is_no_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(RESULT, full_worth=math.nan).to_json()


def test_part_of_a_player_is_that_part_of_everything_but_its_rows_and_name() -> None:
    half = PLAYER.part(0.5)
    assert (half.provider, half.rows, half.digest) == ("p0", 3, "d0")
    assert (half.value, half.stderr, half.share) == (0.125, 0.005, 0.25)
    assert (half.value_ci, half.share_ci) == ((0.1, 0.15), (0.2, 0.3))
    assert (half.value_band, half.share_band) == ((0.05, 0.2), (0.15, 0.35))
    assert PLAYER.part(1.0) is PLAYER
    unsaid = RESULT.players[1].part(0.5)
    assert (unsaid.share, unsaid.share_ci, unsaid.share_band) == (None, None, None), "what is not known stays so"


def test_somebody_of_whose_rows_none_is_used_is_worth_nothing_for_certain() -> None:
    nothing = PlayerResult.nothing()
    assert (nothing.rows, nothing.value, nothing.share) == (0, 0.0, 0.0)
    assert {nothing.value_ci, nothing.share_ci, nothing.value_band, nothing.share_band} == {(0.0, 0.0)}


def test_the_stored_result_is_the_answer_without_its_worths_and_reads_back_equal() -> None:
    again = RevaluedWithout((1,), (0,), (PLAYER,), 0.1, 0.5, {"retrain": 2}, "precision", 1.0)
    removal = RemovalCurves("retrain", None, (RemovalPoint(0, None, 0.6, 0.6), RemovalPoint(1, 1, 0.4, None)))
    domains = (DomainPerplexity(domain="sea", tokens=3, base=9.0, full=4.0),)
    stored = StoredResult.of(RESULT, again, removal, domains)
    plain = json.loads(json.dumps(stored.plain()))
    assert "worths" not in plain
    assert StoredResult.from_dict(plain) == stored
    for field in fields(StoredResult):
        if field.name not in (
            "without_harm", "removal", "domains", "evidence", "selection", "interactions", "openings",
        ):  # fmt: skip
            assert getattr(stored, field.name) == getattr(RESULT, field.name)
    # a result from before there was evidence stays what it was, digest and all
    assert not {"evidence", "openings"} & set(plain)
    sealed = replace(stored, evidence=EvidenceSeal(root="00" * 32, leaves=3, document="11" * 32))
    again_plain = json.loads(json.dumps(sealed.plain()))
    assert StoredResult.from_dict(again_plain) == sealed


def test_numbers_of_numpy_are_stored_as_plain_ones() -> None:
    odd = replace(RESULT, full_worth=np.float64(0.6), evaluations={"retrain": np.int64(4)})  # type: ignore[dict-item]
    stored = StoredResult.of(odd, None, RemovalCurves(None, "too few"), ())
    assert stored.plain()["evaluations"] == {"retrain": 4}


FORECAST = (Forecast("max_retrains", 72, 2.4), Forecast("max_retrains", 144, 1.9))


@pytest.mark.parametrize(
    ("found", "met", "only_rows", "words"),
    [
        (Precision(2.0, 1.9, 1.0, FORECAST), True, False, None),
        (Precision(2.0, None, None), False, False, None),
        (Precision(2.0, 3.1, None, FORECAST), False, False, "about 2.40 with max_retrains 72, about 1.90 with"),
        (Precision(2.0, 3.1, 2.2, FORECAST), False, True, "The test rows alone make it 2.20 points wide, so only more"),
        (Precision(1.0, 1.9, 1.8, FORECAST), False, True, "No more computing would narrow it. The test rows"),
        (Precision(2.0, 3.1, 1.2), False, False, "No more computing would narrow it."),
        (Precision(2.0, 3.1, None), False, False, None),
    ],
)
def test_what_would_narrow_an_interval_is_said_where_it_is_known(
    found: Precision, met: bool, only_rows: bool, words: str | None
) -> None:
    assert (found.met, found.test_rows_limit) == (met, only_rows)
    assert found.outlook() is None if words is None else words in (found.outlook() or "")
