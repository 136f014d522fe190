"""What a worker finds in a dataset, and that it tells nobody anything of another's."""

import io
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.datasets.profiles import profiling
from app.datasets.profiles.minhash import KEEP, Sketch, contained, mixed, similarity, sketch
from app.datasets.profiles.profile import profile
from app.datasets.readers import Limits
from app.datasets.tables import DatasetSignature, DatasetVersion, ProfileStatus
from app.identity import Role
from app.outbox.tables import OutboxMessage
from worker.jobs.profile import profile as work_on


def elements(count: int, start: int = 0) -> Any:
    return mixed(np.arange(start, start + count, dtype=np.uint64))


@settings(deadline=None, max_examples=50)
@given(a=st.integers(0, 4000), b=st.integers(0, 4000), shift=st.integers(0, 4000))
def test_sketches_tell_how_alike_sets_are(a: int, b: int, shift: int) -> None:
    one, two = sketch(elements(a)), sketch(elements(b, shift))
    common = max(0, min(a, shift + b) - shift)
    union = a + b - common
    alike = common / union if union else 0.0
    slack = 0.0 if a <= KEEP and b <= KEEP else 5 * (0.25 / KEEP) ** 0.5
    assert abs(similarity(one, two) - alike) <= slack + 1e-12
    assert similarity(one, two) == similarity(two, one)
    if a:
        assert abs(contained(one, two) - common / a) <= slack * 2 * max(1.0, (a + b) / a) + 1e-9


def test_repetitions_count_once() -> None:
    once, twice = sketch(elements(500)), sketch(np.concatenate([elements(500)] * 3))
    assert similarity(once, twice) == 1.0
    assert twice.distinct == 500


def rows(seed: int, count: int = 300) -> list[str]:
    rng = np.random.default_rng(seed)
    pairs = zip(rng.normal(size=count), rng.integers(0, 10_000, count), strict=True)
    return [f"{x:.4f},{n},{'yes' if x > 0 else 'no'}" for x, n in pairs]


def csv(lines: list[str], header: str = "x,n,label") -> bytes:
    return "\n".join([header, *lines]).encode() + b"\n"


def look(tmp_path: Path, content: bytes, modality: str = "tabular", kind: str = "csv", **how: Any) -> Any:
    path = tmp_path / uuid.uuid4().hex
    path.write_bytes(content)
    told = {"target": "label", "limits": Limits(), "name": "it", "preview_rows": 2} | how
    return profile(path, modality=modality, format=kind, **told)


def alike(one: Any, two: Any, kind: str) -> float:
    def made(told: Any) -> Sketch:
        found = told.sketches[kind]
        return Sketch(np.array(found.hashes, dtype=np.int64), found.distinct)

    return similarity(made(one), made(two))


def test_a_profile_counts_columns_labels_and_repeated_rows(tmp_path: Path) -> None:
    found = look(tmp_path, csv(["1.5,2,yes", "0.5,4,no", "1.5,2,yes", "2.5,6,yes"]))
    assert found.profile == {
        "rows": 4,
        "columns": [
            {"name": "x", "type": "number", "missing": 0, "min": 0.5, "max": 2.5, "mean": 1.5}
            | {"histogram": [1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]},
            {"name": "n", "type": "integer", "missing": 0, "min": 2, "max": 6, "mean": 3.5}
            | {"histogram": [2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]},
            {"name": "label", "type": "text", "missing": 0, "distinct": 2}
            | {"most_frequent": [{"value": "yes", "rows": 3}, {"value": "no", "rows": 1}]},
        ],
        "labels": {"yes": 3, "no": 1},
        "repeated_rows": 1,
    }
    assert found.preview == [[1.5, 2, "yes"], [0.5, 4, "no"]]
    json.dumps(found.plain())


def test_columns_without_a_spread_have_no_histogram_and_of_many_texts_the_most_frequent_are_named(
    tmp_path: Path,
) -> None:
    lines = [f"7,{'' if at else 1e308},{'abcdefghij'[at]}" for at in range(10)] + ["7,-1e308,c", "7,,c", "7,,b"]
    constant, far, texts = look(tmp_path, csv(lines)).profile["columns"]
    assert constant["histogram"] is None
    assert far["histogram"] is None
    assert [(each["value"], each["rows"]) for each in texts["most_frequent"]] == [
        ("c", 3), ("b", 2), ("a", 1), ("d", 1), ("e", 1), ("f", 1), ("g", 1), ("h", 1)
    ]  # fmt: skip


def test_order_format_and_names_of_columns_hide_no_copy(tmp_path: Path) -> None:
    lines = rows(1)
    one = look(tmp_path, csv(lines))
    turned = ["\t".join([line.split(",")[i] for i in (1, 0, 2)]) for line in reversed(lines)]
    two = look(tmp_path, csv(turned, "a\tb\tlabel"), kind="tsv")
    assert alike(one, two, "rows") == alike(one, two, "coarse") == 1.0
    assert alike(one, look(tmp_path, csv(rows(2))), "coarse") < 0.05


def test_other_labels_and_small_changes_hide_no_copy_from_the_coarse_sketch(tmp_path: Path) -> None:
    lines = rows(1)
    one = look(tmp_path, csv(lines))
    # 4.5678 and 4.5679 are one number to three digits, save at the edges
    changed = [f"{float(x) * (1 + 1e-6):.7f},{n},no" for x, n, _ in (line.split(",") for line in lines)]
    two = look(tmp_path, csv(changed))
    assert alike(one, two, "rows") < 0.05
    assert alike(one, two, "coarse") > 0.8


def test_a_text_that_shares_its_pages_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in rng.integers(0, 5000, 4000)]
    whole = look(tmp_path, " ".join(words).encode(), "text", "text", target=None)
    part = look(tmp_path, " ".join(words[:3600]).upper().encode(), "text", "text", target=None)
    other = look(tmp_path, " ".join(reversed(words)).encode(), "text", "text", target=None)
    assert alike(whole, part, "coarse") == pytest.approx(0.9, abs=0.05)
    assert alike(whole, other, "coarse") == 0.0


def test_arrays_of_images_are_hashed(tmp_path: Path) -> None:
    X = np.random.default_rng(0).integers(0, 255, (40, 8, 8)).astype(np.float32)
    buffer, brighter = io.BytesIO(), io.BytesIO()
    np.savez(buffer, X=X, y=np.arange(40) % 2)
    np.savez(brighter, X=X * 0.5 + 3, y=np.arange(40) % 2)
    one = look(tmp_path, buffer.getvalue(), "image", "npz", target="y")
    two = look(tmp_path, brighter.getvalue(), "image", "npz", target="y")
    assert (alike(one, two, "rows"), alike(one, two, "coarse")) == (0.0, 1.0)
    assert one.preview == [[None, 0], [None, 1]]


@pytest.fixture
def worked(app: FastAPI, session: Session) -> Callable[[], int]:
    """Do all profile tasks that are recorded, as a worker does; how many."""

    def do() -> int:
        messages = session.scalars(select(OutboxMessage).where(OutboxMessage.task == profiling.TASK)).all()
        for message in messages:
            factory, state = app.state.session_factory, app.state
            work_on(factory, state.blobs, state.settings, uuid.UUID(message.args["dataset_id"]), message.args["number"])
            session.delete(message)
        session.commit()
        session.expire_all()
        return len(messages)

    return do


def test_owners_see_the_profile_of_the_newest_version_once_it_is_made(
    provider: Any, upload: Callable[..., Any], worked: Callable[[], int]
) -> None:
    dataset = upload(provider, csv(rows(1)))
    path = f"/v1/datasets/{dataset['id']}/profile"
    assert provider.client.get(path).json() == {"number": 1, "profile_status": "pending", "profile": None}
    assert worked() == 1
    found = provider.client.get(path).json()
    assert found["profile_status"] == "done"
    assert found["profile"]["rows"] == 300
    assert found["profile"]["in_other_listings"] == {"rows": "none", "coarse": "none"}
    assert sum(found["profile"]["columns"][0]["histogram"]) == 300
    provider.client.put(f"/v1/datasets/{dataset['id']}/content", content=csv(rows(2, 200)))
    worked()
    assert provider.client.get(path).json()["profile"]["rows"] == 200


def test_a_copy_is_told_in_bands_without_its_owner(
    known: Callable[..., Any], upload: Callable[..., Any], publish: Callable[..., Any], worked: Callable[[], int]
) -> None:
    first, second = known(Role.PROVIDER, "Alder"), known(Role.PROVIDER, "Birch")
    publish(first, csv(rows(1, 400)), name="secret name")
    worked()
    copied = upload(second, csv(rows(1, 400)[:200] + rows(2, 400)[:180]))
    whole = upload(second, csv(rows(1, 400)[:390]))
    worked()
    answer = second.client.get(f"/v1/datasets/{copied['id']}/profile")
    assert answer.json()["profile"]["in_other_listings"] == {"rows": "some", "coarse": "some"}
    assert second.client.get(f"/v1/datasets/{whole['id']}/profile").json()["profile"]["in_other_listings"] == {
        "rows": "much",
        "coarse": "much",
    }
    assert "secret" not in answer.text
    assert "Alder" not in answer.text


def test_single_rows_cannot_be_asked_for(
    known: Callable[..., Any], upload: Callable[..., Any], publish: Callable[..., Any], worked: Callable[[], int]
) -> None:
    first, second = known(Role.PROVIDER), known(Role.PROVIDER)
    publish(first, csv(rows(1)))
    probe = upload(second, csv(rows(1)[:1]))
    worked()
    found = second.client.get(f"/v1/datasets/{probe['id']}/profile").json()["profile"]
    assert found["in_other_listings"] == {"rows": "unknown", "coarse": "unknown"}


def test_what_is_not_published_is_compared_with_nobody(
    known: Callable[..., Any], upload: Callable[..., Any], worked: Callable[[], int]
) -> None:
    first, second = known(Role.PROVIDER), known(Role.PROVIDER)
    upload(first, csv(rows(1)))
    mine = upload(second, csv(rows(1)))
    worked()
    found = second.client.get(f"/v1/datasets/{mine['id']}/profile").json()["profile"]
    assert found["in_other_listings"] == {"rows": "none", "coarse": "none"}


def test_a_withdrawn_dataset_leaves_no_findings(
    provider: Any, publish: Callable[..., Any], worked: Callable[[], int], session: Session
) -> None:
    dataset = publish(provider, csv(rows(1)), preview_rows=2)
    worked()
    assert session.scalar(select(func.count()).select_from(DatasetSignature)) == 2
    provider.client.post(f"/v1/datasets/{dataset['id']}/withdraw")
    assert session.scalar(select(func.count()).select_from(DatasetSignature)) == 0
    assert provider.client.get(f"/v1/datasets/{dataset['id']}/profile").status_code == 404


def test_a_lost_task_is_sent_again_and_given_up_at_last(
    provider: Any, upload: Callable[..., Any], session: Session
) -> None:
    upload(provider, csv(rows(1)))
    version = session.scalars(select(DatasetVersion)).one()
    assert profiling.send_lost(session) == 0
    for attempt in range(profiling.MAX_ATTEMPTS + 1):
        version.profile_due_at = datetime.now(UTC) - timedelta(seconds=1)
        session.flush()
        assert profiling.send_lost(session) == 1
        pending = attempt < profiling.MAX_ATTEMPTS
        assert (version.profile_status is ProfileStatus.PENDING) is pending
        if pending:
            assert profiling.begin(session, version.dataset_id, 1) is not None
    assert version.profile_status is ProfileStatus.FAILED
    assert profiling.begin(session, version.dataset_id, 1) is None
