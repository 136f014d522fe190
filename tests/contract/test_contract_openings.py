"""The tree of sums, the draw, what an opened row has to show; and how a question's encoding reads a table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.agents import AnswerRefused, AskedColumn, AskedEncoding
from contract.openings import (
    MARK_BITS,
    UNIT,
    Mismatch,
    OpeningDraw,
    OpeningQuestion,
    TotalsAnswer,
    answer_bytes,
    check_total,
    opened,
    position_of,
    read_question,
    whole,
)
from contract.proof.sum_tree import ZERO, Amount, SumNode, SumTree, leaf_node, proven_by
from contract.results.openings import OpenedRows, OpenedStatus
from contract.rows.asked import NotEncodable, encoded, labels_of
from tests.contract.test_contract_agents import HEX, question

AMOUNTS = st.lists(st.builds(Amount, st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=40)
ASKED = OpeningQuestion(about=question(), answer=HEX, seed=HEX)


@given(AMOUNTS)
def test_every_path_leads_to_the_root_and_says_what_lies_before(amounts: list[Amount]) -> None:
    tree = SumTree(amounts)
    assert tree.root.amount == sum(amounts, ZERO)
    for place, amount in enumerate(amounts):
        proven = proven_by(amount, place, len(amounts), tree.path(place))
        assert proven is not None
        assert proven == (tree.root, sum(each.size for each in amounts[:place]))


@given(AMOUNTS)
def test_a_position_meets_the_leaf_in_whose_amount_it_lies(amounts: list[Amount]) -> None:
    tree = SumTree(amounts)
    met = [tree.place_of(position) for position in range(tree.root.amount.size)]
    assert met == [place for place, amount in enumerate(amounts) for _ in range(amount.size)]


@given(AMOUNTS, st.data())
def test_no_other_amount_place_or_path_leads_to_the_root(amounts: list[Amount], data: st.DataObject) -> None:
    tree, count = SumTree(amounts), len(amounts)
    place = data.draw(st.integers(0, count - 1))
    path = tree.path(place)
    more = Amount(amounts[place].plus + 1, amounts[place].minus)
    assert proven_by(more, place, count, path).root != tree.root  # type: ignore[union-attr]
    assert proven_by(amounts[place], place, count, [*path, leaf_node(ZERO)]) is None
    assert proven_by(amounts[place], count, count, path) is None
    below = [SumNode(path[0].hash, Amount(-1, 1)), *path[1:]] if path else []
    assert not below or proven_by(amounts[place], place, count, below) is None


def test_weights_follow_from_the_seed_and_none_is_small() -> None:
    weights = OpeningDraw(HEX).weights("left", 4000)
    assert (weights == OpeningDraw(HEX).weights("left", 4000)).all()
    assert not (weights == OpeningDraw("cd" * 32).weights("left", 4000)).any()
    assert 0.5 <= np.abs(weights).min() < np.abs(weights).max() <= 1.0
    assert abs((weights > 0).mean() - 0.5) < 0.03
    places = np.array(OpeningDraw(HEX).below("places", 7, 7000))
    assert np.bincount(places, minlength=7) == pytest.approx(1000, abs=120)
    assert position_of((1 << MARK_BITS) - 1, 10**30) < 10**30


def test_terms_that_do_not_add_up_are_told_from_rounding() -> None:
    terms = np.random.default_rng(1).normal(size=500)
    claimed = sum(whole(terms), ZERO)
    check_total(claimed, float(terms.sum()), 500)
    assert abs(claimed.net * UNIT - terms.sum()) < 500 * UNIT
    with pytest.raises(Mismatch, match="add up to"):
        check_total(claimed, float(terms.sum()) + 1e-5, 500)
    with pytest.raises(Mismatch, match="add up to"):
        check_total(claimed, float("nan"), 500)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "none to a question"),
        (b"NaN", "none to a question"),
        (answer_bytes(TotalsAnswer(question="00" * 32, root=HEX, plus=1, minus=0)), "another question"),
        (answer_bytes(TotalsAnswer(question=ASKED.digest, root=HEX, plus=1, minus=0)).replace(b"1", b"-1"), "none to"),
    ],
)
def test_what_is_no_answer_to_an_opening_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(AnswerRefused, match=said):
        opened(ASKED, content)


def test_both_kinds_of_questions_are_read_back() -> None:
    assert read_question(ASKED.plain()) == ASKED
    assert read_question(question().plain()) == question()


def test_who_is_away_or_refuses_is_not_paid_and_who_was_not_looked_at_is() -> None:
    voids = {status: OpenedRows(0, 4, status, "x").voids for status in OpenedStatus}
    assert [status for status, why in voids.items() if why is None] == [OpenedStatus.BORNE_OUT, OpenedStatus.NOTHING]
    assert OpenedRows(0, 4, OpenedStatus.AWAY, "it is away").sentence.endswith(": it is away.")


def test_a_table_is_encoded_as_the_question_says() -> None:
    columns = (
        AskedColumn(name="age", kind="number", center=50, spread=10),
        AskedColumn(name="ward", kind="text", categories=("a",)),
    )
    asked = AskedEncoding(columns=columns, target="ill", classes=("no", "yes"), label_map={"ja": "yes"})
    X, y = encoded({"age": np.array([60.0, 40.0])}, {"ward": ("a", "z"), "ill": ("ja", "no")}, 2, asked)
    assert X.tolist() == [[1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]
    assert y.tolist() == [1, 0]
    with pytest.raises(NotEncodable, match="none of the job's classes"):
        encoded({"age": np.array([60.0])}, {"ward": ("a",), "ill": ("maybe",)}, 1, asked)
    with pytest.raises(NotEncodable, match="no such column"):
        encoded({}, {"ward": ("a",), "ill": ("no",)}, 1, asked)
    with pytest.raises(NotEncodable, match="fraction"):
        labels_of(np.array([0.5]))
