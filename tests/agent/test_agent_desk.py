"""What an agent answers, refuses and remembers; nothing here leaves the process."""

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from agent import encoding, noise, policy, sums, tables
from agent.desk import Desk
from agent.errors import AgentError, NotAllowed
from agent.journal import JournalTransport
from agent.policy import Policy
from agent.serve import connect, waited_out
from agent.state import Folder, State
from cherish import Problem
from contract.agents import AgentQuestion, AskedColumn, AskedEncoding, NoiseTerms, unpacked
from contract.gaussian_privacy import multiplier_for
from tests.agent_market import table

NUMBER = AskedEncoding(
    columns=(
        AskedColumn(name="age", kind="number", center=50.0, spread=10.0),
        AskedColumn(name="ward", kind="text", categories=("w0", "w1")),
    ),
    target="stay",
    scale=(3.0, 2.0),
)
NOISE = NoiseTerms(epsilon=1.0, delta=1e-6, clip=4.0)


def desk(folder: Path, content: str = table(1), target: str = "stay", **allowed: Any) -> Desk:
    path = folder / "rows.csv"
    path.write_text(content)
    opened = Desk.open(path, target, Policy(**{"learners": ("ridge",), **allowed}), Folder(folder / "state"))
    opened.created("ds_" + "01" * 16)
    opened.registered(opened.registration())
    return opened


def question(of: Desk, **changes: Any) -> AgentQuestion:
    said = {
        "dataset": of.state.dataset, "registration": of.state.registration_digest, "commitment": of.state.commitment,
        "rows": of.state.rows, "game": "ab" * 32, "buyer": "acc_1", "purpose": "research", "learner": "ridge",
        "asks": "moments", "encoding": NUMBER,
    }  # fmt: skip
    return AgentQuestion(**{**said, **changes})


def test_sums_are_those_of_the_encoded_rows(tmp_path: Path) -> None:
    own = desk(tmp_path)
    asked = question(own)
    got = unpacked(asked, own.answer(asked, b""), None)
    X, y = encoding.encoded(own.table, NUMBER)
    Z = np.concatenate([X.astype(np.float64), np.ones((len(X), 1))], axis=1)
    assert X.shape == (150, 4)
    assert X[:, 1:].sum(axis=1).tolist() == [1.0] * 150
    assert got["A"] == pytest.approx(Z.T @ Z)
    assert got["b"][:, 0] == pytest.approx(Z.T @ y)


@pytest.mark.parametrize(
    ("allowed", "changes", "said"),
    [
        ({"max_jobs": 0}, {}, "allows 0 jobs"),
        ({"purposes": ("cure",)}, {}, "allows the purposes cure"),
        ({"buyers": ("acc_2",)}, {}, "does not allow this buyer"),
        ({"least_rows": 151}, {}, "fewer than 151"),
        ({"least_group": 80}, {}, "merge rare values"),
        ({}, {"learner": "logistic"}, "not logistic"),
        ({}, {"asks": "objective", "stack": 1}, "ridge needs moments"),
        ({}, {"commitment": "00" * 32}, "another commitment"),
        ({}, {"protocol": 2}, "another protocol"),
        ({}, {"dataset": "02" * 16}, "another dataset"),
        ({}, {"rows": 3}, "another number of rows"),
        ({}, {"encoding": NUMBER.model_copy(update={"target": "ward"})}, "it holds texts"),
        ({}, {"encoding": NUMBER.model_copy(update={"columns": (AskedColumn(name="ssn", kind="text"),)})}, "no such"),
    ],
)
def test_more_than_the_owner_allows_is_refused(
    tmp_path: Path, allowed: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    own = desk(tmp_path, **allowed)
    with pytest.raises(NotAllowed, match=said):
        own.answer(question(own, **changes), b"")
    assert own.folder.load().jobs == {}


def test_a_value_that_few_rows_have_is_not_summed_over(tmp_path: Path) -> None:
    lines = table(1).splitlines()
    lines[1] = lines[1].replace(lines[1].split(",")[2], "rare")
    own = desk(tmp_path, "\n".join(lines))
    own.answer(question(own), b"")  # one of the many that are none of the job's categories
    ward = AskedColumn(name="ward", kind="text", categories=("rare", "w0"))
    with pytest.raises(NotAllowed, match="all but 1 rows are alike in `ward`"):
        own.answer(question(own, encoding=NUMBER.model_copy(update={"columns": (ward,)})), b"")


def test_jobs_and_questions_are_counted_and_asking_again_is_free(tmp_path: Path) -> None:
    own = desk(tmp_path, max_jobs=1)
    first = own.answer(question(own), b"")
    assert own.answer(question(own), b"") == first
    assert own.folder.load().jobs == {"ab" * 32: 1}
    with pytest.raises(NotAllowed, match="allows 1 jobs"):
        own.answer(question(own, game="cd" * 32), b"")


def test_changed_rows_are_noticed_before_anything_is_answered(tmp_path: Path) -> None:
    own = desk(tmp_path)
    own.check_unchanged()
    (tmp_path / "rows.csv").write_text(table(1).replace("w0", "w1", 1))
    changed = Desk.open(tmp_path / "rows.csv", "stay", own.policy, own.folder)
    with pytest.raises(AgentError, match="rows have changed since they were registered"):
        changed.check_unchanged()


def test_noise_is_counted_against_the_budget_and_the_same_question_spends_once(tmp_path: Path) -> None:
    own = desk(tmp_path, noise=NOISE, total_epsilon=1.5, total_delta=1e-6)
    asked = question(own)
    first = own.answer(asked, b"")
    assert own.answer(asked, b"") == first
    assert own.folder.load().spent == (multiplier_for(1.0, 1e-6),)
    own.answer(question(own, game="cd" * 32), b"")
    with pytest.raises(NotAllowed, match="owner's budget is 1"):
        own.answer(question(own, game="ef" * 32), b"")
    unpacked(asked, first, NOISE)


def test_noise_has_the_spread_that_was_said(tmp_path: Path) -> None:
    X, t = np.zeros((400, 2), dtype=np.float32), np.zeros(400)
    off = [noise.noisy_moments(X, t, NOISE, 2.0)["A"] - np.diag([0.0, 0.0, 400.0]) for _ in range(200)]
    # the entry beside the diagonal of a large eigenvalue is hardly touched by taking negative ones away
    assert np.std([each[0, 2] for each in off]) == pytest.approx(2.0 * np.sqrt(2.0) * 16.0, rel=0.2)
    with pytest.raises(NotAllowed, match="budget"):
        noise.check_budget(Policy(learners=("ridge",), noise=NOISE, total_epsilon=0.5, total_delta=1e-6), [])


def test_gradients_are_the_derivatives_of_the_objective(tmp_path: Path) -> None:
    classes = NUMBER.model_copy(update={"target": "ill", "classes": ("no", "yes"), "scale": None})
    own = desk(tmp_path, target="ill", learners=("logistic",))
    X, y = encoding.encoded(own.table, classes)
    models = np.random.default_rng(2).normal(size=(3, 2, 5))
    asked = question(own, encoding=classes, learner="logistic").of("objective", models.tobytes(), 3)
    told = sums.answered(asked, X, y, models)
    moved = models.copy()
    moved[1, 0, 2] += 1e-5
    slope = (sums.answered(asked, X, y, moved)["values"][1] - told["values"][1]) / 1e-5
    assert told["gradients"][1, 0, 2] == pytest.approx(slope, rel=1e-4)


def test_cells_that_say_that_there_is_none_are_missing(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b,c,d\n1,x,?,none\n,NA,2.5,some\n3, y ,unknown,-\n")
    read = tables.read(tmp_path / "rows.csv")
    assert {name: read.kind(name) for name in read.names} == {"a": "number", "b": "text", "c": "number", "d": "text"}
    assert np.isnan(read.numbers["a"]).tolist() == [False, True, False]
    assert np.isnan(read.numbers["c"]).tolist() == [True, False, True]
    assert read.texts == {"b": ("x", None, "y"), "d": ("none", "some", None)}
    assert [read.gaps(name) for name in read.names] == [1, 1, 2, 1]
    assert read.cells()[1] == [None, None, 2.5, "some"]
    with pytest.raises(AgentError, match="1 cells of `b`, which is predicted, are missing"):
        Desk.open(tmp_path / "rows.csv", "b", Policy(), Folder(tmp_path / "state"))


def test_missing_cells_are_filled_and_marked_as_the_question_says(tmp_path: Path) -> None:
    lines = table(1).splitlines()
    ages = ["", *[line.partition(",")[0] for line in lines[2:]]]
    wards = ["w2" if at > 20 else "" for at in range(150)]
    content = [f"{age},60,{ward},1.0,no" for age, ward in zip(ages, wards, strict=True)]
    own = desk(tmp_path, "\n".join([lines[0], *content]))
    assert [column.gaps for column in own.registration().columns] == [True, False, True, False, False]
    age, ward = NUMBER.columns
    filled = NUMBER.model_copy(
        update={
            "columns": (age.model_copy(update={"fill": 60.0}), ward.model_copy(update={"fill": "w1"})),
        }
    )
    X, _ = encoding.encoded(own.table, filled)
    assert X[0].tolist() == [1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    assert X[149, 1:].tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]
    with pytest.raises(NotAllowed, match="all but 1 rows are alike in `age`"):
        own.answer(question(own, encoding=filled), b"")
    with pytest.raises(NotAllowed, match="`age` has missing cells, and the question does not say what they become"):
        own.answer(question(own), b"")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2020-01-01\n", "write them as numbers or texts"),
        ("a,b\n", "no row"),
        ("a,a\n1,2\n", "one name"),
        ("a,b\n1,inf\n", "infinity"),
    ],
)
def test_a_table_that_would_need_guessing_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(AgentError, match=said):
        tables.read(tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("max_jobs = -1", "max_jobs"),
        ("learner = ['ridge']", "learner"),
        ("x =", "Invalid value"),
        ("learners = ['ridge']\nnoise = {epsilon = 1.0, delta = 1e-6, clip = 3.0}", "budget"),
    ],
)
def test_a_policy_that_is_no_policy_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "policy.toml").write_text(content)
    with pytest.raises(AgentError, match=said):
        policy.read(tmp_path / "policy.toml")
    assert policy.read(None) == Policy()


def test_a_damaged_memory_stops_the_agent(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.save(State(rows=3))
    assert folder.load().rows == 3
    (tmp_path / "state.json").write_text('{"rows": ')
    with pytest.raises(AgentError, match="is damaged"):
        folder.load()


def test_what_leaves_is_written_down_first_and_the_key_is_not(tmp_path: Path) -> None:
    seen: list[int] = []

    def answer(_request: httpx.Request) -> httpx.Response:
        seen.append(len((tmp_path / "journal.jsonl").read_text().splitlines()))
        return httpx.Response(200)

    with httpx.Client(transport=JournalTransport(tmp_path, httpx.MockTransport(answer))) as client:
        client.put("http://localhost/x", content=b"sums", headers={"Authorization": "Bearer secret"})
    line = json.loads((tmp_path / "journal.jsonl").read_text())
    assert seen == [1]
    assert (tmp_path / "bodies" / line["sha256"]).read_bytes() == b"sums"
    assert "secret" not in json.dumps(line)


def test_a_service_that_is_away_is_waited_out_and_a_refusal_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.serve._AGAIN_SECONDS", 0.0)
    said: list[str] = []
    left: list[Exception] = [httpx.ConnectError("refused"), Problem(503, {})]

    def act() -> str:
        if left:
            raise left.pop()
        return "registered"

    assert waited_out(act, said.append) == "registered"
    assert len(said) == 2
    left.append(Problem(403, {}))
    with pytest.raises(Problem):
        waited_out(act, said.append)


def test_a_way_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="not encrypted"):
        connect("http://market.example", "key", desk(tmp_path))
