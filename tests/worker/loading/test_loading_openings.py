"""One answer of an agent borne out by opened rows, or found false: by sums, by terms, by rows, by paths."""

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import agent.openings
from agent import desk as desks
from agent import policy
from agent.desk import Desk
from agent.errors import NotAllowed
from agent.state import Folder
from app.agents.tables import AskedQuestion
from contract.agents import AgentQuestion, AnswerHead, Array, packed, unpacked
from contract.openings import Mismatch, OpeningQuestion
from tests.agent.test_agent_desk import NUMBER
from tests.agent_market import table
from worker.engine.learners.row_terms import determined
from worker.loading.openings import SumsCheck

ROWS = 150
Change = Callable[[dict[str, Any]], None]


@dataclass
class AtHome:
    """A desk that answers at once; ``change`` is made to what opens rows."""

    own: Desk
    change: Change | None = None
    asked: int = 0

    def ask(self, dataset: uuid.UUID, question: Any, models: bytes) -> None:
        raise AssertionError("openings are waited for")

    def answer(self, dataset: uuid.UUID, question: Any, models: bytes, check: Any) -> bytes:
        assert isinstance(question, OpeningQuestion)
        content = self.own.bear_out(question, models)
        self.asked += question.opens
        if self.change is not None and question.root:
            plain = json.loads(content)
            self.change(plain)
            return json.dumps(plain).encode()
        return content


def asked(folder: Path, **allowed: Any) -> tuple[Desk, AgentQuestion]:
    (folder / "rows.csv").write_text(table(1, ROWS))
    allowing = policy.Policy(learners=("ridge",), open_rows=10_000, **allowed)
    own = Desk.open(folder / "rows.csv", "stay", allowing, Folder(folder / "state"))
    own.created("ds_" + "01" * 16)
    own.registered(own.registration())
    question = AgentQuestion(
        dataset=own.state.dataset, registration=own.state.registration_digest, commitment=own.state.commitment,
        rows=own.state.rows, game="ab" * 32, buyer="acc_1", purpose=None, learner="ridge", asks="moments",
        encoding=NUMBER,
    )  # fmt: skip
    return own, question


def checked(home: AtHome, question: AgentQuestion, answer: bytes, count: int = 8, secret: bytes = b"secret") -> None:
    row = AskedQuestion(
        dataset_id=uuid.UUID(question.dataset), digest=question.digest, question=question.plain(), models=b"",
        answer=answer,
    )  # fmt: skip
    SumsCheck(home, row, home.own.registration(), secret).run(count, lambda: None)


def inflated(question: AgentQuestion, answer: bytes, by: float) -> bytes:
    arrays = unpacked(question, answer, None)
    changed = {**arrays, "b": arrays["b"] * by}
    head, _, _ = answer.partition(b"\n")
    return packed(AnswerHead.read(json.loads(head)), changed, question)


def test_an_honest_agent_bears_its_sums_out_and_the_same_rows_again_after_a_crash(tmp_path: Path) -> None:
    own, question = asked(tmp_path)
    answer, home = own.answer(question, b""), AtHome(own)
    checked(home, question, answer)
    assert own.state.opened == {question.game: 8}
    checked(home, question, answer)
    assert (own.state.opened, home.asked) == ({question.game: 8}, 16)
    checked(home, question, answer, secret=b"another job's")
    assert own.state.opened == {question.game: 16}


def test_sums_of_other_rows_are_found_by_their_total(tmp_path: Path) -> None:
    own, question = asked(tmp_path)
    answer = own.answer(question, b"")
    for by in (1.001, 0.5, 3.0):
        with pytest.raises(Mismatch, match="add up to"):
            checked(AtHome(own), question, inflated(question, answer, by))
    assert own.state.opened == {question.game: 0}


@pytest.mark.parametrize("spread", [1, 15, ROWS], ids=["one row", "a tenth", "all rows"])
def test_terms_that_make_up_for_false_sums_are_met_as_often_as_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spread: int
) -> None:
    """What a liar must add to the terms is met by half of the draws with the chance of its part of all terms' size."""
    own, question = asked(tmp_path)
    false = inflated(question, own.answer(question, b""), 1.5)
    honest, caught, chances = agent.openings.opened_terms, [], []

    def lying(about: AgentQuestion, rows: Any, models: Array, weights: Any) -> Array:
        terms = honest(about, rows, models, weights)
        lack = agent_determined(about, false, weights) - terms.sum()
        added = np.zeros(ROWS)
        added[:spread] = lack / spread
        size = np.abs(terms + added)
        chances.append(1 - (1 - size[:spread].sum() / size.sum()) ** 2 * (1 - spread / ROWS) ** 2)
        return np.asarray(terms + added)

    monkeypatch.setattr(agent.openings, "opened_terms", lying)
    draws = 60
    for draw in range(draws):
        try:
            checked(AtHome(own), question, false, count=4, secret=str(draw).encode())
        except Mismatch as mismatch:
            caught.append(str(mismatch))
    expected, spreads = float(np.mean(chances)), float(np.std(chances))
    assert all("was added up for it" in each for each in caught)
    assert len(caught) / draws == pytest.approx(
        expected, abs=3 * np.sqrt(expected * (1 - expected) / draws) + spreads / 2
    )
    assert spread < ROWS or len(caught) == draws


def agent_determined(about: AgentQuestion, answer: bytes, weights: Any) -> float:
    return determined(about, unpacked(about, answer, None), weights)


def other_row(plain: dict[str, Any]) -> None:
    cells = json.loads(plain["rows"][0]["row"])
    cells[0] = cells[0][:4] + ("8" if cells[0][4] != "8" else "4") + cells[0][5:]
    plain["rows"][0]["row"] = json.dumps(cells, separators=(",", ":"))


def other_salt(plain: dict[str, Any]) -> None:
    plain["rows"][0]["salt"] = "00" * 32


def other_terms(plain: dict[str, Any]) -> None:
    plain["rows"][0]["plus"] += 1


def swapped(plain: dict[str, Any]) -> None:
    plain["rows"].reverse()


def not_the_one_that_is_met(plain: dict[str, Any]) -> None:
    first, *others = plain["rows"]
    plain["rows"][0] = next(each for each in others if each["place"] != first["place"])


def fewer(plain: dict[str, Any]) -> None:
    plain["rows"].pop()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_row, "not among the rows that were committed to"),
        (other_salt, "not among the rows that were committed to"),
        (other_terms, "not among those that were added up"),
        (swapped, "the mark meets|in the place of"),
        (not_the_one_that_is_met, "not the one that the mark meets"),
        (fewer, "opens 3 rows, and 4 are asked for"),
    ],
)
def test_other_rows_than_were_drawn_are_found(tmp_path: Path, change: Change, said: str) -> None:
    own, question = asked(tmp_path)
    with pytest.raises(Mismatch, match=said):
        checked(AtHome(own, change), question, own.answer(question, b""))


def test_rows_that_changed_since_they_were_committed_to_are_found(tmp_path: Path) -> None:
    own, question = asked(tmp_path)
    answer = own.answer(question, b"")
    (tmp_path / "rows.csv").write_text(table(2, ROWS))
    own.table = desks.tables.read(tmp_path / "rows.csv")
    own._encoded = None
    changed = own.answer(question.model_copy(update={"buyer": "acc_2"}), b"")
    assert changed != answer
    sent = changed.replace(question.model_copy(update={"buyer": "acc_2"}).digest.encode(), question.digest.encode())
    with pytest.raises(Mismatch, match="not among the rows that were committed to"):
        checked(AtHome(own), question, sent)


def test_an_answer_of_before_does_not_pass_for_another(tmp_path: Path) -> None:
    own, question = asked(tmp_path)
    answer, home = own.answer(question, b""), AtHome(own)
    kept: list[dict[str, Any]] = []
    checked(AtHome(own, kept.append), question, answer)

    def replay(plain: dict[str, Any]) -> None:
        plain.update(kept[0])

    home.change = replay
    with pytest.raises(Mismatch, match="another question"):
        checked(home, question, answer, secret=b"another job's")


def test_no_more_rows_than_the_owner_allows_leave_ever(tmp_path: Path) -> None:
    own, question = asked(tmp_path)
    own.policy = own.policy.model_copy(update={"open_rows": 12})
    answer = own.answer(question, b"")
    checked(AtHome(own), question, answer)
    with pytest.raises(NotAllowed, match="opens 12 rows for a job; 12 are opened, and 4 more"):
        checked(AtHome(own), question, answer, secret=b"another job's")
    assert own.folder.load().opened == {question.game: 12}
    own.policy = own.policy.model_copy(update={"open_rows": 0})
    with pytest.raises(NotAllowed, match="opens no rows"):
        checked(AtHome(own), question, answer, secret=b"a third")
    own.policy = own.policy.model_copy(update={"open_rows": 12})
    never = question.model_copy(update={"game": "cd" * 32})
    with pytest.raises(NotAllowed, match="never gave"):
        own.bear_out(OpeningQuestion(about=never, answer="ab" * 32, seed="ab" * 32), b"")


def test_rows_are_opened_under_the_agents_own_tree_alone(tmp_path: Path) -> None:
    own, question = asked(tmp_path)
    digest = hashlib.sha256(own.answer(question, b"")).hexdigest()
    asks = OpeningQuestion(about=question, answer=digest, seed="ab" * 32, root="cd" * 32, places=(1,))
    with pytest.raises(NotAllowed, match="another root"):
        own.bear_out(asks, b"")
