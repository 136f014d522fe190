"""The public summary of training content, in the sections of the Commission's template (AI Act, Article 53(1)(d))."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.http.ids import CheckpointId
from app.http.schemas import Answer, example

TO_FILL: Literal["to be filled by the provider of the model"] = "to be filled by the provider of the model"
# what the template asks of each kind of source; 2.2 is of private, not publicly available datasets of third parties
KINDS = (
    "publicly available datasets",
    "datasets commercially licensed by rightsholders or their representatives",
    "private datasets obtained from other third parties",
    "data crawled and scraped from online sources",
    "user data",
    "synthetic data",
    "other sources of data",
)
SECTIONS = dict(zip(KINDS, ("2.1", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6"), strict=True))

_SOURCE: dict[str, Any] = {
    "providers": ["Hill Clinic"],
    "licence": "CC-BY-4.0",
    "modality": "tabular",
    "datasets": 1,
    "size": "100 to 1,000 rows",
    "offered_from": "2026-11-02",
    "seen_from": "2026-11-23",
    "seen_to": "2026-11-23",
}
_GENERAL: dict[str, Any] = {
    "model_provider": TO_FILL,
    "authorised_representative": TO_FILL,
    "model": "triage v2",
    "model_versions": "version 1, weights with SHA-256 2c26b46b…",
    "depends_on": None,
    "placed_on_union_market": TO_FILL,
    "modalities": [{"modality": "tabular", "size": "100 to 1,000 rows"}],
    "types_of_content": TO_FILL,
    "latest_acquisition": "2026-11-23",
    "languages": TO_FILL,
    "other_characteristics": TO_FILL,
}
_PROCESSING: dict[str, Any] = {
    "reservations_of_rights": "Each dataset was offered by its provider …",
    "removal_of_illegal_content": TO_FILL,
    "forgotten": [{"forgotten_on": "2026-11-25", "method": "erase", "datasets": 1}],
    "other": TO_FILL,
}


class SummaryModality(Answer):
    """One modality of the data from this market, and how much of it there is, in a band."""

    modality: str
    size: str


class SummaryGeneral(Answer):
    """Section 1 of the template: the model, its provider, and the training data altogether."""

    model_config = example(**_GENERAL)

    model_provider: str = TO_FILL
    authorised_representative: str = TO_FILL
    model: str
    model_versions: str
    depends_on: str | None = Field(
        description="The model that it was made from; null where it was trained from nothing."
    )
    placed_on_union_market: str = TO_FILL
    modalities: list[SummaryModality]
    types_of_content: str = TO_FILL
    latest_acquisition: str = Field(description="The last day on which a dataset of this market was used for it.")
    languages: str = TO_FILL
    other_characteristics: str = TO_FILL


class SummarySource(Answer):
    """Datasets of one kind, licence and modality, by the names that their providers chose."""

    model_config = example(**_SOURCE)

    providers: list[str]
    licence: str
    modality: str
    datasets: int
    size: str
    offered_from: str = Field(description="The day of the oldest of the datasets' versions.")
    seen_from: str = Field(description="The first day on which a job used one of them for the model.")
    seen_to: str


class SummaryKind(Answer):
    """One kind of source of section 2."""

    section: str = Field(description="Its number in the template.")
    kind: str
    used: Literal["yes", "no", "to be filled by the provider of the model"]
    sources: list[SummarySource]
    note: str


class SummaryForgotten(Answer):
    """Datasets that were withdrawn, and that the weights were made to forget."""

    forgotten_on: str
    method: str
    datasets: int


class SummaryProcessing(Answer):
    """Section 3 of the template: how the data was processed."""

    model_config = example(**_PROCESSING)

    reservations_of_rights: str
    removal_of_illegal_content: str = TO_FILL
    forgotten: list[SummaryForgotten]
    other: str = TO_FILL


class TrainingSummary(Answer):
    """The facts that this market knows of what a model was trained on; other fields are the model's provider's to fill.

    ``whole`` says whether the model was trained on this market's data alone.
    """

    model_config = example(
        template="Article 53(1)(d) of Regulation (EU) 2024/1689",
        made_at="2026-11-30T12:00:00Z",
        checkpoint_id="ck_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
        whole=True,
        general=_GENERAL,
        sources=[{"section": "2.2.1", "kind": KINDS[1], "used": "yes", "sources": [_SOURCE], "note": "…"}],
        processing=_PROCESSING,
    )

    template: str
    made_at: datetime
    checkpoint_id: CheckpointId
    whole: bool
    general: SummaryGeneral
    sources: list[SummaryKind]
    processing: SummaryProcessing
