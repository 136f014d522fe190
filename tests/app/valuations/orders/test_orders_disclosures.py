"""What an order asks of others' rows is one question however often it is asked, and is answered in bands alone."""

import uuid
from typing import Any

from app.datasets.tables import Dataset
from app.disclosure.bands import Bands
from app.valuations.orders.disclosures import overlap_notes, questions, quoted_findings
from app.valuations.orders.model_choice import Chosen
from app.valuations.schemas import Model, NewValuation
from contract.orders.fit import FitAnswer, Offer, PayeeFitted, RowsFitted
from contract.orders.job import LabelMix
from contract.rows.findings import FileFinding, Finding, Severity

OWNERS = (uuid.uuid4(), uuid.uuid4())
TEST = Dataset(id=uuid.uuid4(), provider_id=uuid.uuid4(), digest="t", target="y", reading=None)
DATASETS = tuple(
    Dataset(id=uuid.uuid4(), provider_id=owner, digest=f"d{at}", target="y", reading=None)
    for at, owner in enumerate(OWNERS)
)
BANDS = Bands(key=b"k" * 32, told_rows=300)


def order(**changes: Any) -> NewValuation:
    body = {"datasets": [each.id for each in DATASETS], "test_dataset": TEST.id, "pool": "10.00"}
    return NewValuation.model_validate(body | changes)


def asked(*, quoted: bool = True, groups: Any = None, **changes: Any) -> list[str]:
    groups = groups or [[each] for each in DATASETS]
    chosen = Chosen(Model(), None, None)
    return [each.question for each in questions(order(**changes), chosen, TEST, groups, quoted=quoted)]


def test_each_dataset_is_asked_for_by_its_owner_and_its_place_in_the_order() -> None:
    found = questions(order(), Chosen(Model(), None, None), TEST, [[each] for each in DATASETS], quoted=True)
    assert [(each.dataset_id, each.provider_id) for each in found] == [(each.id, each.provider_id) for each in DATASETS]
    assert [each.pointer for each in found] == ["/datasets/0", "/datasets/1"]


def test_what_changes_no_answer_is_the_same_question() -> None:
    assert asked(quoted=False) == asked(quoted=False, pool="99.00", metadata={"a": "b"}, purpose="research")
    assert asked() == asked(seed=8, metric="log_loss")
    assert asked() == asked(groups=[[DATASETS[1]], [DATASETS[0]]])[::-1]


def test_what_other_rows_are_compared_with_or_how_is_another_question() -> None:
    assert set(asked()).isdisjoint(asked(target="z"))
    assert set(asked()).isdisjoint(asked(features={"use": ["x"]}))
    assert set(asked()).isdisjoint(asked(segments={"column": "x"}))
    assert set(asked()).isdisjoint(asked(quoted=False))
    assert set(asked(quoted=False)).isdisjoint(asked(quoted=False, seed=8))
    together = asked(payout={"copies": "first"})
    assert set(together).isdisjoint(asked(payout={"copies": "first"}, groups=[[DATASETS[0]]]))


def answer(in_test: int, in_others: int, rows: int, repeats: int = 0) -> FitAnswer:
    member = PayeeFitted(
        digest="d", rows=rows, seat=0, part=(1, 1), in_test=in_test, in_others=in_others, raw="r", repeats=repeats
    )
    return FitAnswer(
        labels=("x",), encoding=None, shape=None, test=RowsFitted(rows=9, digest="t"), seats=(), members=(member,),
        order=(0,), raw_test="t", mix=LabelMix(rows=9, labels={}, pooled=None, distance=None),
    )  # fmt: skip


def told(in_test: int, in_others: int, rows: int, repeats: int = 0, **changes: Any) -> list[str]:
    offers = [Offer(name="p", shown="Ann", datasets=("d",))]
    return overlap_notes(BANDS, uuid.UUID(int=1), order(**changes), offers, answer(in_test, in_others, rows, repeats))


def test_overlap_is_told_in_a_word_and_never_as_a_count() -> None:
    (much,) = told(970, 0, 1000)
    assert much.startswith("Many of the rows of Ann are in the test set, too")
    (some,) = told(500, 0, 1000)
    assert some.startswith("Some of the rows of Ann")
    assert told(1, 0, 1000) == []
    assert not any(figure in some + much for figure in "0123456789")


def test_of_few_rows_nothing_is_told() -> None:
    assert told(299, 299, 299, payout={"copies": "first"}) == []


def test_copies_of_others_are_told_only_where_the_rule_acts_on_them() -> None:
    assert told(0, 970, 1000) == []
    (note,) = told(0, 970, 1000, payout={"copies": "first"})
    assert "are in other providers' data of this job, too; by copies: first each row counts once" in note


def test_rows_that_count_once_because_they_repeat_their_owners_are_told() -> None:
    (note,) = told(0, 0, 1000, 500, payout={"copies": "first"})
    assert note.startswith("Some of the rows of Ann repeat others of its own")
    assert told(0, 0, 1000, 1, payout={"copies": "first"}) == []


def said(dataset: str | None, code: str, detail: str) -> FileFinding:
    return FileFinding(
        dataset=dataset, finding=Finding(code=code, severity=Severity.WARN, detail=detail, rows=7, share=0.7)
    )


def test_a_quote_does_not_tell_how_others_cells_compare_with_the_askers() -> None:
    own = said(None, "missing_values", "7 of 10 cells are missing")
    missing = said("ab", "missing_values", "7 of 10 cells are missing")
    compared = [said("ab", code, "7 of 10 cells are") for code in ("out_of_range", "target_range", "unseen_categories")]
    assert quoted_findings([own, *compared, missing]) == [own, missing]
    (labels,) = quoted_findings([said("ab", "foreign_labels", "few of the rows have a label (3 of 10)")])
    assert labels.finding.detail == "few of the rows have a label"
    assert (labels.finding.rows, labels.finding.share) == (None, None)


def test_a_quote_counts_no_rows_of_a_label_that_the_asker_spells_nearly_alike() -> None:
    """Before: by a test set with the label `Yes.` its asker was told how many rows of somebody's have `Yes`."""
    (labels,) = quoted_findings([said("ab", "label_spelling", "`Yes` in `y` is another class than `Yes.`")])
    assert labels.finding.detail == "`Yes` in `y` is another class than `Yes.`"
    assert (labels.finding.rows, labels.finding.share) == (None, None)
