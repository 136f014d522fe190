"""What an order asks of others' rows, and what it is told of them: questions for the budget, bands for the notes. Pure.

A question's digest is over all that its answer depends on, so that what is asked again costs nothing, and what would
draw other bounds or compare other rows is another question: the test set, the datasets that are read together, how they
are read, under which rule for copies; of a job everything but its money, its labels and its deadline.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.datasets.tables import Dataset
from app.disclosure.bands import Band, Bands
from app.disclosure.service import ChargedQuestion
from app.valuations.orders.model_choice import Chosen
from app.valuations.schemas import NewValuation
from contract.document import digest_of
from contract.orders.fit import FitAnswer, Offer
from contract.orders.policies import CopiesRule
from contract.rows.findings import FileFinding

# findings that follow from comparing others' cells with the asker's test set
_COMPARED = frozenset({"out_of_range", "target_range", "unseen_categories"})
# findings whose counts an asker chooses by the labels of its test set
_BY_LABEL = frozenset({"foreign_labels", "label_spelling"})
_BAND_WORDS = {Band.SOME: "Some", Band.MUCH: "Many"}
_IN_TEST = "{} of the rows of {} are in the test set, too; copies of test rows count for nobody."
_IN_OTHERS = "{} of the rows of {} are in other providers' data of this job, too; by copies: {} each row counts once."
_OF_OWN = "{} of the rows of {} repeat others of its own, more than is usual here; each of them counts once."
# what changes no value and no overlap
_NO_QUESTION = {
    "metadata", "pool", "currency", "deadline", "purpose", "territory", "datasets", "test_dataset",
    "drop_refused", "consent_seconds",
}  # fmt: skip


_SAID = {word: band for band, word in _BAND_WORDS.items()}
_NOTES = {
    where: re.compile(re.escape(text).replace(r"\{\}", "(Some|Many)", 1).replace(r"\{\}", "(.+)"), re.DOTALL)
    for where, text in (("test", _IN_TEST), ("others", _IN_OTHERS))
}


def questions(
    order: NewValuation,
    chosen: Chosen,
    test: Dataset,
    groups: Sequence[Sequence[Dataset]],
    *,
    quoted: bool,
    besides: str = "",
) -> list[ChargedQuestion]:
    """What a quote (``quoted``) or a job asks of each dataset; ``groups`` are the datasets of each payee,
    ``besides`` is what is asked that the order does not say."""
    about: dict[str, Any] = {
        "asks": "quote" if quoted else "job",
        "test": content_of(test),
        "target": order.target,
        "reads": None if chosen.reads is None else chosen.reads.value,
        "base": chosen.base_digest,
        "context": str(chosen.model.hyper.get("context", "")),
        "columns": order.model_dump(mode="json", include={"features", "label_map", "missing_labels", "drop_unfit"}),
        **({} if order.segments is None else {"segments": order.segments.column}),
    }
    everything = sorted(content_of(dataset) for group in groups for dataset in group)
    if not quoted:
        about["order"] = order.model_dump(mode="json", exclude=_NO_QUESTION)
        about |= {"besides": besides} if besides else {}
    listed = []
    for group in groups:
        alone = quoted and order.payout.copies == CopiesRule.SEPARATE
        read = sorted(content_of(dataset) for dataset in group) if alone else everything
        for dataset in group:
            question = digest_of({**about, "read": read, "of": content_of(dataset)})
            pointer = f"/datasets/{order.datasets.index(dataset.id)}"
            listed.append(ChargedQuestion(dataset.id, dataset.provider_id, question, pointer))
    return listed


def of_rows(asked: Sequence[ChargedQuestion]) -> list[ChargedQuestion]:
    """What a job with values of rows asks besides: each row's suggested label, and its value, are by others' rows."""
    return [replace(one, question=digest_of({"asks": "rows", "job": one.question})) for one in asked]


def drawn_by(bands: Bands, asker_id: uuid.UUID, test: Dataset, datasets: Sequence[Dataset]) -> str:
    """By what is drawn how many rows beside the test set's a payee of this question needs (``FitQuestion.draws``)."""
    return bands.drawn(
        ("left", asker_id.hex, content_of(test), *sorted(content_of(dataset) for dataset in datasets))
    ).hex()


def segments_drawn_by(bands: Bands) -> str:
    """By what is drawn how many rows a segment of a payee needs: of any question the same (``segment_draws``)."""
    return bands.drawn(("segments",)).hex()


def content_of(dataset: Dataset) -> str:
    """A dataset's bytes, and how they are read."""
    return digest_of({"digest": dataset.digest, "reading": dataset.reading or {}, "target": dataset.target})


def overlap_notes(
    bands: Bands, asker_id: uuid.UUID, order: NewValuation, offers: Sequence[Offer], answer: FitAnswer
) -> list[str]:
    """What is told of copies: of each payee a band, and nothing where it is none."""
    asker, notes = asker_id.hex, []
    everybody = digest_of({"rows": sorted(member.raw for member in answer.members)})
    for offer, member in zip(offers, answer.members, strict=True):
        in_test = bands.band(member.in_test, member.rows, ("test", asker, answer.raw_test, member.raw))
        if in_test in _BAND_WORDS:
            notes.append(_IN_TEST.format(_BAND_WORDS[in_test], offer.shown))
        repeats = bands.band(member.repeats, member.rows, ("repeats", asker, everybody, member.raw))
        if repeats in _BAND_WORDS:
            notes.append(_OF_OWN.format(_BAND_WORDS[repeats], offer.shown))
        if order.payout.copies == CopiesRule.SEPARATE:
            continue
        in_others = bands.band(member.in_others, member.rows, ("others", asker, everybody, member.raw))
        if in_others in _BAND_WORDS:
            notes.append(_IN_OTHERS.format(_BAND_WORDS[in_others], offer.shown, order.payout.copies.value))
    return notes


@dataclass(frozen=True)
class OverlapTold:
    """What was told of one payee's rows: the bands of those in the test set and in others' data."""

    payee: str
    in_test: Band
    in_others: Band


def overlaps_told(notes: Sequence[str]) -> list[OverlapTold]:
    """What a job's notes say of copies, by payee; whoever is not named is in no band above none."""
    found: dict[str, dict[str, Band]] = {}
    for note in notes:
        for where, pattern in _NOTES.items():
            if match := pattern.fullmatch(note):
                found.setdefault(match[2], {})[where] = _SAID[match[1]]
    return [
        OverlapTold(payee, *(bands.get(where, Band.NONE) for where in ("test", "others")))
        for payee, bands in found.items()
    ]


def quoted_findings(findings: Sequence[FileFinding]) -> list[FileFinding]:
    """What a quote tells of a job's files: of others' files nothing that would answer questions about their cells, and
    no count of what the asker's test set has in common with them."""
    return [
        each if each.dataset is None else _uncounted(each)
        for each in findings
        if each.dataset is None or each.finding.code not in _COMPARED
    ]


def _uncounted(said: FileFinding) -> FileFinding:
    if said.finding.code not in _BY_LABEL:
        return said
    detail = said.finding.detail
    words = detail.rpartition(" (")[0] if said.finding.code == "foreign_labels" else detail
    finding = said.finding.model_copy(update={"detail": words, "rows": None, "share": None})
    return said.model_copy(update={"finding": finding})
