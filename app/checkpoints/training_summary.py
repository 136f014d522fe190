"""What a model was trained on, as its provider must publish it: the template of Article 53(1)(d) of the AI Act. Pure.

Source: Commission, Explanatory Notice and Template for the Public Summary of Training Content (24 July 2025). It fills
what the market knows (whose data, under which licence, of which modality, how much in bands, when) and leaves the rest
to the model's provider by name. Nothing here says a row, an exact number of rows, or whose a dataset was that is not
offered any more.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from app.checkpoints.summary_schemas import (
    KINDS,
    SECTIONS,
    TO_FILL,
    SummaryForgotten,
    SummaryGeneral,
    SummaryKind,
    SummaryModality,
    SummaryProcessing,
    SummarySource,
    TrainingSummary,
)

TEMPLATE = "Article 53(1)(d) of Regulation (EU) 2024/1689; template of 24 July 2025"
NOT_OFFERED = "a provider who offers it no longer"
UNSTATED = "not stated any more"
_LICENSED = KINDS[1]
# of a model that was trained here alone the market knows that these were not used
_KNOWN = KINDS[3:5]
# the template's bands; of tables it has none
_BANDS = {
    "image": ("images", (10**6, 10**9)),
    "tokens": ("tokens", (10**9, 10**13)),
}
_WORDS = {10**6: "1 million", 10**9: "1 billion", 10**13: "10 trillion"}


@dataclass(frozen=True)
class SeenVersion:
    """One dataset's content that the weights have seen. ``provider`` and ``licence`` are None if withdrawn."""

    dataset_id: uuid.UUID
    provider: str | None
    licence: str | None
    modality: str
    rows: int
    offered_at: datetime
    seen_at: datetime
    forgotten_at: datetime | None
    forgotten_by: str | None


@dataclass(frozen=True)
class SummarisedModel:
    """The model: ``trained_here``: no weights were brought from elsewhere, ``base`` names what it stands on."""

    checkpoint_id: uuid.UUID
    name: str
    version: int
    digest: str | None
    base: str | None
    trained_here: bool


def band(modality: str, amount: int) -> str:
    """How much there is, as the template has it: its own bands for images, powers of ten for rows and documents."""
    if modality in _BANDS:
        unit, (low, high) = _BANDS[modality]
        if amount < low:
            return f"less than {_WORDS[low]} {unit}"
        if amount <= high:
            return f"{_WORDS[low]} to {_WORDS[high]} {unit}"
        return f"more than {_WORDS[high]} {unit}"
    unit = "documents" if modality == "text" else "rows"
    floor = 100
    if amount < floor:
        return f"less than {floor} {unit}"
    while amount >= floor * 10:
        floor *= 10
    return f"{floor:,} to {floor * 10:,} {unit}"


def summary(model: SummarisedModel, seen: Sequence[SeenVersion], made_at: datetime) -> TrainingSummary:
    """The document; ``seen`` are all versions, those forgotten too."""
    kept = [each for each in seen if each.forgotten_at is None]
    whole = model.trained_here and model.base is None
    weights = "no weights" if model.digest is None else f"weights with SHA-256 {model.digest}"
    last = max((each.seen_at for each in kept), default=None)
    general = SummaryGeneral(
        model=model.name,
        model_versions=f"version {model.version}, {weights}",
        depends_on=model.base,
        modalities=_modalities(kept),
        latest_acquisition=_day(last) if last is not None and whole else TO_FILL,
    )
    return TrainingSummary(
        template=TEMPLATE,
        made_at=made_at,
        checkpoint_id=model.checkpoint_id,
        whole=whole,
        general=general,
        sources=[_of_kind(kind, kept, whole) for kind in KINDS],
        processing=SummaryProcessing(reservations_of_rights=_rights(kept, whole), forgotten=_forgotten(seen)),
    )


def _of_kind(kind: str, kept: Sequence[SeenVersion], whole: bool) -> SummaryKind:
    if kind == _LICENSED and kept:
        note = "Licensed by their providers for valuation and training over the market; jobs pay providers by value."
        return SummaryKind(section=SECTIONS[kind], kind=kind, used="yes", sources=_sources(kept), note=note)
    if whole and kind in _KNOWN:
        note = "The market scraped nothing for it, and used no data of its users."
        return SummaryKind(section=SECTIONS[kind], kind=kind, used="no", sources=[], note=note)
    return SummaryKind(section=SECTIONS[kind], kind=kind, used=TO_FILL, sources=[], note=TO_FILL)


def _sources(kept: Iterable[SeenVersion]) -> list[SummarySource]:
    def kind(each: SeenVersion) -> tuple[str, str]:
        return each.licence or UNSTATED, each.modality

    answers = []
    for (licence, modality), group in groupby(sorted(kept, key=kind), kind):
        some = list(group)
        answers.append(
            SummarySource(
                providers=sorted({each.provider or NOT_OFFERED for each in some}),
                licence=licence,
                modality=modality,
                datasets=len({each.dataset_id for each in some}),
                size=band(modality, sum(each.rows for each in some)),
                offered_from=_day(min(each.offered_at for each in some)),
                seen_from=_day(min(each.seen_at for each in some)),
                seen_to=_day(max(each.seen_at for each in some)),
            )
        )
    return answers


def _modalities(kept: Sequence[SeenVersion]) -> list[SummaryModality]:
    amounts: dict[str, int] = {}
    for each in kept:
        amounts[each.modality] = amounts.get(each.modality, 0) + each.rows
    return [SummaryModality(modality=name, size=band(name, rows)) for name, rows in sorted(amounts.items())]


def _forgotten(seen: Sequence[SeenVersion]) -> list[SummaryForgotten]:
    ended: dict[tuple[date, str], set[uuid.UUID]] = {}
    for each in seen:
        if each.forgotten_at is not None:
            ended.setdefault((each.forgotten_at.date(), each.forgotten_by or ""), set()).add(each.dataset_id)
    return [
        SummaryForgotten(forgotten_on=day.isoformat(), method=method, datasets=len(which))
        for (day, method), which in sorted(ended.items())
    ]


def _rights(kept: Sequence[SeenVersion], whole: bool) -> str:
    if not kept:
        return TO_FILL
    said = (
        "Each dataset of this market was offered by its provider, who states licence, purposes and territories; "
        "a provider may withdraw it, and the weights are then made to forget it or are erased."
    )
    return said if whole else f"{said} Of all other data: {TO_FILL}."


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
