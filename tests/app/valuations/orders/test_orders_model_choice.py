"""Which model an order asks for: the buyer's own, with weights where it must have them, and no stranger's."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.accounts.tables import Account
from app.checkpoints.tables import Checkpoint, UnlearningDuty, UnlearningStatus
from app.datasets.tables import Dataset, DatasetKind
from app.errors import InvalidInput
from app.http.ids import public_id
from app.identity import Caller, Role
from app.settings import Settings
from app.valuations.orders.model_choice import Chosen, check_memory, check_weights, choose, learner_choice
from app.valuations.schemas import Model, NewValuation
from contract.architectures.model_folder import ModelFacts
from contract.learning.learners import Architecture

FACTS = ModelFacts(family="bert", sizes={"heads": 2, "eps": 1e-12, "positions": 48}, width=16, parameters=1000)
DECODER = FACTS.model_copy(
    update={"family": "llama", "sizes": {"layers": 1, "width": 16, "heads": 2, "kv_heads": 1, "inner": 24}}
)
Make = Callable[..., Checkpoint]


@pytest.fixture
def buyer(session: Session) -> Caller:
    account = Account(name=f"buyer {uuid.uuid4().hex}", role=Role.BUYER)
    session.add(account)
    session.flush()
    return Caller(account.id, Role.BUYER, frozenset(), uuid.uuid4())


@pytest.fixture
def made(session: Session, buyer: Caller) -> Make:
    def make(architecture: Architecture, **columns: Any) -> Checkpoint:
        row = {"buyer_id": buyer.account_id, "name": "it", "hyper": {}} | columns
        checkpoint = Checkpoint(architecture=architecture, **row)
        session.add(checkpoint)
        session.flush()
        return checkpoint

    return make


def folder(made: Make, architecture: Architecture, **columns: Any) -> Checkpoint:
    facts = DECODER if architecture is Architecture.LM else FACTS
    return made(architecture, **{"digest": "d" * 64, "facts": facts.plain()} | columns)


def order(**changes: Any) -> NewValuation:
    ids = [f"ds_{number:032x}" for number in range(3)]
    named = {key: public_id("ck", value) if isinstance(value, uuid.UUID) else value for key, value in changes.items()}
    return NewValuation.model_validate({"datasets": ids[:2], "test_dataset": ids[2], "pool": "1.00"} | named)


def pointer(error: pytest.ExceptionInfo[InvalidInput]) -> str:
    return error.value.errors[0].pointer


def test_without_a_model_it_is_logistic_regression_and_nothing_lies_below(session: Session, buyer: Caller) -> None:
    chosen = choose(session, buyer, order())
    assert (chosen.model.name, chosen.checkpoint, chosen.base, chosen.reads) == ("logistic", None, None, None)
    assert (chosen.weights, chosen.trained, chosen.base_digest) == (None, False, None)


def test_all_hyper_parameters_that_are_wrong_are_told_at_once(session: Session, buyer: Caller) -> None:
    with pytest.raises(InvalidInput) as refusal:
        choose(session, buyer, order(model={"name": "mlp", "hyper": {"steps": 0, "hiden": 3, "lr": 0.1}}))
    assert [error.pointer for error in refusal.value.errors] == ["/model/hyper/hiden", "/model/hyper/steps"]


@pytest.mark.parametrize("learner", ["lm", "lora"])
def test_what_stands_on_a_frozen_model_needs_one(session: Session, buyer: Caller, learner: str) -> None:
    with pytest.raises(InvalidInput, match=f"{learner} needs a base") as refusal:
        choose(session, buyer, order(model={"name": learner}))
    assert pointer(refusal) == "/base"


@pytest.mark.parametrize(
    ("learner", "below", "fits"),
    [
        ("logistic", Architecture.ENCODER, True),
        ("mlp", Architecture.BACKBONE, True),
        ("lora", Architecture.ENCODER, True),
        ("lm", Architecture.LM, True),
        ("logistic", Architecture.LM, False),
        ("lm", Architecture.ENCODER, False),
        ("cnn", Architecture.BACKBONE, False),
        ("lora", Architecture.MLP, False),
    ],
)
def test_a_base_is_of_a_kind_that_the_model_stands_on(
    session: Session, buyer: Caller, made: Make, learner: str, below: Architecture, fits: bool
) -> None:
    base = folder(made, below)
    asked = order(model={"name": learner}, base=base.id)
    if fits:
        chosen = choose(session, buyer, asked)
        assert (chosen.base, chosen.reads, chosen.base_digest) == (base, below, base.digest)
    else:
        with pytest.raises(InvalidInput, match=f"is no base for {learner}") as refusal:
            choose(session, buyer, asked)
        assert pointer(refusal) == "/base"


def test_a_base_has_its_folder_and_stands_on_nothing_itself(session: Session, buyer: Caller, made: Make) -> None:
    empty = made(Architecture.ENCODER)
    with pytest.raises(InvalidInput, match="has no weights; upload the zip of the model folder first"):
        choose(session, buyer, order(base=empty.id))
    adapters = folder(made, Architecture.LM, base_id=folder(made, Architecture.LM).id)
    with pytest.raises(InvalidInput, match="is no base for lm"):
        choose(session, buyer, order(model={"name": "lm"}, base=adapters.id))


def test_a_strangers_checkpoint_is_as_if_there_were_none(session: Session, buyer: Caller, made: Make) -> None:
    other = Account(name=f"other {uuid.uuid4().hex}", role=Role.BUYER)
    session.add(other)
    session.flush()
    theirs = folder(made, Architecture.ENCODER, buyer_id=other.id)
    for field in ("base", "checkpoint"):
        with pytest.raises(InvalidInput, match=rf"no checkpoint {public_id('ck', theirs.id)} of yours") as refusal:
            choose(session, buyer, order(**{field: theirs.id}))
        assert pointer(refusal) == f"/{field}"


def test_a_checkpoint_brings_its_model_its_weights_and_its_base(session: Session, buyer: Caller, made: Make) -> None:
    base = folder(made, Architecture.ENCODER)
    head = made(
        Architecture.MLP, base_id=base.id, hyper={"hidden": 8}, digest="e" * 64, tensors={"0.weight": {}, "base.x": {}}
    )
    for named in ({}, {"base": base.id}):
        chosen = choose(session, buyer, order(checkpoint=head.id, **named))
        assert (chosen.model.name, chosen.model.hyper) == ("mlp", {"hidden": 8})
        assert (chosen.weights, chosen.trained, chosen.base) == (head.digest, True, base)
    before = made(Architecture.MLP, digest="f" * 64, tensors={"base.0.weight": {}})
    assert not choose(session, buyer, order(checkpoint=before.id)).trained, "the model before it saw anybody's data"


def test_a_checkpoint_stands_on_its_own_base_and_on_no_other(session: Session, buyer: Caller, made: Make) -> None:
    base, another = folder(made, Architecture.ENCODER), folder(made, Architecture.ENCODER)
    head = made(Architecture.MLP, base_id=base.id)
    with pytest.raises(InvalidInput, match=f"stands on {public_id('ck', base.id)} and on no other base"):
        choose(session, buyer, order(checkpoint=head.id, base=another.id))
    alone = made(Architecture.MLP)
    with pytest.raises(InvalidInput, match="was created without a base"):
        choose(session, buyer, order(checkpoint=alone.id, base=base.id))


@pytest.mark.parametrize("frozen", [Architecture.ENCODER, Architecture.BACKBONE, Architecture.LM])
def test_a_model_folder_is_a_base_and_no_checkpoint(
    session: Session, buyer: Caller, made: Make, frozen: Architecture
) -> None:
    with pytest.raises(InvalidInput, match="give it as base"):
        choose(session, buyer, order(checkpoint=folder(made, frozen).id))


def test_a_checkpoint_that_is_being_unlearned_is_refused_until_it_is_done(
    session: Session, buyer: Caller, made: Make
) -> None:
    checkpoint = made(Architecture.MLP)
    dataset = Dataset(provider_id=buyer.account_id, name="it", kind=DatasetKind.TRAIN)
    session.add(dataset)
    session.flush()
    duty = UnlearningDuty(checkpoint_id=checkpoint.id, dataset_id=dataset.id, status=UnlearningStatus.WAITING)
    session.add(duty)
    session.flush()
    with pytest.raises(InvalidInput, match="is being made to forget a dataset"):
        choose(session, buyer, order(checkpoint=checkpoint.id))


def test_a_base_that_takes_more_than_half_a_workers_memory_is_refused_with_both_numbers() -> None:
    base = Checkpoint(architecture=Architecture.LM, facts=FACTS.model_copy(update={"parameters": 1000}).plain())
    chosen = Chosen(Model(name="lm"), None, base)
    check_memory(Settings(worker_max_memory_bytes=8000), chosen)
    with pytest.raises(InvalidInput, match="1000 parameters, 4000 bytes in float32, and a worker here has 7999"):
        check_memory(Settings(worker_max_memory_bytes=7999), chosen)
    check_memory(Settings(worker_max_memory_bytes=1), Chosen(Model(), None, None))


def test_weights_of_another_shape_are_refused_by_the_first_tensor_that_differs() -> None:
    tensors = {"weight": {"dtype": "F32", "shape": [3, 4]}, "bias": {"dtype": "F32", "shape": [3]}}
    checkpoint = Checkpoint(architecture=Architecture.LOGISTIC, hyper={}, tensors=tensors)
    chosen = Chosen(Model(), checkpoint, None)
    check_weights(chosen, (4,), 3)
    with pytest.raises(InvalidInput, match=r"tensor `weight` has shape \[3, 4\].* has shape \[3, 5\]"):
        check_weights(chosen, (5,), 3)


def test_the_engine_is_given_the_sizes_of_the_model_below_and_not_how_long_a_block_is() -> None:
    base = Checkpoint(architecture=Architecture.ENCODER, facts=FACTS.plain())
    lora = learner_choice(Chosen(Model(name="lora", hyper={"rank": 2}), None, base))
    assert lora.hyper == {"heads": 2, "eps": 1e-12, "rank": 2}
    language = learner_choice(Chosen(Model(name="lm", hyper={"context": 16, "rank": 2}), None, base))
    assert "context" not in language.hyper
    assert language.hyper["heads"] == 2
    assert learner_choice(Chosen(Model(name="mlp", hyper={"hidden": 3}), None, base)).hyper == {"hidden": 3}


def test_a_model_that_was_admitted_without_its_base_is_a_fault_of_ours() -> None:
    with pytest.raises(AssertionError, match="lora was admitted without its base"):
        _ = Chosen(Model(name="lora"), None, None).frozen_base
