"""What an order asks to be delivered, against what licences grant."""

import uuid

import pytest

from app.datasets.licences import Licence
from app.datasets.tables import Dataset
from app.errors import InvalidInput
from app.valuations.orders.deliverables import check_deliveries, delivery_notes, granted_by
from app.valuations.schemas import NewValuation
from contract.orders.grants import ODRL_ACTIONS, Grant

_DATASET, _TEST = (f"ds_{uuid.UUID(int=number).hex}" for number in (1, 2))


def order(**said: object) -> NewValuation:
    return NewValuation.model_validate({"datasets": [_DATASET], "test_dataset": _TEST, "pool": "1.00"} | said)


def test_a_payee_grants_what_all_of_its_licences_grant_and_an_old_licence_values_alone() -> None:
    all_of_it = Dataset(licence=Licence("MIT", grants=tuple(Grant)).to_json())
    model = Dataset(licence=Licence("MIT", grants=(Grant.VALUE, Grant.MODEL)).to_json())
    old = Dataset(licence={"spdx": "MIT", "purposes": None, "territories": None, "expires_at": None})
    assert granted_by([all_of_it]) == tuple(Grant)
    assert granted_by([all_of_it, model]) == (Grant.VALUE, Grant.MODEL)
    assert granted_by([model, old]) == (Grant.VALUE,)


def test_what_no_licence_serves_is_refused_and_what_some_serve_is_said() -> None:
    payees = [("Ann", (Grant.VALUE, Grant.MODEL)), ("Bob", (Grant.VALUE,))]
    check_deliveries(order(), [])
    check_deliveries(order(deliver=["model"]), payees)
    assert delivery_notes(order(deliver=["model"]), payees) == [
        "Bob: its licence does not grant `model`; the model that you get will be trained without it."
    ]
    with pytest.raises(InvalidInput, match="no licence of these datasets grants `data`"):
        check_deliveries(order(deliver=["model", "data"]), payees)
    with pytest.raises(InvalidInput, match="in partial mode the model is the checkpoint that you brought"):
        check_deliveries(order(deliver=["model"], mode="partial"), payees)
    with pytest.raises(InvalidInput, match="is the checkpoint that you brought, which you have"):
        check_deliveries(order(deliver=["model"]), payees, trained=True)
    many = [(f"p{number}", (Grant.VALUE,)) for number in range(25)]
    assert delivery_notes(order(deliver=["data"]), many)[-1].startswith("5 further licences do not grant `data`")


def test_each_grant_is_one_permission_in_odrl_with_the_licences_limits() -> None:
    offer = Licence("MIT", purposes=("research",), grants=(Grant.VALUE, Grant.DATA)).to_odrl("urn:x")
    assert [each["action"] for each in offer["permission"]] == ["cherish:value", "reproduce"]
    assert all(each["constraint"][0]["rightOperand"] == ["research"] for each in offer["permission"])
    assert set(ODRL_ACTIONS) == set(Grant)
