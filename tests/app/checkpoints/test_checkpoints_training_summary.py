"""The public summary of training content: what the market knows is in it, in bands, and nothing else."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from app.checkpoints.summary_schemas import KINDS, TO_FILL
from app.checkpoints.training_summary import NOT_OFFERED, SeenVersion, SummarisedModel, band, summary

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
MODEL = SummarisedModel(uuid.UUID(int=7), "triage", 2, "ab" * 32, None, trained_here=True)


def seen(number: int, **changes: Any) -> SeenVersion:
    facts: dict[str, Any] = {
        "dataset_id": uuid.UUID(int=number),
        "provider": f"Clinic {number}",
        "licence": "CC-BY-4.0",
        "modality": "tabular",
        "rows": 412,
        "offered_at": datetime(2026, 11, 1, tzinfo=UTC),
        "seen_at": datetime(2026, 11, 20 + number, tzinfo=UTC),
        "forgotten_at": None,
        "forgotten_by": None,
    }
    return SeenVersion(**facts | changes)


@pytest.mark.parametrize(
    ("modality", "amount", "words"),
    [
        ("tabular", 99, "less than 100 rows"),
        ("tabular", 100, "100 to 1,000 rows"),
        ("tabular", 999, "100 to 1,000 rows"),
        ("array", 1000, "1,000 to 10,000 rows"),
        ("text", 412, "100 to 1,000 documents"),
        ("image", 999_999, "less than 1 million images"),
        ("image", 10**9, "1 million to 1 billion images"),
        ("image", 10**9 + 1, "more than 1 billion images"),
    ],
)
def test_sizes_are_told_in_bands(modality: str, amount: int, words: str) -> None:
    assert band(modality, amount) == words


def test_datasets_are_told_by_licence_and_modality_with_the_names_of_who_offers_them() -> None:
    said = summary(MODEL, [seen(1), seen(2), seen(3, modality="image"), seen(4, licence="CC0-1.0")], NOW)
    licensed = said.sources[1]
    assert (licensed.section, licensed.kind, licensed.used) == ("2.2.1", KINDS[1], "yes")
    assert [each.section for each in said.sources] == ["2.1", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6"]
    assert [(each.licence, each.modality, each.datasets) for each in licensed.sources] == [
        ("CC-BY-4.0", "image", 1),
        ("CC-BY-4.0", "tabular", 2),
        ("CC0-1.0", "tabular", 1),
    ]
    tables = licensed.sources[1]
    assert (tables.providers, tables.size) == (["Clinic 1", "Clinic 2"], "100 to 1,000 rows")
    assert (tables.seen_from, tables.seen_to, tables.offered_from) == ("2026-11-21", "2026-11-22", "2026-11-01")
    assert [(each.modality, each.size) for each in said.general.modalities] == [
        ("image", "less than 1 million images"),
        ("tabular", "1,000 to 10,000 rows"),
    ]
    assert "412" not in said.model_dump_json()
    assert said.general.latest_acquisition == "2026-11-24"


def test_what_the_market_does_not_know_is_left_to_the_models_provider() -> None:
    here = summary(MODEL, [seen(1)], NOW)
    assert here.whole
    assert [each.used for each in here.sources] == [TO_FILL, "yes", TO_FILL, "no", "no", TO_FILL, TO_FILL]
    general = here.general
    assert {general.model_provider, general.placed_on_union_market, general.languages} == {TO_FILL}
    brought = SummarisedModel(MODEL.checkpoint_id, "triage", 1, "ab" * 32, None, trained_here=False)
    onto = SummarisedModel(MODEL.checkpoint_id, "triage", 1, "ab" * 32, "a base", trained_here=True)
    for model in (brought, onto):
        said = summary(model, [seen(1)], NOW)
        assert not said.whole
        assert "no" not in {each.used for each in said.sources}
        assert said.general.latest_acquisition == TO_FILL
        assert TO_FILL in said.processing.reservations_of_rights
    empty = summary(brought, [], NOW)
    assert {each.used for each in empty.sources} == {TO_FILL}


def test_what_was_forgotten_is_no_source_and_its_provider_is_not_named() -> None:
    gone = {
        "provider": None,
        "licence": None,
        "forgotten_at": datetime(2026, 11, 29, tzinfo=UTC),
        "forgotten_by": "erase",
    }
    said = summary(MODEL, [seen(1), seen(2, **gone)], NOW)
    assert [each.providers for each in said.sources[1].sources] == [["Clinic 1"]]
    assert [(each.forgotten_on, each.method, each.datasets) for each in said.processing.forgotten] == [
        ("2026-11-29", "erase", 1)
    ]
    waiting = summary(MODEL, [seen(2, provider=None, licence=None)], NOW)
    assert waiting.sources[1].sources[0].providers == [NOT_OFFERED]
