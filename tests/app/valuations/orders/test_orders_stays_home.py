"""What an order may ask where data stays with its owner: the rest is refused by name, before there is a job."""

import uuid
from typing import Any

import pytest

from app.datasets.tables import Dataset
from app.errors import InvalidInput
from app.valuations.orders.model_choice import Chosen
from app.valuations.orders.quotes import JobSize
from app.valuations.orders.stays_home import (
    METHODS_OF_MODELS,
    METHODS_OF_SUMS,
    NEEDED,
    check_adapter,
    check_network,
    check_order,
    composed_by,
    notes,
)
from app.valuations.schemas import Model, NewValuation
from contract.agent_texts import RegisteredBase, RegisteredTexts
from contract.agents import NoiseTerms, RegisteredColumn, Registration
from contract.orders.game import FrozenGame, LearnerChoice, TokenBlocks
from worker.engine.games.away import COMPOSED_OF_MODELS, METHODS_WITHOUT_ROWS, SETTINGS_WITHOUT_ROWS

HOME, UPLOADED, TEST = (uuid.UUID(int=number) for number in (1, 2, 3))
NOISE = NoiseTerms(epsilon=1.0, delta=1e-6, clip=4.0)
COLUMNS = (RegisteredColumn(name="a", kind="number"), RegisteredColumn(name="y", kind="number"))


def registration(**changes: Any) -> Registration:
    said = {"rows": 200, "columns": COLUMNS, "target": "y", "commitment": "ab" * 32, "learners": ("ridge", "logistic")}
    return Registration(**{**said, **changes})


def check(
    learner: str = "ridge",
    away: Registration | None = None,
    together: bool = False,
    explores: bool = False,
    hyper: dict[str, int] | None = None,
    **changes: Any,
) -> None:
    body = {"datasets": [HOME, UPLOADED], "test_dataset": TEST, "pool": "1.00", "model": {"name": learner}} | changes
    if learner == "ridge":
        body |= {"target_is": "number", "metric": "r2"}
    home, uploaded = Dataset(id=HOME), Dataset(id=UPLOADED)
    groups = [[home, uploaded]] if together else [[home], [uploaded]]
    chosen = Chosen(Model(name=learner, hyper=hyper or {}), None, None)
    check_order(NewValuation.model_validate(body), chosen, groups, {HOME: away or registration()}, explores=explores)


def test_learners_that_sums_suffice_for_are_the_same_here_and_in_the_engine() -> None:
    check("ridge")
    check("logistic", class_weights="balanced")
    check("mlp", away=registration(learners=("mlp",)), hyper={"double": 1})
    opens = registration(learners=("mlp",), open_rows=4)
    check("mlp", away=opens, hyper={"double": 1}, payout={"open_rows": 4})
    assert NEEDED == SETTINGS_WITHOUT_ROWS
    assert {each.value: {method} for each, method in METHODS_OF_SUMS.items()} == METHODS_WITHOUT_ROWS


@pytest.mark.parametrize(
    ("pointer", "learner", "changes"),
    [
        ("/model/name", "cnn", {}),
        ("/model/hyper/double", "mlp", {"away": registration(learners=("mlp",))}),
        ("/model/hyper/batch", "mlp", {"hyper": {"batch": 8, "double": 1}, "away": registration(learners=("mlp",))}),
        ("/datasets/0", "ridge", {"payout": {"open_rows": 4}, "away": registration(open_rows=3)}),
        ("/mode", "logistic", {"mode": "partial"}),
        ("/payout/shards", "logistic", {"payout": {"shards": 20}}),
        ("/class_weights", "logistic", {"class_weights": "pooled"}),
        ("/deliver", "logistic", {"deliver": ["model"]}),
        ("/device", "logistic", {"device": "gpu"}),
        ("/rows", "logistic", {"rows": "values"}),
        ("/fidelity", "logistic", {"fidelity": "repair"}),
        ("/unlearning/method", "logistic", {"unlearning": {"method": "newton"}}),
        ("/datasets/0", "logistic", {"away": registration(learners=("ridge",))}),
        ("/datasets/0", "ridge", {"together": True}),
        ("/datasets/0", "ridge", {"explores": True}),
    ],
)
def test_what_needs_rows_is_refused_at_its_field(pointer: str, learner: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check(learner, **changes)
    # a learner that no owner answers for is a fault of each dataset too
    assert {each.pointer for each in refusal.value.errors} - {pointer} <= (
        {"/datasets/0"} if learner == "cnn" else set()
    )
    assert refusal.value.errors[0].pointer == pointer


def test_a_buyer_is_told_whose_rows_nobody_has_seen_and_of_their_noise() -> None:
    groups = [[Dataset(id=HOME)], [Dataset(id=UPLOADED)]]
    told = notes(groups, ["ward 3", "ward 4"], {HOME: registration(learners=("ridge",), noise=NOISE)})
    assert "The rows of ward 3 stay with their owners" in told[0]
    assert "ward 4" not in " ".join(told)
    assert "epsilon 1, delta 1e-06" in told[-1]
    assert notes(groups, ["ward 3", "ward 4"], {}) == []


@pytest.mark.parametrize(
    ("pointer", "hyper", "options", "rows"),
    [
        ("/model/hyper/hidden", {"hidden": 4096, "layers": 2}, {}, 200),
        ("/model/hyper/hidden", {"hidden": 5000}, {}, 200),
        ("/unlearning/options/tangent.sketch", {}, {"tangent.sketch": 100}, 200),
        ("", {}, {"tangent.sketch": 99}, 200),
    ],
)
def test_a_network_is_no_larger_than_agents_answer_for(
    pointer: str, hyper: dict[str, int], options: dict[str, int], rows: int
) -> None:
    body = {"datasets": [HOME], "test_dataset": TEST, "pool": "1.00", "unlearning": {"options": options}}
    chosen = Chosen(Model(name="mlp", hyper=hyper), None, None)
    args = NewValuation.model_validate(body), chosen, JobSize(rows=200, width=10, classes=2, test_rows=50)
    check_network(*args, [])  # nothing stays at home
    if not pointer:
        check_network(*args, [500, rows])
        return
    with pytest.raises(InvalidInput) as refusal:
        check_network(*args, [500, rows])
    assert refusal.value.errors[0].pointer == pointer


TEXTS = Registration(
    rows=200,
    columns=(RegisteredColumn(name="text", kind="text"),),
    commitment="ab" * 32,
    learners=("lm",),
    texts=RegisteredTexts(bases=(RegisteredBase(digest="ab" * 32, blocks={128: 300}),)),
)
UNAUDITED: dict[str, Any] = {"away": TEXTS, "fidelity": "unlearn", "max_retrains": 0, "metric": "log_loss"}


def test_methods_that_put_models_together_are_the_same_here_and_in_the_engine() -> None:
    assert {"lm": frozenset(METHODS_OF_MODELS)} == COMPOSED_OF_MODELS
    for method in (None, *METHODS_OF_MODELS):
        check("lm", **UNAUDITED, unlearning={"method": method})
        body = {"datasets": [HOME], "test_dataset": TEST, "pool": "1.00", "unlearning": {"method": method}}
        chosen = Chosen(Model(name="lm", hyper={}), None, None)
        order = NewValuation.model_validate(body)
        assert composed_by(order, chosen, {HOME: TEXTS}) == (method or "mixture")
        assert composed_by(order, chosen, {}) is None


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/fidelity", {"fidelity": "auto"}),
        ("/max_retrains", {"max_retrains": 8}),
        ("/unlearning/method", {"unlearning": {"method": "tangent"}}),
        ("/mode", {"mode": "partial"}),
        ("/deliver", {"deliver": ["model"]}),
        ("/rows", {"rows": "values"}),
        ("/datasets/0", {"away": registration()}),
    ],
)
def test_what_needs_documents_is_refused_at_its_field(pointer: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check("lm", **UNAUDITED | changes)
    assert [each.pointer for each in refusal.value.errors] == [pointer]


def test_an_adapter_is_no_larger_than_agents_send() -> None:
    def game(rank: int, composed: str | None = "mixture") -> FrozenGame:
        hyper = {"layers": 32, "width": 4096, "heads": 32, "inner": 11008, "rank": rank}
        blocks = TokenBlocks(context=128, vocabulary=32000, domain_column=None, domains=("",))
        return FrozenGame(
            players=(), test="", encoding=blocks, learner=LearnerChoice(name="lm", hyper=hyper), checkpoint=None,
            metric="log_loss", mode="full", unlearning={}, seed=0, device="cpu", composed=composed,
        )  # fmt: skip

    check_adapter(game(4))
    check_adapter(game(16, composed=None))
    with pytest.raises(InvalidInput, match="set rank lower"):
        check_adapter(game(16))


def test_a_buyer_of_models_of_documents_is_told_that_nothing_audits_them() -> None:
    groups = [[Dataset(id=HOME)], [Dataset(id=UPLOADED)]]
    told = notes(groups, ["press", "radio"], {HOME: TEXTS})
    assert "The documents of press stay with their owners" in told[0]
    assert "Worths are unaudited" in told[0]
    assert any("bears an adapter out" in each for each in told)
