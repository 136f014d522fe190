"""Questions to agents over HTTP: who sees them, which answers are kept, what is refused and why."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy.orm import Session

from app.agents import repository, service
from app.http.ids import parse_id
from contract.agent_adapters import AdapterQuestion, packed_adapter
from contract.agents import AgentQuestion, AnswerHead, AskedColumn, AskedEncoding, packed
from contract.document import canonical_json
from contract.openings import OpeningQuestion, TotalsAnswer, answer_bytes

ROWS = 30
REGISTRATION: dict[str, Any] = {
    "rows": ROWS, "columns": [{"name": "age", "kind": "number"}, {"name": "stay", "kind": "number"}], "target": "stay",
    "commitment": "ab" * 32, "learners": ["ridge"],
}  # fmt: skip


def registered(owner: Any, **changes: Any) -> dict[str, Any]:
    made = owner.client.post("/v1/datasets", json={"name": "home", "target": "stay", "format": "agent"}).json()
    content = canonical_json(REGISTRATION | changes)
    stored = owner.client.put(f"/v1/datasets/{made['id']}/content", content=content)
    assert stored.status_code == 200, stored.text
    return dict(stored.json())


def ask(session: Session, dataset: dict[str, Any]) -> AgentQuestion:
    identity = parse_id("ds", dataset["id"])
    question = AgentQuestion(
        dataset=identity.hex, registration=dataset["digest"], commitment="ab" * 32, rows=ROWS, game="cd" * 32,
        buyer="acc_1", purpose=None, learner="ridge", asks="moments",
        encoding=AskedEncoding(columns=(AskedColumn(name="age", kind="number"),), target="stay", scale=(0.0, 1.0)),
    )  # fmt: skip
    repository.ask(session, identity, question, b"")
    repository.ask(session, identity, question, b"")
    session.commit()
    return question


def answer(asked: AgentQuestion, seed: int = 1, **changes: Any) -> bytes:
    x, t = np.random.default_rng(seed).normal(size=(2, ROWS))
    X = np.stack([x, np.ones(ROWS)], axis=1)
    said = {"question": asked.digest, "commitment": "ab" * 32, "rows": ROWS} | changes
    return packed(AnswerHead(**said), {"A": X.T @ X, "b": (X.T @ t)[:, None]}, asked)


def waiting(owner: Any, dataset: str, protocol: int = 1) -> Any:
    return owner.client.get("/v1/agents/questions", params={"dataset": dataset, "protocol": protocol})


def test_a_registration_is_a_dataset_without_a_row(provider: Any) -> None:
    dataset = registered(provider)
    assert (dataset["format"], dataset["rows"], dataset["modality"]) == ("agent", ROWS, "tabular")
    path = f"/v1/datasets/{dataset['id']}"
    for terms, said in (
        ({"licence": {"spdx": "CC0-1.0"}, "preview_rows": 1}, "nobody can be shown rows"),
        ({"licence": {"spdx": "CC0-1.0", "grants": ["data"]}}, "is valued only"),
    ):
        refused = provider.client.post(f"{path}/publish", json=terms)
        assert refused.status_code == 422
        assert said in refused.json()["detail"]
    assert provider.client.post(f"{path}/publish", json={"licence": {"spdx": "CC0-1.0"}}).status_code == 200
    assert provider.client.get(f"{path}/profile").json()["profile"] is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": 0}, "no registration"),
        ({"target": "age"}, "created with `stay`"),
        ({"protocol": 9}, "no registration"),
    ],
)
def test_what_is_no_registration_is_refused(provider: Any, changes: dict[str, Any], said: str) -> None:
    made = provider.client.post("/v1/datasets", json={"name": "home", "target": "stay", "format": "agent"}).json()
    content = canonical_json(REGISTRATION | changes)
    refused = provider.client.put(f"/v1/datasets/{made['id']}/content", content=content)
    assert refused.status_code == 422
    assert said in refused.json()["detail"]


def test_a_question_is_asked_once_answered_once_and_an_answer_may_be_sent_again(
    provider: Any, session: Session
) -> None:
    dataset = registered(provider)
    question = ask(session, dataset)
    found = waiting(provider, dataset["id"]).json()["questions"]
    assert [each["question"] for each in found] == [question.plain()]
    path = f"/v1/agents/questions/{found[0]['id']}/content"
    for _ in range(2):
        assert provider.client.put(path, content=answer(question)).status_code == 200
    assert waiting(provider, dataset["id"]).json()["questions"] == []
    other = provider.client.put(path, content=answer(question, seed=2))
    assert (other.status_code, "answered once" in other.json()["detail"]) == (409, True)
    kept = repository.stored_question(session, parse_id("ds", dataset["id"]), question.digest)
    assert kept is not None
    assert kept.answer == answer(question)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"commitment": "00" * 32}, "another commitment"),
        ({"question": "00" * 32}, "another question"),
        ({"rows": ROWS - 1}, "another number of rows"),
        ({"protocol": 0}, "another protocol"),
    ],
)
def test_what_is_no_answer_is_refused_and_not_kept(
    provider: Any, session: Session, changes: dict[str, Any], said: str
) -> None:
    dataset = registered(provider)
    question = ask(session, dataset)
    (found,) = waiting(provider, dataset["id"]).json()["questions"]
    sent = provider.client.put(f"/v1/agents/questions/{found['id']}/content", content=answer(question, **changes))
    assert sent.status_code == 422
    assert said in sent.json()["detail"]
    too_long = provider.client.put(f"/v1/agents/questions/{found['id']}/content", content=b"x" * 100_000)
    assert too_long.status_code == 413
    assert len(waiting(provider, dataset["id"]).json()["questions"]) == 1


def test_a_refusal_says_why_and_ends_the_question(provider: Any, session: Session) -> None:
    dataset = registered(provider)
    question = ask(session, dataset)
    (found,) = waiting(provider, dataset["id"]).json()["questions"]
    path = f"/v1/agents/questions/{found['id']}"
    assert provider.client.put(f"{path}/refusal", json={"reason": "not for this purpose"}).status_code == 200
    assert provider.client.put(f"{path}/content", content=answer(question)).status_code == 409
    kept = repository.stored_question(session, parse_id("ds", dataset["id"]), question.digest)
    assert kept is not None
    assert kept.refusal == "not for this purpose"


def test_an_opening_is_asked_and_answered_as_sums_are(provider: Any, session: Session) -> None:
    dataset = registered(provider, open_rows=4)
    about = ask(session, dataset)
    question = OpeningQuestion(about=about, answer="ab" * 32, seed="cd" * 32)
    repository.ask(session, parse_id("ds", dataset["id"]), question, b"")
    session.commit()
    first, found = waiting(provider, dataset["id"]).json()["questions"]
    assert (first["question"], found["question"]) == (about.plain(), question.plain())
    path = f"/v1/agents/questions/{found['id']}/content"
    totals = TotalsAnswer(question=question.digest, root="ef" * 32, plus=5, minus=0)
    for content, said in (
        (answer(about), "none to a question about opened rows"),
        (b'{"plus": NaN}', "none to a question about opened rows"),
        (answer_bytes(totals.model_copy(update={"question": about.digest})), "another question"),
        (answer_bytes(totals.model_copy(update={"minus": -5})), "none to a question about opened rows"),
    ):
        refused = provider.client.put(path, content=content)
        assert (refused.status_code, said in refused.json()["detail"]) == (422, True)
    assert provider.client.put(path, content=answer_bytes(totals)).status_code == 200
    now = datetime.now(UTC)
    known = repository.answered(session, parse_id("ds", dataset["id"]), about.game, now - timedelta(hours=1), now)
    assert known == []  # an opening is no answer that is looked at, and the sums were not answered


def test_rows_of_noisy_sums_cannot_be_offered_for_opening(provider: Any) -> None:
    made = provider.client.post("/v1/datasets", json={"name": "home", "target": "stay", "format": "agent"}).json()
    noise = {"epsilon": 1.0, "delta": 1e-6, "clip": 4.0}
    content = canonical_json(REGISTRATION | {"noise": noise, "open_rows": 4})
    refused = provider.client.put(f"/v1/datasets/{made['id']}/content", content=content)
    assert (refused.status_code, "leave open_rows out" in refused.json()["detail"]) == (422, True)


def test_another_providers_questions_do_not_exist(provider: Any, known: Any, session: Session) -> None:
    from app.identity import Role

    dataset = registered(provider)
    question = ask(session, dataset)
    (found,) = waiting(provider, dataset["id"]).json()["questions"]
    other = known(Role.PROVIDER)
    path = f"/v1/agents/questions/{found['id']}"
    assert waiting(other, dataset["id"]).status_code == 404
    assert other.client.put(f"{path}/content", content=answer(question)).status_code == 404
    assert other.client.put(f"{path}/refusal", json={"reason": "mine"}).status_code == 404
    assert other.client.put(f"/v1/agents/questions/aq_{uuid.uuid4().hex}/content", content=b"").status_code == 404


def test_an_old_agent_and_one_of_an_upload_are_told_so(provider: Any, upload: Any, session: Session) -> None:
    old = waiting(provider, registered(provider)["id"], protocol=0)
    assert (old.status_code, "speaks protocol 0" in old.json()["detail"]) == (422, True)
    uploaded = upload(provider, b"age,label\n1,a\n2,b\n")
    assert "it has no agent" in waiting(provider, uploaded["id"]).json()["detail"]


def test_a_withdrawn_dataset_is_not_asked_and_its_sums_can_be_erased(provider: Any, session: Session) -> None:
    dataset = registered(provider)
    question = ask(session, dataset)
    identity = parse_id("ds", dataset["id"])
    provider.client.post(f"/v1/datasets/{dataset['id']}/withdraw")
    assert waiting(provider, dataset["id"]).status_code == 409
    assert repository.forget_dataset(session, identity) == 1
    assert repository.stored_question(session, identity, question.digest) is None
    assert service.MOST_AT_ONCE >= 1


TEXTS: dict[str, Any] = {
    "rows": ROWS, "columns": [{"name": "text", "kind": "text"}], "target": "", "commitment": "ab" * 32,
    "learners": ["lm"], "texts": {"bases": [{"digest": "cd" * 32, "blocks": {"32": 40}}]},
}  # fmt: skip


def test_an_adapter_is_kept_and_what_is_none_is_refused(provider: Any, session: Session) -> None:
    said = {"name": "home", "target": None, "format": "agent", "modality": "text"}
    made = provider.client.post("/v1/datasets", json=said).json()
    stored = provider.client.put(f"/v1/datasets/{made['id']}/content", content=canonical_json(TEXTS))
    assert stored.status_code == 200, stored.text
    assert (stored.json()["modality"], stored.json()["rows"]) == ("text", ROWS)
    identity = parse_id("ds", made["id"])
    question = AdapterQuestion(
        dataset=identity.hex, registration=stored.json()["digest"], commitment="ab" * 32, rows=ROWS, game="cd" * 32,
        buyer="acc_1", purpose=None, base="cd" * 32, vocabulary=256, context=32, blocks=40, seed=3,
        hyper={"layers": 1, "width": 32, "heads": 2, "rank": 2},
    )  # fmt: skip
    repository.ask(session, identity, question, b"")
    session.commit()
    (asked,) = waiting(provider, made["id"]).json()["questions"]
    assert AdapterQuestion.read(asked["question"]) == question
    arrays = {name: np.ones(shape, dtype=np.float32) for name, shape in question.shapes.items()}
    head = AnswerHead(question=question.digest, commitment="ab" * 32, rows=ROWS)
    path = f"/v1/agents/questions/{asked['id']}/content"
    bad = {name: np.full_like(array, np.nan) for name, array in arrays.items()}
    refused = provider.client.put(path, content=packed_adapter(head, bad, question))
    assert refused.status_code == 422
    assert "NaN" in refused.json()["detail"]
    assert provider.client.put(path, content=packed_adapter(head, arrays, question)).json()["status"] == "answered"
